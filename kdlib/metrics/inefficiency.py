"""From weight norms of many runs to the curves of data inefficiency that Ji & Zhu plot, with their intervals."""

from typing import NamedTuple

import numpy
import pandas
import torch

from kdlib import curves, intervals

LEAST = 1e-4  # a slope of nothing has no logarithm
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
        raise ValueError(
            f"at least two of the authors' sizes must lie in [first, last], got [{first}, {last}]"
        )
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
        raise ValueError(
            f"sizes must be {len(logs)} growing integers from 1, one a column, got {sizes.tolist()}"
        )
    if not 1 <= window < len(sizes):
        raise ValueError(f"window must lie in 1 … {len(sizes) - 1}, got {window}")
    rise = logs.diff() / sizes.double().log().diff()
    return Curve(
        sizes[:-1].double().unfold(0, window, 1).mean(1),
        rise.unfold(0, window, 1).mean(1),
    )


def average(weight_norms, sizes, low, high):
    """Mean of the slopes that start at sizes in [low, high], one number a task.

    Args:
        weight_norms: ``(runs, tasks, s)``, all > 0.
        sizes: ``(s,)``, see :func:`slopes`.
        low: smallest n.
        high: largest n.

    Returns:
        float64 tensor ``(tasks,)``.

    Raises:
        ValueError: see :func:`slopes`; or no slope starts in [low, high].

    Source: Ji & Zhu 2020, Section 4, where curves are compared by their height.
    """
    rise = torch.stack(
        [slopes(norms, sizes, window=1).values for norms in weight_norms.unbind(1)]
    )
    starts = torch.as_tensor(sizes)[:-1]
    inside = (starts >= low) & (starts <= high)
    if not inside.any():
        raise ValueError(
            f"a slope must start in [low, high], got [{low}, {high}] for sizes {starts[0]} to {starts[-1]}"
        )
    return rise[:, inside].mean(1)


def table(weight_norms, sizes, *, window=10):
    """The curve of one task with its 95 % interval over runs, and the curves of two independent halves of the runs.

    Args:
        weight_norms: ``(runs, s)``, at least 2 runs.
        sizes: see :func:`slopes`.
        window: see :func:`slopes`.

    Returns:
        ``pandas.DataFrame`` with n, I, low, high, first, second (the two halves).

    Raises:
        ValueError: see :func:`slopes` and :func:`kdlib.intervals.jackknife`.

    Source: Ji & Zhu 2020, Figs 3 and 4; intervals and halves are ours, the figures have none.
    """
    curve = slopes(weight_norms, sizes, window=window)
    band = intervals.jackknife(
        lambda norms: slopes(norms, sizes, window=window).values, weight_norms
    )
    halves = [
        slopes(half, sizes, window=window).values
        for half in (weight_norms[0::2], weight_norms[1::2])
    ]
    columns = dict(
        zip(("n", "I", "low", "high", "first", "second"), (curve.sizes, *band, *halves))
    )
    return pandas.DataFrame(
        {name: column.cpu().numpy() for name, column in columns.items()}
    )


def distance(weight_norms, sizes, reference, *, window=10):
    """How far a task's curve is from a published one, and two halves of its runs from each other.

    Args:
        weight_norms: ``(runs, s)``, at least 2 runs.
        sizes: see :func:`slopes`.
        reference: points ``[[n, I], …]``; those beyond the curve's end are left out.
        window: see :func:`slopes`.

    Returns:
        dict: ``distance`` and ``floor``, root mean squares of log ratios (see :func:`kdlib.curves.distance`).

    Raises:
        ValueError: see :func:`slopes`; or no two points of the reference lie on the curve.

    Source: Ji & Zhu 2020, Figs 3 and 4, as this book's claims compare curves.
    """
    parts = [
        slopes(part, sizes, window=window)
        for part in (weight_norms, weight_norms[0::2], weight_norms[1::2])
    ]
    x, *y = (
        parts[0].sizes.tolist(),
        *(part.values.clamp_min(LEAST).tolist() for part in parts),
    )
    inside = [point for point in reference if 0.999 * x[0] <= point[0] <= 1.001 * x[-1]]
    if len(inside) < 2:
        raise ValueError(
            f"at least two points of the reference must lie in n = {x[0]:g} to {x[-1]:g}"
        )
    halves = curves.distance(x, y[1], list(zip(x, y[2])))
    return {"distance": curves.distance(x, y[0], inside), "floor": halves}


def as_curve(rows):
    """What ``claims.record`` takes for a curve: x, y and the halves that give its replicate floor.

    Args:
        rows: from :func:`table`.

    Returns:
        dict with x, y, halves.

    Source: none; a change of names.
    """
    return {"x": rows["n"], "y": rows["I"], "halves": [rows["first"], rows["second"]]}


def log_mean(weight_norms, least=1):
    """Logarithm of the mean over runs, ``(s,)``, from norms ``(runs, s)`` that are all > 0, s >= ``least``."""
    if (
        weight_norms.ndim != 2
        or weight_norms.shape[0] < 1
        or weight_norms.shape[1] < least
    ):
        raise ValueError(
            f"weight_norms must have shape (runs, n) with n >= {least}, got {tuple(weight_norms.shape)}"
        )
    if not (weight_norms > 0).all():
        raise ValueError(
            f"weight_norms must be > 0, got a least value of {weight_norms.min().item():g}"
        )
    return weight_norms.double().mean(0).log()


def data_inefficiency(weight_norms):
    r"""Data inefficiency at every sample size, from n to n + 1 as it is defined.

    .. math:: I(n) = n\, [\ln E \|\Delta_{\hat w, n+1}\|_2 - \ln E \|\Delta_{\hat w, n}\|_2]

    The logarithm of the mean over runs, not the mean of logarithms: runs with large norms count more. One step of n is
    a noisy difference; :func:`slopes` is the estimate to plot.

    Args:
        weight_norms: ``(runs, n)``, column i for i + 1 samples, all > 0, n >= 2.

    Returns:
        Tensor ``(n - 1,)``; entry i is I(i + 1), >= 0 where norms never fall.

    Raises:
        ValueError: another shape, or a norm without logarithm.

    Source: Ji & Zhu 2020, Section 4, Definition 1, Eq. 10.
    """
    logs = log_mean(weight_norms, 2)
    return torch.arange(1, len(logs), device=logs.device) * logs.diff()
