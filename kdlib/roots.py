r"""The roots of Ji & Zhu's Eq. 3, by Newton's method and, at the end, twice float64.

For y = 0, and with :math:`\kappa = (1 - \rho) T / \rho`, Eq. 3 is

.. math:: \sigma(z/T) + \kappa\, \sigma(z) = \sigma(u/T), \qquad u = z_t \ge z

All terms are positive, so Newton on the logarithm of the equation cannot cancel:
:func:`solve` does that, to about 1e-9. But where hard and soft label pull against each
other, an error of one rounding in either term moves the root by up to 2T roundings. So
:func:`polish` takes one more Newton step, with the residual in numbers of about 80
bits (``kdlib.pairs``).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import torch

from kdlib import pairs


class Balance(NamedTuple):
    r"""Eq. 3 for :math:`y = -|z|`, each part ``(n,)``.

    Both sides are divided by :math:`e^s` with :math:`s = \min(u/T, 0)`, since all terms
    may underflow. Where the root z is above 0, the equation is *flipped* by
    :math:`\sigma(x) = 1 - \sigma(-x)`, which keeps the digits:

    .. math::
        \sigma(y/T) + \kappa\, \sigma(y) &= \sigma(u/T) \quad (z \le 0) \\
        \sigma(y/T) &= \sigma(-u/T) + \kappa\, \sigma(-y) \quad (z > 0)

    Attributes:
        plain: 1 where z <= 0, else 0.
        flipped: 1 where z > 0, else 0.
        teacher: the teacher's term, :math:`\sigma(u/T)\, e^{-s}` or
            :math:`\sigma(-u/T)`.
        shift: :math:`-s`.
        shift_hard: the hard term's shift, :math:`\ln \kappa - s` where plain, else 0.
        back: :math:`e^s`, which takes the shift out of the soft term again.
        back_hard: the same for the hard term.
        hard_flipped: :math:`\kappa` where flipped, else 0.
    """

    plain: torch.Tensor
    flipped: torch.Tensor
    teacher: torch.Tensor
    shift: torch.Tensor
    shift_hard: torch.Tensor
    back: torch.Tensor
    back_hard: torch.Tensor
    hard_flipped: torch.Tensor

    def to(self, dtype):
        """The same equation in another dtype.

        Args:
            dtype: a floating-point dtype.

        Returns:
            A :class:`Balance`.
        """
        return Balance(*(part.to(dtype) for part in self))


def solve(u: torch.Tensor, T: float, ratio: Fraction) -> torch.Tensor:
    r"""Root of Eq. 3 for y = 0, to about nine digits.

    Args:
        u: the teacher's logits, ``(n,)``, float64.
        T: temperature.
        ratio: :math:`\kappa`, exactly.

    Returns:
        z, ``(n,)``, float64.
    """
    mantissa, exponent = pairs.frexp(ratio)
    log_kappa = math.log(mantissa) + exponent * math.log(2)
    kappa = math.exp(min(log_kappa, 80.0))
    equation = _balance(u, T, kappa, log_kappa)
    # Newton squares this twice: once in the last round, once in polish.
    close = 3e-5 * min(1.0, T)
    # The further T is from 1, the sharper the bend that Newton walks round.
    rough = 3 + round(abs(math.log(T, 5)))
    # The first steps need few digits.
    single = equation.to(torch.float32)
    y = _start(u / T, T, kappa, single)
    for _ in range(rough):
        y = (y - _newton_step(y, T, single)).clamp_(max=0)
    y = y.to(torch.float64)
    for _ in range(20):
        step = _newton_step(y, T, equation)
        y = (y - step).clamp_(max=0)
        if step.abs().max() <= close:
            break
    return (equation.plain - equation.flipped) * y


def _balance(u, T, kappa, log_kappa):
    """The equation for each teacher's logit, a :class:`Balance`."""
    # A teacher above this one has a student above 0.
    zero = 2 * T * math.atanh(kappa) if kappa < 1 else math.inf
    flipped = (u > zero).to(u.dtype)
    plain = 1 - flipped
    v = u / T
    E = torch.exp(-v.abs())
    shift = -v.clamp(max=0)
    back = torch.exp(-shift)
    return Balance(
        plain=plain,
        flipped=flipped,
        teacher=torch.addcmul(plain, flipped, E) / (1 + E),
        shift=shift,
        shift_hard=plain * (log_kappa + shift),
        back=back,
        back_hard=torch.addcmul(flipped, plain, back, value=math.exp(-log_kappa)),
        hard_flipped=kappa * flipped,
    )


def _start(v, T, kappa, equation):
    """Where one of the terms alone would balance the teacher's, ``(n,)``."""
    # From there Newton descends without overshooting.
    plain, flipped, teacher = equation.plain, equation.flipped, equation.teacher
    # The logarithm of sigma(y), if the hard term were alone.
    log_hard = torch.log(teacher + flipped) - equation.shift_hard
    log_hard = log_hard.clamp(max=-1e-30)
    hard_alone = log_hard - torch.log(-torch.expm1(log_hard))
    soft_alone = v.to(teacher.dtype) * T
    below = torch.minimum(soft_alone, hard_alone)
    above = torch.logit((teacher + kappa).clamp(max=0.5))
    return (plain * below + flipped * T * above).clamp(max=0)


def _newton_step(y, T, equation):
    r"""Newton's step on :math:`\ln (left / right)` of the equation, ``(n,)``.

    Args:
        y: where it stands, ``(n,)``.
        T: temperature.
        equation: a :class:`Balance` in the dtype of y.

    Returns:
        What Newton's method subtracts from y.
    """
    plain, flipped = equation.plain, equation.flipped
    soft = torch.add(equation.shift, y, alpha=1 / T).exp_()
    hard = torch.add(equation.shift_hard, y).exp_()
    # e^(y/T) and e^y.
    a = soft * equation.back
    b = hard * equation.back_hard
    # sigma(-y/T) and sigma(-y).
    one_less_soft = a.add_(1).reciprocal_()
    one_less_hard = (1 + b).reciprocal_()
    # The soft and the hard term of the equation.
    soft = soft.mul_(one_less_soft)
    hard = torch.addcmul(equation.hard_flipped, plain, hard).mul_(one_less_hard)
    left = torch.addcmul(soft, plain, hard)
    right = torch.addcmul(equation.teacher, flipped, hard)
    # At the root this is left times the derivative of ln (left / right). That is enough
    # for second order.
    slope = hard.mul_(one_less_hard).mul_(torch.addcmul(plain, flipped, b))
    slope = slope.add_(soft.mul_(one_less_soft), alpha=1 / T)
    return torch.div(left, right).log_().mul_(left).div_(slope)


def polish(z: torch.Tensor, u: torch.Tensor, T: float, ratio: Fraction) -> torch.Tensor:
    r"""One Newton step from a root to about nine digits, with a residual in pairs.

    With :math:`a = e^{z/T}`, :math:`b = e^z` and :math:`w = e^{u/T}` Eq. 3 is

    .. math:: (w - a) (1 + b) = \kappa\, b\, (1 + a) (1 + w)

    For z > 0 both sides are divided by b, and both always by the power of two in w, so
    that no saturated teacher underflows.

    Args:
        z: roots from :func:`solve`, ``(n,)``, float64.
        u: the teacher's logits, ``(n,)``, float64.
        T: temperature.
        ratio: :math:`\kappa`, exactly.

    Returns:
        z, ``(n,)``, with an error of one rounding where the equation is known to 1e-18.
    """
    z = torch.minimum(z, u)
    negative = (z <= 0).to(z.dtype)
    w, w_power = pairs.exp(u, T)
    a, a_power = pairs.exp(z, T)
    # b is e^-|z| from here on: for z > 0 (1 + b) / b is 1 + 1 / b.
    b, b_power = pairs.exp(-z.abs(), 1.0)
    low = w_power.clamp(max=0)
    mantissa, exponent = pairs.frexp(ratio)
    kappa = tuple(z.new_tensor(part) for part in pairs.from_fraction(mantissa))
    right_power = (b_power - low).mul_(negative.to(torch.int64)).add_(exponent)
    right_power = pairs.power_of_two(right_power)
    # The factor b of the right side; 1 for z > 0.
    b_right = torch.addcmul(1 - negative, negative, b[0]), negative * b[1]
    a_in_w = pairs.scale(a, a_power - w_power)
    a = pairs.scale(a, a_power)
    b = pairs.scale(b, b_power)
    # The four brackets, w - a and 1 + w with powers of two taken out.
    w_less_a = pairs.subtract(w, a_in_w)
    one_b = pairs.add(1, b)
    one_a = pairs.add(1, a)
    one_w = pairs.add(pairs.power_of_two(low - w_power), pairs.scale(w, low))
    left, left_rest = pairs.multiply(w_less_a, one_b)
    product = pairs.split(*pairs.multiply(one_a, one_w))
    product = pairs.split(*pairs.multiply(product, b_right))
    right, right_rest = pairs.multiply(product, kappa)
    right = right.mul_(right_power)
    right_rest = right_rest.mul_(right_power)
    residual = (right - left).add_(right_rest - left_rest)
    a = a[0] + a[1]
    b = b[0] + b[1]
    a_in_w = a_in_w[0] + a_in_w[1]
    w_less_a = w_less_a[0] + w_less_a[1]
    one_b = one_b[0] + one_b[1]
    # The derivative of the right side less that of the left one.
    slope = (a / (1 + a)).div_(T).add_(negative).mul_(right + right_rest)
    slope += one_b.mul_(a_in_w).div_(T) - w_less_a.mul_(b).mul_(2 * negative - 1)
    return torch.minimum(z - residual.div_(slope), u)
