"""The synthetic task: its formula term by term, the teacher's flow against small plain steps, the student's parts."""

import math

import pytest
import torch

import references
from kdlib import intervals, kernels, metrics
from kdlib.metrics import inefficiency
from kdlib.papers.ji_zhu import synthetic


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_mixture_is_its_formula_term_by_term():
    mixture, x = synthetic.GaussianMixture(7, dimension=3, generator=generator()), synthetic.inputs(5, 3, generator=generator(1))
    parts = list(zip(mixture.amplitudes.tolist(), mixture.centres.tolist(), mixture.widths.tolist()))
    for point, value in zip(x.tolist(), mixture(x).tolist()):
        by_hand = sum(A * math.exp(-math.dist(point, c) ** 2 / s**2) for A, c, s in parts)
        assert value == pytest.approx(by_hand, rel=1e-12, abs=1e-15)


def test_one_law_gives_the_widths_of_every_number_of_modes():
    for modes in (22, 352):
        mixture = synthetic.GaussianMixture(modes, width=4.0, shrink=0.5, narrowest=0.25, generator=generator())
        largest = 4.0 * (22 / modes) ** 0.5
        assert 0.25 * largest <= mixture.widths.min() < 0.4 * largest  # 22 draws: the least is above .4 once in 1e2 seeds
        assert 0.85 * largest < mixture.widths.max() <= largest
    assert synthetic.GaussianMixture(9, narrowest=1.0, generator=generator()).widths.unique().numel() == 1


@pytest.mark.parametrize("law", synthetic.LAWS)
def test_inputs_have_the_spread_that_is_asked_for(law):
    x = synthetic.inputs(40_000, law=law, spread=3.0, generator=generator())
    assert x.mean(0).abs().max() < 0.06 and (x.std(0) / 3 - 1).abs().max() < 0.015  # four standard errors
    assert (x.abs().max() <= 3 * 3**0.5) == (law == "uniform")
    assert x.shape == (40_000, 2)  # the plane, unless another dimension is asked for


@pytest.mark.parametrize("loss", synthetic.LOSSES)
def test_the_teacher_is_what_small_plain_steps_come_to(loss):
    x = synthetic.inputs(24, generator=generator())
    labels = (x[:, 0] > 0).double()
    epochs = [1, 7, 30]
    teacher = synthetic.WideTeacher(x, labels, epochs, loss=loss, scale=3.0, rate=2.0, depth=1)
    plain = references.flow(kernels.ntk(x, depth=1), labels, [2.0, 14.0, 60.0], loss=loss, scale=3.0, step=0.002)
    # The plain steps are first order, .002 of kernel eigenvalues to 20; the logistic flow's steps are of second order.
    torch.testing.assert_close(teacher(x), plain, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("loss", synthetic.LOSSES)
def test_a_teacher_starts_along_the_labels_and_ends_right(loss):
    x = synthetic.inputs(40, generator=generator(3))
    labels = (x.norm(dim=1) > 6).double()
    teacher = synthetic.WideTeacher(x, labels, [1e-6, 1e6], loss=loss, scale=0.5, rate=1.0)
    first = 1e-6 / 40 * kernels.ntk(x, depth=2) @ (labels - 0.5)  # the first step of the flow
    torch.testing.assert_close(teacher(x)[:, 0], first, rtol=1e-4, atol=0)
    assert ((teacher(x)[:, 1] > 0) == labels.bool()).all()


def test_a_drawn_student_has_the_kernel_of_its_samples_and_starts_from_a_network():
    x, initial, student = synthetic.draw_student(300, depth=1, generator=generator())
    torch.testing.assert_close(student.factor @ student.factor.T, kernels.ntk(x, depth=1), rtol=1e-9, atol=1e-9)
    draws = [synthetic.draw_student(2, 1, depth=1, width=256, generator=generator(seed)) for seed in range(400)]
    starts = torch.cat([draw.initial for draw in draws])
    variance = kernels.nngp_diagonal(torch.cat([draw.x for draw in draws]), depth=1)
    assert (starts.square() / variance).mean().item() == pytest.approx(1, abs=0.25)  # 800 squares: four standard errors .2


def test_the_average_is_the_mean_slope_of_each_task():
    n = torch.tensor([10, 20, 40, 80])
    bent = torch.tensor([1.0, 2.0, 2.0**1.5, 4.0]).double()  # slopes 1, .5, .5
    norms = torch.stack([n.double() ** 0.3, bent]).expand(3, 2, 4)
    torch.testing.assert_close(inefficiency.average(norms, n, 10, 20), torch.tensor([0.3, 0.75]).double())
    torch.testing.assert_close(inefficiency.average(norms, n, 11, 40), torch.tensor([0.3, 0.5]).double())


def test_a_curve_is_at_no_distance_from_itself():
    norms = torch.rand(4, 30, generator=generator()).double().cumsum(1)
    sizes = inefficiency.authors_sizes(10, 80)[:30]
    norms = norms[:, : len(sizes)]
    table = inefficiency.table(norms, sizes)
    found = inefficiency.distance(norms, sizes, [*zip(table["n"], 2 * table["I"])])
    assert found["distance"] == pytest.approx(math.log(2), rel=1e-9)
    assert found["floor"] == pytest.approx(((table["first"] / table["second"]).map(math.log) ** 2).mean() ** 0.5, rel=1e-9)


def test_the_distance_takes_every_published_point_on_the_curve_and_none_beyond_it():
    sizes = inefficiency.authors_sizes(10, 80)
    norms = torch.rand(4, len(sizes), generator=generator()).double().cumsum(1)
    table = inefficiency.table(norms, sizes)
    n, heights = table["n"].tolist(), table["I"].tolist()
    on_the_curve = [[0.9995 * n[0], math.e * heights[0]], [n[3], math.e**2 * heights[3]], [1.0005 * n[-1], math.e**3 * heights[-1]]]
    beyond = [[0.99 * n[0], 1e9], [1.01 * n[-1], 1e9]]
    found = inefficiency.distance(norms, sizes, on_the_curve + beyond)
    assert found["distance"] == pytest.approx(((1 + 4 + 9) / 3) ** 0.5, rel=1e-9)


@pytest.mark.parametrize(
    "call, rule",
    [
        (lambda: synthetic.inputs(0, generator=generator()), "at least 1"),
        (lambda: synthetic.inputs(3, spread=0, generator=generator()), "spread > 0"),
        (lambda: synthetic.inputs(3, law="cauchy", generator=generator()), "normal, uniform, got 'cauchy'"),
        (lambda: synthetic.GaussianMixture(0, generator=generator()), "modes must be >= 1"),
        (lambda: synthetic.GaussianMixture(3, narrowest=1.5, generator=generator()), r"narrowest in \[0, 1\]"),
        (lambda: synthetic.WideTeacher(torch.ones(3, 2), torch.tensor([0.0, 1.0, 2.0]), [1]), "0 or 1"),
        (lambda: synthetic.WideTeacher(torch.ones(3, 2), torch.ones(2), [1]), r"got \(3, 2\) and \(2,\)"),
        (lambda: synthetic.WideTeacher(torch.ones(3, 2), torch.ones(3), [5, 5]), r"must grow .* got \[5, 5\]"),
        (lambda: synthetic.WideTeacher(torch.ones(3, 2), torch.ones(3), [5], rate=0), "rate be above 0"),
        (lambda: synthetic.WideTeacher(torch.ones(3, 2), torch.ones(3), [5], loss="hinge"), "squared, logistic .* got 'hinge'"),
        (lambda: inefficiency.average(torch.ones(2, 1, 3), [1, 2, 4], 5, 9), r"got \[5, 9\]"),
        (lambda: inefficiency.distance(torch.ones(2, 12), range(1, 13), [[50, 0.5]]), "at least two points"),
        (lambda: intervals.jackknife(lambda runs: runs.mean(0), torch.ones(3), level=1), r"level must be in \(0, 1\)"),
        (lambda: metrics.data_inefficiency(torch.ones(2, 1)), "n >= 2"),
    ],
)
def test_what_does_not_fit_is_refused(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()
