"""Mandal et al.'s network with one hidden layer of ReLU neurons, and the same network in fewer rows."""

import torch
import torch.nn.functional as F
from torch import nn


class TwoLayerReLU(nn.Module):
    r"""The network with one hidden layer of ReLU neurons that are trained, and outer signs that are not.

    .. math:: f(x; W, a) = \frac1{\sqrt m} \sum_{j=1}^m a_j \max(W_j \cdot x, 0)

    The start is symmetric: for j up to m / 2, :math:`W_j = W_{j + m/2} \sim N(0, I_d)` and
    :math:`a_j = -a_{j + m/2} \in \{-1, 1\}`, so that the untrained network is zero everywhere. Without the symmetry all m
    directions and signs are drawn.

    ``hidden`` ``(m, d)`` is W, ``start`` its value at the start, ``signs`` ``(m,)`` is a. ``counts`` ``(m,)`` says for how
    many neurons a row stands: one, except in what :func:`condense` makes; ``width`` is m, whatever the number of rows.

    Args:
        inputs: input dimension d, at least 1.
        width: m, at least 2 and, if symmetric, even.
        generator: draws signs and weights; parameters live on its device.
        symmetric: whether the start is.
        dtype: of the parameters.

    Raises:
        ValueError: ``inputs`` is below 1, or ``width`` below 2, or odd in a symmetric network.

    Source: Mandal, Lin & Srikant 2025, Section 2; they name neither bias nor outer training, and there is none.
    """

    def __init__(
        self, inputs, width, *, generator, symmetric=True, dtype=torch.float32
    ):
        super().__init__()
        if inputs < 1 or width < 2 or (symmetric and width % 2):
            even = "even and " if symmetric else ""
            raise ValueError(
                f"inputs must be at least 1 and width {even}at least 2, got {inputs} and {width}"
            )
        drawn, options = (
            width // 2 if symmetric else width,
            dict(generator=generator, device=generator.device),
        )
        signs = 2.0 * torch.randint(2, (drawn,), **options).to(dtype) - 1
        start = torch.randn(drawn, inputs, dtype=dtype, **options)
        if symmetric:
            signs, start = torch.cat([signs, -signs]), start.repeat(2, 1)
        self.width, self.hidden = width, nn.Parameter(start.clone())
        self.register_buffer("start", start)
        self.register_buffer("signs", signs)
        self.register_buffer("counts", torch.ones_like(self.signs))

    def forward(self, x):
        """Outputs of shape ``(n,)`` for inputs of shape ``(n, d)``."""
        return (
            torch.relu(x @ self.hidden.T) @ (self.counts * self.signs) / self.width**0.5
        )


def condense(networks, inputs, radius):
    r"""Networks that projected gradient descent trains exactly like the given ones, with far fewer rows.

    A neuron that is kept within :math:`B / \sqrt m` of its start can never switch an input on or off of which it starts
    further away, :math:`|W_j(0) \cdot x_i| > (B / \sqrt m) \|x_i\|`. Neurons that can switch none, with one sign and
    active on the same inputs, have the same gradient for ever; one row, at the mean of their starts, stands for all.
    Of m neurons about :math:`n B \sqrt m` rows remain: theorems that ask for 10⁵ neurons can be run.

    Args:
        networks: K untrained :class:`TwoLayerReLU` of one width and radius.
        inputs: the training inputs, ``(n, d)``; nothing is said about outputs elsewhere.
        radius: B, finite and > 0.

    Returns:
        K :class:`TwoLayerReLU` whose outputs on ``inputs`` are those of the given ones, before and during training by
        ``training.projected_gradient_descent`` with this radius; all with one number of rows, the last ones idle.

    Raises:
        ValueError: the radius is not finite and > 0, widths differ, or a network has been trained.

    Source: none; it follows from the projection in Mandal, Lin & Srikant 2025, Section 2.
    """
    if not 0 < radius < float("inf"):
        raise ValueError(f"radius must be finite and > 0, got {radius}")
    if len({network.width for network in networks}) != 1 or any(
        (net.hidden != net.start).any() for net in networks
    ):
        raise ValueError("condense takes untrained networks of one width")
    reach, made = radius / networks[0].width ** 0.5 * inputs.norm(dim=1), []
    for net in networks:
        side = net.start @ inputs.T
        free = (side.abs() <= reach).any(dim=1)
        kinds = torch.cat([net.signs[:, None], (side > 0).to(side.dtype)], dim=1)[~free]
        kinds, kind, counts = kinds.unique(
            dim=0, return_inverse=True, return_counts=True
        )
        means = torch.zeros(
            len(kinds), inputs.shape[1], dtype=inputs.dtype, device=inputs.device
        )
        means = means.index_add(0, kind, net.start[~free]) / counts[:, None]
        made.append(
            (
                torch.cat([means, net.start[free]]),
                torch.cat([kinds[:, 0], net.signs[free]]),
                torch.cat([counts.to(inputs.dtype), net.counts[free]]),
            )
        )
    rows = max(len(start) for start, _, _ in made)
    return [
        _with_rows(
            net,
            *(
                F.pad(part, (0, 0) * (part.ndim - 1) + (0, rows - len(part)))
                for part in parts
            ),
        )
        for net, parts in zip(networks, made)
    ]


def _with_rows(network, start, signs, counts):
    other = TwoLayerReLU(
        start.shape[1], 2, generator=torch.Generator(start.device), dtype=start.dtype
    )
    other.width, other.hidden = network.width, nn.Parameter(start.clone())
    other.start, other.signs, other.counts = start, signs, counts
    return other
