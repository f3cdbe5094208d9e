"""The papers' networks, each an ``nn.Module`` drawn from the caller's generator."""

from kdlib.models.ntk_mlp import NTKMLP
from kdlib.models.resnet import BasicBlock, ResNet
from kdlib.models.stacked import StackedMLP
from kdlib.models.two_layer import TwoLayerReLU, condense
from kdlib.models.vgg import VGG

__all__ = [
    "NTKMLP",
    "BasicBlock",
    "ResNet",
    "StackedMLP",
    "TwoLayerReLU",
    "VGG",
    "condense",
]
