"""Labels that a network refines: five losses beside their sums, the recursion on the eigenvectors beside the samples."""

import pytest
import torch

import references
from kdlib import kernels, self_distillation
from kdlib.papers.dong import clusters, mechanism
from kdlib.self_distillation import (
    LOSSES,
    refine_by_flow,
    refined_labels,
    refining_loss,
)


def case(n=7, c=4, stacks=(3,), seed=0):
    """Given labels and logits of some stacks, and logits of the epoch before."""
    draw = torch.Generator().manual_seed(seed)
    given = torch.nn.functional.one_hot(torch.randint(c, (*stacks, n), generator=draw), c).double()
    logits, last = (2 * torch.randn(*stacks, n, c, generator=draw, dtype=torch.float64) for _ in range(2))
    return given, logits, last


@pytest.mark.parametrize("loss", LOSSES)
def test_labels_and_losses_are_those_of_one_sample_at_a_time(loss):
    given, logits, last = case()
    labels, weights = refined_labels(given, logits, loss=loss, last=last, epoch=3, epochs=10)
    values = refining_loss(logits, given, loss=loss, last=last, epoch=3, epochs=10)
    for k in range(len(given)):
        expected, weight, losses = references.refined(given[k], logits[k], last[k], loss, 3, 10)
        torch.testing.assert_close(labels[k], expected, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(values[k], losses, rtol=1e-12, atol=1e-14)
        assert weights[k].item() == pytest.approx(weight, rel=1e-12)


def test_no_gradient_goes_through_the_labels():
    given, logits, _ = case()
    logits.requires_grad_()
    labels, _ = refined_labels(given, logits, loss="agreeing sharp")
    assert not labels.requires_grad
    (slope,) = torch.autograd.grad(refining_loss(logits, given, loss="agreeing sharp").sum(), logits)
    torch.testing.assert_close(slope, torch.softmax(logits, -1) - labels, rtol=1e-12, atol=1e-14)


def wide(n=30, seed=1):
    """A kernel of clustered points, and their labels, some of them wrong."""
    draw = torch.Generator().manual_seed(seed)
    x, labels = clusters.points(n, classes=5, dimension=6, radius=0.5, generator=draw)
    return kernels.ntk(x, depth=1), torch.nn.functional.one_hot(labels.roll(2), 5).double()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_recursion_is_gradient_flow_in_small_steps_on_the_samples(loss):
    gram, given = wide()
    outputs, weights = refine_by_flow(gram, given, loss=loss, epochs=4, time=3.0)
    expected, expected_weights = references.refine_in_small_steps(gram, given, loss, 4, 3.0, 4000)
    # first order in the step: 8000 steps halve the difference
    torch.testing.assert_close(outputs, expected, rtol=0, atol=2e-3)
    torch.testing.assert_close(weights, expected_weights, rtol=0, atol=1e-3)
    kept, _ = refine_by_flow(gram, given, loss=loss, epochs=4, time=3.0, kept=[0, 3])
    assert torch.equal(kept, outputs[[0, 3]])


def test_soft_labels_of_constant_weight_only_slow_the_clock():
    gram, given = wide()
    time, weight = 2.0, LOSSES["fixed soft"].weight
    outputs, _ = refine_by_flow(gram, given, loss="fixed soft", epochs=300, time=time)
    rates, vectors = torch.linalg.eigh(gram)
    gain = 1 - torch.exp(-rates * time / len(gram))
    share = 1 - (1 - (1 - weight) * gain) ** 300
    torch.testing.assert_close(outputs[-1], vectors @ (share[:, None] * (vectors.T @ given)), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"loss": "best"}, "loss must be one of plain, fixed soft"),
        ({"epoch": 0}, "epoch must be in 1 … 5, got 0"),
        ({"epoch": 6}, "epoch must be in 1 … 5, got 6"),
        ({"outputs": torch.zeros(2, 4)}, "must share one shape"),
        ({"last": torch.zeros(2, 4)}, "must share one shape"),
    ],
)
def test_labels_refuse_what_does_not_fit(change, law):
    asked = {"given": torch.eye(3), "outputs": torch.zeros(3, 3), "loss": "plain", "epoch": 1, "epochs": 5} | change
    with pytest.raises(ValueError, match=law):
        refined_labels(asked.pop("given"), asked.pop("outputs"), **asked)


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"given": torch.eye(2)}, "gram must have shape"),
        ({"epochs": 0}, "epochs must be at least 1 and time > 0, got 0"),
        ({"time": 0.0}, "epochs must be at least 1 and time > 0"),
        ({"kept": [0, 3]}, r"kept must be in 0 … 2, got \[0, 3\]"),
    ],
)
def test_the_recursion_refuses_what_does_not_fit(change, law):
    asked = {"given": torch.eye(3), "loss": "plain", "epochs": 2, "time": 1.0} | change
    with pytest.raises(ValueError, match=law):
        refine_by_flow(torch.eye(3).double(), asked.pop("given"), **asked)


def test_clusters_and_margins():
    draw = torch.Generator().manual_seed(0)
    x, labels = clusters.points(40, classes=4, dimension=9, radius=0.1, generator=draw)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(40, dtype=torch.float64), rtol=1e-12, atol=0)
    near = x @ x.T
    own = labels[:, None] == labels
    assert near[own].min() > near[~own].max()
    outputs = torch.randn(5, 40, 4, generator=draw)
    found = clusters.margins(outputs, labels)
    for i, label in enumerate(labels.tolist()):
        others = [outputs[:, i, k] for k in range(4) if k != label]
        assert torch.equal(found[:, i], outputs[:, i, label] - torch.stack(others).amax(0))
    with pytest.raises(ValueError, match="must be at least 1 and radius at least 0, got 40, 4, 9 and -1"):
        clusters.points(40, classes=4, dimension=9, radius=-1, generator=draw)


def test_kept_epochs_grow_from_the_start_to_the_end():
    for epochs in (1, 2, 7, 60, 1000):
        kept = mechanism.kept_epochs(epochs)
        assert kept[0] == 0 and kept[-1] == epochs and kept == sorted(set(kept)) and len(kept) <= 25


def test_the_face_has_what_a_chapter_calls():
    assert self_distillation.refined_labels is refined_labels
