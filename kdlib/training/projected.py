"""Projected gradient descent of many two-layer networks in one stack."""

from typing import NamedTuple

import torch

# As many numbers stay in a processor's cache between two passes over them, and keep a
# GPU busy.
_CACHED = 2**21


class Stack(NamedTuple):
    r"""Networks as the rows of one matrix: r rows, a neuron each, for K networks.

    Attributes:
        networks: the K networks, those with equal numbers of rows side by side.
        order: their positions in the caller's list.
        rows: their numbers of rows.
        start: W(0), ``(r, d)``.
        hidden: W, ``(r, d)``; the weights of each network are a view of its rows.
        scales: :math:`a_j / \sqrt m`, ``(r,)``, 0 in the idle rows of condensed
            networks.
        counts: for how many neurons a row stands, ``(r,)``.
    """

    networks: list
    order: list
    rows: list
    start: torch.Tensor
    hidden: torch.Tensor
    scales: torch.Tensor
    counts: torch.Tensor

    def for_rows(self, values):
        """Values ``(K,)``, in the caller's order, each repeated for its network's rows.

        Args:
            values: one number a network.

        Returns:
            ``(r,)``.
        """
        parts = [v.expand(m) for v, m in zip(values[self.order], self.rows)]
        return torch.cat(parts)


class Group(NamedTuple):
    r"""Views of a piece for the k networks that have m rows each, b samples.

    Attributes:
        outer: :math:`a_j / \sqrt m` times the neurons that a row stands for,
            ``(k, 1, m)``.
        outputs: f, ``(k, 1, b)``.
        residuals: :math:`\mu(f) - p`, ``(k, 1, b)``.
        neurons: what the piece's ``neurons`` hold, ``(k, m, b)``.
    """

    outer: torch.Tensor
    outputs: torch.Tensor
    residuals: torch.Tensor
    neurons: torch.Tensor


class Piece(NamedTuple):
    r"""b samples at a time, and the memory for what a step computes on them.

    Attributes:
        inputs: ``(b, d)``.
        targets: p, ``(K, b)``.
        neurons: ``(r, b)``, first the activations :math:`\max(W_j \cdot x_i, 0)`,
            then each active neuron's share of the gradient. All pieces use the same
            memory.
        outputs: f, ``(K, b)``.
        residuals: :math:`\mu(f) - p`, ``(K, b)``.
        groups: views of these for the networks of each size.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    neurons: torch.Tensor
    outputs: torch.Tensor
    residuals: torch.Tensor
    groups: list


@torch.no_grad()
def projected_gradient_descent(
    networks, inputs, targets, *, step, radius, steps, watch=None
):
    r"""Full-batch gradient descent with each neuron kept near its start, in place.

    Many two-layer networks are trained at once. With targets p in [0, 1], soft or hard,
    :math:`\mu` the logistic function and the risk
    :math:`R(W) = \frac1n \sum_i H(p_i, \mu(f_i))`, whose gradient is that of the mean
    KL divergence too:

    .. math::
        \hat W = W - \eta \nabla R(W), \qquad
        \nabla_{W_j} R = \frac1n \sum_i (\mu(f_i) - p_i)
            \frac{a_j}{\sqrt m} 1[W_j \cdot x_i > 0]\, x_i, \qquad
        W_j = W_j(0) + \min\Bigl(1, \frac{B / \sqrt m}{\|\hat W_j - W_j(0)\|}\Bigr)
            (\hat W_j - W_j(0))

    The neurons of all networks are the rows of one matrix, so the inputs are read once
    a step for all of them. The path of a network does not depend, beyond rounding, on
    the company it is trained in. Labels of ±1 are targets 1 and 0.

    Args:
        networks: K ``models.TwoLayerReLU`` for ``(n, d)`` inputs, of any widths.
        inputs: training inputs, ``(n, d)``; device and dtype are theirs.
        targets: probabilities p of shape ``(n,)``, for all networks, or ``(n, K)``.
        step: step size η > 0, or K of them.
        radius: B > 0, or K of them; ``inf`` is gradient descent without projection.
        steps: number of updates, at least 0.
        watch: ``watch(t, outputs)`` is given t = 0 … steps − 1 and the outputs
            ``(n, K)`` before update t, to look at; the networks then hold the weights
            of that moment.

    Raises:
        ValueError: shapes do not fit, or targets, step, radius or steps are out of
            range.

    Example:
        With a radius of 1 each of four neurons moves by at most 1 / √4:

        >>> from kdlib import models, training
        >>> generator = torch.Generator().manual_seed(1)
        >>> student = models.TwoLayerReLU(2, 4, generator=generator)
        >>> training.projected_gradient_descent(
        ...     [student], torch.eye(2), torch.ones(2), step=1.0, radius=1.0, steps=100
        ... )
        >>> (student.hidden - student.start).norm(dim=1).detach()
        tensor([0.5000, 0.5000, 0.5000, 0.5000])

    Source: Mandal, Lin & Srikant 2025, Section 2; its printed gradient lacks the factor
    x_i.
    """
    targets = targets.to(inputs.dtype)
    step = _one_each(step, networks, inputs)
    radius = _one_each(radius, networks, inputs)
    _check(networks, inputs, targets, step, radius, steps)
    stack = _stacked(networks)
    pieces = _pieces(stack, inputs, targets)
    slope = (stack.scales * stack.for_rows(step) / len(inputs))[:, None]
    reach = _reach(stack, radius)
    # Where in the stack each of the caller's networks is.
    places = torch.tensor(stack.order).argsort().to(inputs.device)
    change = stack.hidden - stack.start
    gradient = torch.zeros_like(change)
    norms = torch.empty_like(reach)
    for t in range(steps):
        _sum_gradient(stack, pieces, gradient)
        if watch is not None:
            outputs = torch.cat([piece.outputs for piece in pieces], dim=1)
            watch(t, outputs.T[:, places])
        change.addcmul_(slope, gradient, value=-1)
        _project(change, reach, norms)
        torch.add(stack.start, change, out=stack.hidden)
    _give_back(stack)


def _one_each(value, networks, inputs):
    """A number for all networks, or one each, as ``(K,)`` like the inputs."""
    value = torch.as_tensor(value, dtype=inputs.dtype, device=inputs.device)
    return value.expand(len(networks))


def _check(networks, inputs, targets, step, radius, steps):
    """Raise ValueError where an argument breaks a rule."""
    K = len(networks)
    n = len(inputs)
    fits = targets.shape in ((n,), (n, K))
    if not fits or not ((targets >= 0) & (targets <= 1)).all():
        raise ValueError(
            f"targets must be probabilities of shape ({n},) or ({n}, {K}), got "
            f"{tuple(targets.shape)}"
        )
    if not ((step > 0).all() and (radius > 0).all() and steps >= 0):
        raise ValueError(
            "step and radius must be > 0 and steps >= 0, got "
            f"{step.min()}, {radius.min()} and {steps}"
        )


def _stacked(networks):
    """The networks as a :class:`Stack`; from here on their weights are views of it."""

    def number_of_rows(k):
        return len(networks[k].signs)

    order = sorted(range(len(networks)), key=number_of_rows)
    networks = [networks[k] for k in order]
    rows = [len(network.signs) for network in networks]
    hidden = torch.cat([network.hidden for network in networks])
    for network, part in zip(networks, hidden.split(rows)):
        network.hidden.data = part
    return Stack(
        networks=networks,
        order=order,
        rows=rows,
        start=torch.cat([network.start for network in networks]),
        hidden=hidden,
        scales=torch.cat([net.signs / net.width**0.5 for net in networks]),
        counts=torch.cat([network.counts for network in networks]),
    )


def _reach(stack, radius):
    r"""How far each row may be from its start, :math:`B / \sqrt m`, ``(r, 1)``."""
    reach = stack.for_rows(radius) * stack.scales.abs()
    # Finite, so that a quotient of two of them is 1 and not inf / inf.
    reach = reach.clamp(max=1e30)[:, None]
    # The idle rows of condensed networks have the sign 0.
    reach[stack.scales == 0] = 1
    return reach


def _pieces(stack, inputs, targets):
    """The samples in pieces whose neurons fit the cache, each a :class:`Piece`."""
    K = len(stack.networks)
    r = len(stack.hidden)
    n = len(inputs)
    if targets.ndim == 1:
        targets = targets.expand(K, n)
    else:
        targets = targets.T[stack.order].contiguous()
    size = max(_CACHED // r, 256)
    memory = inputs.new_empty(r * min(size, n))
    pieces = []
    for x, p in zip(inputs.split(size), targets.split(size, dim=1)):
        neurons = memory[: r * len(x)].view(-1, len(x))
        outputs = x.new_empty(p.shape)
        residuals = x.new_empty(p.shape)
        groups = _groups(stack, outputs, residuals, neurons)
        pieces.append(Piece(x, p, neurons, outputs, residuals, groups))
    return pieces


def _groups(stack, outputs, residuals, neurons):
    """The networks of each size as one batch, each size a :class:`Group`."""
    weights = stack.scales * stack.counts
    groups = []
    first_network = 0
    first_row = 0
    for m in sorted(set(stack.rows)):
        k = stack.rows.count(m)
        nets = slice(first_network, first_network + k)
        rows = slice(first_row, first_row + k * m)
        groups.append(
            Group(
                outer=weights[rows].view(k, 1, m),
                outputs=outputs[nets, None],
                residuals=residuals[nets, None],
                neurons=neurons[rows].view(k, m, -1),
            )
        )
        first_network += k
        first_row += k * m
    return groups


def _sum_gradient(stack, pieces, gradient):
    r"""Write :math:`\sum_i (\mu(f_i) - p_i)\, 1[W_j \cdot x_i > 0]\, x_i`, ``(r, d)``.

    The factor :math:`a_j / n \sqrt m` is in the step's ``slope``. The outputs of all
    pieces are those before the update.
    """
    for number, piece in enumerate(pieces):
        torch.mm(stack.hidden, piece.inputs.T, out=piece.neurons).relu_()
        for group in piece.groups:
            torch.bmm(group.outer, group.neurons, out=group.outputs)
        torch.sigmoid(piece.outputs, out=piece.residuals).sub_(piece.targets)
        for group in piece.groups:
            torch.mul(group.neurons > 0, group.residuals, out=group.neurons)
        # The first piece starts the sum.
        beta = 0 if number == 0 else 1
        torch.addmm(gradient, piece.neurons, piece.inputs, beta=beta, out=gradient)


def _project(change, reach, norms):
    r"""Pull each row of the change back into its ball, in place.

    .. math:: u_j \leftarrow \min(1, B_j / \|u_j\|)\, u_j
                              = B_j / \max(\|u_j\|, B_j)\, u_j
    """
    torch.linalg.vector_norm(change, dim=1, keepdim=True, out=norms)
    norms.clamp_(min=reach)
    factors = torch.div(reach, norms, out=norms)
    change.mul_(factors)


def _give_back(stack):
    """Make each network's weights its own again, without the memory of the others."""
    for network in stack.networks:
        network.hidden.data = network.hidden.data.clone()
