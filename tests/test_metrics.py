"""Transfer risk and the exponent of a power law."""

import numpy
import pytest
import torch
from scipy import stats

import references
from kdlib import intervals, metrics


@pytest.mark.parametrize("shape", [(200,), (200, 2), (200, 10)])
def test_transfer_risk_counts_disagreements(shape):
    g = torch.Generator().manual_seed(0)
    zs, zt = torch.randn(shape, generator=g), torch.randn(shape, generator=g)
    assert metrics.transfer_risk(zs, zt) == references.transfer_risk(zs, zt)
    assert metrics.transfer_risk(zs, 3 * zs) == 0


def test_a_logit_of_zero_does_not_disagree_and_a_tiny_one_does():
    zt = torch.tensor([1e-30, -1e-30, 5.0, 0.0])
    assert metrics.transfer_risk(torch.tensor([-1e-30, -1e-30, 0.0, -2.0]), zt) == 0.25


def test_of_one_logit_and_of_two_classes_agree():
    g = torch.Generator().manual_seed(0)
    zs, zt = torch.randn(50, generator=g), torch.randn(50, generator=g)
    pairs = [torch.stack([-z, z], dim=1) for z in (zs, zt)]
    assert metrics.transfer_risk(zs, zt) == metrics.transfer_risk(*pairs)


def test_a_power_law_gives_its_exponent():
    n = torch.tensor([32, 128, 512, 2048])
    got = intervals.power_law_exponent(n, torch.stack([a * n.double() ** -0.6 for a in (0.5, 1.0, 2.0)]))
    assert got == pytest.approx((-0.6, -0.6, -0.6), abs=1e-12)  # no noise: rounding only


def test_the_exponent_is_the_mean_of_least_squares_slopes_with_a_t_interval():
    g = torch.Generator().manual_seed(0)
    n, noise = torch.tensor([10.0, 20.0, 70.0, 100.0]), torch.randn(5, 4, generator=g, dtype=torch.float64)
    values = torch.exp(-0.5 * n.double().log() + 0.3 * noise)
    slopes = [numpy.polyfit(n.log().numpy(), row.log().numpy(), 1)[0] for row in values]
    low, high = stats.t.interval(0.9, 4, loc=numpy.mean(slopes), scale=stats.sem(slopes))
    got = intervals.power_law_exponent(n, values, confidence=0.9)
    assert got == pytest.approx((numpy.mean(slopes), low, high), rel=1e-6)  # n.log() is float32 in the twin
    one = intervals.power_law_exponent(n, values[:1])
    assert one.exponent == pytest.approx(slopes[0], rel=1e-6) and one.low != one.low and one.high != one.high


def test_the_interval_covers_the_truth_as_often_as_it_says():
    g, n, hits = torch.Generator().manual_seed(0), torch.tensor([30.0, 100.0, 300.0, 1000.0]), 0
    for _ in range(1000):
        noise = torch.randn(3, 4, generator=g, dtype=torch.float64)
        fit = intervals.power_law_exponent(n, torch.exp(-0.6 * n.double().log() + 0.1 * noise))
        hits += fit.low <= -0.6 <= fit.high
    assert 922 <= hits <= 978  # 950 and four standard errors of a binomial count


@pytest.mark.parametrize(
    "call, rule",
    [
        (lambda: metrics.transfer_risk(torch.zeros(3), torch.zeros(4)), r"got \(3,\) and \(4,\)"),
        (lambda: metrics.transfer_risk(torch.zeros(0), torch.zeros(0)), "n >= 1"),
        (lambda: intervals.power_law_exponent([10, 20], torch.ones(2)), r"got \(2,\) and \(2,\)"),
        (lambda: intervals.power_law_exponent([10, 20], torch.ones(2, 3)), r"got \(2,\) and \(2, 3\)"),
        (lambda: intervals.power_law_exponent([10, 10], torch.ones(2, 2)), "two different sizes"),
        (lambda: intervals.power_law_exponent([10, 20], torch.zeros(2, 2)), "> 0, .* a least value 0.0"),
        (lambda: intervals.power_law_exponent([10, 20], torch.ones(2, 2), confidence=1.0), r"in \(0, 1\), got 1.0"),
    ],
)
def test_guards(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()
