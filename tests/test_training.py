"""Training and prediction: the loop against its slow twin, its randomness, its device."""

import warnings
from functools import partial

import pytest
import torch
import torch.nn.functional as F

import references
from kdlib import devices, losses, models, pixels, training
from kdlib.training import loops, prediction

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def images(n=64, seed=0, device="cpu"):
    g = seeded(seed)
    return torch.randn(n, 1, 8, 8, generator=g).to(device), torch.randint(10, (n,), generator=g).to(device)


def small_resnet(seed=0, device="cpu"):
    return models.ResNet(8, width=4, channels=1, generator=seeded(seed, device))


cross_entropy = partial(F.cross_entropy, reduction="none")


@pytest.mark.parametrize("warm_up", [0.0, 0.3])
def test_fit_is_nesterov_momentum_written_out(warm_up):
    # float64 is never autocast, so both ways compute the same sums; pairs with the wrong example would be far off
    x, zt = torch.randn(50, 3, generator=seeded(1), dtype=torch.float64), torch.randn(50, generator=seeded(2)).double()
    y = (zt > 0.5).long()
    loss = partial(losses.distillation_loss, soft_ratio=0.6, temperature=2.0)
    options = dict(steps=17, batch_size=8, learning_rate=0.3, weight_decay=1e-2, momentum=0.8, warm_up=warm_up)
    fast, slow = (models.NTKMLP(3, 6, depth=2, generator=seeded(), dtype=torch.float64) for _ in range(2))
    training.fit(fast, x, (zt, y), loss, **options, generator=seeded(3))
    references.fit(slow, x, (zt, y), loss, **options, generator=seeded(3))
    for a, b in zip(fast.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)  # 17 steps of float64 rounding


def test_targets_stay_with_their_examples():
    # each input is its own target: any reshuffle between the two would leave the error of a random pairing, about 2
    x = torch.randn(40, 1, generator=seeded())
    seen = []
    model = torch.nn.Linear(1, 1)
    training.fit(model, x, (x,), lambda z, target: seen.append((z.detach(), target)) or (z - target).square(), steps=20,
                 batch_size=7, learning_rate=0.0, generator=seeded(1))
    w, b = model.weight.item(), model.bias.item()
    for z, target in seen:
        torch.testing.assert_close(z, w * target + b, rtol=1e-5, atol=1e-5)  # one float32 product and sum


def test_a_pass_visits_each_example_once():
    seen = []
    x = torch.zeros(12, 1)
    training.fit(torch.nn.Linear(1, 1), x, (torch.arange(12),), lambda z, i: seen.append(i) or z.flatten(), steps=6,
                 batch_size=4, learning_rate=0.0, generator=seeded())
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(12))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("device", DEVICES)
def test_training_is_the_same_to_the_bit_and_leaves_the_global_generator_alone(device):
    x, y = images(device=device)
    threads, before = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        states = []
        for seed in (5, 5, 6):
            model = small_resnet(device=device)
            training.fit(model, x, (y,), cross_entropy, steps=5, batch_size=16, learning_rate=0.1, bfloat16=True,
                         augment=partial(pixels.crop_and_flip, padding=1), generator=seeded(seed, device))
            states.append(model.state_dict())
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["conv.weight"], states[2]["conv.weight"])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("device", DEVICES)
def test_a_resnet_learns_in_bfloat16_what_it_learns_in_float32(monkeypatch, device):
    x, y = images(device=device)
    errors = {}
    for name, fast in {"bfloat16": True, "float32": False}.items():
        monkeypatch.setattr(devices, "has_bfloat16", lambda device, fast=fast: fast)
        model = small_resnet(device=device)
        training.fit(model, x, (y,), cross_entropy, steps=60, batch_size=32, learning_rate=0.1, weight_decay=0.0,
                     bfloat16=True, generator=seeded(1, device))
        assert all(p.dtype == torch.float32 for p in model.parameters())
        errors[name] = (training.predict(model, x).argmax(1) != y).float().mean().item()
    assert max(errors.values()) < 0.1  # random labels are wrong at 0.9 before training


def test_checkpoints_are_the_states_on_the_way():
    x, y = images()
    options = dict(batch_size=16, learning_rate=0.1, generator=seeded(1))
    model = small_resnet()
    start = loops._copy(model)
    states = training.fit(model, x, (y,), cross_entropy, steps=4, checkpoints=(0, 2, 4), **options)
    assert list(states) == [0, 2, 4]
    assert all(torch.equal(states[0][name], start[name]) for name in start)
    assert all(torch.equal(states[4][name], value) for name, value in model.state_dict().items())
    assert not torch.equal(states[2]["conv.weight"], states[4]["conv.weight"])
    last = training.predict(model, x)
    each = training.predict_each(model, states.values(), x)
    assert each.shape == (3, len(x), 10) and torch.equal(each[2], last) and not torch.equal(each[1], last)


def test_patience_keeps_the_best_pass_and_stops_after_it(monkeypatch):
    told = iter([0.4, 0.2, 0.3, 0.2, 0.1, 0.0])  # held-out errors by pass; the fifth and sixth are never reached
    x, y = images(n=40)
    states, model = [], small_resnet()

    def predict(network, inputs, **_):
        states.append(loops._copy(network))
        right = round(10 * (1 - next(told)))
        return F.one_hot(torch.where(torch.arange(10) < right, y[30:], (y[30:] + 1) % 10), 10).float()

    monkeypatch.setattr(prediction, "predict", predict)
    errors = training.fit_patiently(model, x[:30], (y[:30],), cross_entropy, (x[30:], y[30:]), epochs=9, patience=2,
                                    batch_size=16, learning_rate=1e-2, generator=seeded(1))
    assert errors == pytest.approx([0.4, 0.2, 0.3, 0.2])
    assert all(torch.equal(states[1][name], value) for name, value in model.state_dict().items())
    assert not model.training and not torch.equal(states[1]["conv.weight"], states[3]["conv.weight"])


def test_patient_training_is_adam_with_an_l2_penalty_in_whole_batches():
    x, y = torch.randn(10, 3, generator=seeded()), torch.randint(2, (10,), generator=seeded(1))
    nets = [torch.nn.Linear(3, 2) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    training.fit_patiently(nets[0], x, (y,), cross_entropy, (x, y), epochs=1, patience=1, batch_size=4, learning_rate=0.1,
                           weight_decay=0.3, generator=seeded(2))
    order = torch.randperm(10, generator=seeded(2))
    mean, square = ([torch.zeros_like(p) for p in nets[1].parameters()] for _ in range(2))
    for t, index in enumerate((order[:4], order[4:8]), start=1):
        loss = F.cross_entropy(nets[1](x[index]), y[index])
        for k, (p, g) in enumerate(zip(nets[1].parameters(), torch.autograd.grad(loss, list(nets[1].parameters())))):
            g = g + 0.3 * p.detach()
            mean[k], square[k] = 0.9 * mean[k] + 0.1 * g, 0.999 * square[k] + 0.001 * g**2
            p.data -= 0.1 * (mean[k] / (1 - 0.9**t)) / ((square[k] / (1 - 0.999**t)).sqrt() + 1e-8)
    torch.testing.assert_close(nets[0].weight, nets[1].weight, rtol=1e-5, atol=1e-6)


def test_predict_is_evaluation_without_traces():
    x, _ = images()
    model = small_resnet().train()
    before = loops._copy(model)
    whole, parts = training.predict(model, x), training.predict(model, x, batch_size=7)
    assert model.training and not whole.requires_grad and len(whole) == len(x)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    model.eval()
    training.predict(model, x)
    with torch.no_grad():
        direct = model(x)
    scale = direct.std().item()
    torch.testing.assert_close(whole, direct, rtol=0, atol=1e-5 * scale)  # float32, in batches of another size
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5 * scale)
    assert not model.training
    rough = training.predict(model, x, bfloat16=True)
    torch.testing.assert_close(rough, direct, rtol=0, atol=0.05 * scale)  # 8 bits after seven layers


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("shape", [(20, 3, 8, 8), (20, 1, 5, 7)])
def test_crop_and_flip_agrees_with_one_image_at_a_time(shape, padding):
    x = torch.randn(shape, generator=seeded())
    for source in (x, x.to(memory_format=torch.channels_last)):
        got = pixels.crop_and_flip(source, padding=padding, generator=seeded(1))
        assert torch.equal(got, references.crop_and_flip(x, padding=padding, generator=seeded(1)))
        assert got.is_contiguous(memory_format=torch.channels_last)


def test_crop_and_flip_draws_every_shift_and_mirror_alike():
    x = torch.zeros(9000, 1, 5, 5)
    x[:, 0, 2, 1] = 1  # one bright pixel left of the middle tells shift and mirror
    where = pixels.crop_and_flip(x, padding=1, generator=seeded()).flatten(1).argmax(1)
    rows, columns = where // 5, where % 5
    for row in (1, 2, 3):
        # columns 0 and 4 come from one shift, 1 and 3 from one, and 2 from the extreme shift of either image
        counts = [int(((rows == row) & (columns == column)).sum()) for column in range(5)]
        assert counts == pytest.approx([500, 500, 1000, 500, 500], abs=130)  # four standard errors of the largest


def test_standardised_images_have_mean_zero_and_deviation_one_in_each_channel():
    x = torch.randint(256, (50, 3, 4, 4), generator=seeded(), dtype=torch.uint8)
    x[:, 2] //= 3
    mean, std = pixels.channel_moments(x)
    plain = (x / 255).double()
    torch.testing.assert_close(mean.double(), plain.mean((0, 2, 3)), rtol=1e-6, atol=0)  # x / 255 is float32
    torch.testing.assert_close(std.double(), plain.std((0, 2, 3), correction=0), rtol=1e-6, atol=0)
    z = pixels.standardise(x, mean, std)
    assert z.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)  # float32 sums of 800 values
    torch.testing.assert_close(z.square().mean((0, 2, 3)), torch.ones(3), rtol=0, atol=1e-5)
    flat = torch.full_like(x, 7)
    assert (pixels.standardise(flat, *pixels.channel_moments(flat)).abs() < 1e-6).all()  # one grey: only centred


def test_one_cycle_climbs_straight_and_falls_as_a_cosine():
    shares = [training.one_cycle(step, 50, warm_up=0.2) for step in range(50)]
    assert shares[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert shares[10] == pytest.approx(1.0) and shares[30] == pytest.approx(0.5) and 0 < shares[49] < 0.002
    parameter = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    for step in range(50):
        assert training.one_cycle(step, 50, warm_up=0.0) == pytest.approx(torchs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        torchs.step()


@pytest.mark.parametrize("cuda, card, built", [(False, False, False), (False, True, False), (False, True, True),
                                               (True, True, True)])
@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
def test_pick_device(monkeypatch, device, cuda, card, built):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.version, "cuda", "13.0" if built else None)
    monkeypatch.setattr(devices, "_nvidia_card", lambda: card)
    lack = "no usable card or driver" if built else "install a CUDA build" if card else "there is no NVIDIA card"
    if device == "cuda" and not cuda:
        with pytest.raises(ValueError, match=lack) as caught:
            devices.pick_device(device)
        assert "\n" not in str(caught.value)
    elif device == "auto" and card and not cuda:
        with pytest.warns(UserWarning, match=lack):
            assert devices.pick_device(device) == torch.device("cpu")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert devices.pick_device(device).type == ("cuda" if cuda and device != "cpu" else "cpu")


@pytest.mark.parametrize("found, want", [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True),
                                         ({"bf16": True}, True), ({"avx512_bf16": False, "avx512_f": True}, False)])
def test_bfloat16_follows_the_processor(monkeypatch, found, want):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert devices.has_bfloat16("cpu") is want


@pytest.mark.parametrize("capability, want", [((7, 5), False), ((8, 0), True), ((8, 9), True), ((9, 0), True)])
def test_bfloat16_is_fast_on_cards_from_ampere_on(monkeypatch, capability, want):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.has_bfloat16("cuda") is want


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_products_are_in_bfloat16_where_it_is_wanted_and_fast(monkeypatch, wanted, fast):
    monkeypatch.setattr(devices, "has_bfloat16", lambda device: fast)
    with prediction.autocast(torch.device("cpu"), wanted):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if wanted and fast else torch.float32)


def test_training_to_the_end_is_gradient_descent_with_momentum_on_half_the_squared_error():
    x, z = torch.randn(3, 2, generator=seeded(1), dtype=torch.float64), torch.tensor([1.0, -0.5, 0.5]).double()
    fast, slow = (models.NTKMLP(2, 16, depth=1, generator=seeded(), dtype=torch.float64) for _ in range(2))
    for steps in (0, 7):
        error = training.train_to_the_end(fast, x, z, rate=0.1, steps=steps, momentum=0.6)
        _, after = references.train_to_the_end([slow], x, z, x[:0], steps=steps, rate=0.1, momentum=0.6)
        torch.testing.assert_close(fast(x).detach(), after[0], rtol=1e-10, atol=1e-12)
        assert error == pytest.approx((after[0] - z).abs().max().item(), rel=1e-10)
    assert training.train_to_the_end(fast, x, z, rate=0.1, steps=300) < 1e-3


def test_noisy_images_have_the_variance_asked_and_are_standardised_by_the_known_ones():
    grey = torch.full((400, 1, 8, 8), 51, dtype=torch.uint8)
    grey[200:] = 204  # unknown images are brighter
    x = pixels.noisy(grey, variance=0.04, pooled=2, known=200, generator=seeded())
    assert x.shape == (400, 1, 4, 4) and abs(x[:200].mean()) < 1e-5 and abs(x[:200].std() - 1) < 1e-5
    assert abs(x[200:].mean() - (0.8 - 0.2) / 0.2) < 0.1  # in units of the noise, .2, drawn after the averaging
    still = pixels.noisy(grey, variance=0.0, known=400, generator=seeded())
    assert torch.allclose(still.flatten()[[0, -1]].abs(), torch.ones(2), atol=1e-3)


@pytest.mark.parametrize(
    "call, rule",
    [
        (lambda: devices.pick_device("tpu"), "one of auto, cpu, cuda, got 'tpu'"),
        (lambda: pixels.standardise(torch.zeros(2, 3, 4, 4), 0, 1), "must be uint8 .* got torch.float32"),
        (lambda: pixels.channel_moments(torch.zeros(2, 4, 4).byte()), r"must be uint8 .* shape \(2, 4, 4\)"),
        (lambda: pixels.crop_and_flip(torch.zeros(2, 3, 4, 4), padding=-1, generator=seeded()), "at least 0, got -1"),
        (lambda: pixels.noisy(torch.zeros(2, 3, 4, 4).byte(), variance=-1, known=1, generator=seeded()), "at least 0, got -1"),
        (lambda: fit_patiently(patience=0), "at least 1, got 1 and 0"),
        (lambda: fit_patiently(targets=(torch.zeros(3).long(),)), r"must have 4 entries like inputs, got \[3\]"),
        (lambda: fit_patiently(inputs=torch.full((4, 1), float("nan"))), "loss must stay finite, got nan in pass 1"),
        (lambda: training.one_cycle(5, 5), "step must be in 0 … steps - 1 = 4, got 5"),
        (lambda: training.one_cycle(0, 5, warm_up=1.0), r"warm_up must be in \[0, 1\), got 1.0"),
        (lambda: run_fit(targets=(torch.zeros(3),)), r"must have 4 entries like inputs, got \[3\]"),
        (lambda: run_fit(checkpoints=(9,)), r"checkpoints must be in 0 … steps = 2, got \[9\]"),
        (lambda: run_fit(inputs=torch.full((4, 1), float("nan"))), "loss must stay finite, got nan"),
    ],
)
def test_guards(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()


def run_fit(inputs=torch.ones(4, 1), targets=(torch.ones(4, 1),), **options):
    model = torch.nn.Linear(1, 1)
    training.fit(model, inputs, targets, lambda z, y: (z - y).square(), steps=2, batch_size=2, learning_rate=0.1,
                 generator=seeded(), **options)


def fit_patiently(inputs=torch.ones(4, 1), targets=(torch.zeros(4).long(),), patience=1):
    training.fit_patiently(torch.nn.Linear(1, 2), inputs, targets, cross_entropy, (torch.ones(2, 1), torch.zeros(2)), epochs=1,
                           patience=patience, batch_size=2, learning_rate=0.1, generator=seeded())
