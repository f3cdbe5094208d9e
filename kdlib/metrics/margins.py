"""How far the tangent features of two-layer ReLU networks separate two classes."""

import math
from typing import NamedTuple

import torch
from scipy.special import ndtri

from kdlib.metrics.least_norm import gated_sums, least_mean_norm, softened


class Margin(NamedTuple):
    """The result of :func:`~kdlib.metrics.margin`.

    Attributes:
        lower: a number at most the finite problem's value.
        upper: a number at least the finite problem's value.
        low: lower end of the interval for the margin.
        high: upper end of the interval for the margin.
        convex_weights: q, ``(n,)``.
    """

    lower: float
    upper: float
    low: float
    high: float
    convex_weights: torch.Tensor


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
    r"""The margin γ with which a two-layer ReLU network's features separate the data.

    .. math:: \gamma = \max_{\|v(z)\| \le 1} \min_i\, y_i\,
              E_z\bigl[\langle v(z), x_i \rangle 1(z \cdot x_i > 0)\bigr]
              = \min_{q \in \Delta}
              E_z \Bigl\| \sum_i q_i y_i x_i 1(z \cdot x_i > 0) \Bigr\|,
              \quad z \sim N(0, I_d)

    With the given directions in place of :math:`E_z`, ``upper`` (the right side at q)
    and ``lower`` (the left side at the field v that q pulls) enclose the value of that
    finite problem. ``fresh`` directions give an interval for γ itself.

    Args:
        inputs: ``(n, d)``.
        labels: ±1, ``(n,)``.
        directions: z, ``(M, d)``.
        measure: weight of each direction, ``(M,)``, adding up to 1; equal ones by
            default. With ``directions_and_arcs`` (d = 2) lower and upper enclose γ
            itself.
        fresh: more directions, drawn independently of the others, for ``interval``; or
            None.
        tolerance: relative gap between lower and upper at which the solver stops.
        confidence: of the interval.

    Returns:
        ``Margin(lower, upper, low, high, convex_weights)``; without ``fresh`` low and
        high are lower and upper.

    Raises:
        ValueError: shapes do not match, or a label is not ±1.

    Example:
        Two opposite points on the unit circle have the margin 1/2:

        >>> from kdlib import metrics
        >>> from kdlib.metrics import margins
        >>> x, y = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([1, -1])
        >>> directions, measure = margins.directions_and_arcs(x)
        >>> found = metrics.margin(x, y, directions, measure=measure)
        >>> round(found.upper, 3)
        0.5

    Source: Mandal, Lin & Srikant 2025, Assumption 1; the right side is its dual by the
    minimax theorem.
    """
    _check(inputs, labels, directions)
    labels = labels.to(inputs.dtype)
    if measure is None:
        measure = inputs.new_full((len(directions),), 1 / len(directions))
    gates = (directions @ inputs.T > 0).to(inputs.dtype)
    q, lower, upper = least_mean_norm(
        inputs * labels[:, None], gates, measure, tolerance=tolerance
    )
    if fresh is None:
        return Margin(lower, upper, lower, upper, q)
    low, high = interval(inputs, labels, q, fresh, confidence=confidence)
    return Margin(lower, upper, low, high, q)


def directions_and_arcs(inputs):
    r"""Directions in the plane with which a mean over directions is exact.

    They are for means over :math:`z \sim N(0, I_2)` of anything that depends on the
    active set alone. The lines :math:`z \cdot x_i = 0` cut the circle into at most 2n
    arcs; inside an arc the set of i with :math:`z \cdot x_i > 0` is constant. There is
    one direction in the middle of each, weighted by the arc's share of the circle.

    Args:
        inputs: ``(n, 2)``, none of them zero.

    Returns:
        directions ``(M, 2)`` and weights ``(M,)``, which add up to 1.

    Raises:
        ValueError: inputs have another shape.

    Source: none; the geometry of Mandal, Lin & Srikant 2025, Assumption 1, in the
    plane.
    """
    if inputs.ndim != 2 or inputs.shape[1] != 2:
        raise ValueError(
            f"arcs are for inputs of shape (n, 2), got {tuple(inputs.shape)}"
        )
    normal = torch.atan2(inputs[:, 1], inputs[:, 0]) + math.pi / 2
    ends = torch.cat([normal, normal + math.pi]).remainder(2 * math.pi).sort().values
    widths = torch.cat([ends[1:], ends[:1] + 2 * math.pi]) - ends
    kept = widths > 1e-12
    ends = ends[kept]
    widths = widths[kept]
    middles = ends + widths / 2
    directions = torch.stack([middles.cos(), middles.sin()], dim=1)
    return directions, widths / (2 * math.pi)


def pull(inputs, labels, convex_weights, directions, *, softening=0.0):
    r"""The best field v against given convex weights q.

    .. math:: v(z) = g(z) / \sqrt{\|g(z)\|^2 + s^2}, \qquad
              g(z) = \sum_i q_i y_i x_i 1[z \cdot x_i > 0]

    Args:
        inputs: ``(n, d)``.
        labels: ±1, ``(n,)``.
        convex_weights: q, ``(n,)``.
        directions: z, ``(M, d)``.
        softening: s in units of the mean of :math:`\|g\|` over the directions; 0 makes
            v a unit vector wherever g is not 0.

    Returns:
        v ``(M, d)``, zero where g is, and :math:`\|g\|` ``(M,)``.

    Source: Mandal, Lin & Srikant 2025, Assumption 1.
    """
    gates = (directions @ inputs.T > 0).to(inputs.dtype)
    sums, norms = gated_sums(inputs * labels[:, None], gates, convex_weights)
    return softened(sums, norms, softening * norms.mean()), norms


def interval(inputs, labels, convex_weights, directions, *, confidence=0.95):
    r"""Interval for the margin γ from directions that are independent of q.

    :math:`E_z \|g(z)\|` is at least γ, and the field that q pulls gives no more than γ
    to some input. So the mean of :math:`\|g\|`, raised by its error, is the upper end.
    The lower end is the least of the n inputs' mean gains, each lowered by its error at
    level 1 − (1 − confidence) / 2n. The field is softened by a two-hundredth of the
    mean norm: where g vanishes, as it does on symmetric data, a unit vector would be
    noise.

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
    n = len(inputs)
    M = len(directions)
    # Sums over the directions of the n gains and the norm, and of their squares.
    sums = torch.zeros(2, n + 1, dtype=torch.float64, device=inputs.device)
    for some in directions.split(4096):
        v, norms = pull(inputs, labels, convex_weights, some, softening=0.005)
        gains = (v @ inputs.T) * (some @ inputs.T > 0) * labels
        values = torch.cat([gains, norms[:, None]], dim=1).double()
        sums += torch.stack([values.sum(0), values.square().sum(0)])
    mean = sums[0] / M
    variance = (sums[1] / M - mean.square()).clamp(min=0)
    error = (variance / M).sqrt()
    tail = (1 - confidence) / 2
    low = (mean - float(ndtri(1 - tail / n)) * error)[:-1].min()
    high = (mean + float(ndtri(1 - tail)) * error)[-1]
    return low.item(), high.item()


def _check(inputs, labels, directions):
    """Raise ValueError where an argument of :func:`margin` breaks a rule."""
    alike = labels.shape == inputs.shape[:1]
    if inputs.ndim != 2 or not alike or directions.shape[1:] != inputs.shape[1:]:
        raise ValueError(
            "inputs, labels and directions must be (n, d), (n,) and (M, d), got "
            f"{tuple(inputs.shape)}, {tuple(labels.shape)} and "
            f"{tuple(directions.shape)}"
        )
    wrong = labels.abs() != 1
    if wrong.any():
        raise ValueError(f"labels must be -1 or 1, got {labels[wrong][0].item()}")
