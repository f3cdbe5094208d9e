"""The clock of the kernel, stacked networks beside single ones, and what is measured of labels."""

import pytest
import torch
from scipy import stats

from kdlib import datasets, kernels
from kdlib.linearized import gradient_flow
from kdlib.papers.dong import clock, mechanism, networks, pictures, resnets, stack

DIGITS = datasets.load("digits")
DATA = {"train_images": DIGITS.train_images, "train_labels": DIGITS.train_labels,
        "test_images": DIGITS.test_images, "test_labels": DIGITS.test_labels}  # fmt: skip
TASK = {"n": 60, "held_out": 20, "n_test": 30, "components": 12}


def test_shares_and_outputs_of_the_clock_are_those_of_gradient_flow():
    task = pictures.draw(0, DATA, kind="pair", rate=0.4, **TASK)
    x = task.x[0].double()
    gram = kernels.ntk(x, depth=1, sigma_b=0.0)
    y = pictures.one_hot(task.given)[:, 3] - 0.1
    times = [0.5, 20.0, 3000.0]
    outputs = gram @ gradient_flow(gram, y, times)
    rates, vectors = torch.linalg.eigh(gram)
    shares = clock.fitted_share(rates / 60, (vectors.T @ y)[:, None], torch.tensor(times).double())
    torch.testing.assert_close(shares, outputs.T @ y / (y @ y), rtol=1e-8, atol=0)


def test_the_estimate_of_the_distance_is_unbiased():
    draw = torch.Generator().manual_seed(0)
    rates = torch.logspace(-6, 0, 60, dtype=torch.float64)
    clean = torch.zeros(60, 1, dtype=torch.float64)
    clean[30:] = torch.randn(30, 1, generator=draw, dtype=torch.float64)
    times = torch.tensor([0.0, 1.0, 30.0, 1e4], dtype=torch.float64)
    estimates, distances = [], []
    for _ in range(3000):
        given = clean + 0.5 * torch.randn(60, 1, generator=draw, dtype=torch.float64)
        outputs = (1 - torch.exp(-rates * times[:, None])) * given[:, 0]
        distances.append((outputs - clean[:, 0]).square().mean(1))
        estimates.append(clock.distance_estimate(rates, given, times))
    bias = torch.stack(estimates).mean(0) - torch.stack(distances).mean(0)
    assert bias.abs().max() < 0.01  # of .25 for the noise; 3000 draws leave .002


def test_bins_hold_the_whole_spectrum():
    parts = torch.rand(100, 3, dtype=torch.float64)
    shares = clock.binned(parts)
    assert shares.sum().item() == pytest.approx(1, rel=1e-12)
    edges = clock.bin_edges(100)
    assert edges[0] == 0 and edges[-1] == 100 and edges == sorted(edges)
    energies = parts.square().sum(1).flip(0)
    assert shares[-1].item() == pytest.approx((energies[edges[-2] :].sum() / energies.sum()).item(), rel=1e-12)


def test_the_rank_correlation_is_the_textbooks():
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randint(9, (2, 30), generator=draw).double()
    found = torch.corrcoef(torch.stack([networks._ranks(x), networks._ranks(y)]))[0, 1]
    assert found.item() == pytest.approx(stats.spearmanr(x, y).statistic, rel=1e-12)


def test_a_linear_network_keeps_the_clock():
    row = networks.linear_error(0, width=8, n=20, components=12, steps=50, device="cpu", data=DATA)
    assert row["error"] < 1e-10


def test_wide_networks_come_nearer_to_the_clock():
    way = {"n": 24, "components": 12, "rate": 0.2, "steps": 60, "device": "cpu", "data": DATA}
    row = networks.beside_the_clock(0, activation="erf", widths=[16, 1024], **way)
    assert row["own"][1] < row["own"][0] / 4
    assert row["rank"][1] < -0.9 and len(row["clock_steps"]) == len(row["network_steps"])


WAY = {"kind": "symmetric", "rate": 0.4, "losses": ["plain", "last soft", "agreeing sharp"], "width": 8, "epochs": 3, "batch_size": 16,
       "learning_rate": 0.05, "students": True, "device": "cpu", "data": DATA, **TASK}  # fmt: skip


def test_a_stack_does_what_its_networks_do_one_by_one():
    together = stack.curves([0, 1], shift=1, **WAY)
    alone = stack.curves([1], shift=1, **WAY)
    for name, values in alone[0].items():
        # rounding of stacked products, through three epochs
        assert torch.as_tensor(together[1][name]).sub(torch.as_tensor(values)).abs().max() < 1e-3, name
    single = stack.curves([1], shift=1, **WAY | {"losses": ["plain"], "students": False})[0]
    assert (single["test"][0] - alone[0]["test"][0]).abs().max() < 1e-3
    assert not torch.equal(alone[0]["weight"][2], alone[0]["weight"][1])


def test_each_network_of_a_stack_looks_back_at_its_own_epoch():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 40, 5, generator=draw)
    given = torch.nn.functional.one_hot(torch.randint(10, (1, 1, 40), generator=draw), 10).float()
    logits = []
    for losses in (["agreeing sharp", "last soft"], ["last soft"]):
        network = stack.StackedMLP([0], kinds=len(losses), inputs=5, width=8)
        way = {"seeds": [0], "epochs": 20, "batch_size": 10, "rate": 0.1, "kept": [20]}
        logits.append(stack.learn(network, x, given.expand(-1, len(losses), -1, -1), losses, x[:, 0, :1], **way)[0, -1])
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=1e-3)  # rounding; another network's epoch moves 0.1


@pytest.mark.parametrize("room", [stack, resnets])
def test_no_label_of_the_test_set_reaches_what_is_learnt(room, monkeypatch):
    def guessed(*given, **way):
        tensors = [part for part in given if isinstance(part, torch.Tensor)]
        taught.extend(tensors)
        kept = way.get("kept", mechanism.kept_epochs(way["epochs"]))
        shape = (*tensors[1].shape[:-2], len(kept), 60 + 20 + 30, 10)
        return torch.randn(shape, generator=torch.Generator().manual_seed(0))

    monkeypatch.setattr(room, "learn", guessed)
    seen = []
    for labels in (DATA["test_labels"], 9 - DATA["test_labels"]):
        taught = []
        room.curves([1], shift=0, **WAY | {"losses": ["plain"], "epochs": 1000, "data": DATA | {"test_labels": labels}})
        seen.append(taught)
    for before, after in zip(*seen, strict=True):
        assert torch.equal(before, after)


def test_no_image_that_is_held_out_reaches_those_that_are_learnt_or_asked():
    way = {"kind": "symmetric", "rate": 0.4, **TASK}
    task = pictures.draw(1, DATA, **way)
    images = DATA["train_images"].clone()
    images[task.held_chosen] = images[task.held_chosen].flip(3)
    other = pictures.draw(1, DATA | {"train_images": images}, **way)
    assert not torch.equal(other.held_x, task.held_x)
    assert torch.equal(other.x, task.x) and torch.equal(other.test_x, task.test_x)


def test_a_residual_network_answers_like_a_stack():
    way = WAY | {"width": 4, "losses": ["plain", "agreeing arg-max"], "epochs": 1}
    (row,) = resnets.curves([0], shift=1, **way)
    (other,) = stack.curves([0], shift=0, **way)
    assert row.keys() == other.keys()
    assert row["rate_measured"] == other["rate_measured"]


def test_a_loss_that_is_not_finite_is_told():
    with pytest.raises(ValueError, match="the loss must stay finite, got another one in epoch 1: rate is 1e"):
        stack.curves([0], shift=0, **WAY | {"learning_rate": 1e30})


def test_measures_count_what_became_of_labels():
    x = torch.randn(1, 4, 3)
    labels, given = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 2, 2, 1])
    task = pictures.Task(x, labels, given, x[0, :1], given[:1], x[0, :1], labels[:1], None, None)
    said = torch.tensor([0, 1, 0, 2, 0, 0])  # of four images, one that is held out and a test image
    answers = 30.0 * torch.nn.functional.one_hot(said, 10).expand(1, len(mechanism.kept_epochs(1)), 6, 10).double()
    found = mechanism.measures(answers, task, ["agreeing arg-max"], 1)
    last = {name: found[name][0, -1].item() for name in ("weight", "corrected", "overtaken", "spoiled", "net", "memorised", "lead")}
    # agreement 1/4: given labels keep 3/4 of the weight everywhere
    assert last == pytest.approx({"weight": 0.25, "corrected": 0, "overtaken": 0, "spoiled": 0, "net": 0, "memorised": 0, "lead": -0.625})
    found = mechanism.measures(answers, task, ["linear arg-max"], 1)
    last = {name: found[name][0, -1].item() for name in last}
    assert last == pytest.approx({"weight": 1, "corrected": 0.5, "overtaken": 1, "spoiled": 0.5, "net": 0, "memorised": 0, "lead": 0.5})
    answers = answers[:, :1].expand(1, len(mechanism.kept_epochs(8)), 6, 10)
    found = mechanism.measures(answers, task, ["harmonic arg-max"], 8)
    assert found["weight"][0].tolist() == pytest.approx([1 - 1 / max(epoch, 1) for epoch in mechanism.kept_epochs(8)])
    assert found["n_wrong"] == 2 and found["rate_measured"] == 0.5


def test_components_of_few_images_are_those_of_all_their_pixels():
    pixels = DIGITS.train_images[:40]
    mean, few = pictures._components(pixels, 10)
    rows = pixels.flatten(1).double() / 255
    expected = torch.linalg.svd(rows - rows.mean(0)).Vh[:10].T
    torch.testing.assert_close((few.double().T @ expected).abs(), torch.eye(10).double(), rtol=0, atol=1e-5)
    many = pictures._components(DIGITS.train_images[:400], 10)[1]
    assert many.shape == few.shape and mean.shape == (64,)


def test_shifts_move_zeros_in_and_keep_the_image_first():
    pixels = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3)
    versions = torch.stack(list(pictures._shifted(pixels, 1)))[:, 0, 0]
    assert len(versions) == 9 and torch.equal(versions[0], pixels[0, 0])
    assert versions[1].tolist() == [[0, 0, 0], [0, 1, 2], [0, 4, 5]]


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"kind": "worst"}, "kind must be one of symmetric, asymmetric, pair, superclass; got 'worst'"),
        ({"n": 0}, "must be at least 1 and shift at least 0, got 0, 20, 30, 12 and 0"),
        ({"shift": -1}, "must be at least 1 and shift at least 0"),
    ],
)
def test_a_task_refuses_what_does_not_fit(change, law):
    with pytest.raises(ValueError, match=law):
        pictures.draw(0, DATA, **{"kind": "pair", "rate": 0.2, **TASK} | change)


def test_stacks_of_nothing_are_refused():
    with pytest.raises(ValueError, match="must be at least 1, got 1, 0, 3, 4 and 10"):
        stack.StackedMLP([0], kinds=0, inputs=3, width=4)
