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
        self.head = nn.utils.skip_init(nn.Linear, inputs, classes, device=generator.device)
        for parameter in self.head.parameters():
            nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        """Logits of shape ``(n, c)`` for images of shape ``(n, channels, h, w)``."""
        h = self.blocks(F.relu(self.norm(self.conv(images)), inplace=True)).mean(dim=(2, 3))
        with torch.autocast(h.device.type, enabled=False):
            return self.head(h.to(self.head.weight.dtype))


def _conv3x3(inputs, outputs, stride, generator):
    """A 3 × 3 convolution without bias, drawn from the generator alone (torch's own way uses the global one)."""
    conv = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 3, stride=stride, padding=1, bias=False,
                              device=generator.device)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    return conv


def _norm(channels, generator):
    return nn.BatchNorm2d(channels, device=generator.device)
