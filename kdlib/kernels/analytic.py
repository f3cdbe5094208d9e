"""The kernels of infinitely wide networks, NTK and NNGP, in closed form."""

import math

import torch

from kdlib.kernels import layers, tiles


def ntk(x1, x2=None, *, depth, activation="relu", sigma_w=1.0, sigma_b=1.0):
    r"""The neural tangent kernel of the fully connected network at infinite width.

    .. math::
        \Theta^1 = K^1, \qquad
        \Theta^{l+1}(x, x') =
            K^{l+1}(x, x') + \sigma_W^2\, \Theta^l(x, x')\, E[g'(u)\, g'(u')], \qquad
        (u, u') \sim N(0, K^l)

    with the K of :func:`nngp`. It is the limit of :func:`empirical_ntk` of
    ``models.NTKMLP``: no factor sqrt(2) with ReLU, and the biases count. Weights are in
    NTK parametrisation, where every layer contributes at any width.

    Args:
        x1: inputs ``(n1, d)``, float32 or float64; float64 inside in either case.
        x2: inputs ``(n2, d)`` of the same dtype and device; ``x1`` if not given, and
            then half of the work.
        depth: number of hidden layers L, at least 1.
        activation: ``relu`` or ``erf``.
        sigma_w: scale of the weights, > 0.
        sigma_b: scale of the biases, >= 0.

    Returns:
        :math:`\Theta^{L+1}`, ``(n1, n2)``, without a graph for gradients. Beside it the
        memory holds the inputs in float64 and a few tiles.

    Raises:
        ValueError: inputs that are not two finite float matrices alike, a depth below
            1, an unknown activation or a scale out of range.

    Example:
        >>> from kdlib import kernels
        >>> kernels.ntk(torch.eye(2), depth=1)
        tensor([[2.5000, 1.9102],
                [1.9102, 2.5000]])

    Source: Jacot et al. 2018, Theorem 1; Ji & Zhu 2020, Section 2, Eq. 1 for the
    scales.
    """
    _check(x1, x1 if x2 is None else x2, depth, activation, sigma_w, sigma_b)
    x2 = None if x2 is None else x2.detach()
    return tiles.matrix(
        x1.detach(), x2, depth, activation, sigma_w, sigma_b, tangent=True
    )


def nngp(x1, x2=None, *, depth, activation="relu", sigma_w=1.0, sigma_b=1.0):
    r"""The covariance of the network's output at its random start, at infinite width.

    .. math::
        K^1(x, x') = \sigma_b^2 + \sigma_W^2\, x^\top x' / d, \qquad
        K^{l+1}(x, x') = \sigma_b^2 + \sigma_W^2\, E[g(u)\, g(u')], \qquad
        (u, u') \sim N(0, K^l)

    With :math:`\theta` the angle between the inputs' features at layer l the
    expectation is :math:`\sqrt{K^l(x, x) K^l(x', x')}\,
    (\sin\theta + (\pi - \theta) \cos\theta) / 2\pi` for ReLU and
    :math:`\tfrac{2}{\pi} \arcsin (2 K^l(x, x') /
    \sqrt{(1 + 2 K^l(x, x)) (1 + 2 K^l(x', x'))})` for erf.

    Args:
        x1: inputs ``(n1, d)``, float32 or float64; float64 inside in either case.
        x2: inputs ``(n2, d)`` of the same dtype and device; ``x1`` if not given, and
            then half of the work.
        depth: number of hidden layers L, at least 1.
        activation: ``relu`` or ``erf``.
        sigma_w: scale of the weights, > 0.
        sigma_b: scale of the biases, >= 0.

    Returns:
        :math:`K^{L+1}`, ``(n1, n2)``, without a graph for gradients. The output at the
        start, z0 = f(x; w0), has the law N(0, K).

    Raises:
        ValueError: inputs that are not two finite float matrices alike, a depth below
            1, an unknown activation or a scale out of range.

    Example:
        >>> from kdlib import kernels
        >>> kernels.nngp(torch.eye(2), depth=1)
        tensor([[1.7500, 1.5441],
                [1.5441, 1.7500]])

    Source: Cho & Saul 2009, Eq. 6 (ReLU); Williams 1997, Eq. 11 (erf); Lee et al. 2018,
    Eq. 5.
    """
    _check(x1, x1 if x2 is None else x2, depth, activation, sigma_w, sigma_b)
    x2 = None if x2 is None else x2.detach()
    return tiles.matrix(
        x1.detach(), x2, depth, activation, sigma_w, sigma_b, tangent=False
    )


def ntk_diagonal(x, *, depth, activation="relu", sigma_w=1.0, sigma_b=1.0):
    r"""The diagonal :math:`\Theta(x, x)` of :func:`ntk`, without the matrix.

    It is the squared norm of the features :math:`\phi(x)`.

    Args:
        x: inputs ``(n, d)``, float32 or float64.
        depth: number of hidden layers L, at least 1.
        activation: ``relu`` or ``erf``.
        sigma_w: scale of the weights, > 0.
        sigma_b: scale of the biases, >= 0.

    Returns:
        ``(n,)``.

    Raises:
        ValueError: as :func:`ntk`.

    Source: Ji & Zhu 2020, Section 3, Eq. 8, whose denominator it is.
    """
    _check(x, x, depth, activation, sigma_w, sigma_b)
    return tiles.diagonal(x.detach(), depth, activation, sigma_w, sigma_b, tangent=True)


def nngp_diagonal(x, *, depth, activation="relu", sigma_w=1.0, sigma_b=1.0):
    r"""The diagonal :math:`K(x, x)` of :func:`nngp`, without the matrix.

    It is the variance of the output at the random start.

    Args:
        x: inputs ``(n, d)``, float32 or float64.
        depth: number of hidden layers L, at least 1.
        activation: ``relu`` or ``erf``.
        sigma_w: scale of the weights, > 0.
        sigma_b: scale of the biases, >= 0.

    Returns:
        ``(n,)``.

    Raises:
        ValueError: as :func:`ntk`.

    Source: Lee et al. 2018, Section 2.2.
    """
    _check(x, x, depth, activation, sigma_w, sigma_b)
    return tiles.diagonal(
        x.detach(), depth, activation, sigma_w, sigma_b, tangent=False
    )


def _check(x1, x2, depth, activation, sigma_w, sigma_b):
    """Raise ValueError where an argument breaks a rule of :func:`ntk`."""
    _check_inputs(x1, "x1")
    _check_inputs(x2, "x2")
    if x1.shape[1] != x2.shape[1] or x1.dtype != x2.dtype or x1.device != x2.device:
        raise ValueError(
            "x1 and x2 must agree in d, dtype and device, got "
            f"{tuple(x1.shape)} {x1.dtype} {x1.device} and "
            f"{tuple(x2.shape)} {x2.dtype} {x2.device}"
        )
    if depth < 1 or depth != int(depth):
        raise ValueError(
            f"depth must be a whole number of hidden layers, at least 1, got {depth}"
        )
    if activation not in layers.LAYERS:
        raise ValueError(
            f"activation must be one of {', '.join(layers.LAYERS)}, got {activation!r}"
        )
    if not (0 < sigma_w < math.inf and 0 <= sigma_b < math.inf):
        raise ValueError(
            "sigma_w must be > 0 and sigma_b >= 0, both finite, got "
            f"{sigma_w} and {sigma_b}"
        )


def _check_inputs(x, name):
    """Raise ValueError where inputs are no finite float matrix."""
    is_matrix = x.ndim == 2 and x.dtype in (torch.float32, torch.float64)
    if not is_matrix or not x.isfinite().all():
        largest = x.abs().max() if x.numel() else 0
        raise ValueError(
            f"{name} must be a finite float32 or float64 matrix (n, d), got "
            f"{tuple(x.shape)} of {x.dtype}, largest {largest}"
        )
