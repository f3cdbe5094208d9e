"""The kinds of losses that the chapters compare, and their training side by side."""

from typing import NamedTuple

import torch

from kdlib import losses
from kdlib.papers.zhou import samples

MODES = ("plain", "weighted", "mean", "without", "only", "on them", "on others")


class Kind(NamedTuple):
    r"""A loss of students: :math:`h\,L_{ce} + s\, m\, L_{kd}`, sample by sample.

    Attributes:
        hard: h, weight of the label loss.
        soft: s, weight of the soft loss.
        temperature: τ of the soft loss.
        smoothing: share of the label that goes to all classes alike.
        teacher: number of the teacher.
        mode: what the multiplier m is. ``plain``: 1. ``weighted``: the weight of
            ``losses.soft_label_weights``. ``mean``: its mean over the batch.
            ``without`` and ``only``: 0 on regularization samples, or on all others.
            ``on them`` and ``on others``: the weight there, and 1 elsewhere. A
            regularization sample is one by the coordinate of the label.
    """

    hard: float = 1.0
    soft: float = 0.0
    temperature: float = 1.0
    smoothing: float = 0.0
    teacher: int = 0
    mode: str = "plain"


def multipliers(mode, weights, marked):
    """The multiplier m of a mode, sample by sample.

    Args:
        mode: one of ``MODES``.
        weights: of ``losses.soft_label_weights``, ``(…, b)``.
        marked: which samples are regularization samples, ``(…, b)``.

    Returns:
        ``(…, b)``.

    Raises:
        ValueError: an unknown mode.

    Example:
        >>> weights = torch.tensor([0.2, 0.8])
        >>> multipliers("on them", weights, torch.tensor([True, False]))
        tensor([0.2000, 1.0000])

    Source: Zhou et al. 2021, Section 4, Tables 5 and 7; ``mean`` is ours.
    """
    found = {
        "plain": torch.ones_like(weights),
        "weighted": weights,
        "mean": weights.mean(-1, keepdim=True).expand_as(weights),
        "without": 1.0 - marked.to(weights.dtype),
        "only": marked.to(weights.dtype),
        "on them": torch.where(marked, weights, 1.0),
        "on others": torch.where(marked, 1.0, weights),
    }
    if mode not in found:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}")
    return found[mode]


def loss(logits, teacher_logits, labels, kinds):
    """The losses of a stack, each network's by its kind.

    Args:
        logits: ``(S, K, b, c)``.
        teacher_logits: of each kind's teacher, ``(S, K, b, c)``.
        labels: ``(S, b)``.
        kinds: K of :class:`Kind`.

    Returns:
        One loss an example, ``(S, K, b)``.

    Source: Zhou et al. 2021, Section 4.
    """
    places = labels[:, None].expand(logits.shape[:-1])
    logs = torch.log_softmax(logits, dim=-1)
    on_label = logs.gather(-1, places[..., None])[..., 0]
    smoothing = _column(kinds, "smoothing", logits)
    hard = (smoothing - 1) * on_label - smoothing * logs.mean(-1)
    tau = _column(kinds, "temperature", logits)[..., None]
    # dividing both by τ leaves the temperature of the function at 1, and its factor out
    divided = [logits / tau, teacher_logits / tau]
    soft = tau[..., 0] ** 2 * losses.soft_loss(*divided, temperature=1.0)
    with torch.no_grad():
        m = _all_multipliers(logits, teacher_logits, places, kinds)
    h = _column(kinds, "hard", logits)
    s = _column(kinds, "soft", logits)
    return h * hard + s * m * soft


def train(
    network, x, labels, teacher_logits, kinds, *, seeds, epochs, batch_size, rate, kept
):
    """Train a stack by stochastic gradient descent with momentum 0.9, in place.

    Each seed has its own order of its samples, one for all of its kinds.

    Args:
        network: ``models.StackedMLP`` of S seeds and K kinds.
        x: inputs of each seed, ``(S, n, d)``.
        labels: ``(S, n)``.
        teacher_logits: of J teachers, ``(S, J, n, c)``.
        kinds: K of :class:`Kind`.
        seeds: S, of the orders.
        epochs: passes, in whole batches of a new order.
        batch_size: samples an update, at most n.
        rate: learning rate.
        kept: epochs after which it pauses; 0 is the start.

    Yields:
        Each kept epoch, when it is over.

    Raises:
        ValueError: a loss is not finite at the end of an epoch.

    Source: none; the settings are ours.
    """
    n = x.shape[1]
    size = min(batch_size, n)
    draws = [torch.Generator().manual_seed(2**32 + seed) for seed in seeds]
    rows = torch.arange(len(seeds), device=x.device)[:, None]
    of_kind = teacher_logits[:, [kind.teacher for kind in kinds]]
    optimiser = torch.optim.SGD(
        network.parameters(), lr=rate, momentum=0.9, nesterov=True, foreach=True
    )
    for epoch in range(epochs + 1):
        if epoch in kept:
            yield epoch
        if epoch == epochs:
            return
        order = torch.stack([torch.randperm(n, generator=draw) for draw in draws])
        for index in order.to(x.device)[:, : n - n % size].split(size, dim=1):
            taught = of_kind.transpose(1, 2)[rows, index].transpose(1, 2)
            logits = network(x[rows, index])
            found = loss(logits, taught, labels[rows, index], kinds)
            optimiser.zero_grad()
            found.mean(-1).sum().backward()
            optimiser.step()
        if not found.isfinite().all():
            raise ValueError(
                f"the loss must stay finite, got another one in epoch {epoch + 1}: "
                f"rate is {rate}"
            )


def kept_epochs(epochs):
    """Epochs that are measured: powers of two, and the last one.

    Args:
        epochs: the last one.

    Returns:
        Growing list.

    Example:
        >>> kept_epochs(10)
        [1, 2, 4, 8, 10]
    """
    powers = [2**power for power in range(epochs.bit_length())]
    return sorted({power for power in powers if power < epochs} | {epochs})


def _all_multipliers(logits, teacher_logits, labels, kinds):
    """The multipliers of each network's mode, ``(S, K, b)``."""
    weights = losses.soft_label_weights(logits, teacher_logits, labels)
    parts = []
    for k, kind in enumerate(kinds):
        marked = weights[:, k] < 0
        if kind.mode in ("without", "only", "on them", "on others"):
            marked = samples.are_regularization(
                logits[:, k],
                teacher_logits[:, k],
                labels[:, k],
                temperature=kind.temperature,
                reading="label",
            )
        parts.append(multipliers(kind.mode, weights[:, k], marked))
    return torch.stack(parts, dim=1)


def _column(kinds, name, like):
    """One number of each kind as ``(K, 1)``."""
    return like.new_tensor([getattr(kind, name) for kind in kinds])[:, None]
