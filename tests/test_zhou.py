"""Weighted soft labels, the decomposition, and regularization samples."""

import math

import pytest
import torch
from scipy import stats

import references
from kdlib import datasets, losses, metrics
from kdlib.metrics import bias_variance
from kdlib.models import StackedMLP
from kdlib.papers.zhou import association, gaussians, images, kinds, samples, variances

EXACT = dict(rtol=1e-12, atol=1e-12)  # float64 sums of a few terms


def logits(*shape, scale=3.0, seed=0):
    g = torch.Generator().manual_seed(seed)
    zs, zt = scale * torch.randn(2, *shape, generator=g, dtype=torch.float64)
    return zs, zt, torch.randint(shape[-1], shape[:-1], generator=g)


@pytest.mark.parametrize("shape", [(20, 2), (3, 5, 10)])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_weighted_loss_is_its_sums(shape, temperature):
    zs, zt, y = logits(*shape)
    mix = dict(alpha=2.25, temperature=temperature)
    got = losses.weighted_soft_label_loss(zs, zt, y, **mix)
    slow = references.weighted_soft_label_loss(zs.reshape(-1, shape[-1]), zt.reshape(-1, shape[-1]), y.flatten(), **mix)
    torch.testing.assert_close(got.flatten(), slow, **EXACT)


def test_no_gradient_flows_through_the_weights():
    zs, zt, y = logits(20, 10)
    zs.requires_grad_()
    tau, alpha = 4.0, 2.25
    loss = losses.weighted_soft_label_loss(zs, zt, y, alpha=alpha, temperature=tau).sum()
    (got,) = torch.autograd.grad(loss, zs)
    hard = zs.softmax(1) - torch.nn.functional.one_hot(y, 10)
    weights = losses.soft_label_weights(zs, zt, y)[:, None]
    soft = tau * ((zs / tau).softmax(1) - (zt / tau).softmax(1))
    torch.testing.assert_close(got, (hard + alpha * weights * soft).detach(), **EXACT)
    assert not weights.requires_grad
    assert torch.autograd.gradcheck(lambda z: losses.soft_loss(z, zt, temperature=tau), zs)


def test_a_sure_teacher_leaves_the_weight_finite():
    sure, y = torch.tensor([[200.0, 0.0]]), torch.tensor([0])
    assert losses.soft_label_weights(0 * sure, sure, y).item() == 1  # L_t is 0, and 1e-7 is added
    assert losses.soft_label_weights(sure, sure, y).item() == 0


@pytest.mark.parametrize("scale", [1.0, 30.0, 3000.0])
def test_the_mean_loss_is_noise_plus_bias_plus_variance(scale):
    zs, zt, _ = logits(7, 30, 5, scale=scale)
    true = (zt[0] / scale).softmax(-1)
    parts = metrics.decompose(zs, true)
    assert torch.stack(parts).min() > -1e-12 * scale
    mean_loss = -(true * zs.log_softmax(-1)).sum(-1).mean(0)
    assert (sum(parts) - mean_loss).abs().max() < 3e-15 * scale  # a few units in the last place of the logits
    slow = torch.stack([torch.stack(references.bias_variance(zs[:, i], true[i])) for i in range(30)], dim=1)
    torch.testing.assert_close(torch.stack(parts), slow, rtol=1e-9, atol=1e-12 * scale)


def test_the_correction_moves_what_a_finite_number_of_models_lacks():
    g = torch.Generator().manual_seed(0)
    zs = 0.3 * torch.randn(4, 20000, 3, generator=g, dtype=torch.float64)
    true = torch.full((20000, 3), 1 / 3, dtype=torch.float64)
    plain, corrected = (metrics.decompose(zs, true, corrected=way) for way in (False, True))
    assert sum(plain).sub(sum(corrected)).abs().max() < 1e-14
    many = bias_variance.variance_of(0.3 * torch.randn(100000, 3, generator=g, dtype=torch.float64)).item()
    assert corrected.variance.mean().item() == pytest.approx(many, rel=0.02)  # 0.5 % of noise
    assert plain.variance.mean().item() == pytest.approx(0.75 * many, rel=0.02)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_both_gradients_are_those_of_the_losses(temperature):
    zs, zt, y = logits(20, 10)
    zs.requires_grad_()
    hard = torch.nn.functional.cross_entropy(zs, y, reduction="sum")
    soft = losses.soft_loss(zs, zt, temperature=temperature).sum()
    (a,) = torch.autograd.grad(hard, zs, retain_graph=True)
    (b,) = torch.autograd.grad(soft - hard, zs)
    here = dict(temperature=temperature)
    found = torch.stack(samples.label_coordinates(zs, zt, y, **here))
    own = torch.stack([part.gather(1, y[:, None])[:, 0] for part in (a, b)])
    torch.testing.assert_close(found, own, **EXACT)
    found = torch.stack(samples.vector_norms(zs, zt, y, **here))
    torch.testing.assert_close(found, torch.stack([a.norm(dim=1), b.norm(dim=1)]), **EXACT)


def test_at_temperature_one_a_regularization_sample_has_a_small_weight():
    zs, zt, y = logits(500, 10)
    marked = samples.are_regularization(zs, zt, y, temperature=1.0, reading="label")
    weights = losses.soft_label_weights(zs, zt, y)
    far = (weights - (1 - math.exp(-1))).abs() > 1e-6  # the weights have 1e-7 in them
    assert torch.equal(marked[far], weights[far] < 1 - math.exp(-1)) and 0.2 < marked.double().mean() < 0.8
    b = samples.label_coordinates(zs, zt, y, temperature=1.0)[1]
    torch.testing.assert_close(b, samples.label_coordinates(0 * zs, zt, y, temperature=1.0)[1], **EXACT)


@pytest.mark.parametrize(
    "call, rule",
    [
        (lambda z, y: losses.weighted_soft_label_loss(z, z, y, alpha=-1, temperature=1.0), "alpha must be at least 0, got -1"),
        (lambda z, y: losses.soft_loss(z, z[:1], temperature=1.0), r"share one shape, got \(4, 3\) and \(1, 3\)"),
        (lambda z, y: losses.soft_loss(z, z, temperature=0.0), "temperature must be > 0, got 0.0"),
        (lambda z, y: losses.soft_label_weights(z, z[:1], y), r"share one shape \(…, c\), got \(4, 3\) and \(1, 3\)"),
        (lambda z, y: losses.soft_label_weights(z, z, y[:1]), r"labels must have shape \(4,\), got \(1,\)"),
        (lambda z, y: losses.soft_label_weights(z, z, y + 3), "labels must be integers in 0 … 2"),
        (lambda z, y: metrics.decompose(z[:0], z[0]), r"must have shape \(M, …, c\) with M >= 1, got \(0, 3\)"),
        (lambda z, y: metrics.decompose(z, z), r"probabilities must have shape \(3,\), got \(4, 3\)"),
        (lambda z, y: metrics.decompose(z[:1], z[0], corrected=True), "needs at least 2 models, got 1"),
        (lambda z, y: samples.vector_norms(z, z, y, temperature=0.0), "temperature must be > 0, got 0.0"),
        (lambda z, y: samples.are_regularization(z, z, y, temperature=1.0, reading="all"), "one of label, norm; got 'all'"),
    ],
)
def test_guards(call, rule):
    with pytest.raises(ValueError, match=rule):
        call(torch.zeros(4, 3), torch.zeros(4, dtype=torch.long))


# ---------------------------------------------------------------- stacks of students


def test_each_kind_of_a_stack_has_its_own_loss():
    zs, zt, y = logits(2, 6, 5, 4)
    y = y[:, 0]
    soft = {"soft": 2.0, "temperature": 4.0}
    asked = [kinds.Kind(), kinds.Kind(smoothing=0.2), kinds.Kind(**soft), kinds.Kind(mode="weighted", **soft),
             kinds.Kind(hard=0.0, mode="without", **soft), kinds.Kind(hard=0.1, mode="mean", **soft)]  # fmt: skip
    found = kinds.loss(zs, zt, y, asked)
    hard = [torch.nn.functional.cross_entropy(zs[:, k].mT, y, reduction="none", label_smoothing=s) for k, s in ((0, 0.0), (1, 0.2), (2, 0.0), (5, 0.0))]
    taught = [losses.soft_loss(zs[:, k], zt[:, k], temperature=4.0) for k in range(6)]
    marked = samples.are_regularization(zs[:, 4], zt[:, 4], y, temperature=4.0, reading="label")
    weights = losses.soft_label_weights(zs[:, 5], zt[:, 5], y)
    own = [hard[0], hard[1], hard[2] + 2 * taught[2],
           losses.weighted_soft_label_loss(zs[:, 3], zt[:, 3], y, alpha=2.0, temperature=4.0),
           2 * taught[4] * ~marked, 0.1 * hard[3] + 2 * weights.mean(1, keepdim=True) * taught[5]]  # fmt: skip
    torch.testing.assert_close(found, torch.stack(own, dim=1), **EXACT)
    assert 0 < marked.double().mean() < 1


def test_masks_and_weights_part_the_samples():
    weights, marked = torch.tensor([0.2, 0.8]), torch.tensor([True, False])
    found = {mode: kinds.multipliers(mode, weights, marked).tolist() for mode in kinds.MODES}
    ten = {mode: [round(10 * value) for value in values] for mode, values in found.items()}
    assert ten == {"plain": [10, 10], "weighted": [2, 8], "mean": [5, 5], "without": [0, 10], "only": [10, 0],
                   "on them": [2, 10], "on others": [10, 8]}  # fmt: skip
    with pytest.raises(ValueError, match="mode must be one of plain, .*; got 'all'"):
        kinds.multipliers("all", weights, marked)


def test_a_stack_trains_each_network_as_if_it_were_alone():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 24, 3, generator=g), torch.randint(4, (2, 24), generator=g)
    taught = torch.randn(2, 2, 24, 4, generator=g)
    asked = [kinds.Kind(), kinds.Kind(soft=2.0, temperature=4.0, teacher=1, mode="weighted")]
    way = {"epochs": 3, "batch_size": 8, "rate": 0.05, "kept": [3]}
    together = StackedMLP([0, 1], kinds=2, inputs=3, width=5, classes=4)
    assert list(kinds.train(together, x, y, taught, asked, seeds=[0, 1], **way)) == [3]
    alone = StackedMLP([1], kinds=1, inputs=3, width=5, classes=4)
    assert list(kinds.train(alone, x[1:], y[1:], taught[1:, 1:], [asked[1]._replace(teacher=0)], seeds=[1], **way)) == [3]
    torch.testing.assert_close(together(x)[1, 1], alone(x[1:])[0, 0], rtol=1e-4, atol=1e-4)  # rounding through nine updates
    with pytest.raises(ValueError, match="the loss must stay finite, got another one in epoch 1: rate is 1e"):
        list(kinds.train(alone, x[1:], y[1:], taught[1:], asked[:1], seeds=[1], **way | {"rate": 1e30}))


def test_true_probabilities_are_bayes_rule():
    centres = torch.tensor([[1.0, 0.0], [-1.0, 2.0], [0.0, 0.0]])
    x = torch.tensor([[0.3, 0.4], [-2.0, 1.0]])
    density = torch.exp(-torch.cdist(x.double(), centres.double()).square() / 2)
    torch.testing.assert_close(gaussians.true_probabilities(x, centres), density / density.sum(1, keepdim=True), **EXACT)


def test_the_variance_of_the_gradient_is_that_of_every_examples():
    g = torch.Generator().manual_seed(0)
    network = StackedMLP([0], kinds=2, inputs=3, width=5, classes=4).double()
    x, y = torch.randn(1, 7, 3, generator=g, dtype=torch.float64), torch.randint(4, (7,), generator=g)
    taught = torch.rand(1, 7, 4, generator=g, dtype=torch.float64).softmax(-1)
    found = variances.three(network, 1, x, y, taught[0], taught)
    weights = [part for _, part in network.named_parameters()]
    for name, target in {"label": torch.nn.functional.one_hot(y, 4).double(), "teacher": taught[0], "true": taught[0]}.items():
        each = -(target * network(x)[0, 1].log_softmax(-1)).sum(-1)
        assert found[f"objective_{name}"] == pytest.approx(each.var().item(), rel=1e-12)
        rows = [torch.cat([part.flatten() for part in torch.autograd.grad(one, weights, retain_graph=True)]) for one in each]
        spread = torch.stack(rows).var(0, correction=0).sum().item()
        assert found[f"gradient_{name}"] == pytest.approx(spread, rel=1e-10)


# ---------------------------------------------------------------- students on images


def test_inputs_are_turned_pixels_of_one_norm():
    digits = datasets.load("digits")
    data = images.task(digits, components=20)
    assert data["train_x"].shape == (1442, 20) and data["test_x"].shape == (355, 20)
    torch.testing.assert_close(data["test_x"].square().mean(1), torch.ones(355), rtol=1e-5, atol=0)
    rows = digits.train_images.flatten(1).double() / 255
    turn = torch.linalg.svd(rows - rows.mean(0), full_matrices=False).Vh[:20].T
    turned = torch.nn.functional.normalize((rows - rows.mean(0)) @ turn) * 20**0.5
    torch.testing.assert_close(data["train_x"].abs().double(), turned.abs(), rtol=0, atol=1e-3)  # components have any sign


def test_each_kind_is_measured_with_its_own_teacher_and_temperature():
    zs, zt, y = logits(2, 40, 5)
    asked = [kinds.Kind(temperature=1.0), kinds.Kind(temperature=4.0)]
    found, marks = images.measured(zs, zt, y[0], asked)
    for k, kind in enumerate(asked):
        own = [zs[k], zt[k], y[0]]
        assert torch.equal(marks[k], samples.are_regularization(*own, temperature=kind.temperature, reading="label"))
        weights = losses.soft_label_weights(*own)
        assert found["weight_on"][k].item() == pytest.approx(weights[marks[k]].mean().item())
        assert found["weight_off"][k].item() == pytest.approx(weights[~marks[k]].mean().item())
    assert found["broken"].tolist() == [0, 0] and found["outside"].tolist() == [0, 0]
    assert found["by_label"].tolist() == marks.double().mean(1).tolist()
    swapped, _ = images.measured(zs, zs, y[0], asked[:1] * 2)
    assert swapped["by_label"].tolist() == [0, 0]  # a student like its teacher has |b| = |a| at temperature 1


def test_students_are_followed_through_training():
    digits = datasets.load("digits")
    data = images.task(digits, components=16)
    soft = {"soft": 2.25, "temperature": 4.0, "teacher": 1}
    way = dict(n=60, n_teacher=300, n_test=100, width=16, teacher_width=16, teacher_epochs=20, smoothing=0.1, epochs=4, batch_size=20, rate=0.05,
               device="cpu", data=data)  # fmt: skip
    row = images.students(0, kinds=[{}, soft, soft | {"teacher": 11}, {"teacher": 11}], shown=1, **way)
    assert row["teachers"].shape == (12,) and row["teachers"][5] > row["teachers"][0]  # 1, 2, 4, 8, 16, 20 passes
    assert row["test"].shape == (4, 3) and row["a"].shape == (3, 60) and row["corner"].shape == (12, 6)
    signed = row["b"][-1].abs() > row["a"][-1].abs()
    assert row["by_label"][1, -1].item() == pytest.approx(signed.double().mean().item())
    place, label = row["corner"][:, 0].long(), row["corner"][:, 1]
    assert torch.equal(digits.train_labels[place].double(), label)
    assert not torch.equal(row["test"][1], row["test"][2])
    assert torch.equal(row["test"][0], row["test"][3])  # without soft labels only the comparison has a teacher
    assert not torch.equal(row["by_label"][0], row["by_label"][3])


def test_the_rank_correlation_is_the_textbooks_and_its_interval_knows_settings():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randint(9, (2, 4, 30), generator=g)
    found = association.rank_correlation(x, y)
    assert found.tolist() == pytest.approx([stats.spearmanr(a, b).statistic for a, b in zip(x, y)], rel=1e-12)
    settings = torch.randn(1, 6, generator=g)
    alike = settings + 1e-3 * torch.randn(50, 6, generator=g)  # seeds that say the same, of six settings
    other = torch.randn(1, 6, generator=g) + 0 * alike
    band = association.over_settings_and_seeds(alike, other, generator=g)
    assert band.low < band.value < band.high and band.high - band.low > 0.8  # the seeds alone have no spread
    with pytest.raises(ValueError, match=r"share one shape \(seeds, settings >= 2\), got \(4, 1\)"):
        association.rank_correlation(x[:, :1], y[:, :1])
