"""Angles between features and oracles, and bounds on the transfer risk from them."""

import math

import torch


def feature_angles(effective_logits, weight_norm, kernel_diagonal):
    r"""Acute angle between each point's features and the oracle.

    The oracle stands for its weight change less that of the zero function.

    .. math:: \cos \bar\alpha(\phi(x), \Delta_{w_*} - \Delta_{w_z}) =
              \frac{|z_\mathrm{eff}(x)|}
              {\|\Delta_{w_*} - \Delta_{w_z}\|_2 \sqrt{\Theta(x, x)}}

    The paper prints no absolute value; an acute angle needs it.

    Args:
        effective_logits: :math:`z_\mathrm{eff}(x)`, ``(n,)``; no :math:`z_0` is
            subtracted.
        weight_norm: :math:`\|\Delta_{w_*} - \Delta_{w_z}\|_2`, > 0.
        kernel_diagonal: :math:`\Theta(x, x)`, ``(n,)``, all > 0.

    Returns:
        Tensor ``(n,)`` of angles in [0, π/2].

    Raises:
        ValueError: shapes differ, a value is not > 0, or a cosine is above 1 (weights
            of that norm are too short).

    Source: Ji & Zhu 2020, Section 3.1, Eq. 8.
    """
    if effective_logits.ndim != 1 or effective_logits.shape != kernel_diagonal.shape:
        raise ValueError(
            "effective_logits and kernel_diagonal must share one shape (n,), got "
            f"{tuple(effective_logits.shape)} and {tuple(kernel_diagonal.shape)}"
        )
    cosine = effective_logits.abs() / (weight_norm * kernel_diagonal.sqrt())
    # More than rounding; NaN is outside too.
    outside = ~((cosine >= 0) & (cosine <= 1 + 1e-6))
    if outside.any():
        raise ValueError(
            "weight_norm and kernel_diagonal must be > 0 and each cosine at most 1, "
            f"got {cosine[outside][0].item():g}"
        )
    return cosine.clamp(max=1).acos()


def angle_distribution(angles, beta):
    r"""Accumulative angle distribution.

    .. math:: p(\beta) = P_x[\bar\alpha(\phi(x), \Delta_{w_*} - \Delta_{w_z}) > \beta]

    Args:
        angles: angles of sampled points in [0, π/2], ``(n,)``; see
            :func:`feature_angles`.
        beta: tensor of any shape.

    Returns:
        The share of points at a larger angle, of the shape of ``beta``, float64.

    Raises:
        ValueError: ``angles`` is empty or not of one dimension.

    Example:
        >>> from kdlib import metrics
        >>> angles = torch.tensor([0.5, 1.0, 1.2, 1.5])
        >>> metrics.angle_distribution(angles, torch.tensor([0.0, 1.0, 1.4])).tolist()
        [1.0, 0.5, 0.25]

    Source: Ji & Zhu 2020, Section 3, Eq. 6.
    """
    if angles.ndim != 1 or not len(angles):
        raise ValueError(
            f"angles must have shape (n,) with n >= 1, got {tuple(angles.shape)}"
        )
    ordered = angles.double().sort().values
    beta = torch.as_tensor(beta, device=angles.device).double().contiguous()
    at_most = torch.searchsorted(ordered, beta, right=True)
    return 1 - at_most.double() / len(angles)


def transfer_risk_bound(angles, student_angles):
    r"""Theorem 1: student and oracle disagree at most on points near the boundary.

    .. math:: R_n \le p(\pi/2 - \bar\alpha_n), \qquad
              \bar\alpha_n = \bar\alpha(\Delta_{w_*} - \Delta_{w_z}, \Delta_{\hat w} -
              \Delta_{w_z})

    It holds exactly for the points that ``angles`` are of, without a confidence level.

    Args:
        angles: of the sampled points to the oracle, ``(n,)``; see
            :func:`feature_angles`.
        student_angles: :math:`\bar\alpha_n`, of any shape; see
            ``LinearizedStudent.oracle_angles``.

    Returns:
        Tensor of the shape of ``student_angles``; 1 is vacuous.

    Raises:
        ValueError: see :func:`angle_distribution`.

    Example:
        A student close to its oracle can disagree on few points only:

        >>> from kdlib import metrics
        >>> angles = torch.tensor([0.5, 1.0, 1.2, 1.5])
        >>> metrics.transfer_risk_bound(angles, torch.tensor([1.5, 0.5, 0.1])).tolist()
        [1.0, 0.5, 0.25]

    Source: Ji & Zhu 2020, Section 3, Theorem 1, Eq. 7.
    """
    student_angles = torch.as_tensor(student_angles, device=angles.device).double()
    return angle_distribution(angles, math.pi / 2 - student_angles)


def one_sample_risk_bound(angles, sizes):
    r"""The bound before Theorem 1, where each sample counts on its own.

    .. math:: R_n \le \min_\beta p(\beta) + p(\pi/2 - \beta)^n

    p is a step function, so the minimum is at 0 or at one of the angles: it is exact,
    without a grid.

    Args:
        angles: of the sampled points to the oracle, ``(n,)``; see
            :func:`feature_angles`.
        sizes: sample sizes, of any shape, > 0.

    Returns:
        float64 tensor of the shape of ``sizes``, in [0, 1]: 1 where no point is within
        π/4 of the oracle.

    Raises:
        ValueError: see :func:`angle_distribution`.

    Source: Phuong & Lampert 2019, Theorem 3, as Ji & Zhu 2020 state it in Section 3.2.
    """
    beta = torch.cat([angles.new_zeros(1), angles]).double().unique()
    near = angle_distribution(angles, beta)
    far = angle_distribution(angles, math.pi / 2 - beta)
    sizes = torch.as_tensor(sizes, device=angles.device).double()
    bounds = torch.stack([(near + far**n).min() for n in sizes.flatten()])
    return bounds.reshape(sizes.shape)
