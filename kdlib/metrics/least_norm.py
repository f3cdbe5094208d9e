"""The convex weights with the least mean norm of gated points, with a certificate."""

import math
from typing import NamedTuple

import torch


class LeastNorm(NamedTuple):
    """The result of :func:`least_mean_norm`.

    Attributes:
        weights: q on the simplex, ``(n,)``; its field gives every point ``lower``.
        lower: a number at most the minimum.
        upper: a number at least the minimum.
    """

    weights: torch.Tensor
    lower: float
    upper: float


def least_mean_norm(points, gates, measure, *, tolerance=0.01, steps=2000):
    r"""The convex weights q with the least mean norm F, with a certificate.

    .. math:: F(q) = \sum_k w_k \Bigl\| \sum_i q_i g_{ki} a_i \Bigr\|

    Accelerated projected gradient with restarts, on norms :math:`\sqrt{\|g\|^2 + s^2}`
    with s half the tolerance times F, since F has kinks where a norm vanishes. The
    gradient at q is what every point would get from the field that q pulls, so its
    least entry is a lower bound of the minimum: the solver stops when that is within
    ``tolerance`` of F.

    Args:
        points: a, ``(n, d)``.
        gates: g in {0, 1}, ``(M, n)``.
        measure: w >= 0, ``(M,)``.
        tolerance: relative gap at which it stops.
        steps: updates at most; the certificate says how far it came.

    Returns:
        ``LeastNorm(weights, lower, upper)``.

    Source: Nesterov 2005 (smoothing); O'Donoghue & Candes 2015 (adaptive restart); the
    bound is the minimax theorem's.
    """
    n = len(points)
    # The gradient is taken at the leading point, ahead of the last q.
    q = lead = best = points.new_full((n,), 1 / n)
    curvature = 1.0
    momentum = 1.0
    lower = -math.inf
    upper = math.inf
    for _ in range(steps):
        sums, norms = gated_sums(points, gates, lead)
        upper = min(upper, (measure @ norms).item())
        softening = tolerance / 2 * upper
        value = _mean_soft_norm(norms, measure, softening)
        field = softened(sums, norms, softening)
        slope = ((field @ points.T) * gates).T @ measure
        if slope.min() > lower:
            best = lead
            lower = slope.min().item()
        if upper - lower <= tolerance * abs(upper):
            break
        new, curvature = _descend(
            points, gates, measure, lead, value, slope, softening, curvature
        )
        if (lead - new) @ (new - q) > 0:
            # The momentum points uphill: start again without any.
            lead = new
            momentum = 1.0
        else:
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            lead = onto_simplex(new + (momentum - 1) / following * (new - q))
            momentum = following
        q = new
        curvature = 0.8 * curvature
    return LeastNorm(best, lower, upper)


def gated_sums(points, gates, q):
    r"""The sums :math:`\sum_i q_i g_{ki} a_i` and their norms.

    Args:
        points: a, ``(n, d)``.
        gates: g in {0, 1}, ``(M, n)``.
        q: weights, ``(n,)``.

    Returns:
        Tensors ``(M, d)`` and ``(M,)``.
    """
    sums = (gates * q) @ points
    return sums, sums.norm(dim=1)


def softened(sums, norms, softening):
    r"""The field :math:`g / \sqrt{\|g\|^2 + s^2}`, zero where g is.

    Args:
        sums: g, ``(M, d)``.
        norms: :math:`\|g\|`, ``(M,)``.
        softening: s >= 0.

    Returns:
        Tensor ``(M, d)``.
    """
    lengths = (norms.square() + softening**2).sqrt()
    return sums / lengths.clamp(min=torch.finfo(sums.dtype).tiny)[:, None]


def onto_simplex(v):
    """The nearest point with non-negative entries that add up to 1.

    Args:
        v: ``(n,)``.

    Returns:
        Tensor ``(n,)``.
    """
    u = v.sort(descending=True).values
    counts = torch.arange(1, len(v) + 1, dtype=v.dtype, device=v.device)
    excess = (u.cumsum(0) - 1) / counts
    return (v - excess[(u > excess).sum() - 1]).clamp(min=0)


def _mean_soft_norm(norms, measure, softening):
    """F with softened norms, a scalar tensor."""
    return measure @ (norms.square() + softening**2).sqrt()


def _descend(points, gates, measure, lead, value, slope, softening, curvature):
    """The projected gradient step from ``lead``, and the curvature that it takes."""
    # The curvature is doubled until its parabola is above F at the new point.
    rounding = 8 * torch.finfo(points.dtype).eps
    while True:
        new = onto_simplex(lead - slope / curvature)
        change = new - lead
        parabola = value + slope @ change + curvature / 2 * change.square().sum()
        _, norms = gated_sums(points, gates, new)
        there = _mean_soft_norm(norms, measure, softening)
        if there <= parabola + rounding * value or curvature > 1e12:
            return new, curvature
        curvature *= 2
