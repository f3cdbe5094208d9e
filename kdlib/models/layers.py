"""The layers that image networks share, drawn from a generator."""

from torch import nn


def linear(inputs, outputs, generator):
    """A linear layer drawn from the generator alone.

    Weights and bias come from U(−1, 1) / sqrt(fan in), which is torch's own law.

    Args:
        inputs: number of inputs, the fan in.
        outputs: number of outputs.
        generator: draws the layer, which lives on its device.

    Returns:
        An ``nn.Linear``.
    """
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, device=generator.device)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


def conv3x3(inputs, outputs, stride, generator):
    """A 3 × 3 convolution without bias, drawn from the generator alone.

    Torch draws its own layers from the global generator.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: pixels from one output to the next.
        generator: draws the layer from N(0, 2 / fan out); the layer lives on its
            device.

    Returns:
        An ``nn.Conv2d``.
    """
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
    """Batch normalisation of images with so many channels, on the generator's device.

    Args:
        channels: channels of the images.
        generator: only its device counts; nothing is drawn.

    Returns:
        An ``nn.BatchNorm2d``.
    """
    return nn.BatchNorm2d(channels, device=generator.device)
