"""From weight norms of many runs to curves of data inefficiency with intervals."""

from typing import NamedTuple

import numpy
import pandas
import torch

from kdlib import curves, intervals

# A slope of nothing has no logarithm.
LEAST = 1e-4

#: Sample sizes of Ji & Zhu's Figs 3 and 4, read off their x-coordinates. Fig. 3
#: averages over 21 … 4977, Fig. 4 over 15 … 7054; each slope needs the next size too
#: (5336, 7564).
#:
#: :meta hide-value:
AUTHORS_SIZES = torch.as_tensor(numpy.unique(numpy.logspace(1, 4, 100).astype(int)))


class Curve(NamedTuple):
    """Data inefficiency ``values`` at ``sizes``, both ``(s,)``."""

    sizes: torch.Tensor
    values: torch.Tensor


def authors_sizes(first, last):
    """The authors' sample sizes from ``first`` to ``last``.

    Args:
        first: smallest size, in 10 … 10000; included where it is on the grid.
        last: largest size, in 10 … 10000; included where it is on the grid.

    Returns:
        int64 tensor ``(s,)``.

    Raises:
        ValueError: no two sizes lie between them.

    Source: Ji & Zhu 2020, Figs 3 and 4; the grid is read off the figures.
    """
    sizes = AUTHORS_SIZES[(AUTHORS_SIZES >= first) & (AUTHORS_SIZES <= last)]
    if len(sizes) < 2:
        raise ValueError(
            "at least two of the authors' sizes must lie in [first, last], got "
            f"[{first}, {last}]"
        )
    return sizes


def slopes(weight_norms, sizes, *, window=10):
    r"""Data inefficiency as a slope between neighbouring sizes of a grid.

    .. math:: I_i = \frac{\ln E \|\Delta_{\hat w, n_{i+1}}\|
              - \ln E \|\Delta_{\hat w, n_i}\|}{\ln n_{i+1} - \ln n_i}
              \quad \text{at } n_i

    Both n and I are then smoothed by a moving average over ``window`` consecutive
    sizes. With steps of 7 % the estimate is two to four times less noisy than from n to
    n + 1.

    Args:
        weight_norms: ``(runs, s)``, column i at ``sizes[i]``, all > 0.
        sizes: the grid, ``(s,)`` growing integers; for theirs see
            :func:`authors_sizes`.
        window: slopes in one average, from 1 (raw) to s − 1; 10 in Fig. 3 and Fig. 4
            middle, 5 in Fig. 4 right.

    Returns:
        ``Curve(sizes, values)`` of length s − window.

    Raises:
        ValueError: shapes that do not match, a norm without logarithm, or sizes or
            window out of range.

    Source: Ji & Zhu 2020, Figs 3 and 4; grid and windows are read off the figures, the
    slope is our reading of Eq. 10.
    """
    sizes = torch.as_tensor(sizes, device=weight_norms.device)
    logs = log_mean(weight_norms, 2)
    if sizes.shape != logs.shape or sizes[0] < 1 or (sizes.diff() <= 0).any():
        raise ValueError(
            f"sizes must be {len(logs)} growing integers from 1, one a column, got "
            f"{sizes.tolist()}"
        )
    if not 1 <= window < len(sizes):
        raise ValueError(f"window must lie in 1 … {len(sizes) - 1}, got {window}")
    rises = logs.diff() / sizes.double().log().diff()
    return Curve(
        sizes=sizes[:-1].double().unfold(0, window, 1).mean(1),
        values=rises.unfold(0, window, 1).mean(1),
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
    rises = [slopes(norms, sizes, window=1).values for norms in weight_norms.unbind(1)]
    starts = torch.as_tensor(sizes)[:-1]
    inside = (starts >= low) & (starts <= high)
    if not inside.any():
        raise ValueError(
            f"a slope must start in [low, high], got [{low}, {high}] for sizes "
            f"{starts[0]} to {starts[-1]}"
        )
    return torch.stack(rises)[:, inside].mean(1)


def table(weight_norms, sizes, *, window=10):
    """The curve of one task with its interval over runs.

    The interval has 95 %. The curves of two independent halves of the runs stand beside
    it.

    Args:
        weight_norms: ``(runs, s)``, at least 2 runs.
        sizes: see :func:`slopes`.
        window: see :func:`slopes`.

    Returns:
        ``pandas.DataFrame`` with n, I, low, high, first, second (the two halves).

    Raises:
        ValueError: see :func:`slopes` and :func:`kdlib.intervals.jackknife`.

    Source: Ji & Zhu 2020, Figs 3 and 4; intervals and halves are ours, the figures have
    none.
    """

    def height(norms):
        """The curve of some of the runs."""
        return slopes(norms, sizes, window=window).values

    band = intervals.jackknife(height, weight_norms)
    columns = {
        "n": slopes(weight_norms, sizes, window=window).sizes,
        "I": band.value,
        "low": band.low,
        "high": band.high,
        "first": height(weight_norms[0::2]),
        "second": height(weight_norms[1::2]),
    }
    return pandas.DataFrame(
        {name: column.cpu().numpy() for name, column in columns.items()}
    )


def bands(weight_norms, sizes, targets, *, window=10, asked):
    """The curves of several targets with their intervals over runs, in one tidy frame.

    A curve of fewer runs than asked says so, as :func:`kdlib.intervals.mean_band` says
    it, so that ``plots.band`` draws a target's rows as they are.

    Args:
        weight_norms: ``(runs, targets, s)``, at least 2 runs.
        sizes: see :func:`slopes`.
        targets: what each target is called, one name for each.
        window: see :func:`slopes`.
        asked: number of runs that the sweep was asked for.

    Returns:
        ``pandas.DataFrame`` with target, n, mean, low, high, first, second (the two
        halves), the integers k and K, and seeds: the text ``k of K`` where k < K, else
        ``K``.

    Raises:
        ValueError: see :func:`table`; or weight_norms have another shape, or more runs
            than asked.

    Example:
        >>> sizes = [10, 20, 40]
        >>> norms = torch.tensor(sizes).sqrt().expand(3, 1, 3)
        >>> rows = bands(norms, sizes, ["root"], window=1, asked=4)
        >>> rows[["target", "n", "mean", "seeds"]].round(6).values.tolist()
        [['root', 10.0, 0.5, '3 of 4'], ['root', 20.0, 0.5, '3 of 4']]

    Source: Ji & Zhu 2020, Figs 3 and 4; intervals and halves are ours, the figures have
    none.
    """
    shape = tuple(weight_norms.shape)
    if len(shape) != 3 or shape[1] != len(targets):
        raise ValueError(
            f"weight_norms must have shape (runs, {len(targets)}, s), got {shape}"
        )
    k = len(weight_norms)
    if k > asked:
        raise ValueError(f"runs must be at most the {asked} asked for, got {k}")
    seeds = str(asked) if k == asked else f"{k} of {asked}"
    parts = []
    for target, norms in zip(targets, weight_norms.unbind(1)):
        part = table(norms, sizes, window=window).rename(columns={"I": "mean"})
        part.insert(0, "target", target)
        parts.append(part.assign(k=k, K=asked, seeds=seeds))
    return pandas.concat(parts, ignore_index=True)


def distance(weight_norms, sizes, reference, *, window=10):
    """How far a task's curve is from a published one.

    It also says how far the curves of two halves of the runs are from each other.

    Args:
        weight_norms: ``(runs, s)``, at least 2 runs.
        sizes: see :func:`slopes`.
        reference: points ``[[n, I], …]``; those beyond the curve's end are left out.
        window: see :func:`slopes`.

    Returns:
        dict: ``distance`` and ``floor``, root mean squares of log ratios (see
        :func:`kdlib.curves.distance`).

    Raises:
        ValueError: see :func:`slopes`; or no two points of the reference lie on the
            curve.

    Source: Ji & Zhu 2020, Figs 3 and 4, as this book's claims compare curves.
    """

    def height(norms):
        """The curve of some of the runs, as a list of positive numbers."""
        return slopes(norms, sizes, window=window).values.clamp_min(LEAST).tolist()

    n = slopes(weight_norms, sizes, window=window).sizes.tolist()
    inside = [point for point in reference if 0.999 * n[0] <= point[0] <= 1.001 * n[-1]]
    if len(inside) < 2:
        raise ValueError(
            "at least two points of the reference must lie in n = "
            f"{n[0]:g} to {n[-1]:g}"
        )
    other_half = list(zip(n, height(weight_norms[1::2])))
    return {
        "distance": curves.distance(n, height(weight_norms), inside),
        "floor": curves.distance(n, height(weight_norms[0::2]), other_half),
    }


def as_curve(rows):
    """The rows of a curve under the names that ``claims.record`` takes.

    Args:
        rows: from :func:`table`, or those of one target from :func:`bands`.

    Returns:
        dict with x, y and halves, which give the curve's replicate floor.

    Source: none; a change of names.
    """
    heights = rows["mean"] if "mean" in rows else rows["I"]
    return {"x": rows["n"], "y": heights, "halves": [rows["first"], rows["second"]]}


def log_mean(weight_norms, least=1):
    """Logarithm of the mean norm over runs.

    Args:
        weight_norms: ``(runs, s)``, all > 0.
        least: smallest s that will do.

    Returns:
        float64 tensor ``(s,)``.

    Raises:
        ValueError: another shape, or a norm without logarithm.
    """
    shape = tuple(weight_norms.shape)
    if len(shape) != 2 or shape[0] < 1 or shape[1] < least:
        raise ValueError(
            f"weight_norms must have shape (runs, n) with n >= {least}, got {shape}"
        )
    if not (weight_norms > 0).all():
        smallest = weight_norms.min().item()
        raise ValueError(f"weight_norms must be > 0, got a least value of {smallest:g}")
    return weight_norms.double().mean(0).log()


def data_inefficiency(weight_norms):
    r"""Data inefficiency at every sample size, from n to n + 1 as it is defined.

    .. math:: I(n) = n\, [\ln E \|\Delta_{\hat w, n+1}\|_2
              - \ln E \|\Delta_{\hat w, n}\|_2]

    It takes the logarithm of the mean over runs, not the mean of logarithms: runs with
    large norms count more. One step of n is a noisy difference; the estimate to plot is
    :func:`~kdlib.metrics.inefficiency.slopes`.

    Args:
        weight_norms: ``(runs, n)``, column i for i + 1 samples, all > 0, n >= 2.

    Returns:
        Tensor ``(n - 1,)``; entry i is I(i + 1), >= 0 where norms never fall.

    Raises:
        ValueError: another shape, or a norm without logarithm.

    Example:
        Norms that grow like the square root of n have a data inefficiency near 1/2:

        >>> from kdlib import metrics
        >>> norms = torch.arange(1.0, 6.0).sqrt()
        >>> metrics.data_inefficiency(norms[None])
        tensor([0.3466, 0.4055, 0.4315, 0.4463], dtype=torch.float64)

    Source: Ji & Zhu 2020, Section 4, Definition 1, Eq. 10.
    """
    logs = log_mean(weight_norms, 2)
    return torch.arange(1, len(logs), device=logs.device) * logs.diff()
