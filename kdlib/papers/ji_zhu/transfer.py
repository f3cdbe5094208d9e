"""One run of the transfer-risk experiment: every quantity of Ji & Zhu's Section 3 from
one factorisation of a pool."""

import math
from typing import NamedTuple

import torch

from kdlib import devices, kernels, linearized, logits, metrics, models
from kdlib.papers.ji_zhu import synthetic

#: Angles from 1.55 to π/2 at which the angle distribution is evaluated (Fig. 2 middle).
#:
#: :meta hide-value:
BETAS = [round(1.55 + k * (math.pi / 2 - 1.55) / 99, 6) for k in range(100)]


def setting(
    *,
    soft_ratios,
    temperature,
    sizes,
    pools,
    test_points,
    teacher_modes,
    teacher_amplitude,
    device,
):
    """The setting of :func:`risk_and_angles` from a chapter's parameters.

    Chapters that ask for it with the same values share their rows.

    Args:
        soft_ratios: see :func:`risk_and_angles`, as all others.
        temperature: T.
        sizes: growing sample sizes n.
        pools: sizes of smaller pools.
        test_points: number of test points.
        teacher_modes: of the teacher.
        teacher_amplitude: of the teacher.
        device: where to compute.

    Returns:
        A dict of all arguments by name, and ``betas``, which is :data:`BETAS`.
    """
    return {
        "soft_ratios": soft_ratios,
        "temperature": temperature,
        "sizes": sizes,
        "pools": pools,
        "test_points": test_points,
        "betas": BETAS,
        "teacher_modes": teacher_modes,
        "teacher_amplitude": teacher_amplitude,
        "device": device,
    }


def risk_and_angles(
    seed,
    *,
    soft_ratios,
    temperature,
    sizes,
    pools,
    test_points,
    betas,
    teacher_modes,
    teacher_amplitude,
    depth=2,
    device="auto",
):
    r"""Transfer risk, angles and bounds of the students of n samples of a pool, for
    every soft ratio.

    The pool is ``max(sizes)`` training samples, then ``test_points`` more. The oracle
    is the student of the whole pool, so that its outputs on the test points are the
    effective logits themselves, and Eq. 8 and Theorem 1 are exact there. The teacher is
    perfect: it is the Gaussian mixture itself, and labels are its own decisions.

    Args:
        seed: of samples, student, task and teacher.
        soft_ratios: each in (0, 1].
        temperature: T.
        sizes: growing sample sizes n.
        pools: growing sizes of smaller pools, whose students serve as oracles too, on
            test points by their own logits; the whole pool is added.
        test_points: number of test points.
        betas: angles at which the distribution p is evaluated.
        teacher_modes: modes of the mixture.
        teacher_amplitude: standard deviation of its amplitudes.
        depth: hidden layers of the student.
        device: where to compute.

    Returns:
        dict of tensors over r soft ratios, s sizes, q pools and b betas: ``risk``,
        ``bound`` (Theorem 1, at the angle with the zero function), ``angle`` (that
        angle), ``one_sample`` (Phuong & Lampert) ``(r, s)``; ``direction``, the angle
        to the oracle as Fig. 2 right plots it ``(r, q, s)``; ``p`` ``(r, q, b)``;
        ``norm``, of the oracle ``(r, q)``; ``zero``, of the zero function ``(q,)``;
        ``nearest`` and ``median`` angle between a test point and the oracle ``(r,)``;
        ``says`` and ``halves``, the first n of the pool at which Theorem 1's bound is
        below 1 and below 1/2 ``(r,)``; ``grows``, the number of steps from n to n + 1
        in which the angle of Fig. 2 right grows ``(r,)``.

    Raises:
        ValueError: a value out of range; see the functions it calls.

    Source: Ji & Zhu 2020, Section 3, Theorem 1, Eqs. 6 to 9, Fig. 2; Sections S3, S5
    and S6.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    train = max(sizes)
    x, initial, student = synthetic.draw_student(
        train + test_points, depth=depth, generator=draw
    )
    teacher = synthetic.GaussianMixture(
        teacher_modes, amplitude=teacher_amplitude, generator=draw
    )
    pool = _Pool(
        student=student,
        initial=initial,
        zero=student.whiten(-initial),
        feature_squares=kernels.ntk_diagonal(x[train:], depth=depth),
        sizes=sizes,
        pools=sorted({*pools, train + test_points}),
    )
    z_t = teacher(x)
    by_ratio = []
    for rho in soft_ratios:
        z = logits.effective_logits(
            z_t, z_t > 0, soft_ratio=rho, temperature=temperature
        )
        v = student.whiten(z - initial)
        to_oracles = [_angles_to_oracle(pool, v, N) for N in pool.pools]
        row = _student_angles(pool, v) | _risks(pool, z, v, to_oracles[-1])
        row["p"] = _shares(to_oracles, betas)
        by_ratio.append(row)
    columns = {}
    for name in by_ratio[0]:
        columns[name] = torch.stack([row[name] for row in by_ratio])
    columns["zero"] = torch.stack([pool.zero[:N].norm() for N in pool.pools])
    return columns


class _Pool(NamedTuple):
    """What the students of all soft ratios share: ``max(sizes)`` samples, then t test
    points, N in all."""

    student: linearized.LinearizedStudent
    #: outputs at initialisation, ``(N,)``
    initial: torch.Tensor
    #: whitened weight change of the zero function, ``(N,)``
    zero: torch.Tensor
    #: squared norms of the test points' features, ``(t,)``
    feature_squares: torch.Tensor
    sizes: list
    #: sizes of the pools whose students are oracles, the last of which is N
    pools: list


def _angles_to_oracle(pool, v, N):
    """Angles ``(t,)`` of the test points to the oracle of N samples less zero's."""
    w = (v - pool.zero)[:N]
    # the oracle's outputs; for the whole pool they are the effective logits themselves
    outputs = pool.student.predict_later(w, max(pool.sizes), N)
    return metrics.feature_angles(outputs, w.norm(), pool.feature_squares)


def _shares(to_oracles, betas):
    """The distribution p at the angles betas, for every oracle: ``(q, b)``."""
    betas = torch.as_tensor(betas).to(to_oracles[0])
    return torch.stack([metrics.angle_distribution(one, betas) for one in to_oracles])


def _student_angles(pool, v):
    """Norms of one soft ratio's oracles, and angles of its students to them (Eq. 9)."""
    at = torch.as_tensor(pool.sizes) - 1
    squares = v.square().cumsum(0)
    norms, directions = [], []
    for N in pool.pools:
        norms.append(squares[N - 1].sqrt())
        directions.append((squares[at] / squares[N - 1]).sqrt().clamp(max=1).acos())
    every_direction = (squares / squares[-1]).sqrt().clamp(max=1).acos()
    return {
        "norm": torch.stack(norms),
        "direction": torch.stack(directions),
        "grows": (every_direction.diff() > 1e-9).sum(),
    }


def _risks(pool, z, v, to_oracle):
    """How often the students of one soft ratio err, and what bounds it."""
    train = max(pool.sizes)
    at = torch.as_tensor(pool.sizes) - 1
    risks = []
    for n in pool.sizes:
        outputs = pool.student.predict_later(v, train, n) + pool.initial[train:]
        risks.append(metrics.transfer_risk(outputs, z[train:]))
    every_angle = pool.student.oracle_angles(z - pool.initial, -pool.initial)
    every_bound = metrics.transfer_risk_bound(to_oracle, every_angle)
    one_sample = metrics.one_sample_risk_bound(to_oracle, torch.as_tensor(pool.sizes))
    return {
        "risk": torch.tensor(risks),
        "angle": every_angle[at],
        "bound": every_bound[at],
        "one_sample": one_sample,
        "nearest": to_oracle.min(),
        "median": to_oracle.median(),
        "says": 1 + (every_bound < 1).int().argmax(),
        "halves": 1 + (every_bound < 0.5).int().argmax(),
    }


def stopped_oracles(
    seed,
    *,
    soft_ratios,
    temperature,
    sizes,
    samples,
    times,
    betas,
    teacher_modes,
    teacher_amplitude,
    depth=2,
    device="auto",
):
    r"""Angles to an oracle whose training on fresh samples was stopped.

    The paper finds its oracle by online training, which stops somewhere. Here it is
    the gradient flow of the squared error on ``samples`` fresh inputs, stopped at
    several times, less the zero function: :math:`w_s = \phi(X)\, a(s)` with the
    coefficients of :func:`kdlib.linearized.gradient_flow`. The students are those of n
    samples of their own, less the zero function too.

    Args:
        seed: of samples and task.
        soft_ratios: each in (0, 1].
        temperature: T.
        sizes: growing sample sizes n of the students, on whose samples p is evaluated
            too.
        samples: fresh samples of the oracle.
        times: flow times s at which it stops.
        betas: angles at which the distribution p is evaluated.
        teacher_modes: of the teacher, see :func:`risk_and_angles`.
        teacher_amplitude: of the teacher.
        depth: hidden layers.
        device: where to compute.

    Returns:
        dict of tensors over r soft ratios and k times: ``p`` ``(r, k, b)``;
        ``direction``, the angle between student and oracle ``(r, k, s)``; ``norm`` of
        the oracle ``(r, k)``.

    Raises:
        ValueError: a value out of range; see the functions it calls.

    Source: Ji & Zhu 2020, Section 3.1, Eqs. 6 and 8; where the training stopped is not
    published.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    x, _, student = synthetic.draw_student(max(sizes), depth=depth, generator=draw)
    teacher = synthetic.GaussianMixture(
        teacher_modes, amplitude=teacher_amplitude, generator=draw
    )
    fresh = synthetic.inputs(samples, generator=draw)
    gram = kernels.ntk(fresh, depth=depth)
    cross = kernels.ntk(x, fresh, depth=depth)
    feature_squares = kernels.ntk_diagonal(x, depth=depth)
    at = torch.as_tensor(sizes) - 1

    def effective(points, rho):
        z_t = teacher(points)
        return logits.effective_logits(
            z_t, z_t > 0, soft_ratio=rho, temperature=temperature
        )

    columns = {"p": [], "direction": [], "norm": []}
    for rho in soft_ratios:
        duals = linearized.gradient_flow(gram, effective(fresh, rho), times)
        norms = (duals * (gram @ duals)).sum(0).sqrt()
        outputs = cross @ duals
        v = student.whiten(effective(x, rho))
        inner = (student.whiten(outputs) * v[:, None]).cumsum(0)[at]
        lengths = v.square().cumsum(0).sqrt()[at]
        cosines = inner / (lengths[:, None] * norms)
        angles = [
            metrics.feature_angles(f, norm, feature_squares)
            for f, norm in zip(outputs.T, norms)
        ]
        columns["p"].append(_shares(angles, betas))
        columns["direction"].append(cosines.abs().clamp(max=1).acos().T)
        columns["norm"].append(norms)
    return {name: torch.stack(parts) for name, parts in columns.items()}


def online_sgd(
    seed,
    *,
    width,
    steps,
    soft_ratio,
    temperature,
    teacher_modes,
    teacher_amplitude,
    depth=2,
    batch=64,
    rate=0.1,
    marks=24,
    device="auto",
):
    r"""Oracle weight change as the authors find it: online SGD of the linearised finite
    network on fresh samples.

    .. math::
        \Delta_w \leftarrow
        \Delta_w - \eta\, \phi(X) \bigl(f(X; w_0) + \phi(X)^\top \Delta_w - z\bigr) / B

    Args:
        seed: of network, task, teacher and samples.
        width: hidden width m.
        steps: number of steps.
        soft_ratio: in (0, 1].
        temperature: T.
        teacher_modes: of the teacher, see :func:`risk_and_angles`.
        teacher_amplitude: of the teacher.
        depth: hidden layers.
        batch: fresh samples B a step.
        rate: learning rate η.
        marks: number of moments, evenly spread in the logarithm of the steps, at which
            the norm is noted.
        device: where to compute.

    Returns:
        dict: ``seen``, samples seen at each moment, and ``norm``,
        :math:`\|\Delta_w\|_2` then.

    Raises:
        ValueError: a value out of range; see the functions it calls.

    Source: Ji & Zhu 2020, Section 3.1; rate, batch and steps are not published.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    teacher = synthetic.GaussianMixture(
        teacher_modes, amplitude=teacher_amplitude, generator=draw
    )
    network = models.NTKMLP(2, width, depth=depth, generator=draw)
    weights = {name: value.detach() for name, value in network.named_parameters()}
    change = {name: torch.zeros_like(value) for name, value in weights.items()}
    noted = {int(steps ** (k / (marks - 1))) for k in range(marks)}
    seen, norms = [], []
    for step in range(1, steps + 1):
        x = synthetic.inputs(batch, generator=draw)
        z_t = teacher(x)
        z = logits.effective_logits(
            z_t, z_t > 0, soft_ratio=soft_ratio, temperature=temperature
        )
        slope = _slope(network, weights, change, x.float(), z.float())
        for name in change:
            change[name] = change[name] - rate * slope[name]
        if step in noted:
            seen.append(step * batch)
            norms.append(_norm(change))
    return {
        "seen": torch.tensor(seen),
        "norm": torch.tensor(norms, dtype=torch.float64),
    }


def _slope(network, weights, change, x, z):
    """Gradient of half the mean squared error of the network linear in ``change``."""

    def outputs(w):
        return torch.func.functional_call(network, w, x)

    start, moved = torch.func.jvp(outputs, (weights,), (change,))
    _, backward = torch.func.vjp(outputs, weights)
    (slope,) = backward((start + moved - z) / len(x))
    return slope


def _norm(change):
    """Norm of a weight change whose parts have names."""
    squares = [part.double().square().sum() for part in change.values()]
    return torch.stack(squares).sum().sqrt().item()
