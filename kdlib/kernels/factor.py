"""The factor with which every Gram matrix is solved."""

import warnings

import torch

# Columns of one step of the Cholesky factorisation: large enough for BLAS, small beside
# n.
BLOCK = 384


def cholesky(gram, *, in_place=False):
    r"""The lower Cholesky factor L, :math:`L L^\top = K`, in float64.

    A pivot is the squared distance of an input's feature from the span of those before
    it. At most :math:`10 \sqrt n\, \epsilon K_{jj}` it is rounding, and 1 / pivot would
    enter every solve: the kernel is then not positive definite to rounding. If inputs
    are duplicates for the kernel (correlation ±1 to rounding), an error names them. If
    none are (smooth kernels run out of digits), :math:`K + j\, \mathrm{diag}(K)` is
    factored instead, with the smallest jitter j under 0.01 of 10, 100, 1000 times the
    rounding that works, and a RuntimeWarning reports it.

    Args:
        gram: symmetric positive definite, ``(n, n)``; float64, or float32, whose
            rounding is then the measure.
        in_place: write L over ``gram``, which must be float64: there is no second n × n
            matrix. After an error ``gram`` is what it was.

    Returns:
        L, ``(n, n)``, float64, with zeros above the diagonal; its leading blocks are
        the factors of the leading blocks of ``gram``.

    Raises:
        ValueError: not a square float matrix, not finite, a diagonal entry that is not
            positive, duplicate inputs (named), or no factor even with the largest
            jitter.

    Source: Golub & Van Loan 2013, Section 4.2.
    """
    _check(gram, in_place)
    diagonal = gram.detach().diagonal().double().clone()
    rounding = 10 * len(gram) ** 0.5 * torch.finfo(gram.dtype).eps
    L = gram.detach() if in_place else gram.detach().to(torch.float64, copy=True)
    failed = _factor_lower(L, rounding * diagonal)
    if failed is None:
        return L.tril_()
    _restore(L, diagonal)
    _name_duplicates(L, rounding)
    for times in (10, 100, 1000):
        if rounding * times >= 0.01:
            break
        jitter = rounding * times
        L.diagonal().mul_(1 + jitter)
        if _factor_lower(L, rounding * diagonal) is None:
            warnings.warn(
                "the kernel is not positive definite to rounding, first at input "
                f"{failed} of {len(L)}; its diagonal was multiplied by 1 + "
                f"{jitter:.1e}",
                RuntimeWarning,
                stacklevel=2,
            )
            return L.tril_()
        _restore(L, diagonal)
    raise ValueError(
        "gram must be positive definite, got a pivot that is not positive at input "
        f"{failed}, with a jitter of {jitter:.1e} too"
    )


def _check(gram, in_place):
    """Raise ValueError where ``gram`` breaks a rule that needs no factor to see."""
    is_float = gram.dtype in (torch.float32, torch.float64)
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or not is_float:
        raise ValueError(
            "gram must be a square float32 or float64 matrix, got "
            f"{tuple(gram.shape)} of {gram.dtype}"
        )
    if in_place and gram.dtype != torch.float64:
        raise ValueError(
            f"gram must be float64 to be overwritten in place, got {gram.dtype}"
        )
    if not gram.sum().isfinite():
        raise ValueError(f"gram must be finite, got a sum of {gram.sum()}")
    diagonal = gram.detach().diagonal().double()
    if not (diagonal > 0).all():
        worst = int(diagonal.argmin())
        raise ValueError(
            f"gram must have a positive diagonal, got {float(diagonal[worst]):g} at "
            f"input {worst}"
        )


def _factor_lower(K, least):
    """Factor in the lower triangle, block by block; the strict upper one stays.

    Args:
        K: symmetric matrix ``(n, n)``, overwritten.
        least: ``(n,)``; a pivot must be above it.

    Returns:
        None, or the position of the first pivot that is too small.
    """
    for start in range(0, len(K), BLOCK):
        panel = K[start:, start : start + BLOCK]
        upper = panel[:BLOCK].triu(1)
        panel.addmm_(K[start:, :start], K[start : start + BLOCK, :start].T, alpha=-1)
        # info counts from 1, and 0 is success.
        L, info = torch.linalg.cholesky_ex(panel[:BLOCK])
        panel[:BLOCK] = L + upper
        done = int(info) - 1 if info else BLOCK
        low = L.diagonal()[:done].square() <= least[start : start + done]
        if low.any():
            return start + int(low.nonzero()[0])
        if info:
            return start + done
        panel[BLOCK:] = torch.linalg.solve_triangular(
            L.T, panel[BLOCK:], upper=True, left=False
        )
    return None


def _restore(K, diagonal):
    """Make K symmetric again, from its strict upper triangle and its diagonal."""
    for start in range(0, len(K), BLOCK):
        stop = start + BLOCK
        block = K[start:stop, start:stop]
        block.copy_(block.triu(1) + block.triu(1).T)
        K[stop:, start:stop] = K[start:stop, stop:].T
    K.diagonal().copy_(diagonal)


def _name_duplicates(K, rounding):
    """Name inputs whose correlation is ±1 to rounding, in a ValueError."""
    pairs = []
    for start in range(0, len(K), BLOCK):
        rows = K[start : start + BLOCK, start:]
        most = K.diagonal()[start : start + BLOCK, None] * K.diagonal()[start:]
        same = (rows.square() - most).abs() <= rounding * most
        pairs += (same.triu(1).nonzero() + start).tolist()
    if pairs:
        named = ", ".join(f"{i} and {j}" for i, j in pairs[:5])
        if len(pairs) > 5:
            named += f" and {len(pairs) - 5} more pairs"
        raise ValueError(
            f"inputs must differ for the kernel, got duplicates {named} (counted from "
            "0): drop one each"
        )
