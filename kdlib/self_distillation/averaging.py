"""Self-distillation of a linear probe: t rounds are powers of one matrix."""

import torch

from kdlib.kernels import factor


def label_averaging(gram, labels, *, rounds, weight_decay):
    r"""Outputs of a linear probe after several rounds of self-distillation.

    A softmax probe without bias is trained on N samples by cross-entropy with the
    penalty :math:`\frac\lambda2 \|W\|^2`; in each round its targets are the outputs of
    the one before. With the softmax linearised around equal logits,
    :math:`\mathrm{softmax}(v) \approx (1 + v) / K`, the outputs of round t are

    .. math::
        Y^{(t)} = \frac1K + \bigl[G\, (G + K N \lambda I)^{-1}\bigr]^t
        \Bigl(Y^{(0)} - \frac1K\Bigr)
        = \frac1K + \sum_i \Bigl(\frac{\lambda_i}{\lambda_i + K N \lambda}\Bigr)^t
        v_i v_i^\top \Bigl(Y^{(0)} - \frac1K\Bigr) .

    One Cholesky factor of :math:`G + K N \lambda I` serves all rounds, and all labels
    that are stacked, such as those of several noise levels: a round takes
    :math:`K N \lambda\, (G + K N \lambda I)^{-1} (Y - 1/K)` away from Y. The factor
    costs a thirtieth of all eigenvectors. The paper counts n samples for each of K
    classes, N = K n, so that its penalty reads :math:`K^2 n \lambda`. Outputs have the
    sum 1 and can be negative.

    Args:
        gram: :math:`G_{ij} = \langle x_i, x_j \rangle` of the samples' features, ``(n,
            n)``, symmetric and not negative.
        labels: given labels :math:`Y^{(0)}` as rows of the sum 1, ``(n, c)`` or ``(…,
            n, c)``.
        rounds: t, an integer >= 0, or several.
        weight_decay: λ, > 0.

    Returns:
        float64 tensor of the shape of ``labels``; for several rounds with one more
        leading dimension, for the rounds as they were given.

    Raises:
        ValueError: a shape does not fit, the Gram matrix is not symmetric and
            non-negative, rows of the labels do not have the sum 1, the weight decay is
            not positive, or a round is no integer >= 0.

    Example:
        >>> gram = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
        >>> labels = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
        >>> label_averaging(gram, labels, rounds=1, weight_decay=0.475)[0].tolist()
        [0.75, 0.25]

    Source: Jeong & Chung 2025, Theorem 2.1.
    """
    _check(gram, labels, weight_decay)
    several = not isinstance(rounds, int)
    powers = list(rounds) if several else [rounds]
    if not all(isinstance(t, int) and t >= 0 for t in powers):
        raise ValueError(f"rounds must be integers >= 0, got {rounds}")
    N, K = labels.shape[-2:]
    penalty = K * N * weight_decay
    ridged = gram.double().clone()
    ridged.diagonal().add_(penalty)
    L = factor.cholesky(ridged, in_place=True)
    shares = labels.double().movedim(-2, 0).reshape(N, -1) - 1 / K
    outputs = {0: shares}
    for t in range(1, max(powers, default=0) + 1):
        shares = shares - penalty * torch.cholesky_solve(shares, L)
        if t in powers:
            outputs[t] = shares
    shape = (N, *labels.shape[:-2], K)
    rows = [(outputs[t] + 1 / K).view(shape).movedim(0, -2) for t in powers]
    return torch.stack(rows) if several else rows[0]


def _check(gram, labels, weight_decay):
    """Raise ValueError where a shape, a row's sum or the penalty is not allowed."""
    if labels.ndim < 2 or gram.shape != (labels.shape[-2],) * 2:
        raise ValueError(
            "gram must have shape (n, n) and labels (…, n, c), got "
            f"{tuple(gram.shape)} and {tuple(labels.shape)}"
        )
    if (gram - gram.T).abs().max() > 1e-6 * gram.abs().max():
        raise ValueError("gram must be symmetric")
    sums = labels.double().sum(dim=-1)
    if ((sums - 1).abs() > 1e-6).any():
        worst = sums.flatten()[(sums - 1).abs().argmax()]
        raise ValueError(f"rows of labels must have the sum 1, got {worst.item():.6g}")
    if not weight_decay > 0:
        raise ValueError(f"weight_decay must be > 0, got {weight_decay}")
