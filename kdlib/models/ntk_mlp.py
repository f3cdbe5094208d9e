"""The fully connected networks that the theorems are about."""

import torch
from torch import nn

ACTIVATIONS = {"relu": torch.relu, "erf": torch.erf}


class NTKMLP(nn.Module):
    r"""The fully connected network with one output, in NTK parametrisation.

    .. math::
        h^1 = \sigma_W W^0 x / \sqrt d + \sigma_b b^0, \qquad
        h^{l+1} = \sigma_W W^l g(h^l) / \sqrt m + \sigma_b b^l, \qquad
        f(x) = \sigma_W W^L g(h^L) / \sqrt m + \sigma_b b^L

    All W and b are drawn from N(0, 1). The scale is in the forward pass, so one
    learning rate fits every width. ``depth`` counts the hidden layers, L, as in
    ``kernels.ntk``: there are L + 1 affine maps.

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
        ValueError: a size below 1, a scale out of range, or an activation that is not
            known.

    Source: Ji & Zhu 2020, Section 2, Eq. 1.
    """

    def __init__(
        self,
        inputs,
        width,
        *,
        depth=2,
        activation="relu",
        sigma_w=1.0,
        sigma_b=1.0,
        generator,
        dtype=torch.float32,
    ):
        super().__init__()
        if min(inputs, width, depth) < 1:
            raise ValueError(
                "inputs, width and depth must be at least 1, got "
                f"{inputs}, {width} and {depth}"
            )
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, got "
                f"{activation!r}"
            )
        if not (sigma_w > 0 and sigma_b >= 0):
            raise ValueError(
                f"sigma_w must be > 0 and sigma_b >= 0, got {sigma_w} and {sigma_b}"
            )
        self.activation = activation
        self.sigma_w = sigma_w
        self.sigma_b = sigma_b
        fans = [inputs] + [width] * depth
        outs = [width] * depth + [1]
        options = dict(generator=generator, device=generator.device, dtype=dtype)
        self.weights = nn.ParameterList(
            torch.randn(out, fan, **options) for fan, out in zip(fans, outs)
        )
        self.biases = nn.ParameterList(torch.randn(out, **options) for out in outs)

    def forward(self, x):
        """Logits of some inputs, or of one.

        Args:
            x: inputs ``(n, d)``, or one input ``(d,)``.

        Returns:
            Logits ``(n,)``, or a scalar.
        """
        g = ACTIVATIONS[self.activation]
        for layer, (W, b) in enumerate(zip(self.weights, self.biases)):
            if layer > 0:
                x = g(x)
            x = self.sigma_w * (x @ W.T) / W.shape[1] ** 0.5 + self.sigma_b * b
        return x.squeeze(-1)
