"""The softmax probe, trained to the end: many label sets at once on one feature set."""

import torch

from kdlib.papers.jeong_chung import newton

# Most steps of the descent; it ends before, where the gradient is small.
STEPS = 5000
# Steps between two looks at the gradient.
LOOK = 10


def principal(features):
    """Features turned into their principal directions: columns are orthogonal.

    A probe with a quadratic penalty does not see the turn.

    Args:
        features: ``(n, d)``.

    Returns:
        The turned features ``(n, d)``, by falling size, and the turn ``(d, d)``:
        ``features @ turn`` are the turned ones, of new features too.
    """
    second = features.double().T @ features.double()
    turn = torch.linalg.eigh(second).eigenvectors.flip(1).to(features.dtype)
    return features @ turn, turn


def train(
    features,
    targets,
    *,
    weight_decay,
    loss="cross-entropy",
    start=None,
    tolerance=1e-4,
):
    r"""Weights of softmax probes without bias, each for its own targets.

    .. math::
        \min_W \frac1N \sum_i \ell(y_i, \mathrm{softmax}(W x_i))
        + \frac\lambda2 \|W\|^2

    The loss is the cross-entropy, or the generalised one, :math:`\sum_k y_k (1 -
    p_k^{0.7}) / 0.7`. The cross-entropy has one minimum, from any start; the
    generalised one has several.

    The curvature of the cross-entropy is the mean of :math:`x x^\top \otimes
    (\mathrm{diag}\, p - p p^\top)` over the samples, and λ. A quasi-Newton method gets
    the product of the two means at the start for it. On principal features and the
    eigenvectors of the second mean this is diagonal. It ends where the scaled gradient
    of every probe is ``tolerance`` times that at W = 0.

    Args:
        features: principal ones, ``(n, d)``, see :func:`principal`.
        targets: rows of probabilities, ``(n, b, c)`` for b probes.
        weight_decay: λ, > 0.
        loss: ``cross-entropy`` or ``generalised``.
        start: weights to begin with, ``(d, b, c)``; zero by default.
        tolerance: of the gradient.

    Returns:
        Weights ``(d, b, c)``; logits are ``tensordot(features, weights, 1)``.

    Source: Jeong & Chung 2025, Section 2, who descend in batches for 200 epochs; the
    generalised loss is Zhang & Sabuncu's (2018).
    """
    x = features.T.contiguous()
    y = targets.permute(1, 2, 0).contiguous()
    b, K, N = y.shape
    size = x.square().mean(dim=1)
    zero = x.new_zeros(b, K, len(x))
    W = zero if start is None else start.permute(1, 2, 0)
    p = _logits(x, W).softmax(dim=1)
    spread = torch.diag_embed(p.mean(dim=2)) - p @ p.transpose(1, 2) / N
    shares, U = torch.linalg.eigh(spread)
    curvature = shares.clamp(min=0)[:, :, None] * size + weight_decay
    unit = curvature.sqrt()
    bound = (size / 2 + weight_decay).sqrt()

    def objective(V):
        """Values and slopes in the coordinates where the curvature is about one."""
        value, slope = _value_and_slope(x, y, U @ (V / unit), weight_decay, loss)
        return value, U.mT @ slope / unit

    slope = _value_and_slope(x, y, zero, weight_decay, loss)[1]
    enough = tolerance * (slope / bound).norm(dim=(1, 2))

    def is_done(slope):
        """Whether the gradient by W, turned by U, is small."""
        return (slope * unit / bound).norm(dim=(1, 2)) <= enough

    V = newton.minimise(objective, U.mT @ W * unit, is_done)
    return (U @ (V / unit)).permute(2, 0, 1)


def descend(features, targets, *, weight_decay, look, tolerance=1e-4):
    r"""Descend from W = 0 to the minimum of the cross-entropy, slowly, looking around.

    The curvature of the cross-entropy by the logits is at most one half; so is its
    bound by the weights, diagonal on principal features. Descent by this bound with
    Nesterov's momentum, restarted for each probe where it climbs, needs no step size.

    Args:
        features: principal ones, ``(n, d)``.
        targets: rows of probabilities, ``(n, b, c)``.
        weight_decay: λ, > 0.
        look: called with the weights ``(d, b, c)`` at every tenth step and at the end.
        tolerance: of the gradient, as in :func:`train`.

    Returns:
        Weights ``(d, b, c)``.

    Source: the bound is Böhning's (1992).
    """
    x = features.T.contiguous()
    y = targets.permute(1, 2, 0).contiguous()
    bound = x.square().mean(dim=1) / 2 + weight_decay
    W = x.new_zeros(*y.shape[:2], len(x))
    ahead = W
    age = W.new_ones(len(W), 1, 1)
    enough = None
    for step in range(STEPS):
        slope = _value_and_slope(x, y, ahead, weight_decay, "cross-entropy")[1]
        if step % LOOK == 0:
            look(ahead.permute(2, 0, 1))
            left = (slope / bound.sqrt()).norm(dim=(1, 2))
            if enough is None:
                enough = tolerance * left
            if (left <= enough).all():
                break
        moved = ahead - slope / bound
        change = moved - W
        climbs = (slope * change).sum(dim=(1, 2), keepdim=True) > 0
        older = (1 + (1 + 4 * age.square()).sqrt()) / 2
        momentum = torch.where(climbs, 0, (age - 1) / older)
        age = torch.where(climbs, 1, older)
        ahead = moved + momentum * change
        W = moved
    return ahead.permute(2, 0, 1)


def outputs(features, weights):
    """Probabilities of the probes.

    Args:
        features: ``(n, d)``.
        weights: ``(d, b, c)``.

    Returns:
        ``(n, b, c)``
    """
    return torch.tensordot(features, weights, 1).softmax(dim=2)


def _logits(x, weights):
    """Logits ``(b, c, n)`` of features ``(d, n)`` with weights ``(b, c, d)``."""
    return (weights.flatten(0, 1) @ x).unflatten(0, weights.shape[:2])


def _value_and_slope(x, y, weights, weight_decay, loss):
    """Mean losses with the penalty, ``(b,)``, and their gradients, ``(b, c, d)``."""
    log_p = _logits(x, weights).log_softmax(dim=1)
    p = log_p.exp()
    if loss == "generalised":
        pulls = y * (0.7 * log_p).exp()
        losses = (y - pulls) / 0.7
        error = pulls.sum(dim=1, keepdim=True) * p - pulls
    else:
        losses = -y * log_p
        error = p - y
    N = y.shape[2]
    value = losses.sum(dim=(1, 2)) / N
    slope = (error.flatten(0, 1) @ x.T / N).unflatten(0, weights.shape[:2])
    penalty = weight_decay / 2 * weights.square().sum(dim=(1, 2))
    return value + penalty, slope + weight_decay * weights
