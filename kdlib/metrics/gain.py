"""What the first hard labels do for a student."""

from typing import NamedTuple

import torch


class HardLabelGain(NamedTuple):
    """The result of :func:`hard_label_gain`, each ``(n,)`` for every sample size.

    Attributes:
        projection: P.
        derivative: of the cosine by the share of hard labels.
    """

    projection: torch.Tensor
    derivative: torch.Tensor


def hard_label_gain(student, truth, teacher, correction, *, oracle_norm=None):
    r"""What the first hard labels do to the angle between student and ground truth.

    It is computed for every sample size.

    .. math::
        \frac{\partial \cos \alpha(\Delta \hat w, \Delta w_g)}{\partial (1 - \rho)}
        \Big|_{\rho = 1} =
        \frac{P}{\|\Delta w_g\| \sqrt{\langle \Delta z_t, \Delta z_t \rangle}}, \quad
        P = \langle \Delta z_g, \delta z_h \rangle
        - \frac{\langle \Delta z_g, \Delta z_t \rangle}
        {\langle \Delta z_t, \Delta z_t \rangle}
        \langle \Delta z_t, \delta z_h \rangle

    Inner products are those of :math:`\Theta_n^{-1}`. Where P > 0 hard labels turn the
    student towards the truth.

    Args:
        student: a ``linearized.LinearizedStudent`` of n samples.
        truth: ground-truth logits less the student's at initialisation,
            :math:`\Delta z_g`, ``(n,)``.
        teacher: the teacher's logits less the student's at initialisation,
            :math:`\Delta z_t`, ``(n,)``.
        correction: :math:`\delta z_h`, ``(n,)``; see ``logits.correction_logits``. No
            initial logit is subtracted.
        oracle_norm: :math:`\|\Delta w_g\|_2`; by default that of the truth on all n
            samples.

    Returns:
        ``HardLabelGain(projection, derivative)``, each ``(n,)``, float64; the
        projection is P.

    Raises:
        ValueError: the three differ in shape, or a shape does not fit the student.

    Example:
        The teacher is wrong about the second sample, where the hard label corrects it:

        >>> from kdlib import linearized, metrics
        >>> student = linearized.LinearizedStudent(torch.eye(2).double())
        >>> truth, teacher, move = torch.tensor([[1, 1], [1, -1], [0, 2]]).double()
        >>> metrics.hard_label_gain(student, truth, teacher, move).projection
        tensor([0., 2.], dtype=torch.float64)

    Source: Ji & Zhu 2020, Section 5, Theorem 2, Eq. 12; the projection is what Fig. 5
    right plots.
    """
    if not truth.shape == teacher.shape == correction.shape or truth.ndim != 1:
        raise ValueError(
            "truth, teacher and correction must share one shape (n,), got "
            f"{tuple(truth.shape)}, {tuple(teacher.shape)} and "
            f"{tuple(correction.shape)}"
        )
    # The inner product of two changes at size n is the sum of the first n products.
    g, t, h = student.whiten(torch.stack([truth, teacher, correction], dim=1)).T
    gg = (g * g).cumsum(0)
    gh = (g * h).cumsum(0)
    gt = (g * t).cumsum(0)
    tt = (t * t).cumsum(0)
    th = (t * h).cumsum(0)
    projection = gh - gt / tt * th
    if oracle_norm is None:
        oracle_norm = gg[-1].sqrt()
    return HardLabelGain(projection, projection / (oracle_norm * tt.sqrt()))
