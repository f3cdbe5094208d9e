"""The networks: their formula, their sizes, their start."""

import math

import pytest
import torch
import torch.nn.functional as F

import references
from kdlib import models
from kdlib.models import layers


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("depth, sigma_b", [(1, 0.7), (3, 0.7), (2, 0.0)])
def test_ntk_mlp_is_equation_1(activation, depth, sigma_b):
    model = models.NTKMLP(3, 5, depth=depth, activation=activation, sigma_w=1.3, sigma_b=sigma_b, generator=seeded(),
                          dtype=torch.float64)
    x = torch.randn(4, 3, generator=seeded(1), dtype=torch.float64)
    want = torch.tensor([references.ntk_mlp(model, row) for row in x], dtype=torch.float64)
    torch.testing.assert_close(model(x).detach(), want, rtol=1e-12, atol=1e-12)  # sums of five terms in float64
    assert model(x).shape == (4,) and model(x[0]).shape == ()


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_ntk_mlp_starts_with_the_gaussian_process_variance(activation):
    # with one hidden layer E f(x)^2 is the infinite network's at every width: s_W^2 E g(u)^2 + s_b^2, u ~ N(0, K)
    x, runs, g = torch.tensor([[2.0, -1.0]], dtype=torch.float64), 4000, seeded()
    K = 1.5**2 * x.square().mean().item() + 0.5**2
    second = {"relu": K / 2, "erf": 2 / math.pi * math.asin(2 * K / (1 + 2 * K))}[activation]
    want = 1.5**2 * second + 0.5**2
    f = torch.cat([models.NTKMLP(2, 30, depth=1, activation=activation, sigma_w=1.5, sigma_b=0.5, generator=g,
                                 dtype=torch.float64)(x).detach() for _ in range(runs)])
    assert abs(f.square().mean().item() / want - 1) < 0.1  # four standard errors sqrt(2 / runs) of a variance


@pytest.mark.parametrize("depth, parameters", [(8, 75_290), (20, 269_722), (56, 853_018)])
def test_resnet_has_the_published_size(depth, parameters):
    # He et al., Table 6: 0.27 M for 20 layers, 0.85 M for 56; to the last weight by hand for option A
    model = models.ResNet(depth, generator=seeded())
    weighted = [m for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(weighted) == depth
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("channels, size, stem_stride", [(3, 32, 1), (3, 32, 2), (1, 28, 2), (1, 8, 1)])
def test_resnet_takes_every_image_of_the_book(channels, size, stem_stride):
    model = models.ResNet(8, width=4, channels=channels, stem_stride=stem_stride, generator=seeded())
    assert model(torch.randn(5, channels, size, size, generator=seeded())).shape == (5, 10)


def test_a_block_whose_convolutions_are_off_is_its_shortcut():
    block = models.BasicBlock(3, 5, stride=2, generator=seeded())
    torch.nn.init.zeros_(block.norm2.weight)
    x = torch.randn(2, 3, 8, 8, generator=seeded())
    want = torch.cat([x[:, :, ::2, ::2], torch.zeros(2, 2, 4, 4)], dim=1).relu()  # option A
    torch.testing.assert_close(block(x).detach(), want, rtol=0, atol=0)


@pytest.mark.parametrize("convolutions, side, flat", [(8, 32, 512), (2, 32, 128 * 64), (6, 16, 512), (1, 8, 64 * 16)])
def test_vgg_has_the_layers_of_configuration_a(convolutions, side, flat):
    # 8 convolutions are VGG-11's: 64, 128, 256, 256, 512 ... with five poolings; its three linear layers are narrower here
    model = models.VGG(convolutions, size=side, generator=seeded())
    channels = [layer.out_channels for layer in model.features if isinstance(layer, torch.nn.Conv2d)]
    assert channels == [64, 128, 256, 256, 512, 512, 512, 512][:convolutions]
    pooled = "".join("C" if isinstance(layer, torch.nn.Conv2d) else "P" for layer in model.features
                     if isinstance(layer, (torch.nn.Conv2d, torch.nn.MaxPool2d)))
    assert "CPCPCCPCCPCCP".startswith(pooled.rstrip("P"))
    assert [layer.in_features for layer in model.head] == [flat, 512, 512] and model.head[-1].out_features == 2
    x = torch.randn(3, 3, side, side, generator=seeded())
    with torch.no_grad():
        assert model(x).shape == (3, 2)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert model(x).dtype == torch.float32


def test_the_head_of_a_vgg_bends_between_its_linear_layers():
    model = models.VGG(1, width=4, size=4, generator=seeded())
    x = torch.randn(3, 3, 4, 4, generator=seeded())
    flat = model.features(x).flatten(1)
    for layer in model.head[:-1]:
        flat = (flat @ layer.weight.T + layer.bias).clamp(min=0)
    torch.testing.assert_close(model(x), flat @ model.head[-1].weight.T + model.head[-1].bias, rtol=1e-5, atol=1e-6)


def test_a_linear_layer_is_uniform_within_one_over_the_root_of_its_fan_in():
    layer = layers.linear(400, 25, seeded())
    for parameter, least in ((layer.weight, 0.999), (layer.bias, 0.8)):
        assert least < 20 * parameter.abs().max() < 1 + 1e-6  # one float32 rounding of 1 / 20
    assert abs(layer.weight.std().item() * 20 * 3**0.5 - 1) < 0.025  # 10,000 draws: four standard errors are .018


def test_a_network_is_drawn_from_its_generator_alone():
    before = torch.get_rng_state()
    a, b, other = (models.ResNet(8, width=4, generator=seeded(seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["conv.weight"], other["conv.weight"])
    assert torch.equal(before, torch.get_rng_state())
    c, d = (models.VGG(2, width=2, generator=seeded(seed)).state_dict() for seed in (0, 0))
    assert all(torch.equal(c[name], d[name]) for name in c) and torch.equal(before, torch.get_rng_state())
    spread = models.ResNet(20, generator=seeded()).blocks[6].conv1.weight.std().item()  # 32 to 64 channels
    assert abs(spread / math.sqrt(2 / (9 * 64)) - 1) < 0.021  # 18,432 draws: four standard errors are 0.021


def test_logits_keep_full_precision_under_autocast():
    model = models.ResNet(8, width=4, generator=seeded())
    x = torch.randn(3, 3, 32, 32, generator=seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(x)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, rough.bfloat16().float())
    assert F.mse_loss(rough, model(x)) < 0.01 * model(x).var()


@pytest.mark.parametrize(
    "build, rule",
    [
        (lambda: models.ResNet(18, generator=seeded()), r"depth must be 6k \+ 2 .* got 18"),
        (lambda: models.ResNet(2, generator=seeded()), r"depth must be 6k \+ 2 .* got 2"),
        (lambda: models.ResNet(8, width=0, generator=seeded()), "at least 1, got 0"),
        (lambda: models.VGG(9, generator=seeded()), "convolutions must be in 1 … 8 .* got 9, 64"),
        (lambda: models.NTKMLP(0, 4, generator=seeded()), "at least 1, got 0, 4 and 2"),
        (lambda: models.NTKMLP(2, 4, activation="tanh", generator=seeded()), "one of relu, erf, got 'tanh'"),
        (lambda: models.NTKMLP(2, 4, sigma_b=-0.1, generator=seeded()), "sigma_b >= 0, got 1.0 and -0.1"),
        (lambda: models.NTKMLP(2, 4, sigma_w=0.0, generator=seeded()), "sigma_w must be > 0 and sigma_b >= 0, got 0.0"),
    ],
)
def test_guards(build, rule):
    with pytest.raises(ValueError, match=rule):
        build()


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_condensed_network_has_the_outputs_of_the_whole_one(symmetric):
    x = torch.randn(8, 2, generator=seeded(1), dtype=torch.float64)
    network = models.TwoLayerReLU(2, 3000, generator=seeded(), symmetric=symmetric, dtype=torch.float64)
    (condensed,) = models.condense([network], x, 1.0)
    assert len(condensed.signs) < 1500
    torch.testing.assert_close(condensed(x), network(x), rtol=1e-10, atol=1e-12)  # float64 sums of 3,000 terms
