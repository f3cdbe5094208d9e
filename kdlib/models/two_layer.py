"""Mandal et al.'s network with one hidden layer, and the same network in fewer rows."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


class TwoLayerReLU(nn.Module):
    r"""The network with one hidden layer of ReLU neurons that are trained.

    The outer signs are not trained.

    .. math:: f(x; W, a) = \frac1{\sqrt m} \sum_{j=1}^m a_j \max(W_j \cdot x, 0)

    The start is symmetric: for j up to m / 2, :math:`W_j = W_{j + m/2} \sim N(0, I_d)`
    and :math:`a_j = -a_{j + m/2} \in \{-1, 1\}`, so that the untrained network is zero
    everywhere. Without the symmetry all m directions and signs are drawn.

    ``hidden`` ``(m, d)`` is W, ``start`` its value at the start, ``signs`` ``(m,)`` is
    a. ``counts`` ``(m,)`` says for how many neurons a row stands: one, except in what
    :func:`condense` returns. ``width`` is m, whatever the number of rows.

    Args:
        inputs: input dimension d, at least 1.
        width: m, at least 2 and, if symmetric, even.
        generator: draws signs and weights; parameters live on its device.
        symmetric: whether the start is.
        dtype: of the parameters.

    Raises:
        ValueError: ``inputs`` is below 1, or ``width`` below 2, or odd in a symmetric
            network.

    Source: Mandal, Lin & Srikant 2025, Section 2; they name neither bias nor outer
    training, and there is none.
    """

    def __init__(
        self, inputs, width, *, generator, symmetric=True, dtype=torch.float32
    ):
        super().__init__()
        if inputs < 1 or width < 2 or (symmetric and width % 2):
            even = "even and " if symmetric else ""
            raise ValueError(
                f"inputs must be at least 1 and width {even}at least 2, got "
                f"{inputs} and {width}"
            )
        drawn = width // 2 if symmetric else width
        options = dict(generator=generator, device=generator.device)
        signs = 2.0 * torch.randint(2, (drawn,), **options).to(dtype) - 1
        start = torch.randn(drawn, inputs, dtype=dtype, **options)
        if symmetric:
            signs = torch.cat([signs, -signs])
            start = start.repeat(2, 1)
        self.width = width
        self.hidden = nn.Parameter(start.clone())
        self.register_buffer("start", start)
        self.register_buffer("signs", signs)
        self.register_buffer("counts", torch.ones_like(self.signs))

    def forward(self, x):
        """Outputs of the network.

        Args:
            x: inputs ``(n, d)``.

        Returns:
            Outputs ``(n,)``.
        """
        active = torch.relu(x @ self.hidden.T)
        return active @ (self.counts * self.signs) / self.width**0.5


class Rows(NamedTuple):
    """Starts ``(r, d)``, signs ``(r,)`` and counts ``(r,)`` of a condensed network."""

    start: torch.Tensor
    signs: torch.Tensor
    counts: torch.Tensor


def condense(networks, inputs, radius):
    r"""Networks that are trained exactly like the given ones, with far fewer rows.

    A neuron that is kept within :math:`B / \sqrt m` of its start can never switch an
    input on or off of which it starts further away,
    :math:`|W_j(0) \cdot x_i| > (B / \sqrt m) \|x_i\|`. Neurons that can switch none,
    with one sign and active on the same inputs, have the same gradient for ever; one
    row, at the mean of their starts, stands for all. Of m neurons about
    :math:`n B \sqrt m` rows remain, so theorems that ask for 10⁵ neurons can be run.

    Args:
        networks: K untrained :class:`TwoLayerReLU` of one width and radius.
        inputs: the training inputs, ``(n, d)``; nothing is said about outputs
            elsewhere.
        radius: B, finite and > 0.

    Returns:
        K :class:`TwoLayerReLU` whose outputs on ``inputs`` are those of the given ones,
        before and during training by ``training.projected_gradient_descent`` with this
        radius; all with one number of rows, the last ones idle.

    Raises:
        ValueError: the radius is not finite and > 0, widths differ, or a network has
            been trained.

    Source: none; it follows from the projection in Mandal, Lin & Srikant 2025, Section
    2.
    """
    if not 0 < radius < float("inf"):
        raise ValueError(f"radius must be finite and > 0, got {radius}")
    widths = {network.width for network in networks}
    trained = any((network.hidden != network.start).any() for network in networks)
    if len(widths) != 1 or trained:
        raise ValueError("condense takes untrained networks of one width")
    reach = radius / networks[0].width ** 0.5 * inputs.norm(dim=1)
    condensed = [_condensed_rows(network, inputs, reach) for network in networks]
    most = max(len(rows.start) for rows in condensed)
    return [
        _with_rows(network, _padded(rows, most))
        for network, rows in zip(networks, condensed)
    ]


def _condensed_rows(network, inputs, reach):
    """One row for each kind of neurons that can switch no input, and the free neurons.

    Args:
        network: an untrained :class:`TwoLayerReLU`.
        inputs: ``(n, d)``.
        reach: most by which training can change :math:`W_j \\cdot x_i`, ``(n,)``.

    Returns:
        :class:`Rows`, the free neurons last.
    """
    products = network.start @ inputs.T
    free = (products.abs() <= reach).any(dim=1)
    # The kind of a neuron: its sign, and on which inputs it is active.
    active = (products > 0).to(products.dtype)
    kinds = torch.cat([network.signs[:, None], active], dim=1)[~free]
    kinds, kind_of, counts = kinds.unique(
        dim=0, return_inverse=True, return_counts=True
    )
    sums = torch.zeros(
        len(kinds), inputs.shape[1], dtype=inputs.dtype, device=inputs.device
    )
    sums = sums.index_add(0, kind_of, network.start[~free])
    means = sums / counts[:, None]
    return Rows(
        start=torch.cat([means, network.start[free]]),
        signs=torch.cat([kinds[:, 0], network.signs[free]]),
        counts=torch.cat([counts.to(inputs.dtype), network.counts[free]]),
    )


def _padded(rows, number):
    """The rows, and idle ones of zeros up to a number."""
    missing = number - len(rows.start)
    return Rows(
        start=F.pad(rows.start, (0, 0, 0, missing)),
        signs=F.pad(rows.signs, (0, missing)),
        counts=F.pad(rows.counts, (0, missing)),
    )


def _with_rows(network, rows):
    """A network of the same width with other rows."""
    generator = torch.Generator(rows.start.device)
    d = rows.start.shape[1]
    other = TwoLayerReLU(d, 2, generator=generator, dtype=rows.start.dtype)
    other.width = network.width
    other.hidden = nn.Parameter(rows.start.clone())
    other.start = rows.start
    other.signs = rows.signs
    other.counts = rows.counts
    return other
