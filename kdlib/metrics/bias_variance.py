"""Noise, bias and variance of the cross-entropy, about the mean of the logarithms."""

from typing import NamedTuple

import torch


class Decomposition(NamedTuple):
    """Parts of the mean cross-entropy of M models, each ``(…,)`` in nats.

    Attributes:
        noise: entropy of the true probabilities.
        bias: divergence of the mean prediction from them.
        variance: mean divergence of the models from the mean prediction.
    """

    noise: torch.Tensor
    bias: torch.Tensor
    variance: torch.Tensor


def mean_prediction(logits):
    r"""Logarithm of the mean prediction of M models: of the mean of the logarithms.

    .. math:: \ln \bar y = \ln \mathrm{softmax}\Bigl(\frac1M \sum_m z_m\Bigr)

    The mean of the models' log-probabilities, made to sum to one, is the softmax of the
    mean logits: a constant that is subtracted from all logits of a model drops out.

    Args:
        logits: of M models, ``(M, …, c)``.

    Returns:
        ``(…, c)``, float64.

    Raises:
        ValueError: there is no model, or the logits have no class axis.

    Example:
        >>> logits = torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]])
        >>> mean_prediction(logits).exp()
        tensor([[0.5000, 0.5000]], dtype=torch.float64)

    Source: Heskes 1998; Zhou et al. 2021, Section 3.
    """
    _check_models(logits)
    return torch.log_softmax(logits.double().mean(0), dim=-1)


def decompose(logits, probabilities, *, corrected=False):
    r"""Noise, bias and variance of M models on points whose true law is known.

    .. math::
        \frac1M \sum_m \Bigl(-\sum_k y_k \ln p_{mk}\Bigr) =
        \underbrace{-\sum_k y_k \ln y_k}_{\text{noise}} +
        \underbrace{\mathrm{KL}(y \,\|\, \bar y)}_{\text{bias}} +
        \underbrace{-\ln Z}_{\text{variance}}, \qquad
        Z = \sum_k \exp\Bigl(\frac1M \sum_m \ln p_{mk}\Bigr)

    The sum is exact in the sample, for any y, and the variance needs no y.

    Args:
        logits: of M models, ``(M, …, c)``.
        probabilities: y, true probabilities of the classes, ``(…, c)``; a one-hot label
            has noise 0.
        corrected: whether the variance is that of infinitely many models, estimated as
            M/(M − 1) times that of the M; the bias gives what it gains.

    Returns:
        :class:`Decomposition` of float64 tensors ``(…,)``.

    Raises:
        ValueError: the shapes do not fit, or ``corrected`` with a single model.

    Example:
        >>> logits = torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]])
        >>> parts = decompose(logits, torch.tensor([[1.0, 0.0]]))
        >>> [round(part.item(), 4) for part in parts]
        [0.0, 0.6931, 0.4338]

    Source: Heskes 1998; Zhou et al. 2021, Section 3; −ln Z and the correction are ours.
    """
    log_mean = mean_prediction(logits)
    if probabilities.shape != log_mean.shape:
        raise ValueError(
            f"probabilities must have shape {tuple(log_mean.shape)}, got "
            f"{tuple(probabilities.shape)}"
        )
    M = len(logits)
    if corrected and M < 2:
        raise ValueError(f"a corrected variance needs at least 2 models, got {M}")
    y = probabilities.double()
    noise = torch.special.entr(y).sum(-1)
    crossed = -(y * log_mean).sum(-1)
    variance = variance_of(logits)
    lacking = variance / (M - 1) if corrected else torch.zeros_like(variance)
    return Decomposition(noise, crossed - noise - lacking, variance + lacking)


def variance_of(logits):
    r"""The variance alone, :math:`-\ln Z`, which needs no true probabilities.

    .. math:: -\ln Z = \frac1M \sum_m \mathrm{lse}(z_m) - \mathrm{lse}(\bar z)

    lse is the logarithm of the sum of the exponentials: the variance is how far it lies
    above its value at the mean, as of a convex function.

    Args:
        logits: of M models, ``(M, …, c)``.

    Returns:
        ``(…,)``, float64.

    Raises:
        ValueError: as :func:`mean_prediction`.

    Example:
        >>> variance_of(torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]]))
        tensor([0.4338], dtype=torch.float64)

    Source: Zhou et al. 2021, Section 3; this form is ours.
    """
    _check_models(logits)
    logits = logits.double()
    return torch.logsumexp(logits, dim=-1).mean(0) - torch.logsumexp(logits.mean(0), -1)


def _check_models(logits):
    """Raise ValueError where there is no model or no class."""
    if logits.ndim < 2 or not len(logits):
        raise ValueError(
            f"logits must have shape (M, …, c) with M >= 1, got {tuple(logits.shape)}"
        )
