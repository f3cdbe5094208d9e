"""Gradient flow from one basis: beside all eigenvectors, its bound, its limits, and what it refuses."""

import pytest
import torch

import references
from kdlib import kernels, memory
from kdlib.linearized import flow, gradient_flow, logistic, logistic_flow

TIMES = [0.0, 1e-9, 3.0, 300.0, 3e4]  # the steepest rate of these kernels is about 10, the flattest 1e-6


def task(M, seed=0):
    """A kernel of M points in the plane, and labels that no smooth function has."""
    draw = torch.Generator().manual_seed(seed)
    x = 5 * torch.randn(M, 2, generator=draw, dtype=torch.float64)
    return kernels.ntk(x, depth=2), torch.sin(x[:, 0]).sign()


def off(found, expected):
    """Largest relative distance of two tables of coefficients, over the times after zero."""
    return ((found - expected).norm(dim=0) / expected.norm(dim=0))[1:].max().item()


def test_the_flow_is_that_of_all_eigenvectors_at_every_time():
    gram, y = task(600)
    expected = references.flow_by_eigenvectors(gram, y, TIMES)
    found = gradient_flow(gram, y, TIMES)
    assert off(found, expected) < 1e-10  # 4e-12 here; every tenth basis vector fewer is a factor of about 10
    assert found[:, 0].tolist() == [0.0] * 600
    single = gradient_flow(gram.float(), y, TIMES)  # the flow of the rounded kernel, not a rounded flow
    assert off(single, references.flow_by_eigenvectors(gram.float().double(), y, TIMES)) < 1e-10
    assert off(single, expected) > 1e-7


def test_the_bound_is_above_the_error_and_not_far_above(monkeypatch):
    gram, y = task(300)
    expected = references.flow_by_eigenvectors(gram, y, TIMES)
    times = torch.tensor(TIMES, dtype=torch.float64)
    seen = 0
    for basis, diagonal, beside in flow._lanczos(gram, y / y.norm()):
        coordinates, bounds = flow._flow_in_basis(diagonal, beside, times)
        errors = (basis.T @ coordinates * y.norm() / 300 - expected).norm(dim=0) * 300 / y.norm()
        large = errors > 1e-9 * coordinates.norm(dim=0)  # else rounding
        assert (errors[large] <= bounds[large] * (1 + 1e-6)).all()
        assert (bounds[large] <= 100 * errors[large]).all()
        seen += large.sum().item()
    assert seen > 10
    monkeypatch.setattr(flow, "TOLERANCE", 1e-3)
    assert 1e-8 < off(gradient_flow(gram, y, TIMES), expected) < 1e-3  # stops where its bound lets it


def test_a_closed_space_ends_the_basis():
    rates = torch.tensor([1.0, 1.0, 5.0, 0.0, 0.0, 2.0], dtype=torch.float64)
    y = torch.tensor([1.0, -2.0, 3.0, 4.0, 0.0, 0.0], dtype=torch.float64)
    found = gradient_flow(torch.diag(6 * rates), y, [0.5, 2.0])
    times = torch.tensor([0.5, 2.0], dtype=torch.float64)
    expected = torch.where(rates[:, None] > 0, (1 - torch.exp(-rates[:, None] * times)) / rates[:, None], times) * y[:, None] / 6
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)
    assert gradient_flow(torch.diag(rates), 0 * y, [1.0]).tolist() == [[0.0]] * 6
    assert gradient_flow(torch.diag(rates), y, []).shape == (6, 0)


def test_it_starts_along_the_targets_and_ends_on_them():
    gram, y = task(60)
    start, end = gradient_flow(gram, y, [1e-12, 1e12]).T
    torch.testing.assert_close(start, 1e-12 / 60 * y, rtol=1e-9, atol=0)
    torch.testing.assert_close(gram @ end, y, rtol=1e-8, atol=1e-8)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    gram, y = task(60)
    monkeypatch.setattr(memory, "free", lambda device: 1000)
    with pytest.raises(MemoryError, match="a basis of 200 vectors for M = 60 samples needs"):
        gradient_flow(gram, y, [1.0])


def test_landmarks_only_precondition(monkeypatch):
    gram, y = task(80)
    labels = (y > 0).double()
    expected = logistic_flow(gram, labels, [3.0, 300.0])  # all samples are landmarks: each system is solved at once
    monkeypatch.setattr(logistic, "LANDMARKS", 7)
    torch.testing.assert_close(logistic_flow(gram, labels, [3.0, 300.0]), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_one_sample_has_the_logistic_flow_of_its_closed_form(target):
    gram = torch.tensor([[4.0]], dtype=torch.float64)
    times = torch.tensor([0.5, 5.0, 500.0], dtype=torch.float64)
    f = (2 * target - 1) * (gram @ logistic_flow(gram, torch.tensor([target]), times))[0]
    torch.testing.assert_close(f + f.exp(), 1 + 4 * times, rtol=0.01, atol=0)  # what it is said to be within


@pytest.mark.parametrize(
    "call, rule",
    [
        (lambda K, y: gradient_flow(K[:, :4], y, [1.0]), r"got \(9, 4\) and \(9,\)"),
        (lambda K, y: gradient_flow(K, y[:, None], [1.0]), r"got \(9, 9\) and \(9, 1\)"),
        (lambda K, y: gradient_flow(K, y, [1.0, -2.0]), r"finite numbers >= 0, got \[1.0, -2.0\]"),
        (lambda K, y: gradient_flow(K, y, [float("inf")]), "finite numbers >= 0"),
        (lambda K, y: gradient_flow(K + torch.ones(9, 9).triu(1), y, [1.0]), "symmetric"),
        (lambda K, y: logistic_flow(K, y[:4], [1.0]), r"got \(9, 9\) and \(4,\)"),
        (lambda K, y: logistic_flow(K, y, [1.0]), "each label must be 0 or 1"),
        (lambda K, y: logistic_flow(K, y > 0, [2.0, 1.0]), r"grow from above 0, got \[2.0, 1.0\]"),
        (lambda K, y: gradient_flow(K - 50 * torch.eye(9), y, [1.0]), "negative eigenvalue"),
    ],
)
def test_what_does_not_fit_is_refused(call, rule):
    with pytest.raises(ValueError, match=rule):
        call(*task(9))
