"""The roots of Ji & Zhu's Eq. 3, found by a Newton iteration on its logarithm and polished in twice float64."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

import torch

# --- the solver ------------------------------------------------------------------------------------------------------
# For y = 0, and with kappa = (1 - rho) T / rho, Eq. 3 is   sigma(z/T) + kappa sigma(z) = sigma(u/T),   u = z_t >= z.
# All terms are positive, so Newton on the logarithm of the equation cannot cancel: that is _solve, to about 1e-9.
# But where hard and soft label pull against each other, an error of one rounding in either term moves the root by up to
# 2T roundings. So _polish takes one more Newton step, with the residual in numbers of about 80 bits: a pair hi + lo,
# where hi has at most 26 bits, so that a product of two such parts is exact.


def solve(u: torch.Tensor, T: float, ratio: Fraction) -> torch.Tensor:
    """Root for y = 0, to about nine digits; u of shape (n,)."""
    mantissa, exponent = _frexp(ratio)
    log_kappa = math.log(mantissa) + exponent * math.log(2)
    kappa = math.exp(min(log_kappa, 80.0))
    close = 3e-5 * min(1.0, T)  # Newton squares this twice: once here, once in _polish
    flip = u > (
        2 * T * math.atanh(kappa) if kappa < 1 else math.inf
    )  # root > 0: 1 - sigma keeps the digits
    v, P = u / T, flip.to(u.dtype)
    N = 1 - P
    E = torch.exp(-v.abs())
    C = torch.addcmul(N, P, E) / (
        1 + E
    )  # sigma(u/T), or sigma(-u/T) if flipped, over e^shift
    shift = -v.clamp(max=0)  # e^min(u/T, 0) may underflow: both sides are divided by it
    shift_b = N * (log_kappa + shift)
    back_a = torch.exp(-shift)
    back_b = torch.addcmul(P, N, back_a, value=math.exp(-log_kappa))
    constants = (N, P, C, shift, shift_b, back_a, back_b)
    y = None  # minus the size of the root
    rough = 3 + round(
        abs(math.log(T, 5))
    )  # the further T is from 1, the sharper the bend that Newton walks round
    for dtype, rounds in (
        (torch.float32, rough),
        (torch.float64, 20),
    ):  # the first steps need few digits
        N, P, C, shift, shift_b, back_a, back_b = (x.to(dtype) for x in constants)
        if (
            y is None
        ):  # where one of the terms alone would balance: from there Newton descends without overshooting
            hard = (torch.log(C + P) - shift_b).clamp(
                max=-1e-30
            )  # log sigma(y) if the hard term were alone
            hard = torch.minimum(v.to(dtype) * T, hard - torch.log(-torch.expm1(hard)))
            y = (N * hard + P * T * torch.logit((C + kappa).clamp(max=0.5))).clamp(
                max=0
            )
        y, only_hard = y.to(dtype), kappa * P
        for _ in range(rounds):
            A, B = torch.add(shift, y, alpha=1 / T).exp_(), torch.add(shift_b, y).exp_()
            a, b = A * back_a, B * back_b
            ia, ib = a.add_(1).reciprocal_(), (1 + b).reciprocal_()
            A, B = A.mul_(ia), torch.addcmul(only_hard, N, B).mul_(ib)
            left, right = torch.addcmul(A, N, B), torch.addcmul(C, P, B)
            slope = (
                B.mul_(ib).mul_(torch.addcmul(N, P, b)).add_(A.mul_(ia), alpha=1 / T)
            )  # times left; exact at the
            step = (
                torch.div(left, right).log_().mul_(left).div_(slope)
            )  # root, which is enough for second order
            y = (y - step).clamp_(max=0)
            if dtype is torch.float64 and step.abs().max() <= close:
                break
    return (N - P) * y


def polish(z: torch.Tensor, u: torch.Tensor, T: float, ratio: Fraction) -> torch.Tensor:
    """One Newton step on (w - a)(1 + b) = kappa b (1 + a)(1 + w), with a = e^(z/T), b = e^z, w = e^(u/T), in pairs.

    For z > 0 both sides are divided by b, and both always by 2^k of w, so that no saturated teacher underflows.
    """
    z = torch.minimum(z, u)
    negative = (z <= 0).to(z.dtype)
    w, kw = _exp(u, T)
    a, ka = _exp(z, T)
    b, kb = _exp(-z.abs(), 1.0)
    low = kw.clamp(max=0)
    mantissa, exponent = _frexp(ratio)
    kappa = tuple(z.new_tensor(x) for x in _pair(mantissa))
    power = _power(
        (kb - low).mul_(negative.to(torch.int64)).add_(exponent)
    )  # of the right side
    S = torch.addcmul(1 - negative, negative, b[0]), negative * b[1]
    x, a, b = _scale(a, ka - kw), _scale(a, ka), _scale(b, kb)
    d = w[0] - x[0]
    X = _split(d, (w[0] - d).sub_(x[0]).add_(w[1] - x[1]))
    Y, A, W = _add(1, b), _add(1, a), _add(_power(low - kw), _scale(w, low))
    L, dL = _multiply(X, Y)
    R, dR = _multiply(_split(*_multiply(_split(*_multiply(A, W)), S)), kappa)
    R, dR = R.mul_(power), dR.mul_(power)
    residual = (R - L).add_(dR - dL)
    a, b, x, X, Y = (pair[0] + pair[1] for pair in (a, b, x, X, Y))
    slope = (a / (1 + a)).div_(T).add_(negative).mul_(R + dR)
    slope += Y.mul_(x).div_(T) - X.mul_(b).mul_(2 * negative - 1)
    return torch.minimum(z - residual.div_(slope), u)


TABLE = 256  # powers of two between 1 and 2


@lru_cache(maxsize=8)
def _table(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """2^(j/256) as hi + lo, hi of 26 bits."""
    with localcontext() as context:
        context.prec = 50
        powers = [Fraction((Decimal(2).ln() * j / TABLE).exp()) for j in range(TABLE)]
    pairs = [_pair(p) for p in powers]
    return tuple(torch.tensor(pairs, dtype=torch.float64, device=device).T.contiguous())


@lru_cache(maxsize=64)
def _step(T: float) -> tuple[float, float]:
    """T log(2) / 256 as hi + lo, hi of 26 bits: k times hi is exact for every k up to 2^27."""
    with localcontext() as context:
        context.prec = 50
        step = Fraction(Decimal(2).ln()) * Fraction(T) / TABLE
    return _pair(step)


def _exp(x, T):
    """e^(x/T) = (hi + lo) 2^k to about 1e-18, hi of 26 bits in [1, 2), lo below 3e-3; returns (hi, lo), k."""
    high, low = _step(T)
    k = (x * (1 / high)).round_()
    r = torch.sub(x, k, alpha=high).sub_(
        k, alpha=low
    )  # the first is exact; |r| < T log(2) / 500
    q = r.mul_(1 / T).expm1_()
    k = k.to(torch.int64)
    j = k & (TABLE - 1)
    hi, lo = (column.index_select(0, j) for column in _table(x.device))
    return (hi, lo.addcmul_(hi + lo, q)), k >> 8


def _power(k):
    """2^k from the bits of the exponent, held within 2^-1000 and 2^1000."""
    return k.clamp(-1000, 1000).add_(1023).bitwise_left_shift_(52).view(torch.float64)


def _scale(p, k):
    """The pair p times 2^k."""
    power = _power(k)
    return p[0] * power, p[1] * power


def _frexp(x: Fraction) -> tuple[Fraction, int]:
    """x = m 2^k with m in (1/2, 2)."""
    k = x.numerator.bit_length() - x.denominator.bit_length()
    return x / Fraction(2) ** k, k


def _pair(x: Fraction) -> tuple[float, float]:
    """x > 0 as hi + lo, hi its leading 26 bits."""
    m, k = _frexp(x)
    hi = math.ldexp(math.floor(m * 2**25), k - 25)
    return hi, float(x - Fraction(hi))


def _add(c, p):
    """A number and a pair, split; the remainder of the leading parts is exact (Knuth)."""
    s = p[0] + c
    t = s - c
    return _split(s, (c - (s - t)).add_(p[0] - t).add_(p[1]))


def _split(s, rest):
    """The pair s + rest with a leading part of 26 bits; s is used up."""
    hi = (s.view(torch.int64) & -(1 << 27)).view(torch.float64)
    return hi, s.sub_(hi).add_(rest)


def _multiply(p, q):
    """The product of two pairs; that of leading parts of 26 bits is exact."""
    return p[0] * q[0], (p[0] * q[1]).addcmul_(p[1], q[0] + q[1])
