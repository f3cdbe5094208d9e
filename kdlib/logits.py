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
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 100.0
CPU_BLOCK, CUDA_BLOCK = 1 << 14, 1 << 22  # elements a pass: temporaries stay in the cache, or in bounded memory


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
    sign = 1 - 2 * labels.to(torch.float64).expand_as(teacher_logits).reshape(-1)  # y = 1 is y = 0 in a mirror
    u = sign * teacher_logits.to(torch.float64).reshape(-1)
    ratio = Fraction(1 - Fraction(rho)) * Fraction(T) / Fraction(rho)  # kappa = (1 - rho) T / rho, exactly
    z = torch.empty_like(u)
    size = CUDA_BLOCK if u.is_cuda else CPU_BLOCK
    for start in range(0, u.numel(), size):
        block = u[start : start + size]
        z[start : start + size] = _polish(_solve(block, T, ratio), block, T, ratio)
    return (sign * z).reshape(teacher_logits.shape).to(teacher_logits.dtype)


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
    bad = (labels != 0) & (labels != 1)
    if bad.any():
        raise ValueError(f"labels must be 0 or 1; got {labels[bad].reshape(-1)[0].item()}")


def _check(teacher_logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """Guards of the two teacher-made logits; the labels, spread over the shape of the logits."""
    if not teacher_logits.is_floating_point():
        raise ValueError(f"teacher_logits must be floating point; got {teacher_logits.dtype}")
    beyond = ~(teacher_logits.abs() <= LARGEST_LOGIT)  # a NaN fails every comparison
    if beyond.any():
        worst = teacher_logits[beyond].reshape(-1)[0].item()
        raise ValueError(f"teacher_logits must be finite and at most {LARGEST_LOGIT:g} in size; got {worst}")
    _check_labels(labels)
    if not LOWEST_TEMPERATURE <= temperature <= HIGHEST_TEMPERATURE:
        rule = f"[{LOWEST_TEMPERATURE}, {HIGHEST_TEMPERATURE:g}]"
        raise ValueError(f"temperature must be in {rule}; got {temperature}")
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
    kappa = math.exp(min(log_kappa, 700.0))
    v = u / T
    flip = torch.tanh(v / 2) > kappa  # the root is positive: work with 1 - sigma, which is sigma(-z)
    P = flip.to(u.dtype)
    N = 1 - P
    E = torch.exp(-v.abs())
    shift = -N * v.clamp(max=0)  # everything is divided by e^min(u/T, 0), which may underflow
    C = torch.where(flip, E, 1.0) / (1 + E)  # sigma(u/T), or sigma(-u/T), so divided
    # Start where one of the terms alone would balance the equation: from there Newton descends without overshooting.
    log_ratio = (-shift - torch.log1p(E) - log_kappa).clamp(max=-1e-300)  # log sigma(z) if the hard term were alone
    hard_alone = log_ratio - torch.log(-torch.expm1(log_ratio))
    soft_alone = (torch.sigmoid(-v) + kappa).clamp(max=0.5)
    y = torch.where(flip, T * torch.logit(soft_alone), torch.minimum(u, hard_alone)).clamp(max=0)  # y = -|z|
    for _ in range(50):
        a, b = torch.exp(y / T), torch.exp(y)
        ia, ib = 1 / (1 + a), 1 / (1 + b)
        A = torch.exp(y / T + shift) * ia
        B = torch.exp(log_kappa + N * (y + shift)) * ib
        left, right = A + N * B, C + P * B
        slope = A / left * ia / T + B / torch.where(flip, right, left) * torch.where(flip, b * ib, ib)
        step = torch.log(left / right) / slope
        y = (y - step).clamp(max=0)
        if (step.abs() <= 1e-5 * (1 - y)).all():  # Newton squares this
            break
    return torch.where(flip, -y, y)


def _polish(z: torch.Tensor, u: torch.Tensor, T: float, ratio: Fraction) -> torch.Tensor:
    """One Newton step on (w - a)(1 + b) = kappa b (1 + a)(1 + w), with a = e^(z/T), b = e^z, w = e^(u/T), in pairs."""
    z = torch.minimum(z, u)
    w, dw, kw = _exp(u, T)
    a, da, ka = _exp(z, T)
    b, db, kb = _exp(-z.abs(), 1.0)
    down = _power(kw.clamp(max=0))
    scaled = _power(ka - kw)  # everything is divided by 2^kw, so that a saturated teacher does not underflow
    x, dx = a * scaled, da * scaled
    X = _two_sum(w, -x, dw - dx)
    scale = _power(ka)
    A = _two_sum(torch.ones_like(z), a * scale, da * scale)
    W = _two_sum(_power(-kw.clamp(min=0)), w * down, dw * down)
    scale = _power(kb)
    Y = _two_sum(torch.ones_like(z), b * scale, db * scale)
    negative = z <= 0
    S = torch.where(negative, b, 1.0), torch.where(negative, db, 0.0)  # for z > 0 all is divided by b once more
    mantissa, exponent = _frexp(ratio)
    kappa = _high(mantissa), float(mantissa - Fraction(_high(mantissa)))
    scale = _power(torch.where(negative, kb - kw.clamp(max=0), 0) + exponent)
    R, dR = _multiply(_split(*_multiply(_split(*_multiply(_split(*A), _split(*W))), S)), kappa)
    L, dL = _multiply(_split(*X), _split(*Y))
    residual = (R * scale - L) + (dR * scale - dL)
    a, b, x, A, X, Y = (a + da) * _power(ka), (b + db) * _power(kb), x + dx, sum(A), sum(X), sum(Y)
    slope = (R + dR) * scale * (negative + a / A / T) - torch.where(negative, b, -b) * X + Y * x / T
    return torch.minimum(z - residual / slope, u)


TABLE = 256  # powers of two between 1 and 2


@lru_cache(maxsize=8)
def _table(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """2^(j/256) as hi + lo, hi of 26 bits."""
    with localcontext() as context:
        context.prec = 50
        powers = [Fraction(Decimal(2) ** (Decimal(j) / TABLE)) for j in range(TABLE)]
    high = [_high(p) for p in powers]
    low = [float(p - Fraction(h)) for p, h in zip(powers, high, strict=True)]
    return (torch.tensor(high, dtype=torch.float64, device=device), torch.tensor(low, dtype=torch.float64, device=device))


@lru_cache(maxsize=64)
def _step(T: float) -> tuple[float, float]:
    """T log(2) / 256 as hi + lo, hi of 26 bits: k times hi is exact for every k up to 2^27."""
    with localcontext() as context:
        context.prec = 50
        step = Fraction(Decimal(2).ln()) * Fraction(T) / TABLE
    return _high(step), float(step - Fraction(_high(step)))


def _exp(x: torch.Tensor, T: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """e^(x/T) = (hi + lo) 2^k to about 1e-18, hi of 26 bits in [1, 2), lo below 2e-3."""
    high, low = _step(T)
    k = (x * (1 / high)).round()
    r = ((x - k * high) - k * low) / T  # the bracket is exact; |r| <= log(2) / 512
    q = r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120)))))
    k = k.to(torch.int64)
    j = k & (TABLE - 1)
    table = _table(x.device)
    hi, lo = table[0][j], table[1][j]
    return hi, lo + (hi + lo) * q, k >> 8


def _power(k: torch.Tensor) -> torch.Tensor:
    """2^k, flushed to 2^-1000 and 2^1000, from the bits of the exponent."""
    return ((k.clamp(-1000, 1000) + 1023) << 52).view(torch.float64)


def _frexp(x: Fraction) -> tuple[Fraction, int]:
    """x = m 2^k with m in (1/2, 2)."""
    k = x.numerator.bit_length() - x.denominator.bit_length()
    return x / Fraction(2) ** k, k


def _high(x: Fraction) -> float:
    """The leading 26 bits of x > 0."""
    m, k = _frexp(x)
    return math.ldexp(math.floor(m * 2**25), k - 25)


def _two_sum(a: torch.Tensor, b: torch.Tensor, rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """a + b + rest as sum and remainder; the remainder of a + b is exact (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t) + rest


def _split(x: torch.Tensor, rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x + rest as hi + lo, hi of 26 bits."""
    hi = (x.view(torch.int64) & -(1 << 27)).view(torch.float64)
    return hi, (x - hi) + rest


def _multiply(p, q):
    """(a + b)(c + d) as hi + lo; hi is exact when a and c have 26 bits."""
    (a, b), (c, d) = p, q
    return a * c, a * d + b * c + b * d
