"""Tangent kernels of the networks the theorems are about, analytic and empirical, and the factor that solves with them."""

import warnings

import torch

BLOCK = 512  # columns of one step of the Cholesky factorisation: large enough for BLAS, small beside n


def cholesky(gram, *, in_place=False):
    r"""The lower Cholesky factor L, :math:`L L^\top = K`, in float64.

    A pivot is the squared distance of an input's feature from the span of those before it. Below n eps K_jj it is
    rounding: the kernel is then singular for the computer, and 1 / pivot would enter every solve. If some inputs are
    duplicates for the kernel (correlation 1 to rounding), an error names them. If not (smooth kernels run out of
    digits), K + jitter · I is factored instead, with the smallest of n eps · 10, · 100, … times the mean of the
    diagonal that works, and a RuntimeWarning reports it.

    Args:
        gram: symmetric positive definite, ``(n, n)``; float32 or float64.
        in_place: write L over ``gram``, which must be float64: no second n × n matrix. ``gram`` is lost.

    Returns:
        L, ``(n, n)``, float64, lower triangular with zeros above; its leading blocks are the factors of the leading
        blocks of ``gram``.

    Raises:
        ValueError: not a square float matrix; not finite; duplicate inputs, named; or not positive definite even
            with a jitter of 1e-6 of the mean diagonal.

    Source: Golub & Van Loan, Matrix Computations, Section 4.2.
    """
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or not gram.is_floating_point():
        raise ValueError(f"gram must be a square matrix of floats, got {tuple(gram.shape)} of {gram.dtype}")
    if in_place and gram.dtype != torch.float64:
        raise ValueError(f"in place the factor needs a float64 gram, got {gram.dtype}")
    diagonal = gram.diagonal().double().clone()
    if not diagonal.isfinite().all():
        raise ValueError(f"gram must be finite, got {diagonal[~diagonal.isfinite()][0]} on its diagonal")
    n, scale = len(gram), diagonal.mean().clamp(min=0)
    rounding = max(n, 10) * torch.finfo(gram.dtype).eps
    L = gram if in_place else gram.to(torch.float64, copy=True)
    failed = _factor_lower(L, rounding * diagonal)
    if failed is None:
        return L.tril_()
    _restore(L, diagonal)
    _name_duplicates(L, rounding)
    jitter = rounding
    while jitter < 1e-7:
        jitter *= 10
        L.diagonal().add_(jitter * scale)
        if _factor_lower(L, rounding * diagonal) is None:
            warnings.warn(f"the kernel is not positive definite to rounding (first at input {failed}); "
                          f"added {jitter:.1e} of its mean diagonal to the diagonal", RuntimeWarning, stacklevel=2)
            return L.tril_()
        _restore(L, diagonal)
    raise ValueError(f"gram must be positive definite, got a pivot <= 0 at input {failed}, with jitter {jitter:.1e} too")


def _factor_lower(K, least):
    """Cholesky in the lower triangle, the strict upper one untouched; None, or the first pivot not above ``least``."""
    for start in range(0, len(K), BLOCK):
        stop = min(start + BLOCK, len(K))
        past, panel = K[start:stop, :start], K[start:, start:stop]
        upper = panel[: stop - start].triu(1)
        panel.addmm_(K[start:, :start], past.T, alpha=-1)
        L, info = torch.linalg.cholesky_ex(panel[: stop - start])
        low = L.diagonal().square() <= least[start:stop]
        if info or low.any():
            panel[: stop - start].tril_().add_(upper)
            return start + (int(info) - 1 if info else int(low.nonzero()[0]))
        panel[: stop - start] = L + upper
        torch.linalg.solve_triangular(L.T, panel[stop - start :], upper=True, left=False, out=panel[stop - start :])
    return None


def _restore(K, diagonal):
    """The symmetric matrix again, from its strict upper triangle and its diagonal, a block of rows at a time."""
    K.diagonal().copy_(diagonal)
    for start in range(0, len(K), BLOCK):
        block = K[start : start + BLOCK, start : start + BLOCK]
        block.copy_(block.triu() + block.triu(1).T)
        K[start + BLOCK :, start : start + BLOCK] = K[start : start + BLOCK, start + BLOCK :].T


def _name_duplicates(K, rounding):
    """Raise, with their names, for pairs of inputs whose correlation is 1 to rounding and for inputs of norm zero."""
    diagonal, pairs = K.diagonal(), []
    zero = (diagonal <= 0).nonzero().flatten().tolist()
    if zero:
        raise ValueError(f"gram must have a positive diagonal, got {float(diagonal[zero[0]]):g} at input {zero[0]}")
    for start in range(0, len(K), BLOCK):
        rows = K[start : start + BLOCK, start:]
        most = diagonal[start : start + BLOCK, None] * diagonal[start:]
        same = (rows > 0) & ((rows.square() - most).abs() <= rounding * most)  # opposite inputs are not duplicates
        found = same.triu(1).nonzero() + start
        pairs += [tuple(pair) for pair in found.tolist()]
    if pairs:
        named = ", ".join(f"{i} and {j}" for i, j in pairs[:5]) + (f" and {len(pairs) - 5} more" * (len(pairs) > 5))
        raise ValueError(f"inputs must differ, but the kernel cannot tell apart inputs {named} (counted from 0); "
                         f"drop one of each pair")
