"""Self-distillation of a wide network, exactly, on the eigenvectors of its kernel."""

import torch

from kdlib.self_distillation import refining


def refine_by_flow(gram, given, *, loss, epochs, time, kept=None):
    r"""Outputs of a wide network that refines its labels before each epoch.

    In an epoch gradient flow of the squared error runs for a time τ towards fixed
    labels :math:`\hat y_e`. In the eigenvectors :math:`v_i` of the kernel, with the
    eigenvalue :math:`\lambda_i` and n samples, the outputs obey

    .. math::
        v_i^\top f_{e+1} = v_i^\top f_e
        + \bigl(1 - e^{-\lambda_i \tau / n}\bigr)\, v_i^\top (\hat y_e - f_e),
        \qquad f_0 = 0, \qquad
        \hat y_e = (1 - \lambda_e)\, y + \lambda_e\, p(f_e)

    Where p is the output itself and the weight λ a constant, the eigenvectors do not
    mix: :math:`v_i^\top f_e = \bigl(1 - (1 - (1 - \lambda) g_i)^e\bigr) v_i^\top y`
    with :math:`g_i = 1 - e^{-\lambda_i \tau / n}`, plain training at a slower clock.

    One decomposition serves all epochs; an epoch is two products with its vectors.

    Args:
        gram: kernel of the n samples, ``(n, n)``, float64, symmetric, not negative.
        given: labels y as rows of probabilities, ``(n, c)``.
        loss: a name of ``LOSSES``; labels are refined once an epoch, so predictions of
            now are those of the epoch before.
        epochs: number of epochs, at least 1.
        time: τ of an epoch, > 0, in units in which the rate of λ is λ / n.
        kept: growing epochs whose outputs are returned, 0 is the start; all by default.

    Returns:
        Outputs ``(k, n, c)`` after the kept epochs, and the weights ``(epochs,)``.

    Raises:
        ValueError: shapes do not fit, or a number is out of range.

    Example:
        >>> gram = 2 * torch.eye(2, dtype=torch.float64)
        >>> given = torch.eye(2, dtype=torch.float64)
        >>> f, _ = refine_by_flow(gram, given, loss="plain", epochs=2, time=1.0)
        >>> f[:, 0, 0].round(decimals=4).tolist()  # 1 - exp(-1), 1 - exp(-2)
        [0.0, 0.6321, 0.8647]

    Source: Dong et al. 2019, self-distillation, as ``refined_labels`` has it; the
    recursion is ours.
    """
    n = len(gram)
    if gram.shape != (n, n) or given.ndim != 2 or len(given) != n:
        raise ValueError(
            "gram must have shape (n, n) and given (n, c), got "
            f"{tuple(gram.shape)} and {tuple(given.shape)}"
        )
    if epochs < 1 or not time > 0:
        raise ValueError(
            f"epochs must be at least 1 and time > 0, got {epochs} and {time}"
        )
    kept = range(epochs + 1) if kept is None else list(kept)
    if not all(0 <= epoch <= epochs for epoch in kept):
        raise ValueError(f"kept must be in 0 … {epochs}, got {list(kept)}")
    eigenvalues, V = torch.linalg.eigh(gram)
    gain = -(-eigenvalues * time / n).expm1()[:, None]
    y = given.to(V)
    f = torch.zeros_like(y)
    outputs = []
    weights = []
    if 0 in kept:
        outputs.append(f)
    for epoch in range(1, epochs + 1):
        labels, weight = refining.refined_labels(
            y, f, loss=loss, epoch=epoch, epochs=epochs, are_probabilities=True
        )
        f = f + V @ (gain * (V.T @ (labels - f)))
        weights.append(weight)
        if epoch in kept:
            outputs.append(f)
    return torch.stack(outputs), torch.stack(weights)
