"""From weight norms of many runs to the curves of data inefficiency that Ji & Zhu plot, with their intervals."""

from typing import NamedTuple

import numpy
import pandas
import torch
from scipy import stats

#: Sample sizes of Ji & Zhu's Figs 3 and 4, read off their x-coordinates. Fig. 3 averages over 21 … 4977, Fig. 4 over
#: 15 … 7054; each slope needs the next size too (5336, 7564).
#:
#: :meta hide-value:
AUTHORS_SIZES = torch.as_tensor(numpy.unique(numpy.logspace(1, 4, 100).astype(int)))

Curve = NamedTuple("Curve", [("sizes", torch.Tensor), ("values", torch.Tensor)])


def authors_sizes(first, last):
    """The authors' sample sizes from ``first`` to ``last``, both in 10 … 10000 and both included where on the grid.

    Args:
        first: smallest size.
        last: largest size.

    Returns:
        int64 tensor ``(s,)``.

    Raises:
        ValueError: no two sizes lie between them.

    Source: Ji & Zhu 2020, Figs 3 and 4; the grid is read off the figures.
    """
    sizes = AUTHORS_SIZES[(AUTHORS_SIZES >= first) & (AUTHORS_SIZES <= last)]
    if len(sizes) < 2:
        raise ValueError(f"at least two of the authors' sizes must lie in [first, last], got [{first}, {last}]")
    return sizes


def slopes(weight_norms, sizes, *, window=10):
    r"""Data inefficiency as a slope between neighbouring sizes of a grid, smoothed by a moving average.

    .. math:: I_i = \frac{\ln E \|\Delta_{\hat w, n_{i+1}}\| - \ln E \|\Delta_{\hat w, n_i}\|}{\ln n_{i+1} - \ln n_i}
              \quad \text{at } n_i

    Both n and I are then averaged over ``window`` consecutive sizes. With steps of 7 % the estimate is two to four
    times less noisy than from n to n + 1.

    Args:
        weight_norms: ``(runs, s)``, column i at ``sizes[i]``, all > 0.
        sizes: the grid, ``(s,)`` growing integers; for theirs see :func:`authors_sizes`.
        window: slopes in one average, from 1 (raw) to s − 1; 10 in Fig. 3 and Fig. 4 middle, 5 in Fig. 4 right.

    Returns:
        ``Curve(sizes, values)`` of length s − window.

    Raises:
        ValueError: shapes that do not match, a norm without logarithm, or sizes or window out of range.

    Source: Ji & Zhu 2020, Figs 3 and 4; grid and windows are read off the figures, the slope is our reading of Eq. 10.
    """
    sizes = torch.as_tensor(sizes, device=weight_norms.device)
    logs = log_mean(weight_norms, 2)
    if sizes.shape != logs.shape or sizes[0] < 1 or (sizes.diff() <= 0).any():
        raise ValueError(f"sizes must be {len(logs)} growing integers from 1, one a column, got {sizes.tolist()}")
    if not 1 <= window < len(sizes):
        raise ValueError(f"window must lie in 1 … {len(sizes) - 1}, got {window}")
    rise = logs.diff() / sizes.double().log().diff()
    return Curve(sizes[:-1].double().unfold(0, window, 1).mean(1), rise.unfold(0, window, 1).mean(1))


def table(weight_norms, sizes, *, window=10, level=0.95):
    """The curve of one task with its jackknife interval over runs, and the curves of two independent halves of them.

    A logarithm of a mean has no standard error of its own; leaving out one run at a time gives one.

    Args:
        weight_norms: ``(runs, s)``, at least 2 runs; 4 or more for halves that are means themselves.
        sizes: see :func:`slopes`.
        window: see :func:`slopes`.
        level: coverage of the interval, in (0, 1).

    Returns:
        ``pandas.DataFrame`` with n, I, low, high, first, second (the two halves).

    Raises:
        ValueError: see :func:`slopes`; or fewer than 2 runs.

    Source: Efron & Tibshirani, An introduction to the bootstrap (1993), Section 11.2.
    """
    weight_norms = torch.as_tensor(weight_norms)
    runs = len(weight_norms)
    if runs < 2:
        raise ValueError(f"an interval over runs needs at least 2 runs, got {runs}")
    curve = slopes(weight_norms, sizes, window=window)
    left = torch.stack([slopes(weight_norms[torch.arange(runs) != run], sizes, window=window).values for run in range(runs)])
    half = stats.t.ppf(0.5 + level / 2, runs - 1) * ((runs - 1) * left.var(0, correction=0)).sqrt()
    first, second = (slopes(part, sizes, window=window).values for part in (weight_norms[0::2], weight_norms[1::2]))
    columns = dict(n=curve.sizes, I=curve.values, low=curve.values - half, high=curve.values + half)
    return pandas.DataFrame({name: column.cpu().numpy() for name, column in {**columns, "first": first, "second": second}.items()})


def log_mean(weight_norms, least=1):
    """Logarithm of the mean over runs, ``(s,)``, from norms ``(runs, s)`` that are all > 0, s >= ``least``."""
    if weight_norms.ndim != 2 or weight_norms.shape[0] < 1 or weight_norms.shape[1] < least:
        raise ValueError(f"weight_norms must have shape (runs, n) with n >= {least}, got {tuple(weight_norms.shape)}")
    if not (weight_norms > 0).all():
        raise ValueError(f"weight_norms must be > 0, got a least value of {weight_norms.min().item():g}")
    return weight_norms.double().mean(0).log()
