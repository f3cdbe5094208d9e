"""How many neurons a two-layer network needs: tasks with a margin to dial, what the theorems ask for, and the training."""

import itertools
import math
from typing import NamedTuple

import torch

from kdlib import devices, metrics, models, separation, training


class Demand(NamedTuple):
    """What a theorem asks for: least ``width`` m (even), largest ``step`` η, fewest ``steps`` T, ``radius`` B."""

    width: int
    step: float
    steps: int
    radius: float


def arcs(sectors, points, gap):
    r"""Points on the unit circle, in ``sectors`` arcs of alternate labels with ``gap`` radians between neighbours.

    Two sectors are separated by a line, four are an exclusive or, and six have margin 0 whatever the gap: tangent
    features of ReLU neurons without bias have no odd harmonic above the first.

    Args:
        sectors: even number of arcs.
        points: points of each arc, evenly spaced from end to end.
        gap: in (0, 2π / sectors]; at the largest each arc is one point.

    Returns:
        inputs ``(n, 2)`` and labels ±1 ``(n,)``, float64.

    Raises:
        ValueError: an odd number of sectors, no points or a gap out of range.

    Source: none; a family for Mandal, Lin & Srikant 2025, Assumption 1, whose margin is about a third of the gap.
    """
    span = 2 * math.pi / sectors if sectors else 0
    if sectors < 2 or sectors % 2 or points < 1 or not 0 < gap <= span:
        raise ValueError(f"sectors must be even, points at least 1 and gap in (0, 2 pi / sectors], got {sectors}, "
                         f"{points} and {gap}")
    inside = torch.linspace(gap / 2, span - gap / 2, points, dtype=torch.float64)
    angle = (0.1 + torch.arange(sectors, dtype=torch.float64)[:, None] * span + inside).flatten()
    labels = 1.0 - 2 * (torch.arange(sectors) % 2).repeat_interleave(points).double()
    return torch.stack([angle.cos(), angle.sin()], dim=1), labels


def noisy_xor(dims):
    r"""All points of the noisy exclusive or: two coordinates decide, ``dims`` − 2 signs are noise.

    The first two coordinates are (±1, 0), label 1, or (0, ±1), label −1, the others ±1, and all are divided by
    :math:`\sqrt{d - 1}`, which makes the norm 1. The margin is at least 1 / (60 d).

    Args:
        dims: d >= 3.

    Returns:
        inputs ``(2^d, d)`` and labels ±1, float64.

    Raises:
        ValueError: ``dims`` is below 3.

    Source: Ji & Telgarsky 2020 (Polylogarithmic width), Section 5; the example of Mandal et al.'s predecessors.
    """
    if dims < 3:
        raise ValueError(f"dims must be at least 3, got {dims}")
    noise = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=dims - 2)), dtype=torch.float64)
    first = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64)
    inputs = torch.cat([torch.cat([one.expand(len(noise), 2), noise], dim=1) for one in first])
    return inputs / (dims - 1) ** 0.5, torch.tensor([1.0, 1, -1, -1]).double().repeat_interleave(len(noise))


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
    directions, measure = separation.directions_and_arcs(inputs)
    found = metrics.margin(inputs, labels, directions, measure=measure, tolerance=1e-4)
    v, _ = separation.pull(inputs, labels, found.convex_weights, directions)
    logits = ((v @ inputs.T) * (directions @ inputs.T > 0)).T @ measure
    return InfiniteTeacher(max((labels * logits).min().item(), 0.0), logits, found.convex_weights)


def soft_risk_demand(beta, *, n, least_norm=1.0, delta=0.1):
    r"""Theorem 2: :math:`m = \frac{C_1}{\beta} \bigl(\frac{\sqrt{2/\pi}}{c} + 3\sqrt{\ln(2n/\delta)}\bigr)^2`, η = β / 3,
    T = 9 / β², B = 1, with :math:`C_1 = 96 / (1 + e^2)`.

    Args:
        beta: bound on the mean KL divergence averaged over the steps, in (0, 1).
        n: number of samples.
        least_norm: c, the least norm of an input.
        delta: the bound holds with probability 1 − 3 delta.

    Returns:
        :class:`Demand`.

    Source: Mandal, Lin & Srikant 2025, Theorem 2.
    """
    width = 96 / (1 + math.e**2) / beta * (math.sqrt(2 / math.pi) / least_norm + 3 * math.sqrt(math.log(2 * n / delta))) ** 2
    return Demand(_even(width), beta / 3, math.ceil(9 / beta**2), 1.0)


def soft_error_demand(eps, gamma, *, n, least_norm=1.0, delta=0.1, corrected=True):
    r"""Corollary 4: Theorem 2 at :math:`\beta = \gamma^2 \varepsilon / 32`, so that Lemma 3 gives an averaged error of ε.

    Args:
        eps: bound on the 0-1 error averaged over the steps, in (0, 1).
        gamma: the margin.
        n, least_norm, delta: as in :func:`soft_risk_demand`.
        corrected: False takes η and T as printed, γ² ε / 3 and 9 / (γ⁴ ε²), where the 32 and its square are missing.

    Returns:
        :class:`Demand`.

    Source: Mandal, Lin & Srikant 2025, Corollary 4.
    """
    demand = soft_risk_demand(gamma**2 * eps / 32, n=n, least_norm=least_norm, delta=delta)
    if corrected:
        return demand
    return demand._replace(step=gamma**2 * eps / 3, steps=math.ceil(9 / (gamma**4 * eps**2)))


def hard_risk_demand(beta, gamma, *, n, least_norm=1.0, delta=0.1):
    r"""Proposition 5 at η = 1, with :math:`\lambda = \ln\frac{2}{\beta \ln 2}`: :math:`B = 2 \lambda / \gamma`,
    :math:`T = \frac{8 \lambda^2}{\gamma^2 \beta \ln 2}`, :math:`m = \frac{16}{\gamma^4}
    \bigl(\frac{2\sqrt2}{c \sqrt\pi} \lambda + 3\sqrt{\ln(2n/\delta)}\bigr)^2`.

    Args:
        beta: bound on the logistic risk averaged over the steps; the averaged 0-1 error is then at most β / ln 2.
        gamma: the margin.
        n, least_norm, delta: as in :func:`soft_risk_demand`.

    Returns:
        :class:`Demand`.

    Source: Mandal, Lin & Srikant 2025, Proposition 5.
    """
    lam = math.log(2 / (math.log(2) * beta))
    spread = 2 * math.sqrt(2) / (least_norm * math.sqrt(math.pi)) * lam + 3 * math.sqrt(math.log(2 * n / delta))
    return Demand(_even(16 / gamma**4 * spread**2), 1.0, math.ceil(8 * lam**2 / (gamma**2 * math.log(2) * beta)), 2 * lam / gamma)


def train(seeds, *, sectors, points, gap, width, kind, step, radius, steps, device="auto"):
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
    x, y = arcs(sectors, points, gap)
    teacher, device = infinite_teacher(x, y), devices.pick_device(device)
    p = torch.sigmoid(teacher.logits) if kind == "soft" else (y + 1) / 2
    nets = [models.TwoLayerReLU(2, width, generator=torch.Generator().manual_seed(seed), dtype=x.dtype) for seed in seeds]
    if width >= 256 and radius < math.inf:
        nets = models.condense(nets, x, radius)
    x, y, p, nets = x.to(device), y.to(device), p.to(device), [net.to(device) for net in nets]
    entropy = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p))
    block, risks, errors = min(steps, 1000), [], []
    outputs = x.new_empty(block, len(x), len(seeds))

    def watch(t, f):
        outputs[t % block] = f
        if t % block == block - 1 or t == steps - 1:
            seen = outputs[: t % block + 1]
            losses = torch.nn.functional.softplus(seen) - p[:, None] * seen - entropy[:, None]
            risks.append(losses.mean(1).cpu())
            errors.append((seen * y[:, None] <= 1e-12).to(x.dtype).mean(1).cpu())  # zero at the start, but for rounding

    training.projected_gradient_descent(nets, x, p, step=step, radius=radius, steps=steps, watch=watch)
    risks, errors = torch.cat(risks), torch.cat(errors)
    at = [2**k - 1 for k in range(steps.bit_length()) if 2**k <= steps]
    return [{"risk": risk.mean().item(), "error": error.mean().item(), "risk_at": risk[at], "error_at": error[at],
             "gamma": teacher.gamma} for risk, error in zip(risks.T, errors.T)]


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
    x, y = arcs(sectors, points, gap)
    teacher, found = infinite_teacher(x, y), []
    for seed in seeds:
        start = models.TwoLayerReLU(2, width, generator=torch.Generator().manual_seed(seed), dtype=x.dtype).start
        v, _ = separation.pull(x, y, teacher.convex_weights, start)
        reached = ((v @ x.T) * (start @ x.T > 0)).mean(0)  # sum_j (a_j / sqrt m) <U_j, x> 1[W_j x > 0], a_j^2 = 1
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
    by, wider = ["labels", "gamma", "seed"], dict(zip(sorted(set(rows["width"])), sorted(set(rows["width"]))[1:]))
    widest = rows["width"].where(~reached).groupby([rows[name] for name in by]).max()
    return widest.map(lambda m: min(wider) if math.isnan(m) else wider.get(m, math.nan)).unstack()


def _even(width):
    return 2 * math.ceil(width / 2)
