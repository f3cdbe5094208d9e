"""Two-layer networks of several seeds and kinds in one stack."""

import torch
from torch import nn

#: Points of a seed that are answered at once; what lies between stays small.
AT_ONCE = 200


class StackedMLP(nn.Module):
    r"""S · K networks with one hidden layer of ReLUs; those of a seed start alike.

    .. math:: f(x) = V\, \max(W x + b, 0) + c, \qquad
              W_{ij} \sim N(0, 2 / d), \quad V_{ij} \sim N(0, 1 / m)

    Args:
        seeds: of the S starts.
        kinds: K networks a seed.
        inputs: d.
        width: m.
        classes: c.
        device: where the parameters live.

    Raises:
        ValueError: a number below 1.

    Source: He et al. 2015 for the scale; stacking is ours.
    """

    def __init__(self, seeds, *, kinds, inputs, width, classes=10, device="cpu"):
        super().__init__()
        if min(len(seeds), kinds, inputs, width, classes) < 1:
            raise ValueError(
                "seeds, kinds, inputs, width and classes must be at least 1, got "
                f"{len(seeds)}, {kinds}, {inputs}, {width} and {classes}"
            )
        hidden = []
        outer = []
        for seed in seeds:
            draw = torch.Generator().manual_seed(seed)
            first = torch.randn(inputs, width, generator=draw) * (2 / inputs) ** 0.5
            second = torch.randn(width, classes, generator=draw) / width**0.5
            hidden.append(first.expand(kinds, inputs, width))
            outer.append(second.expand(kinds, width, classes))
        self.hidden = nn.Parameter(torch.stack(hidden).to(device))
        self.outer = nn.Parameter(torch.stack(outer).to(device))
        self.shifts = nn.Parameter(torch.zeros_like(self.hidden[:, :, :1]))
        self.offsets = nn.Parameter(torch.zeros_like(self.outer[:, :, :1]))

    def forward(self, x, kinds=slice(None)):
        """Logits of all networks, or of some kinds.

        Args:
            x: inputs of each seed, ``(S, b, d)``.
            kinds: which of the K, all by default.

        Returns:
            ``(S, K, b, c)``.
        """
        layers = [self.hidden, self.shifts, self.outer, self.offsets]
        V, shift, U, offset = (layer[:, kinds].flatten(0, 1) for layer in layers)
        S = len(x)
        rows = x.repeat_interleave(len(V) // S, dim=0)
        active = torch.baddbmm(shift, rows, V).relu_()
        return torch.baddbmm(offset, active, U).unflatten(0, (S, -1))

    @torch.no_grad()
    def ask(self, x, kinds=slice(None)):
        """Logits of many points, without a graph.

        Args:
            x: inputs of each seed, ``(S, b, d)``.
            kinds: which of the K, all by default.

        Returns:
            ``(S, K, b, c)``.
        """
        parts = [self(some, kinds) for some in x.split(AT_ONCE, dim=1)]
        return torch.cat(parts, dim=2)
