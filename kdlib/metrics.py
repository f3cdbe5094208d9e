"""The scalars and curves that the papers plot."""

from typing import NamedTuple

import torch
from scipy import stats


class Exponent(NamedTuple):
    """Exponent of a power law with its 95 % interval over runs."""

    exponent: float
    low: float
    high: float


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
