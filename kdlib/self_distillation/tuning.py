"""How many rounds, and how much of the own outputs: decided by held-out outputs that
need no second training."""

import torch


def held_out_outputs(features, targets, *, rounds, weight_decay, generalised=True):
    r"""Outputs of each sample by chains of ridge probes that never saw it.

    One round of self-distillation of the linearised probe is the smoother
    :math:`H = G (G + K N \lambda I)^{-1}`. Without sample i in any round the chain has
    on i the output :math:`g_t`, where :math:`g_0` is the target and, with
    :math:`h_m = (H^m)_{ii}`,

    .. math::
        g_t = g_{t-1} + \delta_t, \qquad \delta_t = \frac{(H^t y)_i - g_{t-1}
        + \sum_{k < t} h_{t-k+1}\, \delta_k}{1 - h_1} .

    For one round this is the usual leave-one-out formula. Generalised cross-validation
    puts the mean of :math:`(H^m)_{ii}` over the samples in its place. The mean square
    of :math:`g_t - y` estimates the risk after t rounds, against labels as noisy as
    those given.

    Args:
        features: ``(n, d)``.
        targets: y, ``(n, c)``, rows with the sum 1.
        rounds: the largest t, at least 1.
        weight_decay: λ, > 0.
        generalised: means in place of each sample's own numbers.

    Returns:
        float64 tensor ``(rounds, n, c)``.

    Raises:
        ValueError: the rounds are below 1, or the weight decay is not positive.

    Example:
        >>> features = torch.tensor([[1.0], [1.0], [1.0]])
        >>> targets = torch.eye(2)[[0, 0, 1]]
        >>> g = held_out_outputs(features, targets, rounds=1, weight_decay=1e-9)
        >>> g[0, :, 0].round(decimals=3).tolist()  # of the other two
        [0.5, 0.5, 1.0]

    Source: the formula is ours; Wu, Yang & Sun 2026 choose the rounds by an iterated
    generalised cross-validation, for fresh samples in each round.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    N, K = targets.shape
    U, kept, _ = _basis(features, K * N, weight_decay)
    y = targets.double() - 1 / K
    shares = U.T @ y
    powers = [kept**m for m in range(1, rounds + 1)]
    if generalised:  # columns of U have norm one
        h = [power.sum() / N for power in powers]
    else:
        h = [(U.square() @ power)[:, None] for power in powers]
    g, steps, outputs = y, [], []
    for t in range(1, rounds + 1):
        pulled = U @ (kept[:, None] ** t * shares) - g
        for k, step in enumerate(steps, start=1):
            pulled = pulled + h[t - k] * step
        steps.append(pulled / (1 - h[0]))
        g = g + steps[-1]
        outputs.append(g)
    return torch.stack(outputs) + 1 / K


def new_outputs(features, targets, new_features, *, rounds, weight_decay):
    """Outputs of the same chain on new samples, after each of so many rounds.

    Args:
        features: ``(n, d)``.
        targets: ``(n, c)``.
        new_features: ``(k, d)``.
        rounds: the largest t.
        weight_decay: λ, > 0.

    Returns:
        float64 tensor ``(rounds, k, c)``.

    Source: Jeong & Chung 2025, Theorem 2.1, for new samples.
    """
    N, K = targets.shape
    U, kept, turn = _basis(features, K * N, weight_decay)
    shares = U.T @ (targets.double() - 1 / K)
    new = new_features.double() @ turn
    outputs = []
    for t in range(1, rounds + 1):
        outputs.append(new @ (kept[:, None] ** t * shares) + 1 / K)
    return torch.stack(outputs)


def mixing_weight(once, twice, targets):
    r"""The best weight of the own outputs among the targets of a second training.

    A student of :math:`(1 - \xi)\, y + \xi f_1` has the outputs :math:`(1 - \xi) f_1 +
    \xi f_2`, where f_t are those after t rounds. The squared error to y is quadratic
    in ξ and least at

    .. math::
        \xi = \frac{\langle f_1 - y, f_1 - f_2 \rangle}{\|f_1 - f_2\|^2} ,

    which may be negative. As :math:`f_1 - f_2 = -\lambda\, df_1/d\lambda`, it has the
    sign of minus the derivative of the risk by the weight decay.

    Args:
        once: f_1, ``(n, c)``; held-out ones for an estimate from the training set.
        twice: f_2.
        targets: y.

    Returns:
        ξ, a float.

    Source: Dang, Patil & Rinaldo 2026 (the rule of signs; the weight follows from it).
    """
    moved = once - twice
    return ((once - targets) * moved).sum().item() / moved.square().sum().item()


def _basis(features, scale, weight_decay):
    """Left singular vectors, what a round keeps of each, and the map to new samples."""
    if not weight_decay > 0:
        raise ValueError(f"weight_decay must be > 0, got {weight_decay}")
    x = features.double()
    # of the d x d products: far cheaper than singular vectors where n is larger than d
    squares, V = torch.linalg.eigh(x.T @ x)
    is_there = squares > 1e-10 * squares[-1]
    turn = V[:, is_there] / squares[is_there].sqrt()
    kept = squares[is_there] / (squares[is_there] + scale * weight_decay)
    return x @ turn, kept, turn
