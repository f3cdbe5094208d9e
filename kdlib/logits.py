"""Where a converged student's logit ends up: effective logits, correction logits, label-smoothing logits.

Everything here is element by element, for binary labels in {0, 1}. Inputs keep their shape, dtype and device; inside,
all arithmetic is float64.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

import torch

__all__ = ["correction_logits", "effective_logits", "label_smoothing_logits"]

LARGEST_LOGIT = 1e4  # the error bound of effective_logits is tested up to here
TEMPERATURES = 0.05, 100.0
CPU_BLOCK, CUDA_BLOCK = 1 << 15, 1 << 22  # elements a pass: temporaries stay in the cache, or in bounded memory


@torch.no_grad()
def effective_logits(
    teacher_logits: torch.Tensor, labels: torch.Tensor, *, soft_ratio: float, temperature: float
) -> torch.Tensor:
    r"""The logit at which a student that fits the distillation loss exactly comes to rest.

    .. math:: \frac{\rho}{T}\Bigl(\sigma(z/T) - \sigma(z_t/T)\Bigr) + (1-\rho)\bigl(\sigma(z) - y\bigr) = 0

    The left side grows with z and has one root. It is returned with a forward error of at most 4 ulp plus 4 eps in
    float64, saturated and wrong teachers included. The loss carries no factor :math:`T^2`, and :math:`\rho` weighs
    the soft term. No gradient flows through the root.

    Args:
        teacher_logits: :math:`z_t`, any shape, finite, at most 1e4 in size.
        labels: :math:`y` in {0, 1} (not ±1), any dtype, of a shape that broadcasts to that of the logits.
        soft_ratio: :math:`\rho` in (0, 1]; at 1 the teacher's logits come back unchanged, at 0 there is no root.
        temperature: :math:`T` in [0.05, 100].

    Returns:
        :math:`z_{s,\mathrm{eff}}`, with the shape, dtype and device of ``teacher_logits``.

    Raises:
        ValueError: an argument breaks one of the rules above.

    Source: Ji & Zhu 2020, section 2, Eq. 3.
    """
    labels = _check(teacher_logits, labels, temperature)
    rho, T = float(soft_ratio), float(temperature)
    if not 0 < rho <= 1:
        raise ValueError(f"soft_ratio must be in (0, 1]: without soft labels there is no finite root; got {soft_ratio}")
    if rho == 1:
        return teacher_logits.clone()
    ratio = (1 - Fraction(rho)) * Fraction(T) / Fraction(rho)  # kappa = (1 - rho) T / rho, exactly
    flat, sides = teacher_logits.reshape(-1), labels.reshape(-1)
    z = torch.empty_like(flat)
    size = CUDA_BLOCK if flat.is_cuda else CPU_BLOCK
    for start in range(0, len(flat), size):
        block = slice(start, start + size)
        sign = 1 - 2 * sides[block].to(torch.float64)  # y = 1 is y = 0 seen in a mirror
        u = sign * flat[block].to(torch.float64)
        z[block] = sign * _polish(_solve(u, T, ratio), u, T, ratio)
    return z.reshape(teacher_logits.shape)


@torch.no_grad()
def correction_logits(teacher_logits: torch.Tensor, labels: torch.Tensor, *, temperature: float) -> torch.Tensor:
    r"""The first-order move of the effective logit when hard labels are mixed in.

    .. math:: \delta z_h = T^2\, \frac{y - \sigma(z_t)}{\sigma'(z_t/T)}, \qquad
              z_{s,\mathrm{eff}} = z_t + (1-\rho)\,\delta z_h + O\bigl((1-\rho)^2\bigr)

    Args:
        teacher_logits: :math:`z_t`, any shape, finite, at most 1e4 in size.
        labels: :math:`y` in {0, 1} (not ±1), any dtype, of a shape that broadcasts to that of the logits.
        temperature: :math:`T` in [0.05, 100].

    Returns:
        :math:`\delta z_h`, with the shape, dtype and device of ``teacher_logits``; infinite where it is beyond the
        range of the dtype (it grows like :math:`e^{|z_t|/T}` for a wrong teacher).

    Raises:
        ValueError: an argument breaks one of the rules above.

    Source: Ji & Zhu 2020, section 5, Theorem 2; the closed form is Eq. 3 linearised at :math:`\rho = 1`.
    """
    labels = _check(teacher_logits, labels, temperature)
    T = float(temperature)
    sign = 2 * labels.to(torch.float64) - 1
    z = teacher_logits.to(torch.float64)
    wrong = (-sign * z).clamp(min=0)  # how far the teacher is on the wrong side
    right = (sign * z).clamp(min=0)
    x = torch.exp(-z.abs())  # sigma(-sz) = e^-right / (1 + e^-|z|), and 1 / sigma'(u) = e^|u| (1 + e^-|u|)^2
    growth = torch.exp((wrong + right) / T - right) * (1 + torch.exp(-z.abs() / T)) ** 2
    return (sign * T**2 * growth / (1 + x)).to(teacher_logits.dtype)


def label_smoothing_logits(labels: torch.Tensor, *, smoothing: float) -> torch.Tensor:
    r"""The logit at which a student trained on smoothed labels comes to rest.

    .. math:: z_{\mathrm{LS}} = (2y - 1) \log(2/\varepsilon - 1)

    The smoothed label is :math:`\varepsilon/2 + (1-\varepsilon)\,y`.

    Args:
        labels: :math:`y` in {0, 1} (not ±1), any shape; a floating dtype is kept, others give torch's default.
        smoothing: :math:`\varepsilon` in (0, 1].

    Returns:
        :math:`z_{\mathrm{LS}}`, with the shape and device of ``labels``.

    Raises:
        ValueError: a label is not 0 or 1, or ``smoothing`` is outside (0, 1].

    Source: Ji & Zhu 2020, section 4.2, "Connection with label smoothing"; Szegedy et al. 2016, section 7.
    """
    _check_labels(labels)
    if not 0 < smoothing <= 1:
        raise ValueError(f"smoothing must be in (0, 1]; got {smoothing}")
    dtype = labels.dtype if labels.is_floating_point() else torch.get_default_dtype()
    return (2 * labels.to(dtype) - 1) * math.log(2 / smoothing - 1)


def _check_labels(labels: torch.Tensor) -> None:
    known = (labels == 0) | (labels == 1)
    if not known.all():
        raise ValueError(f"labels must be 0 or 1; got {labels[~known].reshape(-1)[0].item()}")


def _check(teacher_logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """Guards; the labels, spread over the shape of the logits."""
    if not teacher_logits.is_floating_point():
        raise ValueError(f"teacher_logits must be floating point; got {teacher_logits.dtype}")
    if teacher_logits.numel():
        for extreme in (x.item() for x in teacher_logits.aminmax()):  # a NaN comes through and fails the comparison
            if not abs(extreme) <= LARGEST_LOGIT:
                rule = f"finite and at most {LARGEST_LOGIT:g} in size"
                raise ValueError(f"teacher_logits must be {rule}; got {extreme}")
    _check_labels(labels)
    if not TEMPERATURES[0] <= temperature <= TEMPERATURES[1]:
        raise ValueError("temperature must be in [{:g}, {:g}]; got {}".format(*TEMPERATURES, temperature))
    try:
        return labels.expand(teacher_logits.shape)
    except RuntimeError:
        shapes = f"{tuple(labels.shape)} for logits {tuple(teacher_logits.shape)}"
        raise ValueError(f"labels must broadcast to the shape of teacher_logits; got {shapes}") from None


# --- the solver ------------------------------------------------------------------------------------------------------
# For y = 0, and with kappa = (1 - rho) T / rho, Eq. 3 is   sigma(z/T) + kappa sigma(z) = sigma(u/T),   u = z_t >= z.
# All terms are positive, so Newton on the logarithm of the equation cannot cancel: that is _solve, to about 1e-9.
# But where hard and soft label pull against each other, an error of one rounding in either term moves the root by up to
# 2T roundings. So _polish takes one more Newton step, with the residual in numbers of about 80 bits: a pair hi + lo,
# where hi has at most 26 bits, so that a product of two such parts is exact.


def _solve(u: torch.Tensor, T: float, ratio: Fraction) -> torch.Tensor:
    """Root for y = 0, to about nine digits; u of shape (n,)."""
    mantissa, exponent = _frexp(ratio)
    log_kappa = math.log(mantissa) + exponent * math.log(2)
    kappa = math.exp(min(log_kappa, 80.0))
    close = 3e-5 * min(1.0, T)  # Newton squares this twice: once here, once in _polish
    flip = u > (2 * T * math.atanh(kappa) if kappa < 1 else math.inf)  # root > 0: 1 - sigma keeps the digits
    v, P = u / T, flip.to(u.dtype)
    N = 1 - P
    E = torch.exp(-v.abs())
    C = torch.addcmul(N, P, E) / (1 + E)  # sigma(u/T), or sigma(-u/T) if flipped, over e^shift
    shift = -v.clamp(max=0)  # e^min(u/T, 0) may underflow: both sides are divided by it
    shift_b = N * (log_kappa + shift)
    back_a = torch.exp(-shift)
    back_b = torch.addcmul(P, N, back_a, value=math.exp(-log_kappa))
    constants = (N, P, C, shift, shift_b, back_a, back_b)
    y = None  # minus the size of the root
    rough = 3 + round(abs(math.log(T, 5)))  # the further T is from 1, the sharper the bend that Newton walks round
    for dtype, rounds in ((torch.float32, rough), (torch.float64, 20)):  # the first steps need few digits
        N, P, C, shift, shift_b, back_a, back_b = (x.to(dtype) for x in constants)
        if y is None:  # where one of the terms alone would balance: from there Newton descends without overshooting
            hard = (torch.log(C + P) - shift_b).clamp(max=-1e-30)  # log sigma(y) if the hard term were alone
            hard = torch.minimum(v.to(dtype) * T, hard - torch.log(-torch.expm1(hard)))
            y = (N * hard + P * T * torch.logit((C + kappa).clamp(max=0.5))).clamp(max=0)
        y, only_hard = y.to(dtype), kappa * P
        for _ in range(rounds):
            A, B = torch.add(shift, y, alpha=1 / T).exp_(), torch.add(shift_b, y).exp_()
            a, b = A * back_a, B * back_b
            ia, ib = a.add_(1).reciprocal_(), (1 + b).reciprocal_()
            A, B = A.mul_(ia), torch.addcmul(only_hard, N, B).mul_(ib)
            left, right = torch.addcmul(A, N, B), torch.addcmul(C, P, B)
            slope = B.mul_(ib).mul_(torch.addcmul(N, P, b)).add_(A.mul_(ia), alpha=1 / T)  # times left; exact at the
            step = torch.div(left, right).log_().mul_(left).div_(slope)  # root, which is enough for second order
            y = (y - step).clamp_(max=0)
            if dtype is torch.float64 and step.abs().max() <= close:
                break
    return (N - P) * y


def _polish(z: torch.Tensor, u: torch.Tensor, T: float, ratio: Fraction) -> torch.Tensor:
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
    power = _power((kb - low).mul_(negative.to(torch.int64)).add_(exponent))  # of the right side
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
    r = torch.sub(x, k, alpha=high).sub_(k, alpha=low)  # the first is exact; |r| < T log(2) / 500
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
