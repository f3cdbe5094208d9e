"""The networks that the theorems are about. Each draws its own start from a generator and lives where that lives."""

import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {"relu": torch.relu, "erf": torch.erf}


class NTKMLP(nn.Module):
    r"""The fully connected network with one output, in NTK parametrisation.

    .. math::
        h^1 = \sigma_W W^0 x / \sqrt d + \sigma_b b^0, \qquad
        h^{l+1} = \sigma_W W^l g(h^l) / \sqrt m + \sigma_b b^l, \qquad
        f(x) = \sigma_W W^L g(h^L) / \sqrt m + \sigma_b b^L

    All W and b are drawn from N(0, 1); the scale is in the forward pass, so one learning rate fits every width.
    ``depth`` counts the hidden layers, L, as in ``kernels.ntk``: there are L + 1 affine maps.

    Args:
        inputs: input dimension d.
        width: hidden width m.
        depth: number of hidden layers L, at least 1.
        activation: ``relu`` or ``erf``; ReLU has no factor sqrt(2) here.
        sigma_w: scale of the weights, > 0.
        sigma_b: scale of the biases, >= 0.
        generator: draws the weights; parameters live on its device.
        dtype: of the parameters.

    Raises:
        ValueError: a size below 1, a scale out of range, or an activation that is not known.

    Source: Ji & Zhu 2020, Section 2, Eq. 1.
    """

    def __init__(self, inputs, width, *, depth=2, activation="relu", sigma_w=1.0, sigma_b=1.0, generator,
                 dtype=torch.float32):
        super().__init__()
        if min(inputs, width, depth) < 1:
            raise ValueError(f"inputs, width and depth must be at least 1, got {inputs}, {width} and {depth}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        if not (sigma_w > 0 and sigma_b >= 0):
            raise ValueError(f"sigma_w must be > 0 and sigma_b >= 0, got {sigma_w} and {sigma_b}")
        self.activation, self.sigma_w, self.sigma_b = activation, sigma_w, sigma_b
        fans, outs = [inputs] + [width] * depth, [width] * depth + [1]
        options = dict(generator=generator, device=generator.device, dtype=dtype)
        self.weights = nn.ParameterList(torch.randn(out, fan, **options) for fan, out in zip(fans, outs))
        self.biases = nn.ParameterList(torch.randn(out, **options) for out in outs)

    def forward(self, x):
        """Logits of shape ``(n,)`` for inputs of shape ``(n, d)``; a scalar for one input of shape ``(d,)``."""
        for layer, (W, b) in enumerate(zip(self.weights, self.biases)):
            x = x if layer == 0 else ACTIVATIONS[self.activation](x)
            x = self.sigma_w * (x @ W.T) / W.shape[1] ** 0.5 + self.sigma_b * b
        return x.squeeze(-1)


class TwoLayerReLU(nn.Module):
    r"""The network with one hidden layer of ReLU neurons that are trained, and outer signs that are not.

    .. math:: f(x; W, a) = \frac1{\sqrt m} \sum_{j=1}^m a_j \max(W_j \cdot x, 0)

    The start is symmetric: for j up to m / 2, :math:`W_j = W_{j + m/2} \sim N(0, I_d)` and
    :math:`a_j = -a_{j + m/2} \in \{-1, 1\}`, so that the untrained network is zero everywhere. Without the symmetry all m
    directions and signs are drawn.

    ``hidden`` ``(m, d)`` is W, ``start`` its value at the start, ``signs`` ``(m,)`` is a. ``counts`` ``(m,)`` says for how
    many neurons a row stands: one, except in what :func:`condense` makes; ``width`` is m, whatever the number of rows.

    Args:
        inputs: input dimension d, at least 1.
        width: m, at least 2 and, if symmetric, even.
        generator: draws signs and weights; parameters live on its device.
        symmetric: whether the start is.
        dtype: of the parameters.

    Raises:
        ValueError: ``inputs`` is below 1, or ``width`` below 2, or odd in a symmetric network.

    Source: Mandal, Lin & Srikant 2025, Section 2; they name neither bias nor outer training, and there is none.
    """

    def __init__(self, inputs, width, *, generator, symmetric=True, dtype=torch.float32):
        super().__init__()
        if inputs < 1 or width < 2 or (symmetric and width % 2):
            even = "even and " if symmetric else ""
            raise ValueError(f"inputs must be at least 1 and width {even}at least 2, got {inputs} and {width}")
        drawn, options = width // 2 if symmetric else width, dict(generator=generator, device=generator.device)
        signs = 2.0 * torch.randint(2, (drawn,), **options).to(dtype) - 1
        start = torch.randn(drawn, inputs, dtype=dtype, **options)
        if symmetric:
            signs, start = torch.cat([signs, -signs]), start.repeat(2, 1)
        self.width, self.hidden = width, nn.Parameter(start.clone())
        self.register_buffer("start", start)
        self.register_buffer("signs", signs)
        self.register_buffer("counts", torch.ones_like(self.signs))

    def forward(self, x):
        """Outputs of shape ``(n,)`` for inputs of shape ``(n, d)``."""
        return torch.relu(x @ self.hidden.T) @ (self.counts * self.signs) / self.width**0.5


def condense(networks, inputs, radius):
    r"""Networks that projected gradient descent trains exactly like the given ones, with far fewer rows.

    A neuron that is kept within :math:`B / \sqrt m` of its start can never switch an input on or off of which it starts
    further away, :math:`|W_j(0) \cdot x_i| > (B / \sqrt m) \|x_i\|`. Neurons that can switch none, with one sign and
    active on the same inputs, have the same gradient for ever; one row, at the mean of their starts, stands for all.
    Of m neurons about :math:`n B \sqrt m` rows remain: theorems that ask for 10⁵ neurons can be run.

    Args:
        networks: K untrained :class:`TwoLayerReLU` of one width and radius.
        inputs: the training inputs, ``(n, d)``; nothing is said about outputs elsewhere.
        radius: B, finite and > 0.

    Returns:
        K :class:`TwoLayerReLU` whose outputs on ``inputs`` are those of the given ones, before and during training by
        ``training.projected_gradient_descent`` with this radius; all with one number of rows, the last ones idle.

    Raises:
        ValueError: the radius is not finite and > 0, widths differ, or a network has been trained.

    Source: none; it follows from the projection in Mandal, Lin & Srikant 2025, Section 2.
    """
    if not 0 < radius < float("inf"):
        raise ValueError(f"radius must be finite and > 0, got {radius}")
    if len({network.width for network in networks}) != 1 or any((net.hidden != net.start).any() for net in networks):
        raise ValueError("condense takes untrained networks of one width")
    reach, made = radius / networks[0].width**0.5 * inputs.norm(dim=1), []
    for net in networks:
        side = net.start @ inputs.T
        free = (side.abs() <= reach).any(dim=1)
        kinds = torch.cat([net.signs[:, None], (side > 0).to(side.dtype)], dim=1)[~free]
        kinds, kind, counts = kinds.unique(dim=0, return_inverse=True, return_counts=True)
        means = torch.zeros(len(kinds), inputs.shape[1], dtype=inputs.dtype, device=inputs.device)
        means = means.index_add(0, kind, net.start[~free]) / counts[:, None]
        made.append((torch.cat([means, net.start[free]]), torch.cat([kinds[:, 0], net.signs[free]]),
                     torch.cat([counts.to(inputs.dtype), net.counts[free]])))
    rows = max(len(start) for start, _, _ in made)
    return [_with_rows(net, *(F.pad(part, (0, 0) * (part.ndim - 1) + (0, rows - len(part))) for part in parts))
            for net, parts in zip(networks, made)]


def _with_rows(network, start, signs, counts):
    other = TwoLayerReLU(start.shape[1], 2, generator=torch.Generator(start.device), dtype=start.dtype)
    other.width, other.hidden = network.width, nn.Parameter(start.clone())
    other.start, other.signs, other.counts = start, signs, counts
    return other


class BasicBlock(nn.Module):
    r"""Two 3 × 3 convolutions and a shortcut, :math:`\mathrm{relu}(x' + B_2 C_2\, \mathrm{relu}(B_1 C_1 x))`.

    B is batch normalisation. Where the shape changes, the shortcut x' takes every second pixel and fills the new
    channels with zeros: He et al.'s option A, without parameters (option B, not used here, is a 1 × 1 convolution).
    """

    def __init__(self, inputs, outputs, *, stride, generator):
        super().__init__()
        self.stride, self.extra = stride, outputs - inputs
        self.conv1, self.norm1 = _conv3x3(inputs, outputs, stride, generator), _norm(outputs, generator)
        self.conv2, self.norm2 = _conv3x3(outputs, outputs, 1, generator), _norm(outputs, generator)

    def forward(self, x):
        """Images ``(n, outputs, h / stride, w / stride)`` from images ``(n, inputs, h, w)``."""
        h = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)), inplace=True)))
        if self.extra or self.stride > 1:  # x[:, :, ::2, ::2] as a pooling, whose gradient stays channels_last
            x = F.pad(F.avg_pool2d(x, 1, self.stride), (0, 0, 0, 0, 0, self.extra))
        return F.relu(h.add_(x), inplace=True)


class ResNet(nn.Module):
    r"""The CIFAR ResNet of 6k + 2 layers: one convolution, three stages of k blocks, the mean over pixels, one layer.

    Stages have ``width``, 2 ``width``, 4 ``width`` channels at full, half and quarter resolution; 16 is He et al.'s
    width and smaller ones are for small machines. Any image of at least 4 × 4 pixels fits, 8 × 8 digits included.
    Shortcuts are option A (see :class:`BasicBlock`). Convolutions are drawn from N(0, 2 / fan out), the last layer
    from U(−1, 1) / sqrt(fan in). Under autocast the last layer still runs in the parameters' own dtype, because
    bfloat16 would leave a logit 8 bits.

    Args:
        depth: number of layers, 6k + 2 with k >= 1: 8, 14, 20, 32, 44, 56, 110.
        width: channels of the first stage.
        channels: channels of the images.
        classes: number of classes c.
        stem_stride: stride of the first convolution; 1 is He et al.'s, 2 halves every stage's resolution, which is
            four times the images a second.
        generator: draws the weights; parameters live on its device.

    Raises:
        ValueError: ``depth`` is not of the form 6k + 2, or a size is below 1.

    Source: He et al. 2016 (Deep Residual Learning), Section 4.2; the network of Ji & Zhu 2020, Fig. 5 (their depth is
    not published).
    """

    def __init__(self, depth=20, *, width=16, channels=3, classes=10, stem_stride=1, generator):
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth must be 6k + 2 with k >= 1 (8, 14, 20, …), got {depth}")
        if min(width, channels, classes) < 1:
            raise ValueError(f"width, channels and classes must be at least 1, got {width}, {channels} and {classes}")
        self.conv, self.norm = _conv3x3(channels, width, stem_stride, generator), _norm(width, generator)
        blocks, inputs = [], width
        for stage in range(3):
            for block in range(depth // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(inputs, width * 2**stage, stride=stride, generator=generator))
                inputs = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.head = _linear(inputs, classes, generator)
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        """Logits of shape ``(n, c)`` for images of shape ``(n, channels, h, w)``."""
        h = self.blocks(F.relu(self.norm(self.conv(images)), inplace=True)).mean(dim=(2, 3))
        with torch.autocast(h.device.type, enabled=False):
            return self.head(h.to(self.head.weight.dtype))


class VGG(nn.Module):
    r"""A small VGG: 3 × 3 convolutions with batch normalisation and ReLU, pooling between them, then three linear layers.

    The first k of eight convolutions with ``width`` × (1, 2, 4, 4, 8, 8, 8, 8) channels; the image is halved after the
    first, second, fourth, sixth and eighth while it has more than one pixel. The two hidden linear layers have
    8 ``width`` units. VGG-11 is k = 8 and width 64; batch normalisation is not in the original and in most that are
    trained on CIFAR. Under autocast the linear layers run in the parameters' own dtype.

    Args:
        convolutions: k, in 1 … 8.
        width: channels of the first convolution.
        size: pixels of a side of the images.
        channels: channels of the images.
        classes: number of classes c.
        generator: draws the weights; parameters live on its device.

    Raises:
        ValueError: k is not in 1 … 8, or a size is below 1.

    Source: Simonyan & Zisserman 2015, configuration A; Mandal, Lin & Srikant 2025, Fig. 1 (their channels are not given).
    """

    def __init__(self, convolutions=8, *, width=64, size=32, channels=3, classes=2, generator):
        super().__init__()
        if not 1 <= convolutions <= 8 or min(width, size, channels, classes) < 1:
            raise ValueError("convolutions must be in 1 … 8 and width, size, channels and classes at least 1, got "
                             f"{convolutions}, {width}, {size}, {channels} and {classes}")
        layers, inputs = [], channels
        for k, times in enumerate((1, 2, 4, 4, 8, 8, 8, 8)[:convolutions], start=1):
            layers += [_conv3x3(inputs, times * width, 1, generator), _norm(times * width, generator), nn.ReLU()]
            inputs = times * width
            if k in (1, 2, 4, 6, 8) and size > 1:
                layers.append(nn.MaxPool2d(2))
                size //= 2
        self.features = nn.Sequential(*layers)
        fans = [inputs * size**2, 8 * width, 8 * width, classes]
        self.head = nn.Sequential(*(_linear(a, b, generator) for a, b in zip(fans, fans[1:])))
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        """Logits of shape ``(n, c)`` for images of shape ``(n, channels, size, size)``."""
        h = self.features(images).flatten(1)
        with torch.autocast(h.device.type, enabled=False):
            h = h.to(self.head[0].weight.dtype)
            for layer in self.head[:-1]:
                h = F.relu(layer(h))
            return self.head[-1](h)


def _linear(inputs, outputs, generator):
    """A linear layer drawn from U(−1, 1) / sqrt(fan in), torch's own law, from the generator alone."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, device=generator.device)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


def _conv3x3(inputs, outputs, stride, generator):
    """A 3 × 3 convolution without bias, drawn from the generator alone (torch's own way uses the global one)."""
    conv = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 3, stride=stride, padding=1, bias=False,
                              device=generator.device)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    return conv


def _norm(channels, generator):
    return nn.BatchNorm2d(channels, device=generator.device)
