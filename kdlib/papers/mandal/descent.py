"""Projected gradient descent on the arcs: the theory's teacher, its students, and the
least width that is enough."""

import math
from typing import NamedTuple

import torch

from kdlib import devices, metrics, models, training
from kdlib.metrics import margins
from kdlib.papers.mandal import tasks

_BLOCK = 1000  # updates whose outputs are kept until their risk and error are computed


class InfiniteTeacher(NamedTuple):
    """The theory's teacher in the plane.

    Attributes:
        gamma: the margin γ.
        logits: z ``(n,)``, its outputs on its inputs.
        convex_weights: q ``(n,)``, which pulls its field v.
    """

    gamma: float
    logits: torch.Tensor
    convex_weights: torch.Tensor


def infinite_teacher(inputs, labels):
    r"""The theory's teacher in the plane, with the best field v.

    .. math:: z_i = E_z[\langle v(z), x_i \rangle 1(z \cdot x_i > 0)]

    Args:
        inputs: ``(n, 2)``, float64.
        labels: ±1, ``(n,)``.

    Returns:
        :class:`InfiniteTeacher`; every :math:`y_i z_i \ge \gamma`, exact by arcs to a
        relative 10⁻⁴. Where no field separates the data γ is 0, and the logits mean
        nothing.

    Source: Mandal, Lin & Srikant 2025, Section 2 and Assumption 1.
    """
    directions, measure = margins.directions_and_arcs(inputs)
    margin = metrics.margin(inputs, labels, directions, measure=measure, tolerance=1e-4)
    q = margin.convex_weights
    v, _ = margins.pull(inputs, labels, q, directions)
    active = directions @ inputs.T > 0
    logits = ((v @ inputs.T) * active).T @ measure
    gamma = max((labels * logits).min().item(), 0.0)
    return InfiniteTeacher(gamma, logits, q)


def averaged_risk_and_error(
    seeds, *, sectors, points, gap, width, kind, step, radius, steps, device="auto"
):
    r"""Risk and error of projected gradient descent, averaged over the updates.

    The task is :func:`~kdlib.papers.mandal.tasks.arcs`; all seeds are trained in one
    stack.

    Args:
        seeds: one network each.
        sectors: of the task.
        points: of the task.
        gap: of the task.
        width: m.
        kind: ``soft``, the infinite teacher's probabilities and risk KL, or ``hard``,
            the labels and logistic risk.
        step: η.
        radius: B; ``inf`` is descent without a projection.
        steps: T.
        device: where to compute.

    Returns:
        A dict for each seed: ``risk`` and ``error``, averaged over the outputs before
        each update, and their values ``risk_at`` and ``error_at`` the updates 0, 1, 3,
        7, 15, …; an output of 0 is an error. ``gamma`` is the margin.

    Raises:
        ValueError: an unknown kind or a value out of range.

    Source: Mandal, Lin & Srikant 2025, Section 3.
    """
    if kind not in ("soft", "hard"):
        raise ValueError(f"kind must be soft or hard, got {kind!r}")
    x, y = tasks.arcs(sectors, points, gap)
    teacher = infinite_teacher(x, y)
    p = torch.sigmoid(teacher.logits) if kind == "soft" else (y + 1) / 2
    nets = [_network(seed, width) for seed in seeds]
    if width >= 256 and radius < math.inf:
        nets = models.condense(nets, x, radius)
    device = devices.pick_device(device)
    nets = [net.to(device) for net in nets]
    x = x.to(device)
    risks, errors = _risks_and_errors(
        nets, x, y.to(device), p.to(device), step=step, radius=radius, steps=steps
    )
    at = [2**k - 1 for k in range(steps.bit_length()) if 2**k <= steps]
    table = []
    for risk, error in zip(risks.T, errors.T):
        means = {"risk": risk.mean().item(), "error": error.mean().item()}
        moments = {"risk_at": risk[at], "error_at": error[at]}
        table.append({**means, **moments, "gamma": teacher.gamma})
    return table


def distance_to_infinite_teacher(seeds, *, sectors, points, gap, width):
    r"""Lemma 6: how far the finite network's logits are from the infinite teacher's.

    .. math:: \max_i \bigl| f^{(0)}(x_i; U) - z_i \bigr|, \qquad
              U_j = \frac{a_j}{\sqrt m} v(W_j(0)), \qquad
              f^{(0)}(x; U) = \frac1{\sqrt m} \sum_{j=1}^m a_j \langle U_j, x \rangle
              1[W_j(0) \cdot x > 0]

    Args:
        seeds: one network each.
        sectors: of :func:`~kdlib.papers.mandal.tasks.arcs`.
        points: of the task.
        gap: of the task.
        width: m.

    Returns:
        A dict for each seed: ``distance``, the largest over the inputs.

    Source: Mandal, Lin & Srikant 2025, Lemma 6.
    """
    x, y = tasks.arcs(sectors, points, gap)
    teacher = infinite_teacher(x, y)
    distances = []
    for seed in seeds:
        start = _network(seed, width).start
        v, _ = margins.pull(x, y, teacher.convex_weights, start)
        active = start @ x.T > 0
        # The sum over j with U_j put in, as the square of each sign is 1.
        logits = ((v @ x.T) * active).mean(0)
        distances.append({"distance": (logits - teacher.logits).abs().max().item()})
    return distances


def least_widths(rows, reached):
    """The least width from which on all wider networks of a seed, too, reach what is
    asked.

    Args:
        rows: ``pandas.DataFrame`` with columns ``labels``, ``gamma``, ``width`` and
            ``seed``, every width for every seed.
        reached: boolean series like the rows.

    Returns:
        A frame by labels and gamma with a column for each seed; NaN where the widest
        network does not reach it.

    Source: none; Mandal, Lin & Srikant 2025 bound this number.
    """
    widths = sorted(set(rows["width"]))
    wider = dict(zip(widths, widths[1:]))

    def next_width(width):
        """The width after the widest that fails; the least one where none fails."""
        return widths[0] if math.isnan(width) else wider.get(width, math.nan)

    failing = rows["width"].where(~reached)
    groups = [rows[name] for name in ("labels", "gamma", "seed")]
    widest_failing = failing.groupby(groups).max()
    return widest_failing.map(next_width).unstack()


def _network(seed, width):
    """The network of a seed on inputs in the plane, float64."""
    draw = torch.Generator().manual_seed(seed)
    return models.TwoLayerReLU(2, width, generator=draw, dtype=torch.float64)


def _risks_and_errors(nets, x, y, p, *, step, radius, steps):
    """Risk and share of errors of each network before each update, ``(steps, K)``."""
    entropy = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p))
    block = min(steps, _BLOCK)
    outputs = x.new_empty(block, len(x), len(nets))
    risks = []
    errors = []

    def watch(t, f):
        """Keep the outputs; where a block is full, compute its risks and errors."""
        outputs[t % block] = f
        if t % block < block - 1 and t < steps - 1:
            return
        seen = outputs[: t % block + 1]
        softplus = torch.nn.functional.softplus(seen)
        losses = softplus - p[:, None] * seen - entropy[:, None]
        risks.append(losses.mean(1).cpu())
        # At the start the outputs are zero but for rounding.
        wrong = seen * y[:, None] <= 1e-12
        errors.append(wrong.to(x.dtype).mean(1).cpu())

    training.projected_gradient_descent(
        nets, x, p, step=step, radius=radius, steps=steps, watch=watch
    )
    return torch.cat(risks), torch.cat(errors)
