"""The residual networks of CIFAR."""

import torch
import torch.nn.functional as F
from torch import nn

from kdlib.models import layers


class BasicBlock(nn.Module):
    r"""Two 3 × 3 convolutions and a shortcut, :math:`\mathrm{relu}(x' + B_2 C_2\, \mathrm{relu}(B_1 C_1 x))`.

    B is batch normalisation. Where the shape changes, the shortcut x' takes every second pixel and fills the new
    channels with zeros: He et al.'s option A, without parameters (option B, not used here, is a 1 × 1 convolution).
    """

    def __init__(self, inputs, outputs, *, stride, generator):
        super().__init__()
        self.stride, self.extra = stride, outputs - inputs
        self.conv1, self.norm1 = (
            layers.conv3x3(inputs, outputs, stride, generator),
            layers.norm(outputs, generator),
        )
        self.conv2, self.norm2 = (
            layers.conv3x3(outputs, outputs, 1, generator),
            layers.norm(outputs, generator),
        )

    def forward(self, x):
        """Images ``(n, outputs, h / stride, w / stride)`` from images ``(n, inputs, h, w)``."""
        h = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)), inplace=True)))
        if (
            self.extra or self.stride > 1
        ):  # x[:, :, ::2, ::2] as a pooling, whose gradient stays channels_last
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

    def __init__(
        self, depth=20, *, width=16, channels=3, classes=10, stem_stride=1, generator
    ):
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(
                f"depth must be 6k + 2 with k >= 1 (8, 14, 20, …), got {depth}"
            )
        if min(width, channels, classes) < 1:
            raise ValueError(
                f"width, channels and classes must be at least 1, got {width}, {channels} and {classes}"
            )
        self.conv, self.norm = (
            layers.conv3x3(channels, width, stem_stride, generator),
            layers.norm(width, generator),
        )
        blocks, inputs = [], width
        for stage in range(3):
            for block in range(depth // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(
                    BasicBlock(
                        inputs, width * 2**stage, stride=stride, generator=generator
                    )
                )
                inputs = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.head = layers.linear(inputs, classes, generator)
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        """Logits of shape ``(n, c)`` for images of shape ``(n, channels, h, w)``."""
        h = self.blocks(F.relu(self.norm(self.conv(images)), inplace=True)).mean(
            dim=(2, 3)
        )
        with torch.autocast(h.device.type, enabled=False):
            return self.head(h.to(self.head.weight.dtype))
