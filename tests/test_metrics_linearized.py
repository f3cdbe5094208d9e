"""Data inefficiency, Theorem 1 and Theorem 2, in feature space and at sample sizes where everything is known."""

import math

import numpy
import pytest
import torch
from scipy import stats

import references
from kdlib import linearized, logits, metrics
from kdlib.metrics import inefficiency


def problem(n=30, p=60, seed=0):
    """Features of a finite student, its outputs at the start, a teacher's logits and labels it is partly wrong about."""
    generator = torch.Generator().manual_seed(seed)
    draw = dict(generator=generator, dtype=torch.float64)
    phi, start = torch.randn(n, p, **draw), torch.randn(n, **draw)
    teacher = 2 * torch.randn(n, **draw)
    truth = teacher + torch.randn(n, **draw)
    return phi, start, teacher, truth


def test_inefficiency_of_a_power_law_is_its_exponent():
    n = torch.arange(1, 6001).double()
    norms = torch.stack([a * n**0.5 for a in (1.0, 5.0)])
    exact = metrics.data_inefficiency(norms)
    torch.testing.assert_close(exact, 0.5 * n[:-1] * torch.log1p(1 / n[:-1]), rtol=1e-9, atol=1e-9)
    sizes = inefficiency.AUTHORS_SIZES[:90]
    curve = inefficiency.slopes(norms[:, sizes - 1], sizes)
    torch.testing.assert_close(curve.values, torch.full((80,), 0.5).double(), rtol=1e-12, atol=0)


def test_the_mean_is_taken_before_the_logarithm():
    norms = torch.tensor([[1.0, 1.0], [1.0, 3.0]])
    assert metrics.data_inefficiency(norms).item() == pytest.approx(math.log(2))  # the mean of logs would be log(3) / 2


def test_slopes_agree_with_their_twin_and_lie_on_the_papers_sizes():
    norms = torch.rand(3, 6000, generator=torch.Generator().manual_seed(0)).double().cumsum(1)
    sizes = inefficiency.authors_sizes(21, 5336)
    curve = inefficiency.slopes(norms[:, sizes - 1], sizes)
    x, y = references.smoothed_slopes(norms, sizes.tolist(), 10)
    torch.testing.assert_close(curve.sizes, torch.tensor(x, dtype=torch.float64), rtol=1e-12, atol=0)
    torch.testing.assert_close(curve.values, torch.tensor(y, dtype=torch.float64), rtol=1e-9, atol=1e-12)
    # x-coordinates of Fig. 3's first and last point, read off the figure to 3e-5
    assert len(x) == 70 and x[0] == pytest.approx(29.6, rel=1e-4) and x[-1] == pytest.approx(3708.8, rel=1e-4)
    raw = inefficiency.slopes(norms[:, sizes - 1], sizes, window=1)
    assert torch.equal(raw.sizes, sizes[:-1].double())
    assert numpy.allclose(raw.values.unfold(0, 10, 1).mean(1), curve.values, rtol=1e-12, atol=0)


def test_the_jackknife_is_the_standard_error_where_the_statistic_is_a_mean():
    # Norms that differ by little: the logarithm of the mean is then linear in them, and the slope a mean over runs.
    noise = torch.randn(12, 2, generator=torch.Generator().manual_seed(0)).double()
    table = inefficiency.table(1 + 1e-6 * noise, [10, 20], window=1)
    each = 1e-6 * (noise[:, 1] - noise[:, 0]) / math.log(2)
    half = stats.t.ppf(0.975, 11) * each.std().item() / 12**0.5
    assert (table["high"] - table["low"]).item() / 2 == pytest.approx(half, rel=1e-4)
    assert (table["first"] + table["second"]).item() / 2 == pytest.approx(table["I"].item(), rel=1e-4)
    assert table["I"].item() == pytest.approx(each.mean().item(), rel=1e-4)


@pytest.mark.parametrize("asked, seeds", [(4, "4"), (6, "4 of 6")])
def test_bands_are_the_tables_of_all_targets_and_say_where_runs_are_missing(asked, seeds):
    norms = torch.rand(4, 2, 9, generator=torch.Generator().manual_seed(0)).double().cumsum(2)
    sizes = inefficiency.AUTHORS_SIZES[:9]
    rows = inefficiency.bands(norms, sizes, [255, 767], window=3, asked=asked)
    assert list(rows) == ["target", "n", "mean", "low", "high", "first", "second", "k", "K", "seeds"]
    for k, target in enumerate((255, 767)):
        part, table = rows[rows["target"] == target], inefficiency.table(norms[:, k], sizes, window=3)
        names = {"n": "n", "mean": "I", **{name: name for name in ("low", "high", "first", "second")}}
        for name, own in names.items():
            assert part[name].tolist() == table[own].tolist()
        for name, values in inefficiency.as_curve(table).items():
            assert numpy.array_equal(inefficiency.as_curve(part)[name], values)
    assert (rows[["k", "K", "seeds"]] == [4, asked, seeds]).all(axis=None)


def test_angles_to_the_oracle_are_those_of_feature_space():
    phi, start, teacher, _ = problem()
    student = linearized.LinearizedStudent(phi @ phi.T)
    oracle, zero = references.weight_change(phi, teacher - start), references.weight_change(phi, -start)
    angles = student.oracle_angles(teacher - start, -start)
    for n in (1, 7, 29):
        change = references.weight_change(phi[:n], (teacher - start)[:n])
        torch.testing.assert_close(angles[n - 1], references.acute_angle(oracle - zero, change - zero), rtol=1e-9, atol=0)
    assert angles[-1] == 0
    plain = student.oracle_angles(teacher, torch.zeros_like(teacher))
    norms = student.weight_norms(teacher)
    torch.testing.assert_close(plain[:-1].cos(), (norms / norms[-1])[:-1], rtol=1e-9, atol=0)  # Eq. 9
    assert (plain.diff() <= 0).all()
    rows = metrics.feature_angles(teacher, (oracle - zero).norm(), (phi * phi).sum(1))  # Eq. 8
    for row, x in zip(rows, phi):
        torch.testing.assert_close(row, references.acute_angle(x, oracle - zero), rtol=1e-9, atol=1e-9)


def test_the_angle_to_the_oracle_is_acute_at_every_size_wherever_the_student_points():
    away = 0
    for seed in range(5):
        phi, start, teacher, _ = problem(seed=seed)
        student = linearized.LinearizedStudent(phi @ phi.T)
        targets = teacher - 3 * start  # with few samples the student less zero points away from the oracle less zero
        oracle, zero = references.weight_change(phi, targets), references.weight_change(phi, -start)
        angles = student.oracle_angles(targets, -start)
        for n in range(1, 30):
            change = references.weight_change(phi[:n], targets[:n]) - zero
            away += bool((oracle - zero) @ change < 0)
            torch.testing.assert_close(angles[n - 1], references.acute_angle(oracle - zero, change), rtol=1e-8, atol=0)
    assert away > 20


@pytest.mark.parametrize("excess", [1e-12, 1e-7, 1e-5, 1e-3])
def test_a_cosine_may_be_above_one_by_rounding_alone(excess):
    ones = torch.ones(3, dtype=torch.float64)
    if excess < 1e-6:
        assert metrics.feature_angles(ones, 1 - excess, ones).tolist() == [0, 0, 0]
    else:
        with pytest.raises(ValueError, match="each cosine at most 1, got 1.0"):
            metrics.feature_angles(ones, 1 - excess, ones)


def test_theorem_1_holds_in_every_run_on_the_points_it_is_about():
    bounds = []
    for seed in range(40):  # features of falling size, as a kernel's are, and logits that lie in them
        phi = problem(n=80, p=81, seed=seed)[0] * torch.arange(1.0, 82, dtype=torch.float64) ** -2
        teacher, start = (phi @ problem(n=81, seed=seed)[1:3][i] for i in (1, 0))
        student = linearized.LinearizedStudent(phi @ phi.T)
        changes, sizes = teacher - start, [1, 5, 10, 30, 79]
        outputs = student.predict(phi @ phi.T, changes, sizes) + start
        norm = student.weight_norms(teacher)[-1]  # oracle less zero: its outputs are the teacher's logits
        angles = metrics.feature_angles(teacher, norm, (phi * phi).sum(1))
        bound = metrics.transfer_risk_bound(angles, student.oracle_angles(changes, -start)[[n - 1 for n in sizes]])
        risk = torch.tensor([metrics.transfer_risk(row, teacher) for row in outputs])
        assert (risk <= bound).all()
        bounds.append(bound)
    assert torch.stack(bounds)[:, -1].mean() < 0.5 < torch.stack(bounds)[:, 0].mean()  # it says something, and not always


def test_the_angle_distribution_counts():
    angles = torch.tensor([0.1, 1.0, 1.0, 1.5])
    got = metrics.angle_distribution(angles, torch.tensor([[0.0, 0.1], [1.0, 1.4], [1.5, math.pi / 2]]))
    assert got.tolist() == [[1.0, 0.75], [0.25, 0.25], [0.0, 0.0]]  # larger, not as large
    assert metrics.transfer_risk_bound(angles.double(), torch.tensor([math.pi / 2, 0.0])).tolist() == [1.0, 0.0]


def test_the_one_sample_bound_is_its_minimum_and_vacuous_near_a_right_angle():
    angles = torch.rand(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * math.pi / 2
    got = metrics.one_sample_risk_bound(angles, [1, 10, 1000])
    for bound, n in zip(got.tolist(), [1, 10, 1000]):
        twin = references.one_sample_risk_bound(angles, n)
        assert bound <= twin + 1e-12 and bound == pytest.approx(twin, abs=0.02)  # the grid can miss one step of 1 / 50
    assert metrics.one_sample_risk_bound(1.5 + 0.04 * angles, torch.tensor(10**6)) == 1


@pytest.mark.parametrize("temperature", [1.0, 10.0])
def test_theorem_2_is_the_derivative_of_the_cosine(temperature):
    phi, start, teacher, truth = problem()
    student, labels = linearized.LinearizedStudent(phi @ phi.T), (truth > 0).long()
    correction = logits.correction_logits(teacher, labels, temperature=temperature)
    gain = metrics.hard_label_gain(student, truth - start, teacher - start, correction)

    def cosine(soft_ratio):
        z = logits.effective_logits(teacher, labels, soft_ratio=soft_ratio, temperature=temperature) - start
        return student.inner(truth - start, z) / student.weight_norms(truth - start)[-1] / student.weight_norms(z)

    # one-sided, since rho <= 1: two steps of 1e-6 and 2e-6 cancel the first-order error; what is left is about 1e-6
    step = 1e-6 if temperature == 1 else 1e-7
    slope = (4 * cosine(1 - step) - cosine(1 - 2 * step) - 3 * cosine(1.0)) / (2 * step)
    torch.testing.assert_close(gain.derivative, slope, rtol=1e-4, atol=1e-4 * slope.abs().max().item())
    turn = references.weight_change(phi[:9], correction[:9])
    g, t = (references.weight_change(phi[:9], (z - start)[:9]) for z in (truth, teacher))
    torch.testing.assert_close(gain.projection[8], turn @ (g - t * (t @ g) / (t @ t)), rtol=1e-9, atol=1e-9)
    scaled = metrics.hard_label_gain(student, truth - start, teacher - start, correction, oracle_norm=2.0)
    torch.testing.assert_close(scaled.derivative * 2, gain.derivative * student.weight_norms(truth - start)[-1])


def test_a_perfect_teacher_gains_nothing_from_scaling():
    phi, _, teacher, _ = problem()
    student = linearized.LinearizedStudent(phi @ phi.T)
    gain = metrics.hard_label_gain(student, teacher, teacher, 3 * teacher)
    assert gain.projection.abs().max() < 1e-9 * student.inner(teacher, teacher)[-1]  # only cancellation is left


ONES = torch.ones(3)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: metrics.data_inefficiency(torch.ones(5)), r"\(runs, n\) with n >= 2, got \(5,\)"),
        (lambda: metrics.data_inefficiency(torch.ones(5, 1)), "n >= 2"),
        (lambda: metrics.data_inefficiency(torch.zeros(2, 3)), "> 0, got a least value of 0"),
        (lambda: inefficiency.slopes(torch.ones(2, 2), [3, 3]), r"2 growing integers from 1, one a column, got \[3, 3\]"),
        (lambda: inefficiency.slopes(torch.ones(2, 9), [3, 10]), "9 growing"),
        (lambda: inefficiency.slopes(torch.ones(2, 2), [0, 3]), "growing"),
        (lambda: inefficiency.slopes(torch.ones(2, 3), [1, 3, 9], window=3), r"1 … 2, got 3"),
        (lambda: inefficiency.table(torch.ones(1, 3), [1, 3, 9], window=1), "at least 2 runs, got 1"),
        (lambda: inefficiency.bands(torch.ones(2, 1), [1, 3, 9], ["a"], asked=2), r"\(runs, 1, s\), got \(2, 1\)"),
        (lambda: inefficiency.bands(torch.ones(2, 2, 3), [1, 3, 9], ["a"], asked=2), r"1, s\), got \(2, 2, 3\)"),
        (lambda: inefficiency.bands(torch.ones(3, 1, 3), [1, 3, 9], ["a"], asked=2), "at most the 2 asked for, got 3"),
        (lambda: inefficiency.authors_sizes(12, 12), r"got \[12, 12\]"),
        (lambda: metrics.feature_angles(ONES, 1.0, torch.ones(2)), r"got \(3,\) and \(2,\)"),
        (lambda: metrics.feature_angles(ONES, 0.5, ONES), "cosine at most 1, got 2"),
        (lambda: metrics.feature_angles(ONES, -2.0, ONES), "> 0 and"),
        (lambda: metrics.feature_angles(ONES, 2.0, -ONES), "got nan"),
        (lambda: metrics.angle_distribution(torch.ones(0), 1.0), r"got \(0,\)"),
        (lambda: metrics.hard_label_gain(None, ONES, ONES, torch.ones(3, 1)), r"got \(3,\), \(3,\) and \(3, 1\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()
