"""The residual networks of CIFAR."""

import torch
import torch.nn.functional as F
from torch import nn

from kdlib.models import layers


class BasicBlock(nn.Module):
    r"""Two 3 × 3 convolutions and a shortcut.

    .. math:: \mathrm{relu}(x' + B_2 C_2\, \mathrm{relu}(B_1 C_1 x))

    C is a convolution and B batch normalisation. Where the shape changes, the shortcut
    x' takes every second pixel and fills the new channels with zeros. This is He et
    al.'s option A, without parameters; option B, not used here, is a 1 × 1 convolution.

    Args:
        inputs: channels of the input.
        outputs: channels of the output, at least ``inputs``.
        stride: 1, or 2 to halve the resolution.
        generator: draws the weights; parameters live on its device.

    Source: He et al. 2016 (Deep Residual Learning), Section 4.2.
    """

    def __init__(self, inputs, outputs, *, stride, generator):
        super().__init__()
        self.stride = stride
        self.extra = outputs - inputs
        self.conv1 = layers.conv3x3(inputs, outputs, stride, generator)
        self.norm1 = layers.norm(outputs, generator)
        self.conv2 = layers.conv3x3(outputs, outputs, 1, generator)
        self.norm2 = layers.norm(outputs, generator)

    def forward(self, x):
        """Feature maps of the block.

        Args:
            x: ``(n, inputs, h, w)``.

        Returns:
            ``(n, outputs, h / stride, w / stride)``.
        """
        h = F.relu(self.norm1(self.conv1(x)), inplace=True)
        h = self.norm2(self.conv2(h))
        if self.extra or self.stride > 1:
            # Every second pixel, as a pooling whose gradient stays channels_last.
            x = F.pad(F.avg_pool2d(x, 1, self.stride), (0, 0, 0, 0, 0, self.extra))
        return F.relu(h.add_(x), inplace=True)


class ResNet(nn.Module):
    r"""The CIFAR ResNet of 6k + 2 layers.

    One convolution, three stages of k blocks, the mean over pixels, one linear layer.
    Stages have ``width``, 2 ``width``, 4 ``width`` channels at full, half and quarter
    resolution; 16 is He et al.'s width and smaller ones are for small machines. Any
    image of at least 4 × 4 pixels fits, 8 × 8 digits included. Shortcuts are option A
    (see :class:`BasicBlock`). Convolutions are drawn from N(0, 2 / fan out), the last
    layer from U(−1, 1) / sqrt(fan in). Under autocast the last layer still runs in the
    parameters' own dtype, because bfloat16 would leave a logit 8 bits.

    Args:
        depth: number of layers, 6k + 2 with k >= 1: 8, 14, 20, 32, 44, 56, 110.
        width: channels of the first stage.
        channels: channels of the images.
        classes: number of classes c.
        stem_stride: stride of the first convolution; 1 is He et al.'s, 2 halves the
            resolution of every stage, which is four times the images a second.
        generator: draws the weights; parameters live on its device.

    Raises:
        ValueError: ``depth`` is not of the form 6k + 2, or a size is below 1.

    Source: He et al. 2016 (Deep Residual Learning), Section 4.2; the network of Ji &
    Zhu 2020, Fig. 5 (their depth is not published).
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
                "width, channels and classes must be at least 1, got "
                f"{width}, {channels} and {classes}"
            )
        self.conv = layers.conv3x3(channels, width, stem_stride, generator)
        self.norm = layers.norm(width, generator)
        blocks = []
        inputs = width
        for stage in range(3):
            outputs = width * 2**stage
            for number in range(depth // 6):
                stride = 2 if stage > 0 and number == 0 else 1
                block = BasicBlock(inputs, outputs, stride=stride, generator=generator)
                blocks.append(block)
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = layers.linear(inputs, classes, generator)
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        """Logits of images.

        Args:
            images: ``(n, channels, h, w)``.

        Returns:
            Logits ``(n, c)``.
        """
        h = F.relu(self.norm(self.conv(images)), inplace=True)
        h = self.blocks(h).mean(dim=(2, 3))
        with torch.autocast(h.device.type, enabled=False):
            return self.head(h.to(self.head.weight.dtype))
