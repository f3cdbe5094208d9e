"""Analytic kernels against 50 digits, closed forms and networks; the empirical kernel; the Cholesky factor."""

import math
import warnings

import pytest
import torch
from torch import nn

import references
from kdlib import kernels, models
from kdlib.kernels import empirical, factor, tiles

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
SCALES = [(1.0, 1.0), (1.0, 0.0), (1.5, 0.1), (0.7, 3.0)]  # (sigma_w, sigma_b)
RELU = dict(depth=2, activation="relu", sigma_w=1.0, sigma_b=1.0)
ANALYTIC = {"ntk": (kernels.ntk, kernels.ntk_diagonal), "nngp": (kernels.nngp, kernels.nngp_diagonal)}


def draw(*shape, seed=0, scale=1.0, dtype=torch.float64):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def hard_inputs(d):
    """Near-duplicates, parallel, opposite and nearly opposite inputs, long, short and zero ones, and one twice."""
    x = draw(2, d)
    near = x + 1e-9 * draw(2, d, seed=1)
    return torch.cat([x, near, x[:1] + 1e-5, 2 * x, -x, -(1 + 1e-8) * x + 1e-12, 1e3 * x, 1e-4 * x, 0 * x[:1], x[:1]])


def scaled_error(kernel, exact):
    """Largest error over sqrt(K_ii K_jj); exact where that is 0."""
    size = exact.diagonal().sqrt()
    size = size[:, None] * size
    assert torch.equal(kernel[size == 0], exact[size == 0])
    return float(((kernel - exact).abs()[size > 0] / size[size > 0]).max())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_analytic_kernels_have_the_digits_of_the_long_way(activation, scales, d, device):
    x, depth = hard_inputs(d), 1 if d == 5 else 3
    setting = dict(depth=depth, activation=activation, sigma_w=scales[0], sigma_b=scales[1])
    exact = references.analytic_kernels(x, x, **setting)
    x = x.to(device)
    for function, expected in zip((kernels.nngp, kernels.ntk), exact, strict=True):
        # 1e-8 is what is promised and what an arccosine of a rounded cosine just keeps. Here D is right to 1e-16 / 1e-6
        # of itself, and an erf kernel loses half of that at worst: 5e-11
        assert scaled_error(function(x, **setting).cpu(), expected) < 5e-11
        assert scaled_error(function(x, x.clone(), **setting).cpu(), expected) < 5e-11


@pytest.mark.parametrize("shift", [0.0, 1e-7, 1e4])
def test_a_cloud_of_inputs_far_smaller_than_its_distance_keeps_its_digits(shift):
    x = shift + 1e-4 * draw(6, 3)
    for function, expected in zip((kernels.nngp, kernels.ntk), references.analytic_kernels(x, x, **RELU), strict=True):
        assert scaled_error(function(x, **RELU), expected) < 1e-12


@pytest.mark.parametrize("name", ANALYTIC)
@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("device", DEVICES)
class TestInvariants:
    """400 inputs are three tiles a side, the last one narrower."""

    setting = dict(depth=3, sigma_w=1.2, sigma_b=0.5)
    x = draw(400, 3, scale=3.0)

    def whole(self, name, activation, device):
        return ANALYTIC[name][0](self.x.to(device), activation=activation, **self.setting)

    def test_symmetric(self, name, activation, device):
        K = self.whole(name, activation, device)
        assert torch.equal(K, K.T)

    def test_positive_semi_definite(self, name, activation, device):
        K = self.whole(name, activation, device)
        values = torch.linalg.eigvalsh(K)
        assert values[0] > -400 * 2**-52 * values[-1]  # rounding of an eigenvalue: n eps of the largest

    def test_diagonal_is_the_diagonal_form(self, name, activation, device):
        K = self.whole(name, activation, device)
        diagonal = ANALYTIC[name][1](self.x.to(device), activation=activation, **self.setting)
        assert diagonal.shape == (400,)
        torch.testing.assert_close(diagonal, K.diagonal(), rtol=1e-14, atol=0)  # a few roundings a layer

    def test_two_sets_give_the_block_of_the_whole(self, name, activation, device):
        K, x = self.whole(name, activation, device), self.x.to(device)
        block = ANALYTIC[name][0](x[:250], x[200:], activation=activation, **self.setting)
        # the inputs' common centre differs, and with it the rounding of D; erf kernels pass through 0
        torch.testing.assert_close(block, K[:250, 200:], rtol=1e-12, atol=1e-14)

    def test_single_precision_is_double_precision_rounded(self, name, activation, device):
        x = self.x.to(device, torch.float32)
        x[1] = x[0] + 1e-6
        for kernel in (lambda a: ANALYTIC[name][0](a, activation=activation, **self.setting),
                       lambda a: ANALYTIC[name][0](a, a[:7], activation=activation, **self.setting),
                       lambda a: ANALYTIC[name][1](a, activation=activation, **self.setting)):
            assert kernel(x).dtype == torch.float32
            assert torch.equal(kernel(x), kernel(x.double()).float())

    def test_tiles_and_threads_do_not_show(self, name, activation, device, monkeypatch):
        K, threads = self.whole(name, activation, device), torch.get_num_threads()
        monkeypatch.setattr(torch, "get_num_threads", lambda: 1 if threads > 1 else 3)
        assert torch.equal(self.whole(name, activation, device), K)
        monkeypatch.setitem(tiles.SIDES, device, 64)
        # BLAS adds up in another order
        torch.testing.assert_close(self.whole(name, activation, device), K, rtol=1e-12, atol=1e-14)


def test_relu_depth_one_in_closed_form():
    x = torch.tensor([[2.0, 0.0], [3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64) * 2**0.5
    K = torch.tensor([[4, 6, 0, -2], [6, 9, 0, -3], [0, 0, 1, 0], [-2, -3, 0, 1]], dtype=torch.float64)  # x x' / d
    r = 1 / (2 * math.pi)
    mean = [[2, 3, 2 * r, 0], [3, 4.5, 3 * r, 0], [2 * r, 3 * r, 0.5, r], [0, 0, r, 0.5]]
    slope = [[0.5, 0.5, 0.25, 0], [0.5, 0.5, 0.25, 0], [0.25, 0.25, 0.5, 0.25], [0, 0, 0.25, 0.5]]
    mean, slope = (torch.tensor(rows, dtype=torch.float64) for rows in (mean, slope))
    for x2 in (None, x):  # a few roundings
        torch.testing.assert_close(kernels.nngp(x, x2, depth=1, sigma_b=0.0), mean, rtol=1e-14, atol=1e-15)
        torch.testing.assert_close(kernels.ntk(x, x2, depth=1, sigma_b=0.0), mean + slope * K, rtol=1e-14, atol=1e-15)


def test_relu_without_bias_is_homogeneous_and_erf_is_odd():
    x, y = draw(5, 3), draw(4, 3, seed=1)
    for function in (kernels.ntk, kernels.nngp):
        relu, erf = (dict(depth=3, activation=name, sigma_b=0.0) for name in ("relu", "erf"))
        torch.testing.assert_close(function(3 * x, y / 7, **relu), 3 / 7 * function(x, y, **relu), rtol=1e-13, atol=0)
        torch.testing.assert_close(function(-x, y, **erf), -function(x, y, **erf), rtol=1e-13, atol=1e-15)


def test_depth_brings_all_directions_together_like_one_over_depth_squared():
    """ReLU without bias: D' = D - (2 sqrt 2 / 3 pi) D^(3/2) for small D, so 1 - cos falls like 9 pi^2 / 2 L^2."""
    x, D = torch.eye(2, dtype=torch.float64), {}
    for depth in (1000, 4000):
        K = kernels.nngp(x, depth=depth, sigma_w=2**0.5, sigma_b=0.0)
        D[depth] = 1 - float(K[0, 1] / K[0, 0])
    assert math.log(D[1000] / D[4000], 4) == pytest.approx(2, abs=0.03)  # corrections of order log(L) / L
    assert D[4000] * 4000**2 == pytest.approx(9 * math.pi**2 / 2, rel=0.03)


def network(width, seed, activation="relu", depth=2, **scales):
    options = dict(scales, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return models.NTKMLP(3, width, depth=depth, activation=activation, **options)


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_one_hidden_layer_has_the_analytic_kernels_on_average_at_any_width(activation):
    x, scales = draw(4, 3), dict(sigma_w=1.3, sigma_b=0.6)
    nets = [network(8, seed, activation, depth=1, **scales) for seed in range(1500)]
    with torch.no_grad():
        outputs = torch.stack([net(x) for net in nets])
    tangents = torch.stack([kernels.empirical_ntk(net, x) for net in nets[:400]])
    for samples, function in ((outputs[:, :, None] * outputs[:, None], kernels.nngp), (tangents, kernels.ntk)):
        error = samples.mean(0) - function(x, depth=1, activation=activation, **scales)
        # ten different entries: 4.5 standard errors are passed by chance in 1 of 15,000 draws
        assert (error.abs() < 4.5 * samples.std(0) / len(samples) ** 0.5).all()


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_finite_networks_approach_the_analytic_kernel_as_one_over_the_root_of_the_width(activation):
    x, widths, errors = draw(4, 3), (32, 128, 512), []
    exact = kernels.ntk(x, depth=2, activation=activation)
    for width in widths:
        found = torch.stack([kernels.empirical_ntk(network(width, seed, activation), x) for seed in range(40)])
        errors.append(float(((found - exact) / exact.diagonal().mean()).square().mean().sqrt()))
    slope = math.log(errors[-1] / errors[0]) / math.log(widths[-1] / widths[0])
    # 40 networks: each error is known to about 1 / sqrt(2 * 40) = 11 % and so the slope to .11 sqrt 2 / log 16 = .06
    assert slope == pytest.approx(-0.5, abs=0.15)
    assert errors[-1] < 0.1


class Convolutional(nn.Module):
    """One output of shape (n, 1) from images, a frozen layer, a buffer, and parameters of three shapes."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(12, 1)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)
        self.norm.bias.requires_grad_(False)
        self.double().eval()

    def forward(self, x):
        return self.head(torch.tanh(self.norm(self.conv(x))).flatten(1))


@pytest.mark.parametrize("entries", [1, 200, 2**24])
def test_the_empirical_kernel_is_the_product_of_gradients_in_blocks_of_any_size(entries, monkeypatch):
    monkeypatch.setattr(empirical, "ENTRIES", entries)
    model, images = Convolutional(), draw(7, 1, 4, 4)
    weights = [w for w in model.parameters() if w.requires_grad]
    rows = [torch.autograd.grad(model(image[None]).squeeze(), weights) for image in images]
    phi = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    K = kernels.empirical_ntk(model, images)
    assert torch.equal(K, K.T) and not K.requires_grad
    torch.testing.assert_close(K, phi @ phi.T, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(kernels.empirical_ntk(model, images[:5], images[2:]), (phi @ phi.T)[:5, 2:], rtol=1e-12,
                               atol=1e-12)


def test_an_empirical_kernel_in_single_precision_sums_in_double():
    model, x = network(1000, 0), draw(6, 3)  # a million products to a sum: float32 would be off by 80 roundings
    K = kernels.empirical_ntk(model.float(), x.float())
    phi = references.features(model, x.float()).double()
    assert K.dtype == torch.float32
    torch.testing.assert_close(K.double(), phi @ phi.T, rtol=2**-23, atol=0)  # one rounding, at the end


def positive(n, seed=0):
    A = draw(n, n + 20, seed=seed)
    return A @ A.T / n


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("device", DEVICES)
def test_the_factor_and_its_leading_blocks(device, in_place):
    n = factor.BLOCK + 188
    K = positive(n).to(device)
    gram = K.clone()
    L = kernels.cholesky(gram, in_place=in_place)
    assert (L.data_ptr() == gram.data_ptr()) == in_place
    assert in_place or torch.equal(gram, K)
    assert torch.equal(L, L.tril())
    torch.testing.assert_close(L @ L.T, K, rtol=0, atol=1e-13 * float(K.abs().max()))  # n eps
    torch.testing.assert_close(L[:300, :300], kernels.cholesky(K[:300, :300]), rtol=0, atol=1e-12)
    assert kernels.cholesky(K.float()).dtype == torch.float64


@pytest.mark.parametrize("first, second", [(3, 40), (3, 650), (600, 650)])
@pytest.mark.parametrize("factor, sigma_b", [(1.0, 1.0), (2.0, 0.0)])
def test_duplicates_are_named(first, second, factor, sigma_b):
    x = draw(700, 3)
    x[second] = factor * x[first]  # without a bias parallel inputs have parallel features too
    gram = kernels.ntk(x, depth=2, sigma_b=sigma_b)
    gram[first, second] *= 1 - 2**-50  # other kernels than ours may round
    gram[second, first] = gram[first, second]
    before = gram.clone()
    for in_place in (False, True):
        with pytest.raises(ValueError, match=f"duplicates {first} and {second} "):
            kernels.cholesky(gram, in_place=in_place)
        assert torch.equal(gram, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [4, 400])
def test_a_pivot_below_ten_roundings_times_the_root_of_n_is_none(n, dtype):
    limit = 10 * n**0.5 * torch.finfo(dtype).eps
    sizes = torch.logspace(-3, 3, n, dtype=dtype)
    for times in (3, 1 / 3):
        gram = torch.eye(n, dtype=dtype)
        gram[-1, -2] = gram[-2, -1] = (1 - times * limit) ** 0.5  # the last pivot is times * limit, to one eps
        gram *= (sizes[:, None] * sizes).sqrt()  # and of each input's own size
        if times > 1:
            assert kernels.cholesky(gram)[-1, -1].item() ** 2 == pytest.approx(1000 * times * limit, rel=0.1)
        else:
            with pytest.raises(ValueError, match=f"duplicates {n - 2} and {n - 1} "):
                kernels.cholesky(gram)


def test_no_jitter_of_a_hundredth_or_more_is_tried():
    gram = torch.eye(100)
    gram[:3, :3] = torch.eye(3) - 0.5025 * (1 - torch.eye(3))  # the least eigenvalue is -.005
    # 1000 roundings, .0119 at this size and in float32, would make it positive; 100 do not
    with pytest.raises(ValueError, match="not positive at input 2, with a jitter of 1.2e-03 too"):
        kernels.cholesky(gram)


def test_many_duplicates_are_counted_and_opposite_or_close_inputs_are_none():
    x = draw(10, 3)
    with pytest.raises(ValueError, match="0 and 5, 0 and 10, .* and 8 more pairs"):  # four threes, one pair
        kernels.cholesky(kernels.ntk(torch.cat([x[:5], x[:5], x[:4]]), depth=1))
    y = torch.cat([x, -x, x + 1e-7])
    L = kernels.cholesky(kernels.ntk(y, depth=2))
    assert L.isfinite().all() and (L.diagonal() > 0).all()
    with pytest.raises(ValueError, match="0 and 10, 1 and 11, .* and 5 more pairs"):  # to an odd kernel -x is -1 times x
        kernels.cholesky(kernels.ntk(y[:20], depth=2, activation="erf", sigma_b=0.0))


@pytest.mark.parametrize("in_place", [False, True])
def test_a_smooth_kernel_that_runs_out_of_digits_is_factored_with_a_jitter_that_is_reported(in_place):
    K = kernels.ntk(draw(700, 2), depth=2, activation="erf")
    with pytest.warns(RuntimeWarning, match=r"input \d+ of 700; its diagonal was multiplied by 1 \+ ") as told:
        L = kernels.cholesky(K.clone(), in_place=in_place)
    jitter = float(str(told[0].message).split("1 + ")[1])
    assert 1e-14 < jitter < 1e-9
    torch.testing.assert_close((L @ L.T).diagonal(), K.diagonal() * (1 + jitter), rtol=1e-14 + 0.06 * jitter, atol=0)
    torch.testing.assert_close((L @ L.T).tril(-1), K.tril(-1), rtol=0, atol=1e-13 * float(K.max()))


def test_a_good_kernel_is_factored_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernels.cholesky(kernels.ntk(draw(500, 2, scale=5.0), depth=3))


def indefinite():
    K = torch.eye(600, dtype=torch.float64)
    K[555, 554] = K[554, 555] = 2
    return K


@pytest.mark.parametrize("gram, message", [
    (torch.ones(2, 3), r"square float32 or float64 matrix, got \(2, 3\)"),
    (torch.ones(2, 2, dtype=torch.int64), "square float32 or float64 matrix, got .*int64"),
    (torch.full((2, 2), math.nan), "finite, got a sum of nan"),
    (torch.diag(torch.tensor([1.0, 0.0])), "positive diagonal, got 0 at input 1"),
    (indefinite(), "positive definite, got a pivot that is not positive at input 555"),
])
def test_a_matrix_without_a_factor_is_refused(gram, message):
    with pytest.raises(ValueError, match=message):
        kernels.cholesky(gram)


def test_a_matrix_without_a_factor_is_left_as_it_was():
    gram = indefinite()
    with pytest.raises(ValueError, match="positive definite"):
        kernels.cholesky(gram, in_place=True)
    assert torch.equal(gram, indefinite())


def test_single_precision_cannot_be_overwritten():
    with pytest.raises(ValueError, match="float64 to be overwritten in place, got torch.float32"):
        kernels.cholesky(torch.eye(3), in_place=True)


@pytest.mark.parametrize("function", [kernels.ntk, kernels.nngp, kernels.ntk_diagonal, kernels.nngp_diagonal])
@pytest.mark.parametrize("x, change, message", [
    (draw(3), {}, r"matrix \(n, d\), got \(3,\)"),
    (draw(3, 2).half(), {}, "float32 or float64 matrix .*float16"),
    (torch.tensor([[1.0, math.inf]]), {}, "finite .* largest inf"),
    (draw(3, 2), {"depth": 0}, "hidden layers, at least 1, got 0"),
    (draw(3, 2), {"depth": 1.5}, "whole number .* got 1.5"),
    (draw(3, 2), {"activation": "tanh"}, "one of relu, erf, got 'tanh'"),
    (draw(3, 2), {"sigma_w": 0.0}, "sigma_w must be > 0 .* got 0.0"),
    (draw(3, 2), {"sigma_b": -1.0}, "sigma_b >= 0.* and -1.0"),
    (draw(3, 2), {"sigma_b": math.nan}, "sigma_b >= 0.* and nan"),
])
def test_analytic_kernels_refuse(function, x, change, message):
    with pytest.raises(ValueError, match=message):
        function(x, **{"depth": 2, **change})


@pytest.mark.parametrize("x2", [draw(3, 3), draw(3, 2).float()])
def test_two_sets_of_inputs_must_be_alike(x2):
    with pytest.raises(ValueError, match="agree in d, dtype and device, got"):
        kernels.ntk(draw(3, 2), x2, depth=1)


@pytest.mark.parametrize("model, message", [
    (nn.Linear(3, 2), r"one output per input, got shape \(1, 2\)"),
    (nn.Linear(3, 1).requires_grad_(False), "a parameter that requires a gradient, got none"),
    (nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5)), "eval mode, got batch normalisation or dropout"),
    (nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1)), "eval mode, got batch normalisation or dropout"),
])
def test_the_empirical_kernel_refuses(model, message):
    with pytest.raises(ValueError, match=message):
        kernels.empirical_ntk(model, torch.ones(2, 3))
