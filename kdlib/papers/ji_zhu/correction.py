"""One run with an imperfect teacher: every quantity of Ji & Zhu's Section 5 from one factorisation of a pool."""

import torch

from kdlib import devices, logits, metrics
from kdlib.papers.ji_zhu import synthetic


def errors_and_gains(
    seed,
    *,
    soft_ratios,
    temperature,
    epochs,
    sizes,
    test_points,
    teacher_modes,
    teacher_samples,
    depth=2,
    device="auto",
):
    r"""Errors, angles and the gain of the first hard labels for every stopping epoch, soft ratio and sample size.

    The truth is a Gaussian mixture, labels are its sign, and the teacher, trained on labelled samples and stopped, is
    wrong about some of them. The pool is ``max(sizes)`` training samples, then ``test_points`` more; the truth's oracle
    is the student of the whole pool.

    Args:
        seed: of samples, student, task and teacher.
        soft_ratios: each in (0, 1].
        temperature: T.
        epochs: growing stopping epochs of the teacher.
        sizes: growing sample sizes n.
        test_points: number of test points.
        teacher_modes: modes of the truth.
        teacher_samples: labelled samples of the teacher.
        depth: hidden layers of the student.
        device: where to compute.

    Returns:
        dict of tensors over e epochs, r soft ratios and s sizes: ``projection``,
        :math:`\langle\delta\hat w_h, \Delta\hat w_c\rangle`, and ``derivative`` of the cosine (Eq. 12) ``(e, s)``;
        ``cosine`` of the angle between student and truth's oracle (Eq. 11) and test ``error`` against the labels
        ``(e, r, s)``; ``corrected``, the share of the teacher's mistakes that the effective logit has right ``(e, r)``;
        ``teacher_error`` ``(e,)``; ``hard_error`` of the student of hard labels alone, logits of ±1, ``(s,)``.

    Raises:
        ValueError: a value out of range; see the functions it calls.

    Source: Ji & Zhu 2020, Section 5, Theorem 2, Eqs. 11 and 12, Fig. 5 middle and right.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    train, at = max(sizes), torch.as_tensor(sizes) - 1
    x, initial, student = synthetic.draw_student(
        train + test_points, depth=depth, generator=draw
    )
    truth = synthetic.GaussianMixture(teacher_modes, generator=draw)
    shown = synthetic.inputs(teacher_samples, generator=draw)
    teacher = synthetic.WideTeacher(
        shown, (truth(shown) > 0).double(), epochs, depth=depth
    )(x)
    z_g, right = truth(x), truth(x) > 0
    g = student.whiten(z_g - initial)
    wrong = lambda outputs: ((outputs > 0) != right[train:]).double().mean(-1)  # noqa: E731

    def outputs(v):
        return torch.stack(
            [student.factor[train:, :n] @ v[:n] + initial[train:] for n in sizes]
        )

    rows = []
    for z_t in teacher.T:
        correction = logits.correction_logits(z_t, right, temperature=temperature)
        gain = metrics.hard_label_gain(
            student, z_g - initial, z_t - initial, correction
        )
        row = {
            "projection": gain.projection[at],
            "derivative": gain.derivative[at],
            "teacher_error": wrong(z_t[train:]),
            "cosine": [],
            "error": [],
            "corrected": [],
        }
        for rho in soft_ratios:
            z = logits.effective_logits(
                z_t, right, soft_ratio=rho, temperature=temperature
            )
            row["corrected"].append(
                ((z > 0) == right)[(z_t > 0) != right].double().mean()
            )
            v = student.whiten(z - initial)
            row["cosine"].append(
                (g * v).cumsum(0)[at] / (g.norm() * v.square().cumsum(0)[at].sqrt())
            )
            row["error"].append(wrong(outputs(v)))
        rows.append(
            row
            | {
                name: torch.stack(row[name])
                for name in ("cosine", "error", "corrected")
            }
        )
    hard = wrong(outputs(student.whiten(2.0 * right - 1 - initial)))
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]} | {
        "hard_error": hard
    }
