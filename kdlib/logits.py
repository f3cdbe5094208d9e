"""The logit at which a converged student ends up, and how hard labels move it.

Everything here is element by element, for binary labels in {0, 1}. Inputs keep their
shape, dtype and device; inside, all arithmetic is float64.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch

from kdlib import roots

__all__ = ["correction_logits", "effective_logits", "label_smoothing_logits"]

# The error bound of effective_logits is tested up to these.
LARGEST_LOGIT = 1e4
TEMPERATURES = 0.05, 100.0

# Elements at a time: temporaries stay in the cache, or in bounded memory.
CPU_BLOCK = 1 << 15
CUDA_BLOCK = 1 << 22


@torch.no_grad()
def effective_logits(
    teacher_logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    soft_ratio: float,
    temperature: float,
) -> torch.Tensor:
    r"""The logit at which a student comes to rest that minimises the distillation loss.

    .. math::
        \frac{\rho}{T}\Bigl(\sigma(z/T) - \sigma(z_t/T)\Bigr)
            + (1-\rho)\bigl(\sigma(z) - y\bigr) = 0

    The left side grows with z and has one root. It is returned with a forward error of
    at most 4 ulp plus 4 eps in float64, saturated and wrong teachers included. The loss
    has no factor :math:`T^2`, and :math:`\rho` weighs the soft term. No gradient flows
    through the root.

    Args:
        teacher_logits: :math:`z_t`, any shape, finite, at most 1e4 in size.
        labels: :math:`y` in {0, 1} (not ±1), any dtype, of a shape that broadcasts to
            that of the logits.
        soft_ratio: :math:`\rho` in (0, 1]; at 1 the teacher's logits come back
            unchanged, at 0 there is no root.
        temperature: :math:`T` in [0.05, 100].

    Returns:
        :math:`z_{s,\mathrm{eff}}`, with the shape, dtype and device of
        ``teacher_logits``.

    Raises:
        ValueError: an argument breaks one of the rules above.

    Example:
        The label corrects a teacher who is wrong about the second example:

        >>> from kdlib import logits
        >>> teacher, labels = torch.tensor([2.0, -1.0]), torch.tensor([1, 1])
        >>> logits.effective_logits(teacher, labels, soft_ratio=0.5, temperature=2.0)
        tensor([3.0514, 1.6619])

    Source: Ji & Zhu 2020, section 2, Eq. 3.
    """
    labels = _check(teacher_logits, labels, temperature)
    rho = float(soft_ratio)
    T = float(temperature)
    if not 0 < rho <= 1:
        raise ValueError(
            "soft_ratio must be in (0, 1]: without soft labels there is no finite "
            f"root; got {soft_ratio}"
        )
    if rho == 1:
        return teacher_logits.clone()
    # kappa = (1 - rho) T / rho, exactly.
    kappa = (1 - Fraction(rho)) * Fraction(T) / Fraction(rho)
    flat = teacher_logits.reshape(-1)
    flat_labels = labels.reshape(-1)
    z = torch.empty_like(flat)
    size = CUDA_BLOCK if flat.is_cuda else CPU_BLOCK
    for start in range(0, len(flat), size):
        block = slice(start, start + size)
        # y = 1 is y = 0 with all logits negated.
        sign = 1 - 2 * flat_labels[block].to(torch.float64)
        u = sign * flat[block].to(torch.float64)
        near = roots.solve(u, T, kappa)
        z[block] = sign * roots.polish(near, u, T, kappa)
    return z.reshape(teacher_logits.shape)


@torch.no_grad()
def correction_logits(
    teacher_logits: torch.Tensor, labels: torch.Tensor, *, temperature: float
) -> torch.Tensor:
    r"""The first-order move of the effective logit when hard labels are mixed in.

    .. math:: \delta z_h = T^2\, \frac{y - \sigma(z_t)}{\sigma'(z_t/T)}, \qquad
              z_{s,\mathrm{eff}} = z_t + (1-\rho)\,\delta z_h + O\bigl((1-\rho)^2\bigr)

    Args:
        teacher_logits: :math:`z_t`, any shape, finite, at most 1e4 in size.
        labels: :math:`y` in {0, 1} (not ±1), any dtype, of a shape that broadcasts to
            that of the logits.
        temperature: :math:`T` in [0.05, 100].

    Returns:
        :math:`\delta z_h`, with the shape, dtype and device of ``teacher_logits``;
        infinite where it is beyond the range of the dtype (it grows like
        :math:`e^{|z_t|/T}` for a wrong teacher).

    Raises:
        ValueError: an argument breaks one of the rules above.

    Example:
        The move is larger where the teacher is wrong, here at the second example:

        >>> from kdlib import logits
        >>> teacher, labels = torch.tensor([2.0, -1.0]), torch.tensor([1, 1])
        >>> logits.correction_logits(teacher, labels, temperature=2.0)
        tensor([ 2.4251, 12.4434])

    Source: Ji & Zhu 2020, section 5, Theorem 2; the closed form is Eq. 3 linearised at
    :math:`\rho = 1`.
    """
    labels = _check(teacher_logits, labels, temperature)
    T = float(temperature)
    sign = 2 * labels.to(torch.float64) - 1
    z = teacher_logits.to(torch.float64)
    # How far the teacher is on the wrong side, and on the right one.
    wrong = (-sign * z).clamp(min=0)
    right = (sign * z).clamp(min=0)
    x = torch.exp(-z.abs())
    # With s = sign, sigma(-s z) = e^-right / (1 + e^-|z|), and
    # 1 / sigma'(u) = e^|u| (1 + e^-|u|)^2.
    growth = torch.exp((wrong + right) / T - right) * (1 + torch.exp(-z.abs() / T)) ** 2
    return (sign * T**2 * growth / (1 + x)).to(teacher_logits.dtype)


def label_smoothing_logits(labels: torch.Tensor, *, smoothing: float) -> torch.Tensor:
    r"""The logit at which a student trained on smoothed labels comes to rest.

    .. math:: z_{\mathrm{LS}} = (2y - 1) \log(2/\varepsilon - 1)

    The smoothed label is :math:`\varepsilon/2 + (1-\varepsilon)\,y`.

    Args:
        labels: :math:`y` in {0, 1} (not ±1), any shape; a floating dtype is kept,
            others give torch's default.
        smoothing: :math:`\varepsilon` in (0, 1].

    Returns:
        :math:`z_{\mathrm{LS}}`, with the shape and device of ``labels``.

    Raises:
        ValueError: a label is not 0 or 1, or ``smoothing`` is outside (0, 1].

    Source: Ji & Zhu 2020, section 4.2, "Connection with label smoothing"; Szegedy et
    al. 2016, section 7.
    """
    _check_labels(labels)
    if not 0 < smoothing <= 1:
        raise ValueError(f"smoothing must be in (0, 1]; got {smoothing}")
    dtype = labels.dtype if labels.is_floating_point() else torch.get_default_dtype()
    return (2 * labels.to(dtype) - 1) * math.log(2 / smoothing - 1)


def _check_labels(labels: torch.Tensor) -> None:
    """Raise ValueError where a label is not 0 or 1."""
    known = (labels == 0) | (labels == 1)
    if not known.all():
        first = labels[~known].reshape(-1)[0].item()
        raise ValueError(f"labels must be 0 or 1; got {first}")


def _check(
    teacher_logits: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Check the arguments and return the labels, in the shape of the logits."""
    if not teacher_logits.is_floating_point():
        raise ValueError(
            f"teacher_logits must be floating point; got {teacher_logits.dtype}"
        )
    if teacher_logits.numel():
        for extreme in teacher_logits.aminmax():
            # A NaN comes through and fails the comparison.
            if not abs(extreme.item()) <= LARGEST_LOGIT:
                raise ValueError(
                    f"teacher_logits must be finite and at most {LARGEST_LOGIT:g} in "
                    f"size; got {extreme.item()}"
                )
    _check_labels(labels)
    coldest, hottest = TEMPERATURES
    if not coldest <= temperature <= hottest:
        raise ValueError(
            f"temperature must be in [{coldest:g}, {hottest:g}]; got {temperature}"
        )
    try:
        return labels.expand(teacher_logits.shape)
    except RuntimeError:
        raise ValueError(
            "labels must broadcast to the shape of teacher_logits; got "
            f"{tuple(labels.shape)} for logits {tuple(teacher_logits.shape)}"
        ) from None
