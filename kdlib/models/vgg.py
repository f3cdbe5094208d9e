"""Small VGG networks."""

import torch
import torch.nn.functional as F
from torch import nn

from kdlib.models import layers


class VGG(nn.Module):
    r"""A small VGG.

    3 × 3 convolutions with batch normalisation and ReLU, pooling between them, then
    three linear layers. The convolutions are the first k of eight with ``width`` × (1,
    2, 4, 4, 8, 8, 8, 8) channels. The image is halved after the first, second, fourth,
    sixth and eighth while it has more than one pixel. The two hidden linear layers have
    8 ``width`` units. VGG-11 is k = 8 and width 64. Batch normalisation is not in the
    original, but in most VGGs that are trained on CIFAR. Under autocast the linear
    layers run in the parameters' own dtype.

    Args:
        convolutions: k, in 1 … 8.
        width: channels of the first convolution.
        size: pixels of a side of the images.
        channels: channels of the images.
        classes: number of classes c.
        generator: draws the weights; parameters live on its device.

    Raises:
        ValueError: k is not in 1 … 8, or a size is below 1.

    Source: Simonyan & Zisserman 2015, configuration A; Mandal, Lin & Srikant 2025, Fig.
    1 (their channels are not given).
    """

    def __init__(
        self, convolutions=8, *, width=64, size=32, channels=3, classes=2, generator
    ):
        super().__init__()
        if not 1 <= convolutions <= 8 or min(width, size, channels, classes) < 1:
            raise ValueError(
                "convolutions must be in 1 … 8 and width, size, channels and classes "
                f"at least 1, got {convolutions}, {width}, {size}, {channels} and "
                f"{classes}"
            )
        stack = []
        inputs = channels
        for k, times in enumerate((1, 2, 4, 4, 8, 8, 8, 8)[:convolutions], start=1):
            outputs = times * width
            stack.append(layers.conv3x3(inputs, outputs, 1, generator))
            stack.append(layers.norm(outputs, generator))
            stack.append(nn.ReLU())
            inputs = outputs
            if k in (1, 2, 4, 6, 8) and size > 1:
                stack.append(nn.MaxPool2d(2))
                size //= 2
        self.features = nn.Sequential(*stack)
        fans = [inputs * size**2, 8 * width, 8 * width, classes]
        head = [layers.linear(a, b, generator) for a, b in zip(fans, fans[1:])]
        self.head = nn.Sequential(*head)
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        """Logits of images.

        Args:
            images: ``(n, channels, size, size)``.

        Returns:
            Logits ``(n, c)``.
        """
        h = self.features(images).flatten(1)
        with torch.autocast(h.device.type, enabled=False):
            h = h.to(self.head[0].weight.dtype)
            for layer in self.head[:-1]:
                h = F.relu(layer(h))
            return self.head[-1](h)
