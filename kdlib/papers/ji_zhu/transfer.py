"""One run of the transfer-risk experiment: every quantity of Ji & Zhu's Section 3 from one factorisation of a pool."""

import torch

from kdlib import devices, kernels, logits, metrics, models
from kdlib.papers.ji_zhu import synthetic


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
    teacher_samples,
    teacher_epoch,
    depth=2,
    device="auto",
):
    r"""Transfer risk, angles and bounds of the students of n samples of a pool, for every soft ratio.

    The pool is ``max(sizes)`` training samples, then ``test_points`` more. The oracle is the student of the whole pool, so
    that its outputs on the test points are the effective logits themselves, and Eq. 8 and Theorem 1 are exact there. The
    teacher is perfect: labels are its own decisions.

    Args:
        seed: of samples, student, task and teacher.
        soft_ratios: each in (0, 1].
        temperature: T.
        sizes: growing sample sizes n.
        pools: growing sizes of smaller pools, whose students serve as oracles too, on test points by their own
            logits; the whole pool is added.
        test_points: number of test points.
        betas: angles at which the distribution p is evaluated.
        teacher_modes: modes of the function whose sign labels the teacher's samples.
        teacher_samples: labelled samples of the teacher.
        teacher_epoch: its stopping epoch.
        depth: hidden layers of the student.
        device: where to compute.

    Returns:
        dict of tensors over r soft ratios, s sizes, q pools and b betas: ``risk``, ``bound`` (Theorem 1, at the angle
        with the zero function), ``angle`` (that angle), ``one_sample`` (Phuong & Lampert) ``(r, s)``; ``direction``, the
        angle to the oracle as Fig. 2 right plots it ``(r, q, s)``; ``p`` ``(r, q, b)``; ``norm``, of the oracle ``(r, q)``;
        ``zero``, of the zero function ``(q,)``; ``nearest`` and ``median`` angle between a test point and the oracle
        ``(r,)``; ``says`` and ``halves``, the first n of the pool at which Theorem 1's bound is below 1 and below 1/2 ``(r,)``;
        ``grows``, the number of steps from n to n + 1 in which the angle of Fig. 2 right grows ``(r,)``.

    Raises:
        ValueError: a value out of range; see the functions it calls.

    Source: Ji & Zhu 2020, Section 3, Theorem 1, Eqs. 6 to 9, Fig. 2; Sections S3, S5 and S6.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    train = max(sizes)
    pools = sorted({*pools, train + test_points})
    x, initial, student = synthetic.draw_student(
        train + test_points, depth=depth, generator=draw
    )
    truth = synthetic.GaussianMixture(teacher_modes, generator=draw)
    shown = synthetic.inputs(teacher_samples, generator=draw)
    z_t = synthetic.WideTeacher(
        shown, (truth(shown) > 0).double(), [teacher_epoch], depth=depth
    )(x)[:, 0]
    size = kernels.ntk_diagonal(x[train:], depth=depth)
    u = student.whiten(-initial)
    rows = []
    for rho in soft_ratios:
        z = logits.effective_logits(
            z_t, z_t > 0, soft_ratio=rho, temperature=temperature
        )
        v = student.whiten(z - initial)
        rows.append(
            _measure(student, initial, z, v, u, size, train, sizes, pools, betas)
        )
    zero = torch.stack([u[:pool].norm() for pool in pools])
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]} | {
        "zero": zero
    }


def _measure(student, initial, z, v, u, size, train, sizes, pools, betas):
    steps, at = v.square().cumsum(0), torch.as_tensor(sizes) - 1
    outputs = torch.stack(
        [student.factor[train:, :n] @ v[:n] + initial[train:] for n in sizes]
    )
    every_angle = student.oracle_angles(z - initial, -initial)
    oracles = {
        pool: student.factor[train:, :pool] @ (v - u)[:pool] for pool in pools
    }  # their logits; z of the whole pool
    angles = {
        pool: metrics.feature_angles(oracle, (v - u)[:pool].norm(), size)
        for pool, oracle in oracles.items()
    }
    direction = [
        (steps[at] / steps[pool - 1]).sqrt().clamp(max=1).acos() for pool in pools
    ]
    whole, betas = (
        angles[pools[-1]],
        torch.as_tensor(betas, dtype=v.dtype, device=v.device),
    )
    every_bound = metrics.transfer_risk_bound(whole, every_angle)
    every_direction = (steps / steps[-1]).sqrt().clamp(max=1).acos()
    return {
        "risk": torch.tensor(
            [metrics.transfer_risk(output, z[train:]) for output in outputs]
        ),
        "angle": every_angle[at],
        "bound": every_bound[at],
        "one_sample": metrics.one_sample_risk_bound(whole, torch.as_tensor(sizes)),
        "direction": torch.stack(direction),
        "p": torch.stack(
            [metrics.angle_distribution(angles[pool], betas) for pool in pools]
        ),
        "norm": torch.stack([steps[pool - 1].sqrt() for pool in pools]),
        "nearest": whole.min(),
        "median": whole.median(),
        "says": 1 + (every_bound < 1).int().argmax(),
        "halves": 1 + (every_bound < 0.5).int().argmax(),
        "grows": (every_direction.diff() > 1e-9).sum(),
    }


def online_sgd(
    seed,
    *,
    width,
    steps,
    soft_ratio,
    temperature,
    teacher_modes,
    teacher_samples,
    teacher_epoch,
    depth=2,
    batch=64,
    rate=0.1,
    marks=24,
    device="auto",
):
    r"""Oracle weight change as the authors find it: online SGD of the linearised finite network on fresh samples.

    .. math:: \Delta_w \leftarrow \Delta_w - \eta\, \phi(X) \bigl(f(X; w_0) + \phi(X)^\top \Delta_w - z\bigr) / B

    Args:
        seed: of network, task, teacher and samples.
        width: hidden width m.
        steps: number of steps.
        soft_ratio: in (0, 1].
        temperature: T.
        teacher_modes, teacher_samples, teacher_epoch: of the teacher, see :func:`risk_and_angles`.
        depth: hidden layers.
        batch: fresh samples B a step.
        rate: learning rate η.
        marks: number of moments, evenly spread in the logarithm of the steps, at which the norm is noted.
        device: where to compute.

    Returns:
        dict: ``seen``, samples seen at each moment, and ``norm``, :math:`\|\Delta_w\|_2` then.

    Source: Ji & Zhu 2020, Section 3.1; rate, batch and steps are not published.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    truth = synthetic.GaussianMixture(teacher_modes, generator=draw)
    shown = synthetic.inputs(teacher_samples, generator=draw)
    teacher = synthetic.WideTeacher(
        shown, (truth(shown) > 0).double(), [teacher_epoch], depth=depth
    )
    network = models.NTKMLP(2, width, depth=depth, generator=draw)
    weights = {name: value.detach() for name, value in network.named_parameters()}
    change = {name: torch.zeros_like(value) for name, value in weights.items()}
    noted = sorted({int(steps ** (k / (marks - 1))) for k in range(marks)})
    seen, norm = [], []
    for step in range(1, steps + 1):
        x = synthetic.inputs(batch, generator=draw)
        z_t = teacher(x)[:, 0]
        z = logits.effective_logits(
            z_t, z_t > 0, soft_ratio=soft_ratio, temperature=temperature
        )
        outputs = lambda w, x=x.float(): torch.func.functional_call(network, w, x)  # noqa: E731
        start, moved = torch.func.jvp(outputs, (weights,), (change,))
        _, back = torch.func.vjp(outputs, weights)
        (slope,) = back((start + moved - z.float()) / batch)
        change = {name: change[name] - rate * slope[name] for name in change}
        if step in noted:
            seen.append(step * batch)
            norm.append(
                torch.stack([part.double().square().sum() for part in change.values()])
                .sum()
                .sqrt()
                .item()
            )
    return {"seen": torch.tensor(seen), "norm": torch.tensor(norm, dtype=torch.float64)}
