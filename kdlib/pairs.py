"""Numbers of about 80 bits as pairs hi + lo of float64, and powers of two.

The leading part hi has at most 26 bits, so that a product of two of them is exact. The
functions take tensors of one shape, and a pair is a tuple of two tensors.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

import torch

# Powers of two between 1 and 2 in the table.
TABLE = 256


@lru_cache(maxsize=8)
def _table(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """2^(j/256) as hi + lo, hi of 26 bits."""
    with localcontext() as context:
        context.prec = 50
        powers = [Fraction((Decimal(2).ln() * j / TABLE).exp()) for j in range(TABLE)]
    pairs = [from_fraction(power) for power in powers]
    table = torch.tensor(pairs, dtype=torch.float64, device=device)
    return tuple(table.T.contiguous())


@lru_cache(maxsize=64)
def _step(T: float) -> tuple[float, float]:
    """T log(2) / 256 as hi + lo, hi of 26 bits: k hi is exact up to k = 2^27."""
    with localcontext() as context:
        context.prec = 50
        step = Fraction(Decimal(2).ln()) * Fraction(T) / TABLE
    return from_fraction(step)


def exp(x, T):
    """e^(x/T) = (hi + lo) 2^k to about 1e-18.

    Args:
        x: ``(n,)``, float64.
        T: temperature.

    Returns:
        The pair (hi, lo), hi of 26 bits in [1, 2) and lo below 3e-3, and k.
    """
    high, low = _step(T)
    k = (x * (1 / high)).round_()
    # The first difference is exact; |r| < T log(2) / 500.
    r = torch.sub(x, k, alpha=high).sub_(k, alpha=low)
    q = r.mul_(1 / T).expm1_()
    k = k.to(torch.int64)
    j = k & (TABLE - 1)
    hi, lo = (column.index_select(0, j) for column in _table(x.device))
    return (hi, lo.addcmul_(hi + lo, q)), k >> 8


def power_of_two(k):
    """2^k from the bits of the exponent, held within 2^-1000 and 2^1000."""
    return k.clamp(-1000, 1000).add_(1023).bitwise_left_shift_(52).view(torch.float64)


def scale(p, k):
    """The pair p times 2^k."""
    power = power_of_two(k)
    return p[0] * power, p[1] * power


def frexp(x: Fraction) -> tuple[Fraction, int]:
    """The numbers m in (1/2, 2) and k with x = m 2^k."""
    k = x.numerator.bit_length() - x.denominator.bit_length()
    return x / Fraction(2) ** k, k


def from_fraction(x: Fraction) -> tuple[float, float]:
    """x > 0 as hi + lo, hi its leading 26 bits."""
    m, k = frexp(x)
    hi = math.ldexp(math.floor(m * 2**25), k - 25)
    return hi, float(x - Fraction(hi))


def add(c, p):
    """A number and a pair; the remainder of the leading parts is exact (Knuth)."""
    s = p[0] + c
    t = s - c
    return split(s, (c - (s - t)).add_(p[0] - t).add_(p[1]))


def subtract(p, q):
    """The difference of two pairs."""
    d = p[0] - q[0]
    return split(d, (p[0] - d).sub_(q[0]).add_(p[1] - q[1]))


def split(s, rest):
    """The pair s + rest with a leading part of 26 bits; s is used up."""
    hi = (s.view(torch.int64) & -(1 << 27)).view(torch.float64)
    return hi, s.sub_(hi).add_(rest)


def multiply(p, q):
    """The product of two pairs; that of leading parts of 26 bits is exact."""
    return p[0] * q[0], (p[0] * q[1]).addcmul_(p[1], q[0] + q[1])
