"""The margin of the tangent features: its solver against a slow twin and closed forms, its interval, the arcs of the plane."""

import math

import pytest
import torch

import references
from kdlib import metrics
from kdlib.metrics import least_norm, margins
from kdlib.papers.mandal import descent, digits, tasks


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def sphere(n, d, seed=0):
    return torch.nn.functional.normalize(torch.randn(n, d, generator=seeded(seed), dtype=torch.float64), dim=1)


def axes_among(d, many=300, seed=3):
    """Random directions, and each axis several times, at right angles to inputs that lie on others."""
    return torch.cat([torch.randn(many, d, generator=seeded(seed), dtype=torch.float64), torch.eye(d).double().repeat(many // 10, 1)])


@pytest.mark.parametrize("sectors,points,gap", [(2, 1, math.pi), (4, 2, 1.0), (2, 5, 0.3)])
def test_the_margin_encloses_the_slow_twin_and_its_interval_the_exact_value(sectors, points, gap):
    x, y = tasks.arcs(sectors, points, gap)
    z = torch.randn(2000, 2, generator=seeded(3), dtype=torch.float64)
    found = metrics.margin(x, y, z, fresh=torch.randn(20000, 2, generator=seeded(4), dtype=torch.float64), tolerance=1e-5)
    slow = references.margin(x, y, z)
    assert found.lower <= slow * (1 + 1e-6) and slow <= found.upper * (1 + 1e-4)  # scipy stops a little above
    assert found.upper - found.lower <= 1e-5 * found.upper
    exact = descent.infinite_teacher(x, y).gamma
    assert found.low < exact < found.high < 1.1 * exact


def test_margins_in_closed_form():
    opposite = tasks.arcs(2, 1, math.pi)
    assert descent.infinite_teacher(*opposite).gamma == pytest.approx(0.5, rel=1e-6)
    one = torch.tensor([[0.6, 0.8]]).double(), torch.ones(1).double()
    assert descent.infinite_teacher(*one).gamma == pytest.approx(0.5, rel=1e-6)
    x, y = tasks.arcs(6, 2, 0.5)  # sin 3 theta: no odd harmonic above the first
    teacher, (directions, measure) = descent.infinite_teacher(x, y), margins.directions_and_arcs(x)
    assert teacher.gamma == 0 and measure @ margins.pull(x, y, teacher.convex_weights, directions)[1] < 1e-3
    twice = [descent.infinite_teacher(*tasks.arcs(4, 8, gap)).gamma for gap in (0.2, 0.1)]
    assert twice[0] / twice[1] == pytest.approx(2, rel=0.03)


def test_symmetric_data_have_kinks_and_a_margin_all_the_same():
    z = torch.randn(2, 5000, 4, generator=seeded(5), dtype=torch.float64)
    found = metrics.margin(*tasks.noisy_xor(4), z[0], fresh=z[1])
    assert 0.99 * found.upper <= found.lower and found.low > 0.8 * found.upper > 1 / (60 * 4)


@pytest.mark.parametrize("n, d, most", [(30, 5, 70), (60, 10, 45)])
def test_the_solver_restarts_where_its_momentum_points_uphill(n, d, most):
    x = sphere(n, d, seed=1)
    z = torch.randn(1000, d, generator=seeded(5), dtype=torch.float64)
    gates, measure = (z @ x.T > 0).double(), torch.full((1000,), 1e-3, dtype=torch.float64)
    # 47 and 35 updates; without restarts, or with restarts downhill, from 56 to 113
    found = least_norm.least_mean_norm(x * x[:, :1].sign(), gates, measure, tolerance=1e-4, steps=most)
    assert 0 <= found.upper - found.lower <= 1e-4 * found.upper
    field = least_norm.softened(*least_norm.gated_sums(x * x[:, :1].sign(), gates, found.weights), 0.5e-4 * found.upper)
    gains = ((field @ (x * x[:, :1].sign()).T) * gates).T @ measure
    assert gains.min().item() == pytest.approx(found.lower, rel=1e-9)  # the field of the weights gives every point that


def test_a_direction_at_a_right_angle_to_an_input_gives_it_nothing():
    x, y = torch.tensor([[1.0, 0.0]]).double(), torch.ones(1).double()
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]).double()
    found = metrics.margin(x, y, directions)
    assert (found.lower, found.upper) == pytest.approx((0.25, 0.25), rel=1e-2)
    v, norms = margins.pull(x, y, torch.ones(1).double(), directions)
    assert v.tolist() == [[1, 0], [0, 0], [0, 0], [0, 0]] and norms.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("confidence", [0.5, 0.95])
@pytest.mark.parametrize("n", [1, 4])
def test_the_interval_is_that_of_each_input_and_each_direction_in_turn(n, confidence):
    x = torch.cat([torch.eye(3).double(), -sphere(1, 3)])[:n]
    y = torch.tensor([1.0, -1.0, 1.0, -1.0]).double()[:n]
    q = torch.rand(n, generator=seeded(), dtype=torch.float64)
    q /= q.sum()
    z = axes_among(3)
    found = margins.interval(x, y, q, z, confidence=confidence)
    assert found == pytest.approx(references.margin_interval(x, y, q, z, confidence), rel=1e-9)


def test_arcs_weigh_each_pair_of_inputs_by_their_angle():
    """Both of two inputs are active on a share 1/2 - angle / 2 pi of the circle, near pairs and opposite ones included."""
    x = torch.cat([sphere(5, 2), -sphere(1, 2), sphere(2, 2, seed=1) * 3])
    turn = torch.tensor([[math.cos(1e-3), -math.sin(1e-3)], [math.sin(1e-3), math.cos(1e-3)]]).double()
    x = torch.cat([x, x[:2] @ turn])
    directions, measure = margins.directions_and_arcs(x)
    assert measure.sum() == pytest.approx(1, rel=1e-12)
    assert len(measure) == 2 * (len(x) - 1)  # a point and its opposite share their line
    gates = (directions @ x.T > 0).double()
    at = torch.atan2(x[:, 1], x[:, 0])
    angles = (at[:, None] - at).remainder(2 * math.pi)
    angles = torch.minimum(angles, 2 * math.pi - angles)
    torch.testing.assert_close((gates.T * measure) @ gates, 0.5 - angles / (2 * math.pi), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("call", "told"), [
    (lambda: metrics.margin(sphere(3, 5), torch.zeros(3), sphere(4, 5)), "labels must be -1 or 1, got 0.0"),
    (lambda: metrics.margin(sphere(3, 5), torch.ones(3), sphere(4, 4)), r"must be \(n, d\), \(n,\) and \(M, d\)"),
    (lambda: margins.directions_and_arcs(sphere(3, 3)), r"shape \(n, 2\), got \(3, 3\)"),
])
def test_guards(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_an_image_is_right_on_the_side_of_its_label_however_near_to_zero_its_logit():
    logits, labels = torch.tensor([[0.2], [-0.2], [3.0], [-3.0], [2.0]]), torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0])
    assert digits._accuracy(torch.nn.Flatten(0), logits, labels) == 0.8
