"""The factor with which every Gram matrix is solved."""

import warnings

import torch

BLOCK = 384  # columns of one step of the Cholesky factorisation: large enough for BLAS, small beside n


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
    if (
        gram.ndim != 2
        or gram.shape[0] != gram.shape[1]
        or gram.dtype not in (torch.float32, torch.float64)
    ):
        raise ValueError(
            f"gram must be a square float32 or float64 matrix, got {tuple(gram.shape)} of {gram.dtype}"
        )
    if in_place and gram.dtype != torch.float64:
        raise ValueError(
            f"gram must be float64 to be overwritten in place, got {gram.dtype}"
        )
    diagonal = gram.detach().diagonal().double().clone()
    if not gram.sum().isfinite():
        raise ValueError(f"gram must be finite, got a sum of {gram.sum()}")
    if not (diagonal > 0).all():
        worst = int(diagonal.argmin())
        raise ValueError(
            f"gram must have a positive diagonal, got {float(diagonal[worst]):g} at input {worst}"
        )
    rounding = 10 * len(gram) ** 0.5 * torch.finfo(gram.dtype).eps
    L = gram.detach() if in_place else gram.detach().to(torch.float64, copy=True)
    failed = _factor_lower(L, rounding * diagonal)
    if failed is None:
        return L.tril_()
    _restore(L, diagonal)
    _name_duplicates(L, rounding)
    for jitter in (
        rounding * factor for factor in (10, 100, 1000) if rounding * factor < 0.01
    ):
        L.diagonal().mul_(1 + jitter)
        if _factor_lower(L, rounding * diagonal) is None:
            warnings.warn(
                f"the kernel is not positive definite to rounding, first at input {failed} of {len(L)}; "
                f"its diagonal was multiplied by 1 + {jitter:.1e}",
                RuntimeWarning,
                stacklevel=2,
            )
            return L.tril_()
        _restore(L, diagonal)
    raise ValueError(
        f"gram must be positive definite, got a pivot that is not positive at input {failed}, "
        f"with a jitter of {jitter:.1e} too"
    )


def _factor_lower(K, least):
    """Cholesky in the lower triangle, the strict upper one untouched; None, or the first pivot not above ``least``."""
    for start in range(0, len(K), BLOCK):
        panel, size = K[start:, start : start + BLOCK], min(BLOCK, len(K) - start)
        upper = panel[:size].triu(1)
        panel.addmm_(K[start:, :start], K[start : start + size, :start].T, alpha=-1)
        L, info = torch.linalg.cholesky_ex(
            panel[:size]
        )  # info counts from 1, and 0 is success
        panel[:size] = L + upper
        done = int(info) - 1 if info else size
        low = L.diagonal()[:done].square() <= least[start : start + done]
        if info or low.any():
            return start + (int(low.nonzero()[0]) if low.any() else done)
        panel[size:] = torch.linalg.solve_triangular(
            L.T, panel[size:], upper=True, left=False
        )
    return None


def _restore(K, diagonal):
    """The symmetric matrix again, from its strict upper triangle and its diagonal."""
    for start in range(0, len(K), BLOCK):
        block = K[start : start + BLOCK, start : start + BLOCK]
        block.copy_(block.triu(1) + block.triu(1).T)
        K[start + BLOCK :, start : start + BLOCK] = K[
            start : start + BLOCK, start + BLOCK :
        ].T
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
        raise ValueError(
            f"inputs must differ for the kernel, got duplicates {named} (counted from 0): drop one each"
        )
