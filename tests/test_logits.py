"""Effective, correction and label-smoothing logits against 50 digits, closed forms and their limits."""

import math
import random

import mpmath
import pytest
import torch

import references
from kdlib import logits, losses

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
EPS = 2.0**-52
RATIOS = [1e-300, 1e-10, 0.01485, 0.5, 0.9, 0.9999, 1 - 1e-10, 1 - 2**-53]
TEMPERATURES = [0.05, 0.5, 1.0, 5.0, 100.0]
TEACHERS = [0.0, 5e-324, 1e-9, 0.3, 1.0, 2.5, 15.0, 300.0, 1e4]


def effective(teacher, label, soft_ratio, temperature, device="cpu"):
    zt, y = (torch.as_tensor(x, device=device) for x in (teacher, label))
    return logits.effective_logits(zt, y, soft_ratio=soft_ratio, temperature=temperature)


def corners(count):
    """Random settings where digits are easily lost: rho near 0 or 1, roots near 0, right and wrong teachers."""
    draw = random.Random(0)
    while count:
        T = math.exp(draw.uniform(math.log(0.05), math.log(100)))
        tiny, small, rest = (10 ** draw.uniform(least, 0) for least in (-300, -12, -15.5))
        rho = draw.choice([draw.random(), tiny, small, 1 - rest])
        if not 0.05 <= T <= 100 or not 0 < rho < 1:
            continue
        kappa = (1 - rho) * T / rho
        zt = [draw.gauss(0, 5), draw.gauss(0, 3) * T, draw.uniform(0, 1e4), *(-draw.uniform(0, x) for x in (1e3, 1e4))]
        if kappa < 1:  # the teacher whose student's logit is 0, and one close to it
            zero = 2 * T * math.atanh(kappa)
            zt += [zero, zero * (1 + 10 ** draw.uniform(-15, -1))]
        count -= 1
        yield rho, T, [z for z in zt if abs(z) <= 1e4]


def sums(count):
    """Settings whose root makes e^-|z| or e^(z/T) so small that 1 plus it has a rounding error, which T multiplies."""
    draw = random.Random(1)
    while count:
        T = math.exp(draw.uniform(0, math.log(100)))
        z = draw.choice([1, -1, -min(T, 18)]) * draw.uniform(19, 38)  # e^-z stays a float
        zt = z + T * draw.uniform(0.01, 3)
        a, w = math.exp(z / T), math.exp(zt / T)
        kappa = (w - a) * (1 + math.exp(-z)) / ((1 + a) * (1 + w))  # Eq. 3 for label 0
        count -= 1
        yield T / (kappa + T), T, [zt]


SETTINGS = [(rho, T, [s * z for z in TEACHERS for s in (1, -1)]) for rho in RATIOS for T in TEMPERATURES]
SETTINGS += [*corners(80), *sums(40)]
# Alone, so that no other root of the block asks for more steps.
SETTINGS += [(1.29e-220, 100.0, [-513.0681281054427]), (0.4865815846627529, 55.10684576578289, [-4.762908935546875])]


@pytest.fixture(scope="module")
def roots():
    """The 50-digit roots for label 0, by setting."""
    return [[references.effective_logit(z, 0, soft_ratio=r, temperature=T) for z in zt] for r, T, zt in SETTINGS]


@pytest.mark.parametrize("device", DEVICES)
def test_effective_logits_agree_with_fifty_digits(roots, device):
    for (rho, T, zt), exact in zip(SETTINGS, roots, strict=True):
        zt = torch.tensor(zt, dtype=torch.float64)
        for label, sign in ((0, 1), (1, -1)):
            got = effective(sign * zt, torch.full(zt.shape, label), rho, T, device).cpu()
            assert (sign * got <= zt).all()  # a label pulls towards itself, if by less than a rounding
            for z, value, root in zip(zt.tolist(), (sign * got).tolist(), exact, strict=True):
                error = float(abs(mpmath.mpf(value) - root))
                # The contract is 4 ulp + 4 eps. Here: one rounding of a root whose equation is known to about 1e-18.
                assert error <= math.ulp(float(root)) + 1e-18 * max(1, T), (rho, T, sign * z, label, value)


@pytest.mark.parametrize("device", DEVICES)
def test_float32_is_the_float64_root_rounded_once(device):
    for rho, T, zt in SETTINGS[::7]:
        zt = torch.tensor(zt).clamp(-1e4, 1e4)
        got, fine = (effective(z, torch.ones(zt.shape), rho, T, device) for z in (zt, zt.double()))
        assert got.dtype == torch.float32 and got.device.type == device
        assert torch.equal(got, fine.float())


def test_a_pure_soft_student_copies_the_teacher_to_the_bit():
    zt = torch.tensor([-1e4, -0.1, 0.0, 5e-324, 3.0], dtype=torch.float64)
    got = effective(zt, torch.tensor([1, 0, 1, 0, 1]), 1.0, 0.3)
    assert torch.equal(got, zt) and got.data_ptr() != zt.data_ptr()


def test_the_derivative_of_the_loss_vanishes_at_the_root():
    generator = torch.Generator().manual_seed(0)
    zt, y = 5 * torch.randn(500, generator=generator, dtype=torch.float64), torch.arange(500) % 2
    for rho, T in ((0.9, 5.0), (0.05, 0.2), (0.5, 1.0)):
        z = effective(zt, y, rho, T).requires_grad_()
        losses.distillation_loss(z, zt, y, soft_ratio=rho, temperature=T).sum().backward()
        assert z.grad.abs().max() <= 4 * EPS / T  # a few roundings of terms of size 1 and rho / T


def test_temperature_one_has_a_closed_form():
    zt, y = torch.linspace(-20, 20, 401, dtype=torch.float64), torch.ones(401)
    for rho in (0.1, 0.5, 0.99):
        got = torch.sigmoid(effective(zt, y, rho, 1.0))
        expected = 1 - rho + rho * torch.sigmoid(zt)
        torch.testing.assert_close(got, expected, rtol=8 * EPS, atol=0)  # both sides take a few roundings


def test_the_worst_teacher_is_overruled_exactly_up_to_the_soft_ratio_that_temperature_allows():
    for T in (0.05, 1.0, 7.0, 100.0):
        limit = T / (1 + T)
        for rho, right in ((limit * (1 - 1e-9), True), (limit * (1 + 1e-9) if T < 100 else limit + 1e-9, False)):
            assert (effective(torch.tensor([-1e4], dtype=torch.float64), torch.ones(1), rho, T) > 0).item() == right


def test_thresholds_of_the_papers_first_figure():
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1)
    for rho, T, threshold in ((0.8952, 5.0, 1.75), (0.4656, 5.0, 3.5), (0.0978, 5.0, 5.25), (0.05, 0.2, 1.89)):
        assert effective(zero, one, rho, T).item() == pytest.approx(threshold, abs=0.005)  # as printed


def test_any_shape_and_any_label_dtype():
    zt = torch.linspace(-3, 3, 24, dtype=torch.float64).reshape(2, 3, 4)
    y = zt > 1
    expected = effective(zt.flatten(), y.flatten(), 0.7, 2.0).reshape(zt.shape)
    for labels in (y, y.long(), y.float()):
        assert torch.equal(effective(zt, labels, 0.7, 2.0), expected)
    assert torch.equal(effective(zt.transpose(0, 2), y.transpose(0, 2), 0.7, 2.0), expected.transpose(0, 2))
    assert torch.equal(effective(zt[0, 0, 0], y[0, 0, 0], 0.7, 2.0), expected[0, 0, 0])
    assert torch.equal(effective(zt, torch.tensor(1), 0.7, 2.0), effective(zt, torch.ones(2, 3, 4), 0.7, 2.0))
    assert effective(zt[:0], y[:0], 0.7, 2.0).shape == (0, 3, 4)


def test_blocks_change_nothing(monkeypatch):
    zt = 5 * torch.randn(2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = effective(zt, zt > 0, 0.9, 5.0)
    monkeypatch.setattr(logits, "CPU_BLOCK", 300)
    torch.testing.assert_close(effective(zt, zt > 0, 0.9, 5.0), whole, rtol=EPS, atol=0)  # rounding of the same root


@pytest.mark.parametrize("label", [0, 1])
def test_correction_logits_are_the_closed_form_and_the_slope_at_pure_soft(label):
    zt = torch.tensor([-12.0, -3.0, -0.2, 0.0, 0.7, 2.0, 11.0], dtype=torch.float64)
    y = torch.full(zt.shape, label)
    for T in (0.5, 1.0, 10.0):
        got = logits.correction_logits(zt, y, temperature=T)
        exact = [float(references.correction_logit(z, label, temperature=T)) for z in zt.tolist()]
        torch.testing.assert_close(got, torch.tensor(exact, dtype=torch.float64), rtol=1e-14, atol=0)  # exp of up to 24
        steps = [2.0**-k for k in (45, 46)]  # short: the second order grows like the correction itself, up to e^24 here
        off = [((effective(zt, y, 1 - h, T) - zt) / h - got).abs() for h in steps]
        noise = [EPS * 16 / h for h in steps]  # the rounding of z_eff, divided by the step
        assert (off[0] <= 2 * noise[0] + 1e-2 * got.abs()).all()
    big = torch.full((2,), 1e4, dtype=torch.float64)
    wild = logits.correction_logits(torch.stack([-big, big]), torch.ones(2, 2), temperature=0.05)
    assert wild.isinf().all() and (wild > 0).all()


def test_correction_logits_are_first_order():
    zt, y = torch.tensor([-2.0, -0.5, 0.4, 3.0], dtype=torch.float64), torch.ones(4)
    move = logits.correction_logits(zt, y, temperature=2.0)
    rest = [(effective(zt, y, 1 - h, 2.0) - zt - h * move).abs() for h in (1e-3, 5e-4)]
    fall = torch.full((4,), 4.0, dtype=torch.float64)  # what is left is of second order: half the step, a quarter
    torch.testing.assert_close(rest[0] / rest[1], fall, rtol=0.05, atol=0)


def test_label_smoothing_logits_minimise_the_smoothed_cross_entropy():
    y = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    for eps in (1e-3, 0.1, 0.5, 1.0):
        got = torch.sigmoid(logits.label_smoothing_logits(y, smoothing=eps))
        torch.testing.assert_close(got, eps / 2 + (1 - eps) * y, rtol=1e-12, atol=0)  # 1 / eps roundings
    assert logits.label_smoothing_logits(torch.tensor([1]), smoothing=0.1).dtype == torch.get_default_dtype()


def test_distillation_tends_to_label_smoothing_in_ratio_but_not_in_difference():
    zt, T, one = torch.tensor([1.0, 10.0], dtype=torch.float64), 5.0, torch.ones(2)
    z, t = effective(zt, one, 1e-300, T), effective(torch.zeros(2, dtype=torch.float64), one, 1e-300, T)
    torch.testing.assert_close(z / t, torch.ones(2, dtype=torch.float64), rtol=3e-3, atol=0)  # about 2 / log(1e300)
    torch.testing.assert_close(z - t, torch.log((1 + torch.exp(zt / T)) / 2), rtol=1e-11, atol=0)  # t = 690, its ulp


CASES = [
    (dict(soft_ratio=0.0), "soft_ratio must be in .*got 0.0"),
    (dict(soft_ratio=1.1), "soft_ratio must be in .*got 1.1"),
    (dict(soft_ratio=math.nan), "soft_ratio must be in .*got nan"),
    (dict(temperature=0.04), "temperature must be in .*got 0.04"),
    (dict(temperature=math.nan), "temperature must be in .*got nan"),
    (dict(temperature=101.0), "temperature must be in .*got 101"),
    (dict(labels=torch.tensor([1, 2])), "labels must be 0 or 1; got 2"),
    (dict(labels=torch.tensor([-1.0, 1.0])), "labels must be 0 or 1; got -1"),
    (dict(labels=torch.tensor([math.nan, 1.0])), "labels must be 0 or 1; got nan"),
    (dict(labels=torch.zeros(3)), r"labels must broadcast .*got \(3,\) for logits \(2,\)"),
    (dict(teacher_logits=torch.tensor([0.0, math.inf])), "teacher_logits must be finite .*got inf"),
    (dict(teacher_logits=torch.tensor([0.0, math.nan])), "teacher_logits must be finite .*got nan"),
    (dict(teacher_logits=torch.tensor([0.0, -10001.0])), "teacher_logits must be finite .*got -10001"),
    (dict(teacher_logits=torch.tensor([0, 1])), "teacher_logits must be floating point; got torch.int64"),
]


@pytest.mark.parametrize("broken, message", CASES)
def test_guards_name_the_rule_and_the_value(broken, message):
    good = dict(teacher_logits=torch.zeros(2), labels=torch.ones(2), soft_ratio=0.5, temperature=1.0)
    with pytest.raises(ValueError, match=message):
        logits.effective_logits(**good | broken)
    if "soft_ratio" not in broken:
        del good["soft_ratio"]
        with pytest.raises(ValueError, match=message):
            logits.correction_logits(**good | broken)


@pytest.mark.parametrize("labels, smoothing, message", [
    (torch.tensor([3]), 0.1, "labels must be 0 or 1; got 3"),
    (torch.tensor([1]), 0.0, "smoothing must be in .*got 0.0"),
    (torch.tensor([1]), 1.5, "smoothing must be in .*got 1.5"),
])
def test_label_smoothing_guards(labels, smoothing, message):
    with pytest.raises(ValueError, match=message):
        logits.label_smoothing_logits(labels, smoothing=smoothing)
