"""Labels that a network refines with its own predictions while it is trained."""

from typing import NamedTuple

import torch
import torch.nn.functional as F


class Refining(NamedTuple):
    """How labels are refined.

    Attributes:
        weight: λ of the own prediction, or the factor of what sets its pace.
        pace: ``constant``; ``agreement``, the share of the samples whose prediction is
            the given label; ``linear``, e / E in epoch e of E; or ``harmonic``,
            1 − 1 / e.
        temperature: t of the own prediction; 0 is the arg-max.
        is_last: whether the prediction is that of the epoch before, not the present
            one.
    """

    weight: float
    pace: str
    temperature: float
    is_last: bool


#: The losses by name. ``plain`` has no prediction of its own in it; the next five
#: circulate as self-distillation; in the last two, ours, the given labels lose all
#: their weight.
LOSSES = {
    "plain": Refining(0.0, "constant", 1.0, False),
    "fixed soft": Refining(0.2, "constant", 1.0, False),
    "last soft": Refining(0.1, "constant", 1.0, True),
    "agreeing arg-max": Refining(1.0, "agreement", 0.0, False),
    "fixed arg-max": Refining(0.1, "constant", 0.0, False),
    "agreeing sharp": Refining(0.9, "agreement", 0.5, False),
    "linear arg-max": Refining(1.0, "linear", 0.0, False),
    "harmonic arg-max": Refining(1.0, "harmonic", 0.0, False),
}


def refined_labels(
    given, outputs, *, loss, last=None, epoch=1, epochs=1, are_probabilities=False
):
    r"""Given labels mixed with the network's own predictions.

    .. math::
        \hat y = (1 - \lambda)\, y + \lambda\, p, \qquad
        p = \operatorname{softmax}(z / t), \text{ or } e_{\arg\max z} \text{ for } t = 0

    The weight λ is a constant, or a factor times the agreement
    :math:`\frac1n \#\{i : \arg\max z_i = \arg\max y_i\}` of the n samples at hand, or
    grows with the number e of the epoch. No gradient goes through the result.

    ====================  ===================  ===========  ==============
    loss                  λ                    t            predictions of
    ====================  ===================  ===========  ==============
    ``plain``             0                    1            now
    ``fixed soft``        0.2                  1            now
    ``last soft``         0.1                  1            the last epoch
    ``agreeing arg-max``  agreement            0 (arg-max)  now
    ``fixed arg-max``     0.1                  0 (arg-max)  now
    ``agreeing sharp``    0.9 times agreement  0.5          now
    ``linear arg-max``    e / E                0 (arg-max)  now
    ``harmonic arg-max``  1 − 1 / e            0 (arg-max)  now
    ====================  ===================  ===========  ==============

    Args:
        given: labels y as rows of probabilities, ``(…, n, c)``.
        outputs: logits z now, ``(…, n, c)``.
        loss: a name of ``LOSSES``.
        last: logits of the epoch before, ``(…, n, c)``; those of now if not given.
        epoch: number e of the epoch, from 1 on.
        epochs: their number E.
        are_probabilities: whether the outputs are those of a network that learns labels
            by the squared error. Then p is the output itself for t = 1, and else its
            positive part to the power 1 / t, scaled to the sum 1.

    Returns:
        Labels ``(…, n, c)`` and weights ``(…)``.

    Raises:
        ValueError: an unknown loss, shapes that do not fit, or an epoch outside 1 … E.

    Example:
        >>> given = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
        >>> labels, weight = refined_labels(given, logits, loss="agreeing arg-max")
        >>> weight.item(), labels.tolist()
        (0.5, [[1.0, 0.0], [0.5, 0.5]])

    Source: Dong et al. 2019, self-distillation. The text of their Algorithm 1 was not
    found; the five losses are those of the public repository
    lizhemin15/self-distillation, which calls its code that of the authors. The value
    0.5 of t is ours.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
    if given.shape != outputs.shape or (last is not None and last.shape != given.shape):
        raise ValueError(
            "given, outputs and last must share one shape (…, n, c), got "
            f"{tuple(given.shape)} and {tuple(outputs.shape)}"
            + (f" and {tuple(last.shape)}" if last is not None else "")
        )
    if not 1 <= epoch <= epochs:
        raise ValueError(f"epoch must be in 1 … {epochs}, got {epoch}")
    how = LOSSES[loss]
    z = (last if how.is_last and last is not None else outputs).detach()
    weight = z.new_full(z.shape[:-2], how.weight)
    if how.pace == "agreement":
        agrees = z.argmax(-1) == given.argmax(-1)
        weight = weight * agrees.to(z.dtype).mean(-1)
    if how.pace == "linear":
        weight = weight * epoch / epochs
    if how.pace == "harmonic":
        weight = weight * (1 - 1 / epoch)
    p = _own(z, how.temperature, are_probabilities)
    w = weight[..., None, None]
    return (1 - w) * given + w * p, weight


def refining_loss(logits, given, *, loss, last=None, epoch=1, epochs=1):
    r"""Divergence of the network's answer from the refined labels, one a sample.

    .. math:: \mathrm{KL}(\hat y \,\|\, \operatorname{softmax}(z))
        = \sum_k \hat y_k \bigl(\ln \hat y_k - \ln \operatorname{softmax}(z)_k\bigr)

    Args:
        logits: z, ``(…, n, c)``.
        given: labels as rows of probabilities, ``(…, n, c)``.
        loss: a name of ``LOSSES``.
        last: logits of the epoch before, see :func:`refined_labels`.
        epoch: number e of the epoch, from 1 on.
        epochs: their number E.

    Returns:
        ``(…, n)``.

    Raises:
        ValueError: see :func:`refined_labels`.

    Example:
        >>> logits = torch.tensor([[0.0, 0.0]])
        >>> given = torch.tensor([[1.0, 0.0]])
        >>> refining_loss(logits, given, loss="plain")
        tensor([0.6931])

    Source: as :func:`refined_labels`; for ``plain`` it is the cross-entropy.
    """
    labels, _ = refined_labels(
        given, logits, loss=loss, last=last, epoch=epoch, epochs=epochs
    )
    return (torch.xlogy(labels, labels) - labels * F.log_softmax(logits, -1)).sum(-1)


def _own(z, t, are_probabilities):
    """The network's own prediction p, ``(…, n, c)``."""
    if t == 0:
        return F.one_hot(z.argmax(-1), z.shape[-1]).to(z.dtype)
    if not are_probabilities:
        return torch.softmax(z / t, -1)
    if t == 1:
        return z
    powers = z.clamp(min=0) ** (1 / t)
    return powers / powers.sum(-1, keepdim=True).clamp(min=torch.finfo(z.dtype).tiny)
