"""The layers that image networks share, drawn from a generator."""

from torch import nn


def linear(inputs, outputs, generator):
    """A linear layer drawn from U(−1, 1) / sqrt(fan in), torch's own law, from the generator alone."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, device=generator.device)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


def conv3x3(inputs, outputs, stride, generator):
    """A 3 × 3 convolution without bias, drawn from the generator alone (torch's own way uses the global one)."""
    conv = nn.utils.skip_init(
        nn.Conv2d,
        inputs,
        outputs,
        3,
        stride=stride,
        padding=1,
        bias=False,
        device=generator.device,
    )
    nn.init.kaiming_normal_(
        conv.weight, mode="fan_out", nonlinearity="relu", generator=generator
    )
    return conv


def norm(channels, generator):
    return nn.BatchNorm2d(channels, device=generator.device)
