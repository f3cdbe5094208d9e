"""Projected gradient descent of many two-layer networks in one stack."""

import torch

_CACHED = (
    2**21
)  # numbers that a processor's cache keeps between two passes over them, and that keep a GPU busy


@torch.no_grad()
def projected_gradient_descent(
    networks, inputs, targets, *, step, radius, steps, watch=None
):
    r"""Full-batch gradient descent with each neuron kept near its start, for many two-layer networks at once, in place.

    With targets p in [0, 1], soft or hard, :math:`\mu` the logistic function and the risk
    :math:`R(W) = \frac1n \sum_i H(p_i, \mu(f_i))`, whose gradient is that of the mean KL divergence too:

    .. math:: \hat W = W - \eta \nabla R(W), \qquad \nabla_{W_j} R = \frac1n \sum_i (\mu(f_i) - p_i)
              \frac{a_j}{\sqrt m} 1[W_j \cdot x_i > 0]\, x_i, \qquad
              W_j = W_j(0) + \min\Bigl(1, \frac{B / \sqrt m}{\|\hat W_j - W_j(0)\|}\Bigr) (\hat W_j - W_j(0))

    The neurons of all networks are the rows of one matrix, so the inputs are read once a step for all of them; a
    network's path does not depend, beyond rounding, on the company it is trained in. Labels of ±1 are targets 1 and 0.

    Args:
        networks: K ``models.TwoLayerReLU`` for ``(n, d)`` inputs, of any widths.
        inputs: training inputs, ``(n, d)``; device and dtype are theirs.
        targets: probabilities p of shape ``(n,)``, for all networks, or ``(n, K)``.
        step: step size η > 0, or K of them.
        radius: B > 0, or K of them; ``inf`` is gradient descent without projection.
        steps: number of updates, at least 0.
        watch: ``watch(t, outputs)`` is given t = 0 … steps − 1 and the outputs ``(n, K)`` before update t, to look at;
            the networks then hold the weights of that moment.

    Raises:
        ValueError: shapes do not fit, or targets, step, radius or steps are out of range.

    Source: Mandal, Lin & Srikant 2025, Section 2; its printed gradient lacks the factor x_i.
    """
    K, n = len(networks), len(inputs)
    targets = targets.to(inputs.dtype)
    if (
        targets.shape not in ((n,), (n, K))
        or not ((targets >= 0) & (targets <= 1)).all()
    ):
        raise ValueError(
            f"targets must be probabilities of shape ({n},) or ({n}, {K}), got {tuple(targets.shape)}"
        )
    step, radius = (
        torch.as_tensor(value, dtype=inputs.dtype, device=inputs.device).expand(K)
        for value in (step, radius)
    )
    if not ((step > 0).all() and (radius > 0).all() and steps >= 0):
        raise ValueError(
            f"step and radius must be > 0 and steps >= 0, got {step.min()}, {radius.min()} and {steps}"
        )
    order = sorted(
        range(K), key=lambda k: len(networks[k].signs)
    )  # equal sizes side by side
    back, nets = (
        torch.tensor(order).argsort().to(inputs.device),
        [networks[k] for k in order],
    )
    rows = [len(net.signs) for net in nets]
    W, W0 = (
        torch.cat([net.hidden for net in nets]),
        torch.cat([net.start for net in nets]),
    )
    for net, part in zip(nets, W.split(rows)):
        net.hidden.data = part
    each = lambda values: torch.cat(
        [value.expand(len(net.signs)) for net, value in zip(nets, values)]
    )  # noqa: E731
    a = torch.cat([net.signs / net.width**0.5 for net in nets])
    slope = (a * each(step[order]) / n)[:, None]
    reach = (each(radius[order]) * a.abs()).clamp(max=1e30)[
        :, None
    ]  # finite, so that a quotient is 1 and not inf / inf
    reach[a == 0] = 1  # idle rows of condensed networks
    weights = a * torch.cat([net.counts for net in nets])
    p = targets.expand(K, n) if targets.ndim == 1 else targets.T[order].contiguous()
    U, G, norm = W - W0, torch.zeros_like(W), torch.empty_like(reach)
    size = max(_CACHED // len(W), 256)  # samples at a time
    memory, pieces = inputs.new_empty(len(W) * min(size, n)), []
    for x, q in zip(inputs.split(size), p.split(size, dim=1)):
        H, f, residual = (
            memory[: len(W) * len(x)].view(-1, len(x)),
            x.new_empty(q.shape),
            x.new_empty(q.shape),
        )
        blocks = []  # networks of one size: outer weights (k, 1, m), outputs (k, 1, ·), residuals, neurons (k, m, ·)
        for m in sorted(set(rows)):
            k, first, row = rows.count(m), rows.index(m), sum(rows[: rows.index(m)])
            neurons, group = slice(row, row + k * m), slice(first, first + k)
            blocks.append(
                (
                    weights[neurons].view(k, 1, m),
                    f[group, None],
                    residual[group, None],
                    H[neurons].view(k, m, -1),
                )
            )
        pieces.append((x, q, H, f, residual, blocks))
    for t in range(steps):
        for first, (x, q, H, f, residual, blocks) in enumerate(pieces):
            torch.mm(W, x.T, out=H).relu_()
            for outer, outputs, _, active in blocks:
                torch.bmm(outer, active, out=outputs)
            torch.sigmoid(f, out=residual).sub_(q)
            for _, _, error, active in blocks:
                torch.mul(active > 0, error, out=active)
            torch.addmm(G, H, x, beta=min(first, 1), out=G)
        if watch is not None:
            watch(t, torch.cat([piece[3] for piece in pieces], dim=1).T[:, back])
        U.addcmul_(slope, G, value=-1)
        torch.linalg.vector_norm(U, dim=1, keepdim=True, out=norm)
        U.mul_(torch.div(reach, norm.clamp_(min=reach), out=norm))
        torch.add(W0, U, out=W)
    for net in nets:
        net.hidden.data = (
            net.hidden.data.clone()
        )  # a network of its own again, without the others' memory
