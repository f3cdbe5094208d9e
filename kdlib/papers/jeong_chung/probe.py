"""The softmax probe, trained to the end: many label sets at once on one feature set."""

import torch

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
    look=None,
):
    r"""Weights of softmax probes without bias, each for its own targets.

    .. math::
        \min_W \frac1N \sum_i \ell(y_i, \mathrm{softmax}(W x_i))
        + \frac\lambda2 \|W\|^2

    The loss is the cross-entropy, or the generalised one, :math:`\sum_k y_k (1 -
    p_k^{0.7}) / 0.7`. The curvature of the cross-entropy by the logits is at most one
    half; so is its bound by the weights, diagonal on principal features. Descent by
    this bound with Nesterov's momentum, restarted for each probe where it climbs, needs
    no step size. It ends where the scaled gradient of every probe is ``tolerance``
    times that at W = 0. The cross-entropy has one minimum, from any start; the
    generalised one has several.

    Args:
        features: principal ones, ``(n, d)``, see :func:`principal`.
        targets: rows of probabilities, ``(n, b, c)`` for b probes.
        weight_decay: λ, > 0.
        loss: ``cross-entropy`` or ``generalised``.
        start: weights to begin with, ``(d, b, c)``; zero by default.
        tolerance: of the gradient.
        look: called with the weights at every tenth step and at the end.

    Returns:
        Weights ``(d, b, c)``; logits are ``tensordot(features, weights, 1)``.

    Source: Jeong & Chung 2025, Section 2, who descend in batches for 200 epochs; the
    bound is Böhning's (1992); the generalised loss is Zhang & Sabuncu's (2018).
    """
    N, b, K = targets.shape
    bound = features.square().sum(dim=0) / (2 * N) + weight_decay
    bound = bound[:, None, None]
    W = features.new_zeros(features.shape[1], b, K) if start is None else start.clone()
    slope = _slope(features, targets, torch.zeros_like(W), weight_decay, loss)
    enough = tolerance * (slope / bound.sqrt()).norm(dim=(0, 2))
    ahead = W
    age = W.new_ones(b, 1)
    for step in range(STEPS):
        slope = _slope(features, targets, ahead, weight_decay, loss)
        if step % LOOK == 0:
            if look is not None:
                look(ahead)
            if ((slope / bound.sqrt()).norm(dim=(0, 2)) <= enough).all():
                break
        moved = ahead - slope / bound
        change = moved - W
        climbs = (slope * change).sum(dim=(0, 2))[:, None] > 0
        older = (1 + (1 + 4 * age.square()).sqrt()) / 2
        momentum = torch.where(climbs, 0, (age - 1) / older)
        age = torch.where(climbs, 1, older)
        ahead = moved + momentum * change
        W = moved
    return ahead


def outputs(features, weights):
    """Probabilities of the probes.

    Args:
        features: ``(n, d)``.
        weights: ``(d, b, c)``.

    Returns:
        ``(n, b, c)``
    """
    return torch.tensordot(features, weights, 1).softmax(dim=2)


def _slope(features, targets, weights, weight_decay, loss):
    """Gradient of the mean loss and the penalty by the weights, ``(d, b, c)``."""
    p = outputs(features, weights)
    if loss == "generalised":
        pulls = targets * p**0.7
        error = pulls.sum(dim=2, keepdim=True) * p - pulls
    else:
        error = p - targets
    slope = torch.tensordot(features.T, error, 1) / len(features)
    return slope.add_(weights, alpha=weight_decay)
