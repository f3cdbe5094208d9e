"""Two-layer networks: stacked training against its slow twin, the theory's teacher, what the theorems ask for."""

import itertools
import math
import types

import pandas
import pytest
import torch

import references
from kdlib import models, training
from kdlib.papers.mandal import chance, descent, digits, starts, tasks, theorems
from kdlib.training import projected

INF = float("inf")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(width, seed=0, inputs=5):
    return models.TwoLayerReLU(inputs, width, generator=seeded(seed), dtype=torch.float64)


def sphere(n, d, seed=0):
    return torch.nn.functional.normalize(torch.randn(n, d, generator=seeded(seed), dtype=torch.float64), dim=1)


def test_the_start_is_symmetric_and_zero_everywhere():
    net = network(6)
    assert torch.equal(net.hidden[:3], net.hidden[3:]) and torch.equal(net.signs[:3], -net.signs[3:])
    assert net(sphere(20, 5)).abs().max() < 1e-14
    with torch.no_grad():
        net.hidden += 0.1
    by_hand = sum(a * max((w @ x).item(), 0) for a, w in zip(net.signs, net.hidden) for x in [sphere(1, 5)[0]]) / 6**0.5
    assert net(sphere(1, 5)).item() == pytest.approx(by_hand.item(), rel=1e-12)
    other = models.TwoLayerReLU(5, 7, generator=seeded(), symmetric=False)
    assert len(other.start.unique(dim=0)) == 7 and len(other.signs) == 7 and other(sphere(1, 5).float()).abs() > 1e-3


@pytest.mark.parametrize("n", [30, 600])
def test_a_stack_of_networks_goes_the_way_of_each_alone(n, monkeypatch):
    monkeypatch.setattr(projected, "_CACHED", 1)  # 600 samples go in three pieces
    x, p = sphere(n, 5), torch.rand(n, 4, generator=seeded(1), dtype=torch.float64)
    widths, step, radius = [4, 8, 4, 2], [1.0, 5.0, 20.0, 3.0], [1.0, 0.5, INF, 0.1]
    nets, seen = [network(m, k) for k, m in enumerate(widths)], []
    training.projected_gradient_descent(nets, x, p, step=step, radius=radius, steps=20,
                                        watch=lambda t, f: seen.append(f.clone()))
    for k, m in enumerate(widths):
        twin = network(m, k)
        outputs = references.projected_gradient_descent(twin, x, p[:, k], step=step[k], radius=radius[k], steps=20)
        assert torch.allclose(torch.stack(seen)[:, :, k], outputs, rtol=1e-10, atol=1e-12)
        assert torch.allclose(nets[k].hidden, twin.hidden, rtol=1e-10, atol=1e-12)  # sums in another order
        assert nets[k].hidden.untyped_storage().nbytes() == twin.hidden.untyped_storage().nbytes()


def test_no_updates_leave_a_network_where_it_starts():
    net = network(4)
    training.projected_gradient_descent([net], sphere(3, 5), torch.zeros(3), step=1.0, radius=1.0, steps=0)
    assert torch.equal(net.hidden, network(4).hidden)


def test_condensed_networks_train_like_the_whole_ones():
    x, _ = tasks.arcs(4, 2, 1.3)
    x = x * torch.linspace(0.5, 3, 8).double()[:, None]  # the longer an input, the more neurons can switch it
    p, runs = torch.rand(8, generator=seeded(2), dtype=torch.float64), []
    for way in (list, lambda nets: models.condense(nets, x, 1.0)):
        nets, seen = way([network(3000, seed, inputs=2) for seed in (1, 2)]), []
        training.projected_gradient_descent(nets, x, p, step=2.0, radius=1.0, steps=200,
                                            watch=lambda t, f: seen.append(f.clone()))
        runs.append(torch.stack([*seen, torch.stack([net(x) for net in nets], dim=1).detach()]))  # before updates, and at last
        rows = len(nets[0].signs)
    assert rows < 1000 and runs[0].abs().max() > 0.1
    assert torch.allclose(*runs, rtol=1e-9, atol=1e-11)


def test_the_infinite_teacher_separates_with_the_margin_and_wide_networks_reach_it():
    task = dict(sectors=4, points=2, gap=1.3)
    teacher, (_, y) = descent.infinite_teacher(*tasks.arcs(**task)), tasks.arcs(**task)
    assert (y * teacher.logits >= teacher.gamma).all()
    away = []
    for m in (100, 10000):
        rows = descent.distance_to_infinite_teacher(range(20), width=m, **task)
        away.append(max(row["distance"] for row in rows))
    assert 5 < away[0] / away[1] < 20  # falls like 1 / sqrt m
    assert away[0] < math.sqrt(2 * math.log(16 / 0.05) / 100)


def test_the_distance_to_the_infinite_teacher_is_the_largest_over_the_inputs_neuron_by_neuron():
    task = dict(sectors=4, points=2, gap=1.3)
    (x, y), teacher = tasks.arcs(**task), descent.infinite_teacher(*tasks.arcs(**task))
    outputs = torch.zeros(8, dtype=torch.float64)
    for w in network(6, 5, inputs=2).start:
        pull = sum((q * label * one for q, label, one in zip(teacher.convex_weights, y, x) if w @ one > 0), torch.zeros(2))
        outputs += torch.stack([(w @ one > 0) * (pull @ one) / pull.norm() / 6 for one in x])
    (row,) = descent.distance_to_infinite_teacher([5], width=6, **task)
    assert row["distance"] == pytest.approx((outputs - teacher.logits).abs().max().item(), rel=1e-9)


def test_what_the_theorems_ask_for():
    soft = theorems.soft_risk_demand(0.1, n=8)
    assert soft[1:] == (0.1 / 3, 900, 1.0)
    assert soft.width == pytest.approx(11.443 / 0.1 * (0.79788 + 3 * math.sqrt(math.log(160))) ** 2, rel=1e-3)
    right, printed = (theorems.soft_error_demand(0.5, 0.4, n=8, corrected=one) for one in (True, False))
    assert printed.width == right.width and printed.step == pytest.approx(32 * right.step)
    assert right.steps == pytest.approx(1024 * printed.steps, rel=1e-3)
    hard = [theorems.hard_risk_demand(0.2, gamma, n=8) for gamma in (0.1, 0.2)]
    assert hard[0].width / hard[1].width == pytest.approx(16, rel=1e-4) and hard[0].radius == 2 * hard[1].radius
    lam = math.log(2 / (0.2 * math.log(2)))
    assert hard[1].radius == pytest.approx(2 * lam / 0.2) and hard[1].step == 1.0
    spread = 2 * math.sqrt(2 / math.pi) * lam + 3 * math.sqrt(math.log(160))
    assert hard[1].width == pytest.approx(16 / 0.2**4 * spread**2, rel=1e-5)
    short = theorems.hard_risk_demand(0.2, 0.2, n=8, least_norm=0.5)
    assert short.width == pytest.approx(16 / 0.2**4 * (spread + 2 * math.sqrt(2 / math.pi) * lam) ** 2, rel=1e-5)
    assert hard[0].steps == math.ceil(8 * (0.05 * hard[0].radius) ** 2 / (0.01 * math.log(2) * 0.2))


def test_training_averages_what_the_untrained_and_the_trained_network_do():
    task = dict(sectors=4, points=2, gap=1.3, width=64, radius=1.0, step=1.0)
    soft, same = (descent.averaged_risk_and_error([3], kind="soft", steps=steps, **task)[0] for steps in (1, 64))
    teacher = descent.infinite_teacher(*tasks.arcs(4, 2, 1.3))
    p = torch.sigmoid(teacher.logits)
    start = (p * (2 * p).log() + (1 - p) * (2 * (1 - p)).log()).mean().item()  # KL(p, 1/2)
    assert soft["risk"] == pytest.approx(start, rel=1e-9) and soft["error"] == 1.0
    assert same["risk_at"][0] == soft["risk"] and (same["risk_at"].diff() < 0).all() and len(same["risk_at"]) == 7
    both = descent.averaged_risk_and_error([3, 4], kind="soft", steps=64, **task)
    assert both[0]["risk"] == pytest.approx(same["risk"], rel=1e-12) != both[1]["risk"]
    hard = descent.averaged_risk_and_error([3], kind="hard", steps=1, **task)[0]
    assert hard["risk"] == pytest.approx(math.log(2), rel=1e-12)


def test_the_least_width_is_the_first_from_which_all_reach():
    rows = pandas.DataFrame([("soft", 0.1, m, s) for s in (0, 1, 2) for m in (2, 4, 8)], columns=["labels", "gamma", "width", "seed"])
    reached = pandas.Series([True, True, True, True, False, True, True, True, False])
    found = descent.least_widths(rows, reached).loc[("soft", 0.1)]
    assert found[0] == 2 and found[1] == 8 and math.isnan(found[2])


@pytest.mark.parametrize("sectors, points, gap", [(2, 2, 0.3), (4, 5, 0.9), (6, 3, math.pi / 3)])
def test_arcs_are_what_they_say(sectors, points, gap):
    x, y = tasks.arcs(sectors, points, gap)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(sectors * points).double(), rtol=1e-12, atol=0)
    assert torch.equal(y.view(sectors, points), torch.tensor([1.0, -1.0]).double().repeat(sectors // 2)[:, None].expand(-1, points))
    turns = torch.atan2(x[:, 1], x[:, 0]).diff()
    steps = torch.full((sectors * points,), (2 * math.pi / sectors - gap) / (points - 1), dtype=torch.float64)
    steps[points - 1 :: points] = gap  # from the last point of an arc to the first of the next
    assert torch.remainder(turns - steps[:-1] + 1, 2 * math.pi).sub(1).abs().max() < 1e-12


def test_noisy_xor_is_what_it_says():
    x, y = tasks.noisy_xor(4)
    assert x.shape == (16, 4) and torch.allclose(x.norm(dim=1), torch.ones(16).double()) and y.sum() == 0
    assert torch.equal(y, ((x[:, 0] ** 2 - x[:, 1] ** 2) * 3).round())


def few_digits(n=30):
    from kdlib import datasets

    images = datasets.load("digits")
    return digits.task(images, components=12, n_train=n)


def test_the_table_task_keeps_its_parts_apart_and_turns_without_loss():
    from kdlib import datasets

    images = datasets.load("digits")
    data = digits.task(images, components=64, n_train=50)
    known = len(images.train_images) * 5 // 6
    assert len(data["all_train_y"]) == known and len(data["all_validation_y"]) == len(images.train_images) - known
    assert torch.equal(data["all_test_y"], (images.test_labels > 4).float()) and data["all_students"] == 50
    kept = ~torch.isin(images.test_labels, torch.tensor([1, 7, 4, 9]))
    assert torch.equal(data["reduced_test_y"], (images.test_labels[kept] > 4).float())
    pixels = images.test_images.flatten(1).float() / 255
    centred = pixels - images.train_images[:known].flatten(1).float().mean(0) / 255
    unit = torch.nn.functional.normalize(centred, dim=1)
    assert torch.allclose(data["all_test_x"] @ data["all_test_x"].T, unit @ unit.T, atol=1e-5)


def test_no_image_that_is_held_out_reaches_what_students_are_trained_on():
    from kdlib import datasets

    images = datasets.load("digits")
    known = len(images.train_images) * 5 // 6
    parts = {name: values.clone() for name, values in datasets.tensors(images).items()}
    for held_out in (parts["train_images"][known:], parts["test_images"]):
        held_out.copy_(held_out.flip(3) // 2)
    trained = []
    for one in (images, types.SimpleNamespace(**parts)):
        table = digits.task(one, components=12, n_train=50)
        data = table | starts.tasks(one, table, components=12)
        trained.append({name: values for name, values in data.items() if "_train_" in name})
    assert len(trained[0]) == 12  # inputs and labels: all, reduced, and the four of the starts
    for name, values in trained[0].items():
        assert torch.equal(values, trained[1][name]), name


def test_students_in_company_are_students_alone():
    data = few_digits() | {"all_logits": torch.linspace(-3, 3, 30)}
    options = dict(subset="all", step=[30.0, 10.0], radius=[5.0, 100.0], temperatures=[0.0, 2.0], symmetric=True, device="cpu",
                   data=data)
    both = digits.student_accuracies([0, 1], widths=[4, 8], stops=[3, 6], **options)
    alone = digits.student_accuracies([1], widths=[8], stops=[6], **options)[0]
    assert both[1]["test"].shape == (2, 2, 2) and torch.allclose(both[1]["test"][1, :, 1:], alone["test"][0], atol=1e-9)
    assert not torch.equal(both[0]["validation"], both[1]["validation"])
    for_each = options | {"step": [30.0, 30.0], "radius": [5.0, 5.0]}
    for_all = options | {"step": 30.0, "radius": 5.0}
    pair = [digits.student_accuracies([1], widths=[4, 8], stops=[6], **some)[0] for some in (for_each, for_all)]
    assert torch.equal(pair[0]["test"], pair[1]["test"]) and not torch.equal(pair[0]["test"], both[1]["test"][:, :, 1:])
    single = digits.student_accuracies([1], widths=[8], stops=[6], **options | {"symmetric": False})[0]
    assert not torch.equal(single["test"], alone["test"])


def trained_alone(seed, x, p, *, symmetric, free, optimiser, rate, passes, batch_size):
    """The slow twin of ``starts.accuracies``: one student, its gradients as sums over neurons, its optimiser written out."""
    net = models.TwoLayerReLU(x.shape[1], 4, generator=seeded(seed), symmetric=symmetric, dtype=torch.float64)
    weights = [net.hidden.detach().clone(), net.signs.clone()]
    speed, square = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    batch_size = min(batch_size, len(x))
    order, step, steps = seeded(), 0, passes * (len(x) // batch_size)
    for _ in range(passes):
        for index in torch.randperm(len(x), generator=order).split(batch_size)[: len(x) // batch_size]:
            W, a = weights
            slopes = [torch.zeros_like(W), torch.zeros_like(a)]
            for i in index:
                neurons = torch.relu(W @ x[i])
                residual = (torch.sigmoid(a @ neurons / 2) - p[i]) / len(index)
                for j in range(4):
                    slopes[0][j] += residual * a[j] / 2 * (W[j] @ x[i] > 0) * x[i]
                    slopes[1][j] += residual * neurons[j] / 2
            now = rate * training.one_cycle(step, steps)
            step += 1
            for k in range(1 + free):
                if optimiser == "momentum":
                    speed[k] = 0.9 * speed[k] + slopes[k]
                    weights[k] = weights[k] - now * (slopes[k] + 0.9 * speed[k])
                else:
                    speed[k] = 0.9 * speed[k] + 0.1 * slopes[k]
                    square[k] = 0.999 * square[k] + 0.001 * slopes[k] ** 2
                    mean, spread = speed[k] / (1 - 0.9**step), square[k] / (1 - 0.999**step)
                    weights[k] = weights[k] - now * mean / (spread.sqrt() + 1e-8)
    return weights


def few_starts(n=12):
    from kdlib import datasets

    images = datasets.load("digits")
    data = starts.tasks(images, few_digits(n), components=12)
    data |= {f"{task}_logits": torch.linspace(-3, 3, n) for task in ("centred", "pixels+1")}
    return {name: values.double() for name, values in data.items()}


@pytest.mark.parametrize(("optimiser", "rate", "batch_size"), [("momentum", 20.0, 5), ("adam", 0.3, 5), ("adam", 0.3, 99)])
@pytest.mark.parametrize(("subset", "free", "symmetric"), [("centred", False, True), ("pixels+1", True, True), ("pixels+1", False, False)])
def test_students_of_many_starts_are_trained_each_like_its_slow_twin(optimiser, rate, batch_size, subset, free, symmetric, monkeypatch):
    data, stack, measured = few_starts(), [], starts._measured
    monkeypatch.setattr(starts, "_measured", lambda *given: stack.extend(given[:2]) or measured(*given))
    way = dict(symmetric=symmetric, free=free, optimiser=optimiser, rate=rate, passes=3, batch_size=batch_size)
    rows = starts.accuracies([0, 1], subset=subset, width=4, temperatures=[0.0, 2.0], device="cpu", data=data, **way)
    x, validation_x, test_x = (data[f"{subset}_{part}_x"] for part in digits.PARTS)
    for k, (seed, T) in enumerate([(0, 0), (0, 2.0), (1, 0), (1, 2.0)]):
        p = torch.sigmoid(data[f"{subset}_logits"] / T) if T else data[f"{subset}_train_y"]
        W, a = trained_alone(seed, x, p, **way)
        assert torch.allclose(stack[0][k], W, rtol=1e-8, atol=1e-9) and torch.allclose(stack[1][k], a, rtol=1e-8, atol=1e-9)
        right = ((torch.relu(test_x @ W.T) @ a > 0) == (data[f"{subset}_test_y"] > 0.5)).double().mean()
        assert rows[seed]["test"][k % 2] == pytest.approx(right.item(), abs=1e-12)
        assert rows[seed]["living"][k % 2] == (validation_x @ W.T > 0).any(0).sum()


def test_a_student_that_breaks_down_answers_0_and_a_dead_neuron_is_counted():
    data = {name: values.float() for name, values in few_starts().items()}
    (broken,) = starts.accuracies([0], subset="pixels+1", width=4, temperatures=[0.0], symmetric=True, free=True, optimiser="momentum",
                                  rate=1e30, passes=60, batch_size=12, device="cpu", data=data)
    for part in ("validation", "test"):
        assert broken[part] == [pytest.approx(1 - data[f"pixels+1_{part}_y"].double().mean().item(), rel=1e-12)]
    hidden = torch.zeros(1, 4, data["pixels+1_train_x"].shape[1])
    hidden[:, :, -1] = torch.tensor([1.0, -1.0, 0.5, -2.0])  # the constant input alone: two are always on, two never
    (row,) = starts._measured(hidden, torch.ones(1, 4), data, "pixels+1", 1)
    assert row["living"] == [2] and row["test"] == [data["pixels+1_test_y"].double().mean().item()]


def test_the_four_inputs_of_the_table_task():
    from kdlib import datasets

    images = datasets.load("digits")
    table = digits.task(images, components=64, n_train=50)
    data = starts.tasks(images, table, components=64)
    pixels = images.test_images.flatten(1).float() / 255
    known = len(images.train_images) * 5 // 6
    scale = (images.train_images[:known].flatten(1).float() / 255).norm(dim=1).mean()
    plain = data["pixels_test_x"]
    assert torch.allclose(plain @ plain.T, pixels @ pixels.T / scale**2, atol=1e-5)  # turned without loss
    assert torch.equal(data["centred_test_x"], table["all_test_x"])
    for name in ("centred", "pixels"):
        joined = torch.cat([data[f"{name}_test_x"], torch.ones(len(pixels), 1)], dim=1) / math.sqrt(2)
        assert torch.equal(data[f"{name}+1_test_x"], joined)
        for task in (name, f"{name}+1"):
            assert data[f"{task}_students"] == len(data[f"{task}_train_x"]) == len(data[f"{task}_train_y"]) == 50
            assert torch.equal(data[f"{task}_validation_y"], table["all_validation_y"])


@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_best_of_several_starts_is_that_of_all_draws(number):
    validation, test = [0.5, 0.9, 0.7, 0.8], [0.4, 0.6, 0.9, 0.7]
    draws = sorted(test[max(draw, key=lambda k: validation[k])] for draw in itertools.product(range(4), repeat=number))
    found = chance.best_of(validation, test, number)
    assert found.mean == pytest.approx(sum(draws) / len(draws), rel=1e-12)
    for end, share in ((found.low, 0.025), (found.high, 0.975)):
        assert end == draws[math.ceil(share * len(draws)) - 1]


def test_the_share_of_pairs_counts_pairs_of_different_starts():
    x, y = torch.rand(2, 9, generator=seeded(3), dtype=torch.float64)
    counted = [bool(y[j] - x[i] >= 0.2 and y[j] > 0.5) for i in range(9) for j in range(9) if i != j]
    share = chance.share_of_pairs(x, y, 0.2, above=0.5)
    assert share.value.item() == pytest.approx(sum(counted) / 72, rel=1e-12) and 0 <= share.low < share.value < share.high <= 1
    assert chance.share_of_pairs(x, x, 0.0, above=0.0).value.item() == pytest.approx(0.5, rel=1e-12)
    assert chance.share_of_pairs(x, y, 0.2, above=1.0).value == 0


def test_a_teacher_learns_from_its_own_number_of_images_and_teaches_all_students():
    options = dict(subset="all", width=8, epochs=2, learning_rate=10.0, device="cpu", data=few_digits())
    few, many = (digits.teacher_logits(0, n=n, **options)["logits"] for n in (20, 1000))
    assert few.shape == many.shape == (30,) and not torch.allclose(few, many)


def test_a_teacher_passes_through_its_images_as_often_as_asked(monkeypatch):
    asked = []
    monkeypatch.setattr(training, "fit", lambda *_, steps, batch_size, **__: asked.append(steps * batch_size))
    options = dict(subset="all", width=8, learning_rate=10.0, device="cpu", data=few_digits())
    for n, epochs in ((1000, 3), (256, 1), (20, 1)):
        digits.teacher_logits(0, n=n, epochs=epochs, **options)
    assert asked == [23 * 128, 2 * 128, 128]  # whole batches, at least one


@pytest.mark.parametrize(("call", "told"), [
    (lambda: models.TwoLayerReLU(3, 5, generator=seeded()), "even and at least 2, got 3 and 5"),
    (lambda: models.TwoLayerReLU(3, 1, generator=seeded(), symmetric=False), "width at least 2, got 3 and 1"),
    (lambda: models.condense([network(4), network(6)], sphere(3, 5), 1.0), "untrained networks of one width"),
    (lambda: models.condense([network(4)], sphere(3, 5), INF), "finite and > 0, got inf"),
    (lambda: training.projected_gradient_descent([network(4)], sphere(3, 5), torch.full((3,), 2.0), step=1.0, radius=1.0, steps=1),
     "must be probabilities of shape"),
    (lambda: training.projected_gradient_descent([network(4)], sphere(3, 5), torch.zeros(3), step=0.0, radius=1.0, steps=1),
     "step and radius must be > 0"),
    (lambda: training.projected_gradient_descent([network(4)], sphere(3, 5), torch.zeros(3), step=1.0, radius=1.0, steps=-1),
     "steps >= 0, got 1.0, 1.0 and -1"),
    (lambda: tasks.arcs(3, 1, 0.1), "sectors must be even"),
    (lambda: tasks.arcs(4, 1, 2.0), r"gap in \(0, 2 pi / sectors\], got 4, 1 and 2.0"),
    (lambda: tasks.noisy_xor(2), "at least 3, got 2"),
    (lambda: descent.averaged_risk_and_error([0], sectors=2, points=1, gap=1.0, width=2, kind="both", step=1.0, radius=1.0,
                                             steps=1), "soft or hard"),
    (lambda: digits.task(None, components=0, n_train=1), "at least 1, got 0 and 1"),
    (lambda: chance.best_of([0.5], [0.5, 0.6], 1), r"got \(1,\), \(2,\) and 1"),
    (lambda: chance.best_of([0.5], [0.5], 0), "at least 1, got .* and 0"),
    (lambda: chance.share_of_pairs([0.5, 0.5], [0.5, 0.5], 0.0, above=0.0), "at least 3 starts, got 2"),
    (lambda: starts.accuracies([0], subset="pixels", width=4, temperatures=[0.0], symmetric=True, free=True, optimiser="lbfgs", rate=1.0,
                               passes=1, batch_size=1, device="cpu", data={}), "one of momentum, adam; got 'lbfgs'"),
])
def test_guards(call, told):
    with pytest.raises(ValueError, match=told):
        call()
