"""What the first hard labels do for a student."""

from typing import NamedTuple

import torch

HardLabelGain = NamedTuple(
    "HardLabelGain", [("projection", torch.Tensor), ("derivative", torch.Tensor)]
)


def hard_label_gain(student, truth, teacher, correction, *, oracle_norm=None):
    r"""What the first hard labels do to the angle between student and ground truth, at every sample size.

    .. math:: \frac{\partial \cos \alpha(\Delta \hat w, \Delta w_g)}{\partial (1 - \rho)}\Big|_{\rho = 1} =
              \frac{P}{\|\Delta w_g\| \sqrt{\langle \Delta z_t, \Delta z_t \rangle}}, \quad
              P = \langle \Delta z_g, \delta z_h \rangle - \frac{\langle \Delta z_g, \Delta z_t \rangle}
              {\langle \Delta z_t, \Delta z_t \rangle} \langle \Delta z_t, \delta z_h \rangle

    Inner products are those of :math:`\Theta_n^{-1}`. Where P > 0 hard labels turn the student towards the truth.

    Args:
        student: a ``linearized.LinearizedStudent`` of n samples.
        truth: ground-truth logits less the student's at initialisation, :math:`\Delta z_g`, ``(n,)``.
        teacher: the teacher's, likewise, :math:`\Delta z_t`, ``(n,)``.
        correction: :math:`\delta z_h`, ``(n,)``; see ``logits.correction_logits``. No initial logit is subtracted.
        oracle_norm: :math:`\|\Delta w_g\|_2`; by default that of the truth on all n samples.

    Returns:
        ``HardLabelGain(projection, derivative)``, each ``(n,)``, float64; the projection is P.

    Raises:
        ValueError: the three differ in shape, or a shape does not fit the student.

    Source: Ji & Zhu 2020, Section 5, Theorem 2, Eq. 12; the projection is what Fig. 5 right plots.
    """
    if not truth.shape == teacher.shape == correction.shape or truth.ndim != 1:
        raise ValueError(
            f"truth, teacher and correction must share one shape (n,), got {tuple(truth.shape)}, "
            f"{tuple(teacher.shape)} and {tuple(correction.shape)}"
        )
    g, t, h = student.whiten(torch.stack([truth, teacher, correction], dim=1)).T
    gg, gh, gt, tt, th = (
        sums.cumsum(0) for sums in (g * g, g * h, g * t, t * t, t * h)
    )
    projection = gh - gt / tt * th
    return HardLabelGain(
        projection,
        projection
        / ((gg[-1].sqrt() if oracle_norm is None else oracle_norm) * tt.sqrt()),
    )
