"""The scalars and curves that the papers plot."""

import math
from typing import NamedTuple

import torch
from scipy import stats

from kdlib import inefficiency, separation


class Exponent(NamedTuple):
    """Exponent of a power law with its 95 % interval over runs."""

    exponent: float
    low: float
    high: float


HardLabelGain = NamedTuple("HardLabelGain", [("projection", torch.Tensor), ("derivative", torch.Tensor)])


def transfer_risk(student_logits, teacher_logits):
    r"""Share of the examples on which student and teacher decide differently.

    Two classes, logits of shape ``(n,)``: :math:`R = P[z_t z_s < 0]`, so that a logit of exactly zero, which decides
    nothing, never disagrees. ``c`` classes, shape ``(n, c)``: :math:`R = P[\arg\max z_t \ne \arg\max z_s]`, ties going
    to the lowest class as in ``torch.argmax``. The labels play no part: a student can agree with a wrong teacher.

    Args:
        student_logits: tensor of shape ``(n,)`` or ``(n, c)``, n >= 1.
        teacher_logits: tensor of the same shape.

    Returns:
        A float in [0, 1]; multiples of 1 / n.

    Raises:
        ValueError: shapes differ, are of another kind, or n is 0.

    Source: Ji & Zhu 2020, Section 3, first paragraph; classes as in their Section S2 (set-up not published).
    """
    shape = tuple(student_logits.shape)
    if shape != tuple(teacher_logits.shape) or len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(f"student_logits and teacher_logits must share one shape, (n,) or (n, c) with n >= 1, got "
                         f"{shape} and {tuple(teacher_logits.shape)}")
    if len(shape) == 1:  # signs, since the product of two small logits can underflow to zero
        differs = student_logits.sign() * teacher_logits.sign() < 0
    else:
        differs = student_logits.argmax(dim=1) != teacher_logits.argmax(dim=1)
    return differs.double().mean().item()


def power_law_exponent(sizes, values, *, confidence=0.95):
    r"""Slope b of :math:`\ln v = a + b \ln n`, with Student's t-interval over the runs.

    Each run gives its own least-squares slope :math:`b_r`; the estimate is their mean :math:`\bar b` (the slope of the
    mean logarithm), and the interval :math:`\bar b \pm t_{R-1} s / \sqrt R` with s the standard deviation of the R
    slopes. It is negative where v falls; the rate that papers quote is −b. The interval says how far new runs would
    move the slope, not whether a straight line fits.

    Args:
        sizes: tensor of shape ``(k,)``, k >= 2 different sample sizes, > 0.
        values: tensor of shape ``(runs, k)``, all > 0.
        confidence: of the interval, in (0, 1).

    Returns:
        ``Exponent(exponent, low, high)``; low and high are NaN for a single run.

    Raises:
        ValueError: shapes do not match, fewer than two sizes, or a size or value that has no logarithm.

    Source: Ji & Zhu 2020, Fig. 2 left and Section S2; the fit is ours, theirs is not published.
    """
    sizes, values = torch.as_tensor(sizes).double(), torch.as_tensor(values).double()
    if values.ndim != 2 or sizes.ndim != 1 or values.shape[1] != len(sizes) or 0 in values.shape:
        raise ValueError(f"sizes must have shape (k,) and values (runs, k), got {tuple(sizes.shape)} and "
                         f"{tuple(values.shape)}")
    if len(sizes.unique()) < 2:
        raise ValueError(f"sizes must hold at least two different sizes, got {sizes.tolist()}")
    if not (sizes.min() > 0 and values.min() > 0):
        raise ValueError(f"sizes and values must be > 0, got a least size {sizes.min().item()} and a least value "
                         f"{values.min().item()}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    x = sizes.log() - sizes.log().mean()
    b = values.log() @ x / (x @ x)
    runs, half = len(b), float("nan")
    if runs > 1:
        half = float(stats.t.ppf(0.5 + confidence / 2, runs - 1)) * b.std().item() / runs**0.5
    return Exponent(b.mean().item(), b.mean().item() - half, b.mean().item() + half)


def data_inefficiency(weight_norms):
    r"""Data inefficiency at every sample size, from n to n + 1 as it is defined.

    .. math:: I(n) = n\, [\ln E \|\Delta_{\hat w, n+1}\|_2 - \ln E \|\Delta_{\hat w, n}\|_2]

    The logarithm of the mean over runs, not the mean of logarithms: runs with large norms count more. One step of n is
    a noisy difference; ``inefficiency.slopes`` is the estimate to plot.

    Args:
        weight_norms: ``(runs, n)``, column i for i + 1 samples, all > 0, n >= 2.

    Returns:
        Tensor ``(n - 1,)``; entry i is I(i + 1), >= 0 where norms never fall.

    Raises:
        ValueError: another shape, or a norm without logarithm.

    Source: Ji & Zhu 2020, Section 4, Definition 1, Eq. 10.
    """
    log_mean = inefficiency.log_mean(weight_norms, 2)
    return torch.arange(1, len(log_mean), device=log_mean.device) * log_mean.diff()


def feature_angles(effective_logits, weight_norm, kernel_diagonal):
    r"""Acute angle between each point's features and the oracle's weight change, less that of the zero function.

    .. math:: \cos \bar\alpha(\phi(x), \Delta_{w_*} - \Delta_{w_z}) =
              \frac{|z_\mathrm{eff}(x)|}{\|\Delta_{w_*} - \Delta_{w_z}\|_2 \sqrt{\Theta(x, x)}}

    The paper prints no absolute value; an acute angle needs it.

    Args:
        effective_logits: :math:`z_\mathrm{eff}(x)`, ``(n,)``; no :math:`z_0` is subtracted.
        weight_norm: :math:`\|\Delta_{w_*} - \Delta_{w_z}\|_2`, > 0.
        kernel_diagonal: :math:`\Theta(x, x)`, ``(n,)``, all > 0.

    Returns:
        Tensor ``(n,)`` of angles in [0, π/2].

    Raises:
        ValueError: shapes differ, a value is not > 0, or a cosine is above 1 (weights of that norm are too short).

    Source: Ji & Zhu 2020, Section 3.1, Eq. 8.
    """
    if effective_logits.ndim != 1 or effective_logits.shape != kernel_diagonal.shape:
        raise ValueError(f"effective_logits and kernel_diagonal must share one shape (n,), got "
                         f"{tuple(effective_logits.shape)} and {tuple(kernel_diagonal.shape)}")
    cosine = effective_logits.abs() / (weight_norm * kernel_diagonal.sqrt())
    outside = ~((cosine >= 0) & (cosine <= 1 + 1e-6))  # more than rounding; NaN is outside too
    if outside.any():
        raise ValueError(f"weight_norm and kernel_diagonal must be > 0 and each cosine at most 1, got "
                         f"{cosine[outside][0].item():g}")
    return cosine.clamp(max=1).acos()


def angle_distribution(angles, beta):
    r"""Accumulative angle distribution, :math:`p(\beta) = P_x[\bar\alpha(\phi(x), \Delta_{w_*} - \Delta_{w_z}) > \beta]`.

    Args:
        angles: angles of sampled points in [0, π/2], ``(n,)``; see :func:`feature_angles`.
        beta: tensor of any shape.

    Returns:
        The share of points at a larger angle, of the shape of ``beta``, float64.

    Raises:
        ValueError: ``angles`` is empty or not of one dimension.

    Source: Ji & Zhu 2020, Section 3, Eq. 6.
    """
    if angles.ndim != 1 or not len(angles):
        raise ValueError(f"angles must have shape (n,) with n >= 1, got {tuple(angles.shape)}")
    ordered = angles.double().sort().values
    at_most = torch.searchsorted(ordered, torch.as_tensor(beta, device=angles.device).double().contiguous(), right=True)
    return 1 - at_most.double() / len(angles)


def transfer_risk_bound(angles, student_angles):
    r"""Theorem 1: the student disagrees with its oracle at most on the points near the oracle's boundary.

    .. math:: R_n \le p(\pi/2 - \bar\alpha_n), \qquad
              \bar\alpha_n = \bar\alpha(\Delta_{w_*} - \Delta_{w_z}, \Delta_{\hat w} - \Delta_{w_z})

    It holds exactly for the points that ``angles`` are of, without a confidence level.

    Args:
        angles: of the sampled points to the oracle, ``(n,)``; see :func:`feature_angles`.
        student_angles: :math:`\bar\alpha_n`, of any shape; see ``LinearizedStudent.oracle_angles``.

    Returns:
        Tensor of the shape of ``student_angles``; 1 is vacuous.

    Raises:
        ValueError: see :func:`angle_distribution`.

    Source: Ji & Zhu 2020, Section 3, Theorem 1, Eq. 7.
    """
    return angle_distribution(angles, math.pi / 2 - torch.as_tensor(student_angles, device=angles.device).double())


def one_sample_risk_bound(angles, sizes):
    r"""The bound before: :math:`R_n \le \min_\beta p(\beta) + p(\pi/2 - \beta)^n`, each sample on its own.

    p is a step function, so the minimum is taken at 0 or at one of the angles: it is exact, no grid.

    Args:
        angles: of the sampled points to the oracle, ``(n,)``; see :func:`feature_angles`.
        sizes: sample sizes, of any shape, > 0.

    Returns:
        float64 tensor of the shape of ``sizes``, in [0, 1]: 1 where no point is within π/4 of the oracle.

    Raises:
        ValueError: see :func:`angle_distribution`.

    Source: Phuong & Lampert 2019, Theorem 3, as Ji & Zhu 2020 state it in Section 3.2.
    """
    beta = torch.cat([angles.new_zeros(1), angles]).double().unique()
    near, far = angle_distribution(angles, beta), angle_distribution(angles, math.pi / 2 - beta)
    sizes = torch.as_tensor(sizes, device=angles.device).double()
    return torch.stack([(near + far**n).min() for n in sizes.flatten()]).reshape(sizes.shape)


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
        raise ValueError(f"truth, teacher and correction must share one shape (n,), got {tuple(truth.shape)}, "
                         f"{tuple(teacher.shape)} and {tuple(correction.shape)}")
    g, t, h = student.whiten(torch.stack([truth, teacher, correction], dim=1)).T
    gg, gh, gt, tt, th = (sums.cumsum(0) for sums in (g * g, g * h, g * t, t * t, t * h))
    projection = gh - gt / tt * th
    return HardLabelGain(projection, projection / ((gg[-1].sqrt() if oracle_norm is None else oracle_norm) * tt.sqrt()))


def margin(inputs, labels, directions, *, measure=None, fresh=None, tolerance=0.01, confidence=0.95):
    r"""The margin γ with which tangent features of a two-layer ReLU network separate the data.

    .. math:: \gamma = \max_{\|v(z)\| \le 1} \min_i\, y_i\, E_z\bigl[\langle v(z), x_i \rangle 1(z \cdot x_i > 0)\bigr]
              = \min_{q \in \Delta} E_z \Bigl\| \sum_i q_i y_i x_i 1(z \cdot x_i > 0) \Bigr\|, \quad z \sim N(0, I_d)

    With the given directions in place of :math:`E_z`, ``upper`` (the right side at q) and ``lower`` (the left side at
    the field v that q pulls) enclose that finite problem's value. ``fresh`` directions give an interval for γ itself.

    Args:
        inputs: ``(n, d)``.
        labels: ±1, ``(n,)``.
        directions: z, ``(M, d)``.
        measure: weight of each direction, ``(M,)``, adding up to 1; equal ones by default. With
            ``separation.directions_and_arcs`` (d = 2) lower and upper enclose γ itself.
        fresh: more directions, drawn independently of the others, for ``separation.interval``; or None.
        tolerance: relative gap between lower and upper at which the solver stops.
        confidence: of the interval.

    Returns:
        ``separation.Margin(lower, upper, low, high, convex_weights)``; without ``fresh`` low and high are lower and upper.

    Raises:
        ValueError: shapes do not match, or a label is not ±1.

    Source: Mandal, Lin & Srikant 2025, Assumption 1; the right side is its dual by the minimax theorem.
    """
    if inputs.ndim != 2 or labels.shape != inputs.shape[:1] or directions.shape[1:] != inputs.shape[1:]:
        raise ValueError(f"inputs, labels and directions must be (n, d), (n,) and (M, d), got {tuple(inputs.shape)}, "
                         f"{tuple(labels.shape)} and {tuple(directions.shape)}")
    if not (labels.abs() == 1).all():
        raise ValueError(f"labels must be -1 or 1, got {labels[labels.abs() != 1][0].item()}")
    labels = labels.to(inputs.dtype)
    if measure is None:
        measure = inputs.new_full((len(directions),), 1 / len(directions))
    gates = (directions @ inputs.T > 0).to(inputs.dtype)
    q, lower, upper = separation.least_mean_norm(inputs * labels[:, None], gates, measure, tolerance=tolerance)
    if fresh is None:
        return separation.Margin(lower, upper, lower, upper, q)
    return separation.Margin(lower, upper, *separation.interval(inputs, labels, q, fresh, confidence=confidence), q)
