"""Projected gradient descent on the arcs: the theory's teacher, its students, and the least width that is enough."""

import math
from typing import NamedTuple

import torch

from kdlib import devices, metrics, models, training
from kdlib.metrics import margins
from kdlib.papers.mandal import tasks


class InfiniteTeacher(NamedTuple):
    """Margin γ, the teacher's ``logits`` z ``(n,)`` on its inputs, and q ``(n,)``, which pulls its field v."""

    gamma: float
    logits: torch.Tensor
    convex_weights: torch.Tensor


def infinite_teacher(inputs, labels):
    r"""The theory's teacher in the plane, :math:`z_i = E_z[\langle v(z), x_i \rangle 1(z \cdot x_i > 0)]` with the best v.

    Args:
        inputs: ``(n, 2)``, float64.
        labels: ±1, ``(n,)``.

    Returns:
        :class:`InfiniteTeacher`; every :math:`y_i z_i \ge \gamma`, exact by arcs to a relative 10⁻⁴. Where no field
        separates the data γ is 0, and the logits mean nothing.

    Source: Mandal, Lin & Srikant 2025, Section 2 and Assumption 1.
    """
    directions, measure = margins.directions_and_arcs(inputs)
    found = metrics.margin(inputs, labels, directions, measure=measure, tolerance=1e-4)
    v, _ = margins.pull(inputs, labels, found.convex_weights, directions)
    logits = ((v @ inputs.T) * (directions @ inputs.T > 0)).T @ measure
    return InfiniteTeacher(
        max((labels * logits).min().item(), 0.0), logits, found.convex_weights
    )


def train(
    seeds, *, sectors, points, gap, width, kind, step, radius, steps, device="auto"
):
    r"""Projected gradient descent on :func:`arcs`, all seeds in one stack; risk and error averaged over the steps.

    Args:
        seeds: one network each.
        sectors, points, gap: of the task.
        width: m.
        kind: ``soft``, the infinite teacher's probabilities and risk KL, or ``hard``, the labels and logistic risk.
        step, radius, steps: η, B (``inf`` for none) and T.
        device: where to compute.

    Returns:
        A dict for each seed: ``risk`` and ``error``, averaged over the outputs before each update, and their values
        ``risk_at`` and ``error_at`` the updates 0, 1, 3, 7, 15, …; an output of 0 is an error. ``gamma`` is the margin.

    Raises:
        ValueError: an unknown kind or a value out of range.

    Source: Mandal, Lin & Srikant 2025, Section 3.
    """
    if kind not in ("soft", "hard"):
        raise ValueError(f"kind must be soft or hard, got {kind!r}")
    x, y = tasks.arcs(sectors, points, gap)
    teacher, device = infinite_teacher(x, y), devices.pick_device(device)
    p = torch.sigmoid(teacher.logits) if kind == "soft" else (y + 1) / 2
    nets = [
        models.TwoLayerReLU(
            2, width, generator=torch.Generator().manual_seed(seed), dtype=x.dtype
        )
        for seed in seeds
    ]
    if width >= 256 and radius < math.inf:
        nets = models.condense(nets, x, radius)
    x, y, p, nets = (
        x.to(device),
        y.to(device),
        p.to(device),
        [net.to(device) for net in nets],
    )
    entropy = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p))
    block, risks, errors = min(steps, 1000), [], []
    outputs = x.new_empty(block, len(x), len(seeds))

    def watch(t, f):
        outputs[t % block] = f
        if t % block == block - 1 or t == steps - 1:
            seen = outputs[: t % block + 1]
            losses = (
                torch.nn.functional.softplus(seen)
                - p[:, None] * seen
                - entropy[:, None]
            )
            risks.append(losses.mean(1).cpu())
            errors.append(
                (seen * y[:, None] <= 1e-12).to(x.dtype).mean(1).cpu()
            )  # zero at the start, but for rounding

    training.projected_gradient_descent(
        nets, x, p, step=step, radius=radius, steps=steps, watch=watch
    )
    risks, errors = torch.cat(risks), torch.cat(errors)
    at = [2**k - 1 for k in range(steps.bit_length()) if 2**k <= steps]
    return [
        {
            "risk": risk.mean().item(),
            "error": error.mean().item(),
            "risk_at": risk[at],
            "error_at": error[at],
            "gamma": teacher.gamma,
        }
        for risk, error in zip(risks.T, errors.T)
    ]


def finite_logits(seeds, *, sectors, points, gap, width):
    r"""Lemma 6: how far :math:`f^{(0)}(U)`, with :math:`U_j = \frac{a_j}{\sqrt m} v(W_j(0))`, is from the infinite teacher.

    Args:
        seeds: one network each.
        sectors, points, gap: of :func:`arcs`.
        width: m.

    Returns:
        A dict for each seed: ``distance``, the largest over the inputs.

    Source: Mandal, Lin & Srikant 2025, Lemma 6.
    """
    x, y = tasks.arcs(sectors, points, gap)
    teacher, found = infinite_teacher(x, y), []
    for seed in seeds:
        start = models.TwoLayerReLU(
            2, width, generator=torch.Generator().manual_seed(seed), dtype=x.dtype
        ).start
        v, _ = margins.pull(x, y, teacher.convex_weights, start)
        reached = ((v @ x.T) * (start @ x.T > 0)).mean(
            0
        )  # sum_j (a_j / sqrt m) <U_j, x> 1[W_j x > 0], a_j^2 = 1
        found.append({"distance": (reached - teacher.logits).abs().max().item()})
    return found


def least_widths(rows, reached):
    """The least width from which on all wider networks of a seed, too, reach what is asked.

    Args:
        rows: ``pandas.DataFrame`` with columns ``labels``, ``gamma``, ``width`` and ``seed``, every width for every seed.
        reached: boolean series like the rows.

    Returns:
        A frame by labels and gamma with a column for each seed; NaN where the widest network does not reach it.

    Source: none; Mandal, Lin & Srikant 2025 bound this number.
    """
    by, wider = (
        ["labels", "gamma", "seed"],
        dict(zip(sorted(set(rows["width"])), sorted(set(rows["width"]))[1:])),
    )
    widest = rows["width"].where(~reached).groupby([rows[name] for name in by]).max()
    return widest.map(
        lambda m: min(wider) if math.isnan(m) else wider.get(m, math.nan)
    ).unstack()
