"""How far the tangent features of two-layer ReLU networks separate two classes: directions, solver, bound."""

import math
from typing import NamedTuple

import torch
from scipy import stats


class Margin(NamedTuple):
    """A finite problem's value between ``lower`` and ``upper``, the margin's interval, and q ``(n,)``."""

    lower: float
    upper: float
    low: float
    high: float
    convex_weights: torch.Tensor


class LeastNorm(NamedTuple):
    """``lower`` <= minimum <= ``upper``, and the ``weights`` q ``(n,)`` on the simplex whose field gives every point ``lower``."""

    weights: torch.Tensor
    lower: float
    upper: float


def directions_and_arcs(inputs):
    r"""Directions for d = 2 with which a mean over :math:`z \sim N(0, I_2)` of anything that depends on the active set is exact.

    The lines :math:`z \cdot x_i = 0` cut the circle into at most 2n arcs; inside an arc the set of i with
    :math:`z \cdot x_i > 0` is constant. One direction in the middle of each, weighted by the arc's share of the circle.

    Args:
        inputs: ``(n, 2)``, none of them zero.

    Returns:
        directions ``(M, 2)`` and weights ``(M,)``, which add up to 1.

    Raises:
        ValueError: inputs have another shape.

    Source: none; the geometry of Mandal, Lin & Srikant 2025, Assumption 1, in the plane.
    """
    if inputs.ndim != 2 or inputs.shape[1] != 2:
        raise ValueError(
            f"arcs are for inputs of shape (n, 2), got {tuple(inputs.shape)}"
        )
    normal = torch.atan2(inputs[:, 1], inputs[:, 0]) + math.pi / 2
    ends = torch.cat([normal, normal + math.pi]).remainder(2 * math.pi).sort().values
    width = torch.cat([ends[1:], ends[:1] + 2 * math.pi]) - ends
    ends, width = ends[width > 1e-12], width[width > 1e-12]
    middle = ends + width / 2
    return torch.stack([middle.cos(), middle.sin()], dim=1), width / (2 * math.pi)


def pull(inputs, labels, convex_weights, directions, *, softening=0.0):
    r"""The field :math:`v(z) = g(z) / \sqrt{\|g(z)\|^2 + s^2}` with :math:`g(z) = \sum_i q_i y_i x_i 1[z \cdot x_i > 0]`.

    Args:
        inputs: ``(n, d)``.
        labels: ±1, ``(n,)``.
        convex_weights: q, ``(n,)``.
        directions: z, ``(M, d)``.
        softening: s in units of the mean of :math:`\|g\|` over the directions; 0 makes v a unit vector wherever g is not 0.

    Returns:
        v ``(M, d)``, zero where g is, and :math:`\|g\|` ``(M,)``.

    Source: Mandal, Lin & Srikant 2025, Assumption 1; the best v against given q.
    """
    gates = (directions @ inputs.T > 0).to(inputs.dtype)
    g, norms = _pull(inputs * labels[:, None], gates, convex_weights)
    return _soften(g, norms, softening * norms.mean()), norms


def interval(inputs, labels, convex_weights, directions, *, confidence=0.95):
    r"""Interval for the margin γ from directions that the convex weights q have not seen.

    :math:`E_z \|g(z)\|` is at least γ, and the field that q pulls gives no more than γ to some input. So the mean of
    :math:`\|g\|`, raised by its error, is the upper end, and the least of the n inputs' mean gains, each lowered by its
    error at level 1 − (1 − confidence) / 2n, the lower one. The field is softened by a two-hundredth of the mean norm:
    where g vanishes, as it does on symmetric data, a unit vector would be noise.

    Args:
        inputs: ``(n, d)``.
        labels: ±1, ``(n,)``.
        convex_weights: q, ``(n,)``.
        directions: z ~ N(0, I), ``(M, d)``, independent of q.
        confidence: in (0, 1).

    Returns:
        (low, high).

    Source: Mandal, Lin & Srikant 2025, Assumption 1; the interval is ours.
    """
    M, sums = (
        len(directions),
        torch.zeros(2, len(inputs) + 1, dtype=torch.float64, device=inputs.device),
    )
    for some in directions.split(4096):
        v, norms = pull(inputs, labels, convex_weights, some, softening=0.005)
        seen = torch.cat(
            [(v @ inputs.T) * (some @ inputs.T > 0) * labels, norms[:, None]], dim=1
        ).double()
        sums += torch.stack([seen.sum(0), seen.square().sum(0)])
    mean = sums[0] / M
    error = ((sums[1] / M - mean.square()).clamp(min=0) / M).sqrt()
    tail = (1 - confidence) / 2
    low = (mean - float(stats.norm.ppf(1 - tail / len(inputs))) * error)[:-1].min()
    return low.item(), (mean + float(stats.norm.ppf(1 - tail)) * error)[-1].item()


def least_mean_norm(points, gates, measure, *, tolerance=0.01, steps=2000):
    r"""The convex weights q with the least :math:`F(q) = \sum_k w_k \| \sum_i q_i g_{ki} a_i \|`, with a certificate.

    Accelerated projected gradient with restarts, on norms :math:`\sqrt{\|g\|^2 + s^2}` with s half the tolerance times F,
    since F has kinks where a norm vanishes. The gradient at q is what every point would get from the field that q pulls,
    so its least entry is a lower bound of the minimum: it stops when that is within ``tolerance`` of F.

    Args:
        points: a, ``(n, d)``.
        gates: g in {0, 1}, ``(M, n)``.
        measure: w >= 0, ``(M,)``.
        tolerance: relative gap at which it stops.
        steps: updates at most; the certificate says how far it came.

    Returns:
        ``LeastNorm(weights, lower, upper)``.

    Source: Nesterov 2005 (smoothing); O'Donoghue & Candes 2015 (adaptive restart); the bound is the minimax theorem's.
    """
    n = len(points)
    q = lead = points.new_full((n,), 1 / n)
    best, curvature, momentum, lower = q, 1.0, 1.0, -math.inf
    upper, rounding = math.inf, 8 * torch.finfo(points.dtype).eps
    for _ in range(steps):
        g, norms = _pull(points, gates, lead)
        upper = min(upper, (measure @ norms).item())
        soft = tolerance / 2 * upper
        v = _soften(g, norms, soft)
        S, slope = (
            measure @ (norms.square() + soft**2).sqrt(),
            ((v @ points.T) * gates).T @ measure,
        )
        if slope.min() > lower:
            best, lower = lead, slope.min().item()
        if upper - lower <= tolerance * abs(upper):
            break
        while True:  # the least curvature for which the parabola is above F
            new = _onto_simplex(lead - slope / curvature)
            change = new - lead
            bound = S + slope @ change + curvature / 2 * change.square().sum()
            there = measure @ (_pull(points, gates, new)[1].square() + soft**2).sqrt()
            if there <= bound + rounding * S or curvature > 1e12:
                break
            curvature *= 2
        restart = (lead - new) @ (new - q) > 0
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        lead = (
            new
            if restart
            else _onto_simplex(new + (momentum - 1) / following * (new - q))
        )
        q, momentum, curvature = new, 1.0 if restart else following, 0.8 * curvature
    return LeastNorm(best, lower, upper)


def _pull(points, gates, q):
    g = (gates * q) @ points
    return g, g.norm(dim=1)


def _soften(g, norms, soft):
    return (
        g
        / (norms.square() + soft**2)
        .sqrt()
        .clamp(min=torch.finfo(g.dtype).tiny)[:, None]
    )


def _onto_simplex(v):
    """The nearest point with non-negative entries that add up to 1."""
    u = v.sort(descending=True).values
    excess = (u.cumsum(0) - 1) / torch.arange(
        1, len(v) + 1, dtype=v.dtype, device=v.device
    )
    return (v - excess[(u > excess).sum() - 1]).clamp(min=0)


def margin(
    inputs,
    labels,
    directions,
    *,
    measure=None,
    fresh=None,
    tolerance=0.01,
    confidence=0.95,
):
    r"""The margin γ with which tangent features of a two-layer ReLU network separate the data.

    .. math:: \gamma = \max_{\|v(z)\| \le 1} \min_i\, y_i\, E_z\bigl[\langle v(z), x_i \rangle 1(z \cdot x_i > 0)\bigr]
              = \min_{q \in \Delta} E_z \Bigl\| \sum_i q_i y_i x_i 1(z \cdot x_i > 0) \Bigr\|, \quad z \sim N(0, I_d)

    With the given directions in place of :math:`E_z`, ``upper`` (the right side at q) and ``lower`` (the left side at
    the field v that q pulls) enclose that finite problem's value. ``fresh`` directions give an interval for γ itself.

    Args:
        inputs: ``(n, d)``.
        labels: ±1, ``(n,)``.
        directions: z, ``(M, d)``.
        measure: weight of each direction, ``(M,)``, adding up to 1; equal ones by default. With
            ``directions_and_arcs`` (d = 2) lower and upper enclose γ itself.
        fresh: more directions, drawn independently of the others, for ``interval``; or None.
        tolerance: relative gap between lower and upper at which the solver stops.
        confidence: of the interval.

    Returns:
        ``Margin(lower, upper, low, high, convex_weights)``; without ``fresh`` low and high are lower and upper.

    Raises:
        ValueError: shapes do not match, or a label is not ±1.

    Source: Mandal, Lin & Srikant 2025, Assumption 1; the right side is its dual by the minimax theorem.
    """
    if (
        inputs.ndim != 2
        or labels.shape != inputs.shape[:1]
        or directions.shape[1:] != inputs.shape[1:]
    ):
        raise ValueError(
            f"inputs, labels and directions must be (n, d), (n,) and (M, d), got {tuple(inputs.shape)}, "
            f"{tuple(labels.shape)} and {tuple(directions.shape)}"
        )
    if not (labels.abs() == 1).all():
        raise ValueError(
            f"labels must be -1 or 1, got {labels[labels.abs() != 1][0].item()}"
        )
    labels = labels.to(inputs.dtype)
    if measure is None:
        measure = inputs.new_full((len(directions),), 1 / len(directions))
    gates = (directions @ inputs.T > 0).to(inputs.dtype)
    q, lower, upper = least_mean_norm(
        inputs * labels[:, None], gates, measure, tolerance=tolerance
    )
    if fresh is None:
        return Margin(lower, upper, lower, upper, q)
    return Margin(
        lower, upper, *interval(inputs, labels, q, fresh, confidence=confidence), q
    )
