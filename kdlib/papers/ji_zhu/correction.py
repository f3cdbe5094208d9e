"""One run with an imperfect teacher: every quantity of Ji & Zhu's Section 5 from one
factorisation of a pool."""

from typing import NamedTuple

import torch

from kdlib import devices, linearized, logits, metrics
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
    teacher_amplitude,
    teacher_samples,
    teacher_scale,
    depth=2,
    device="auto",
):
    r"""Errors, angles and the gain of the first hard labels for every stopping epoch,
    soft ratio and sample size.

    The truth is a Gaussian mixture, labels are its sign, and the teacher, trained on
    labelled samples and stopped, is wrong about some of them. The pool is
    ``max(sizes)`` training samples, then ``test_points`` more; the truth's oracle is
    the student of the whole pool.

    Args:
        seed: of samples, student, task and teacher.
        soft_ratios: each in (0, 1].
        temperature: T.
        epochs: growing stopping epochs of the teacher.
        sizes: growing sample sizes n.
        test_points: number of test points.
        teacher_modes: modes of the truth.
        teacher_amplitude: standard deviation of its amplitudes.
        teacher_samples: labelled samples of the teacher.
        teacher_scale: logits to which the squared error draws it.
        depth: hidden layers of the student.
        device: where to compute.

    Returns:
        dict of tensors over e epochs, r soft ratios and s sizes: ``projection``,
        :math:`\langle\delta\hat w_h, \Delta\hat w_c\rangle`, and ``derivative`` of the
        cosine (Eq. 12) ``(e, s)``; ``cosine`` of the angle between student and truth's
        oracle (Eq. 11) and test ``error`` against the labels ``(e, r, s)``;
        ``corrected``, the share of the teacher's mistakes that the effective logit has
        right ``(e, r)``; ``teacher_error`` ``(e,)``; ``hard_error`` of the student of
        hard labels alone, logits of ±1, ``(s,)``.

    Raises:
        ValueError: a value out of range; see the functions it calls.

    Source: Ji & Zhu 2020, Section 5, Theorem 2, Eqs. 11 and 12, Fig. 5 middle and
    right.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    x, initial, student = synthetic.draw_student(
        max(sizes) + test_points, depth=depth, generator=draw
    )
    truth, network = synthetic.draw_teacher(
        teacher_modes,
        teacher_samples,
        epochs,
        amplitude=teacher_amplitude,
        scale=teacher_scale,
        depth=depth,
        generator=draw,
    )
    z_g = truth(x)
    pool = _Pool(student, initial, z_g, student.whiten(z_g - initial), sizes)
    by_epoch = []
    for z_t in network(x).T:
        row = _gain(pool, z_t, temperature)
        row |= _students(pool, z_t, soft_ratios, temperature)
        row["teacher_error"] = _error(pool, z_t[max(sizes) :])
        by_epoch.append(row)
    columns = {}
    for name in by_epoch[0]:
        columns[name] = torch.stack([row[name] for row in by_epoch])
    labels = 2.0 * pool.right - 1
    columns["hard_error"] = _student_errors(pool, student.whiten(labels - initial))
    return columns


class _Pool(NamedTuple):
    """What all students of a run share: ``max(sizes)`` samples, then the test points.

    ``truth`` are the true logits of the pool, ``(N,)``, whose signs are the labels, and
    ``oracle`` is the whitened weight change of the student of all of them.
    """

    student: linearized.LinearizedStudent
    initial: torch.Tensor
    truth: torch.Tensor
    oracle: torch.Tensor
    sizes: list

    @property
    def right(self):
        """The labels, ``(N,)``, true where the true logit is positive."""
        return self.truth > 0


def _gain(pool, z_t, temperature):
    """What the first hard labels add to a teacher's logits, at every size (Eq. 12)."""
    at = torch.as_tensor(pool.sizes) - 1
    correction = logits.correction_logits(z_t, pool.right, temperature=temperature)
    gain = metrics.hard_label_gain(
        pool.student, pool.truth - pool.initial, z_t - pool.initial, correction
    )
    return {"projection": gain.projection[at], "derivative": gain.derivative[at]}


def _students(pool, z_t, soft_ratios, temperature):
    """Cosine, error and corrected mistakes of one teacher's students, by soft ratio."""
    at = torch.as_tensor(pool.sizes) - 1
    mistaken = (z_t > 0) != pool.right
    cosines, errors, corrected = [], [], []
    for rho in soft_ratios:
        z = logits.effective_logits(
            z_t, pool.right, soft_ratio=rho, temperature=temperature
        )
        v = pool.student.whiten(z - pool.initial)
        inner = (pool.oracle * v).cumsum(0)[at]
        norm = v.square().cumsum(0)[at].sqrt()
        cosines.append(inner / (pool.oracle.norm() * norm))
        errors.append(_student_errors(pool, v))
        corrected.append(((z > 0) == pool.right)[mistaken].double().mean())
    return {
        "cosine": torch.stack(cosines),
        "error": torch.stack(errors),
        "corrected": torch.stack(corrected),
    }


def _student_errors(pool, v):
    """Test error of the students of all sizes with the weight change v: ``(s,)``."""
    train = max(pool.sizes)
    outputs = []
    for n in pool.sizes:
        later = pool.student.predict_later(v, train, n)
        outputs.append(later + pool.initial[train:])
    return _error(pool, torch.stack(outputs))


def _error(pool, outputs):
    """Share of the test points whose sign is wrong, of outputs ``(..., t)``."""
    wrong = (outputs > 0) != pool.right[max(pool.sizes) :]
    return wrong.double().mean(-1)
