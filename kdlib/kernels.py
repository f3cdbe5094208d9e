"""Tangent kernels of the networks the theorems are about, analytic and empirical, and the factor to solve with them."""

import math
import warnings

import torch
from torch.func import functional_call, grad, vmap

from kdlib import tiles

BLOCK = 384  # columns of one step of the Cholesky factorisation: large enough for BLAS, small beside n
ENTRIES = 2**24  # entries of the Jacobian of one block of inputs: 128 MiB in float64


def ntk(x1, x2=None, *, depth, activation="relu", sigma_w=1.0, sigma_b=1.0):
    r"""The neural tangent kernel of the fully connected network at infinite width.

    .. math::
        \Theta^1 = K^1, \qquad
        \Theta^{l+1}(x, x') = K^{l+1}(x, x') + \sigma_W^2\, \Theta^l(x, x')\, E[g'(u)\, g'(u')], \qquad
        (u, u') \sim N(0, K^l)

    with the K of :func:`nngp`. It is the limit of :func:`empirical_ntk` of ``models.NTKMLP``: no factor sqrt(2) with
    ReLU, and the biases count. Weights are in NTK parametrisation, where every layer contributes at any width.

    Args:
        x1: inputs ``(n1, d)``, float32 or float64; float64 inside in either case.
        x2: inputs ``(n2, d)`` of the same dtype and device; ``x1`` if not given, and then half of the work.
        depth: number of hidden layers L, at least 1.
        activation: ``relu`` or ``erf``.
        sigma_w: scale of the weights, > 0.
        sigma_b: scale of the biases, >= 0.

    Returns:
        :math:`\Theta^{L+1}`, ``(n1, n2)``, without a graph for gradients; the memory beside it is the inputs' in
        float64 and a few tiles'.

    Raises:
        ValueError: inputs that are not two finite float matrices alike, a depth below 1, an unknown activation or a
            scale out of range.

    Source: Jacot et al. 2018, Theorem 1; Ji & Zhu 2020, Section 2, Eq. 1 for the scales.
    """
    _check(x1, x1 if x2 is None else x2, depth, activation, sigma_w, sigma_b)
    x2 = None if x2 is None else x2.detach()
    return tiles.matrix(x1.detach(), x2, depth, activation, sigma_w, sigma_b, tangent=True)


def nngp(x1, x2=None, *, depth, activation="relu", sigma_w=1.0, sigma_b=1.0):
    r"""The covariance of the fully connected network's output at its random start, at infinite width.

    .. math::
        K^1(x, x') = \sigma_b^2 + \sigma_W^2\, x^\top x' / d, \qquad
        K^{l+1}(x, x') = \sigma_b^2 + \sigma_W^2\, E[g(u)\, g(u')], \qquad (u, u') \sim N(0, K^l)

    With :math:`\theta` the angle between the inputs' features at layer l the expectation is
    :math:`\sqrt{K^l(x, x) K^l(x', x')}\, (\sin\theta + (\pi - \theta) \cos\theta) / 2\pi` for ReLU and
    :math:`\tfrac{2}{\pi} \arcsin (2 K^l(x, x') / \sqrt{(1 + 2 K^l(x, x)) (1 + 2 K^l(x', x'))})` for erf.

    Args:
        x1, x2, depth, activation, sigma_w, sigma_b: as :func:`ntk`.

    Returns:
        :math:`K^{L+1}`, ``(n1, n2)``, the law of z0 = f(x; w0): N(0, K).

    Raises:
        ValueError: as :func:`ntk`.

    Source: Cho & Saul 2009, Eq. 6 (ReLU); Williams 1997, Eq. 11 (erf); Lee et al. 2018, Eq. 5.
    """
    _check(x1, x1 if x2 is None else x2, depth, activation, sigma_w, sigma_b)
    x2 = None if x2 is None else x2.detach()
    return tiles.matrix(x1.detach(), x2, depth, activation, sigma_w, sigma_b, tangent=False)


def ntk_diagonal(x, *, depth, activation="relu", sigma_w=1.0, sigma_b=1.0):
    r"""The diagonal :math:`\Theta(x, x)` of :func:`ntk`, the squared norm of the features :math:`\phi(x)`.

    Args:
        x: inputs ``(n, d)``; the others as :func:`ntk`.

    Returns:
        ``(n,)``, without the matrix.

    Raises:
        ValueError: as :func:`ntk`.

    Source: Ji & Zhu 2020, Section 3, Eq. 8, whose denominator it is.
    """
    _check(x, x, depth, activation, sigma_w, sigma_b)
    return tiles.diagonal(x.detach(), depth, activation, sigma_w, sigma_b, tangent=True)


def nngp_diagonal(x, *, depth, activation="relu", sigma_w=1.0, sigma_b=1.0):
    r"""The diagonal :math:`K(x, x)` of :func:`nngp`, the variance of the output at the random start.

    Args:
        x: inputs ``(n, d)``; the others as :func:`ntk`.

    Returns:
        ``(n,)``, without the matrix.

    Raises:
        ValueError: as :func:`ntk`.

    Source: Lee et al. 2018, Section 2.2.
    """
    _check(x, x, depth, activation, sigma_w, sigma_b)
    return tiles.diagonal(x.detach(), depth, activation, sigma_w, sigma_b, tangent=False)


def empirical_ntk(model, x1, x2=None):
    r"""The tangent kernel of one finite network at its present weights w.

    .. math:: \hat\Theta(x, x') = \nabla_w f(x; w)^\top \nabla_w f(x'; w)

    Sums run in float64. Only the gradients of two blocks of inputs are in memory, at most 2^24 numbers each (or one
    input's); with more blocks than two, gradients are computed again rather than kept.

    Args:
        model: any ``nn.Module`` with one output per input; the parameters that require a gradient are its w.
        x1: inputs ``(n1, ...)`` on the model's device.
        x2: inputs ``(n2, ...)``; ``x1`` if not given, and then half of the work.

    Returns:
        ``(n1, n2)``, in the dtype of the parameters.

    Raises:
        ValueError: another number of outputs than one, no parameter that requires a gradient, or a model in training
            mode whose output for one input depends on the batch or on chance.

    Source: Jacot et al. 2018, Section 4; Ji & Zhu 2020, Section 2 (:math:`\phi(x) = \partial_w f(x; w_0)`).
    """
    weights = {name: w.detach() for name, w in model.named_parameters() if w.requires_grad}
    if not weights:
        raise ValueError("model must have a parameter that requires a gradient, got none")
    mixing = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
    if any(module.training and isinstance(module, mixing) for module in model.modules()):
        raise ValueError("model must be in eval mode, got batch normalisation or dropout in training mode")

    def output(weights, x):
        z = functional_call(model, weights, (x[None],))
        if z.numel() != 1:
            raise ValueError(f"model must have one output per input, got shape {tuple(z.shape)} for one input")
        return z.reshape(())

    def jacobian(x):
        return {name: g.flatten(1).double() for name, g in vmap(grad(output), in_dims=(None, 0))(weights, x).items()}

    first = next(iter(weights.values()))
    size = max(1, ENTRIES // sum(w.numel() for w in weights.values()))
    out = first.new_empty(len(x1), len(x1 if x2 is None else x2))
    for i in range(0, len(x1), size):
        J1 = jacobian(x1[i : i + size])
        for j in range(i if x2 is None else 0, out.shape[1], size):
            J2 = J1 if x2 is None and i == j else jacobian((x1 if x2 is None else x2)[j : j + size])
            tile = sum(J1[name] @ J2[name].T for name in weights)
            if J2 is J1:  # the same to the last bit on both sides of the diagonal
                tile = tile.triu() + tile.triu(1).T
            out[i : i + size, j : j + size] = tile
            if x2 is None:
                out[j : j + size, i : i + size] = tile.T
    return out


def cholesky(gram, *, in_place=False):
    r"""The lower Cholesky factor L, :math:`L L^\top = K`, in float64.

    A pivot is the squared distance of an input's feature from the span of those before it. At most
    :math:`10 \sqrt n\, \epsilon K_{jj}` it is rounding, and 1 / pivot would enter every solve: the kernel is then not
    positive definite to rounding. If inputs are duplicates for the kernel (correlation ±1 to rounding), an error names
    them. If none are (smooth kernels run out of digits), :math:`K + j\, \mathrm{diag}(K)` is factored instead, with
    the smallest jitter j under 0.01 of 10, 100, 1000 times the rounding that works, and a RuntimeWarning reports it.

    Args:
        gram: symmetric positive definite, ``(n, n)``; float64, or float32, whose rounding is then the measure.
        in_place: write L over ``gram``, which must be float64: there is no second n × n matrix. After an error
            ``gram`` is what it was.

    Returns:
        L, ``(n, n)``, float64, with zeros above the diagonal; its leading blocks are the factors of the leading blocks
        of ``gram``.

    Raises:
        ValueError: not a square float matrix, not finite, a diagonal entry that is not positive, duplicate inputs
            (named), or no factor even with the largest jitter.

    Source: Golub & Van Loan 2013, Section 4.2.
    """
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or gram.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"gram must be a square float32 or float64 matrix, got {tuple(gram.shape)} of {gram.dtype}")
    if in_place and gram.dtype != torch.float64:
        raise ValueError(f"gram must be float64 to be overwritten in place, got {gram.dtype}")
    diagonal = gram.detach().diagonal().double().clone()
    if not gram.sum().isfinite():
        raise ValueError(f"gram must be finite, got a sum of {gram.sum()}")
    if not (diagonal > 0).all():
        worst = int(diagonal.argmin())
        raise ValueError(f"gram must have a positive diagonal, got {float(diagonal[worst]):g} at input {worst}")
    rounding = 10 * len(gram) ** 0.5 * torch.finfo(gram.dtype).eps
    L = gram.detach() if in_place else gram.detach().to(torch.float64, copy=True)
    failed = _factor_lower(L, rounding * diagonal)
    if failed is None:
        return L.tril_()
    _restore(L, diagonal)
    _name_duplicates(L, rounding)
    for jitter in (rounding * factor for factor in (10, 100, 1000) if rounding * factor < 0.01):
        L.diagonal().mul_(1 + jitter)
        if _factor_lower(L, rounding * diagonal) is None:
            warnings.warn(f"the kernel is not positive definite to rounding, first at input {failed} of {len(L)}; "
                          f"its diagonal was multiplied by 1 + {jitter:.1e}", RuntimeWarning, stacklevel=2)
            return L.tril_()
        _restore(L, diagonal)
    raise ValueError(f"gram must be positive definite, got a pivot that is not positive at input {failed}, "
                     f"with a jitter of {jitter:.1e} too")


def _factor_lower(K, least):
    """Cholesky in the lower triangle, the strict upper one untouched; None, or the first pivot not above ``least``."""
    for start in range(0, len(K), BLOCK):
        panel, size = K[start:, start : start + BLOCK], min(BLOCK, len(K) - start)
        upper = panel[:size].triu(1)
        panel.addmm_(K[start:, :start], K[start : start + size, :start].T, alpha=-1)
        L, info = torch.linalg.cholesky_ex(panel[:size])  # info counts from 1, and 0 is success
        panel[:size] = L + upper
        done = int(info) - 1 if info else size
        low = L.diagonal()[:done].square() <= least[start : start + done]
        if info or low.any():
            return start + (int(low.nonzero()[0]) if low.any() else done)
        panel[size:] = torch.linalg.solve_triangular(L.T, panel[size:], upper=True, left=False)
    return None


def _restore(K, diagonal):
    """The symmetric matrix again, from its strict upper triangle and its diagonal."""
    for start in range(0, len(K), BLOCK):
        block = K[start : start + BLOCK, start : start + BLOCK]
        block.copy_(block.triu(1) + block.triu(1).T)
        K[start + BLOCK :, start : start + BLOCK] = K[start : start + BLOCK, start + BLOCK :].T
    K.diagonal().copy_(diagonal)


def _name_duplicates(K, rounding):
    """An error that names the pairs of inputs whose correlation in the kernel is ±1 to rounding, if there are any."""
    pairs = []
    for start in range(0, len(K), BLOCK):
        rows = K[start : start + BLOCK, start:]
        most = K.diagonal()[start : start + BLOCK, None] * K.diagonal()[start:]
        same = (rows.square() - most).abs() <= rounding * most
        pairs += (same.triu(1).nonzero() + start).tolist()
    if pairs:
        more = f" and {len(pairs) - 5} more pairs" if len(pairs) > 5 else ""
        named = ", ".join(f"{i} and {j}" for i, j in pairs[:5]) + more
        raise ValueError(f"inputs must differ for the kernel, got duplicates {named} (counted from 0): drop one each")


def _check(x1, x2, depth, activation, sigma_w, sigma_b):
    for name, x in (("x1", x1), ("x2", x2)):
        if x.ndim != 2 or x.dtype not in (torch.float32, torch.float64) or not x.isfinite().all():
            raise ValueError(f"{name} must be a finite float32 or float64 matrix (n, d), got "
                             f"{tuple(x.shape)} of {x.dtype}, largest {x.abs().max() if x.numel() else 0}")
    if x1.shape[1] != x2.shape[1] or x1.dtype != x2.dtype or x1.device != x2.device:
        raise ValueError(f"x1 and x2 must agree in d, dtype and device, got {tuple(x1.shape)} {x1.dtype} "
                         f"{x1.device} and {tuple(x2.shape)} {x2.dtype} {x2.device}")
    if depth < 1 or depth != int(depth):
        raise ValueError(f"depth must be a whole number of hidden layers, at least 1, got {depth}")
    if activation not in tiles.LAYERS:
        raise ValueError(f"activation must be one of {', '.join(tiles.LAYERS)}, got {activation!r}")
    if not (0 < sigma_w < math.inf and 0 <= sigma_b < math.inf):
        raise ValueError(f"sigma_w must be > 0 and sigma_b >= 0, both finite, got {sigma_w} and {sigma_b}")
