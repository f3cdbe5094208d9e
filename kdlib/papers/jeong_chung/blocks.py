"""Block correlations: samples that are alike by class and by superclass, and what their
three levels say of the rounds that self-distillation needs."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F


class Factors(NamedTuple):
    """What a round keeps of a label's part of each level: λ / (λ + K N λ_W)."""

    sample: float  # p, of what is a sample's own
    group: float  # q, of what the samples of a class share
    cluster: float  # r, of what the classes of a superclass share


def gram(clusters, samples, *, within, between, across=0.0):
    """Correlations of samples of the same number for each class, class after class.

    They are 1 of a sample with itself, ``within`` a class, ``between`` classes of a
    superclass, and ``across`` superclasses.

    Args:
        clusters: ``(c,)`` integers, the superclass of each class.
        samples: n, the samples of a class.
        within: c, in [between, 1).
        between: d, in [across, within].
        across: e, in [0, between].

    Returns:
        float64 tensor ``(c n, c n)``.

    Raises:
        ValueError: the correlations do not fall from level to level.

    Source: Jeong & Chung 2025, Section 4.
    """
    _check(within, between, across)
    classes = torch.arange(len(clusters)).repeat_interleave(samples)
    of_samples = clusters[classes]
    is_class = classes[:, None] == classes
    is_cluster = of_samples[:, None] == of_samples
    G = torch.full(is_class.shape, float(across), dtype=torch.float64)
    G[is_cluster] = between
    G[is_class] = within
    return G.fill_diagonal_(1)


def factors(clusters, samples, *, within, between, across=0.0, weight_decay):
    r"""What a round keeps of the label's parts of sample, class and superclass.

    With n samples a class and m classes in each superclass the Gram matrix has the
    eigenvalues

    .. math:: 1 - c, \qquad 1 - c + n (c - d), \qquad 1 - c + n (c - d) + n m (d - e),

    and that of the whole, on which labels that are balanced have nothing. Each becomes
    a factor :math:`\lambda_i / (\lambda_i + K^2 n \lambda)`.

    Args:
        clusters: as in :func:`gram`, each superclass of the same size.
        samples: n.
        within: c.
        between: d.
        across: e.
        weight_decay: λ of the penalty, > 0.

    Returns:
        Factors

    Raises:
        ValueError: superclasses of different sizes, or correlations that do not fall.

    Source: Jeong & Chung 2025, Section 4; the third level is ours.
    """
    _check(within, between, across)
    sizes = torch.bincount(clusters)
    sizes = sizes[sizes > 0]
    if (sizes != sizes[0]).any():
        raise ValueError(f"superclasses must be of one size, got {sizes.tolist()}")
    own = 1 - within
    shared = own + samples * (within - between)
    wide = shared + samples * sizes[0].item() * (between - across)
    penalty = len(clusters) ** 2 * samples * weight_decay
    return Factors(*(value / (value + penalty) for value in (own, shared, wide)))


def margin(corruption, clusters):
    """How far a true label is ahead of the most frequent wrong one of its superclass.

    Args:
        corruption: C, ``(c, c)``.
        clusters: ``(c,)``.

    Returns:
        The least C_kk − C_kk' over classes k and other classes k' of its superclass.

    Source: Jeong & Chung 2025, Eq. 10.
    """
    rivals = (clusters[:, None] == clusters).fill_diagonal_(False)
    ahead = corruption.diagonal()[:, None] - corruption
    return ahead[rivals].min().item()


def threshold(parts, rounds):
    """The margin above which every training sample is right after so many rounds.

    Args:
        parts: Factors.
        rounds: t.

    Returns:
        1 / ((q/p)ᵗ − 1), infinite where a class and a sample keep the same.

    Source: Jeong & Chung 2025, Theorem 4.1 (Eq. 10).
    """
    ratio = (parts.group / parts.sample) ** rounds
    return 1 / (ratio - 1) if ratio > 1 else math.inf


def required_rounds(parts, ahead):
    """The first number of rounds after which every training sample is right.

    Args:
        parts: Factors.
        ahead: the margin.

    Returns:
        The smallest t with a :func:`threshold` below the margin; infinite where the
        true label is not ahead.

    Source: Jeong & Chung 2025, Theorem 4.1.
    """
    if ahead <= 0 or parts.group <= parts.sample:
        return math.inf
    t = math.log1p(1 / ahead) / math.log(parts.group / parts.sample)
    return max(1, math.floor(t) + 1)


def mixture(corruption, given, classes, parts, rounds):
    r"""Outputs by the formula of two levels.

    .. math:: p^t e_y + (q^t - p^t)\, C_k + (1 - q^t) / K

    Args:
        corruption: C, ``(c, c)``, whose columns have the sum 1 too.
        given: labels y, ``(n,)``.
        classes: true classes k, ``(n,)``.
        parts: Factors.
        rounds: t.

    Returns:
        ``(n, c)``

    Source: Jeong & Chung 2025, Section 4.
    """
    K = len(corruption)
    p, q = parts.sample**rounds, parts.group**rounds
    own = F.one_hot(given, K).double()
    return p * own + (q - p) * corruption[classes] + (1 - q) / K


def balanced_labels(corruption, samples):
    """Given labels with the frequencies of the corruption matrix, nothing drawn.

    Args:
        corruption: C, ``(c, c)``.
        samples: n of a class; numbers of wrong labels are rounded.

    Returns:
        True classes and given labels, ``(c n,)`` each, class after class; and the
        corruption matrix that they have after rounding.

    Source: Jeong & Chung 2025, Section 4, whose labels are balanced.
    """
    K = len(corruption)
    counts = (samples * corruption).round().fill_diagonal_(0).long()
    counts += torch.diag(samples - counts.sum(dim=1))
    rows = [torch.arange(K).repeat_interleave(row) for row in counts]
    classes = torch.arange(K).repeat_interleave(samples)
    return classes, torch.cat(rows), counts.double() / samples


def accuracy(outputs, classes):
    """Share of samples whose true class is strictly ahead of every other one.

    Outputs that differ by less than 1e-9 of their spread tie, and a tie is not right.

    Args:
        outputs: ``(…, n, c)``.
        classes: true classes, ``(n,)``.

    Returns:
        ``(…)``

    Source: elementary.
    """
    own = F.one_hot(classes, outputs.shape[-1]).bool()
    truth = outputs.masked_fill(~own, -math.inf).amax(dim=-1)
    rival = outputs.masked_fill(own, -math.inf).amax(dim=-1)
    spread = outputs.flatten(-2).std(dim=-1)[..., None]
    return (truth - rival > 1e-9 * spread).double().mean(dim=-1)


def _check(within, between, across):
    """Raise ValueError where correlations do not fall from level to level."""
    if not 0 <= across <= between <= within < 1:
        raise ValueError(
            "correlations must fall: 0 <= across <= between <= within < 1, got "
            f"{across}, {between} and {within}"
        )
