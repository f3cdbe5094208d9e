"""An estimate with its interval over seeds: means, power laws, any smooth function of
means."""

import itertools
from typing import NamedTuple

import numpy
import pandas
import torch
from scipy.special import stdtrit


class Interval(NamedTuple):
    """An estimate and its interval, tensors of one shape."""

    value: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor


class Exponent(NamedTuple):
    """Exponent of a power law with its 95 % interval over runs."""

    exponent: float
    low: float
    high: float


def mean_band(frame, by, value, level=0.95):
    r"""Means over seeds with their Student t intervals.

    .. math:: \bar y \pm t_{k-1}\, s / \sqrt k

    over the k seeds that finished, with s their standard deviation. A mean over fewer
    seeds than asked says so: a row of the sweep that failed counts as asked in each
    group that it belongs to, and so does a row whose value is NaN, which makes the mean
    NaN.

    Args:
        frame: rows of a sweep, one for each seed and group, with ``frame.attrs`` as
            ``sweeps.run_sweep`` or ``sweeps.tidy`` left them; or any tidy frame.
        by: the names of the columns that tell the groups apart, or one name.
        value: the name of the averaged column.
        level: coverage of the interval, in (0, 1).

    Returns:
        A frame with ``by``, ``mean``, ``low``, ``high``, the integers ``k`` and ``K``,
        and ``seeds``: the text ``k of K`` where k < K, else ``K``.

    Raises:
        ValueError: ``level`` is outside (0, 1).

    Example:
        >>> rows = pandas.DataFrame({"n": [1, 1, 1], "risk": [0.1, 0.2, 0.3]})
        >>> mean_band(rows, "n", "risk").round(3).values.tolist()
        [[1, 0.2, -0.048, 0.448, 3, 3, '3']]

    Source: Student 1908.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")
    by = [by] if isinstance(by, str) else list(by)
    groups = {}
    for key, group in frame.groupby(by, sort=False, dropna=False):
        groups[key] = group[value].to_numpy(dtype=float)
    failed = frame.attrs.get("failed", [])
    if len(frame) == frame.attrs.get("finished"):
        for key in _groups_of_failed(failed, by, frame.attrs.get("axes", {})):
            groups.setdefault(key, numpy.empty(0))
    table = []
    for key, values in groups.items():
        group = dict(zip(by, key))
        k = int(numpy.isfinite(values).sum())
        K = len(values) + sum(_belongs(row, group) for row in failed)
        mean, half = _mean_and_half_width(values, k, level)
        band = {"mean": mean, "low": mean - half, "high": mean + half, "k": k, "K": K}
        table.append(group | band | {"seeds": str(K) if k == K else f"{k} of {K}"})
    return pandas.DataFrame(table)


def _belongs(failed_row, group):
    """Whether a failed row belongs to a group, as far as seed and setting can tell."""
    known = failed_row["setting"] | {"seed": failed_row["seed"]}
    return all(known[name] == group[name] for name in group if name in known)


def _groups_of_failed(failed, by, axes):
    """The groups of rows that failed, where setting, seed and axes name them in full.

    In a selection of rows a group without any may have been left out on purpose: only a
    whole frame is asked.
    """
    for row in failed:
        known = {name: [value] for name, value in row["setting"].items()}
        known |= {"seed": [row["seed"]]} | axes
        if all(name in known for name in by):
            yield from itertools.product(*(known[name] for name in by))


def _mean_and_half_width(values, k, level):
    if not len(values):
        return numpy.nan, numpy.nan
    with numpy.errstate(invalid="ignore"):  # infinite values have no deviation
        mean = values.mean()
        if k < 2:
            return mean, numpy.nan
        quantile = stdtrit(k - 1, (1 + level) / 2)
        return mean, quantile * values.std(ddof=1) / k**0.5


def jackknife(statistic, runs, *, level=0.95):
    r"""A statistic of all runs and its interval over them, leaving out one at a time.

    .. math:: s^2 = \frac{R - 1}{R} \sum_{r=1}^R
              \Bigl(\theta_{-r} - \frac1R \sum_q \theta_{-q}\Bigr)^2, \qquad
              \theta \pm t_{R-1}\, s

    A logarithm of a mean has no standard error of its own; this is that of any smooth
    function of means.

    Args:
        statistic: function of a tensor ``(runs, …)``.
        runs: tensor ``(R, …)``, R >= 2.
        level: coverage of the interval, in (0, 1).

    Returns:
        ``Interval(value, low, high)``, tensors of the statistic's shape.

    Raises:
        ValueError: fewer than 2 runs, or a level outside (0, 1).

    Example:
        >>> runs = torch.tensor([1.0, 2.0, 3.0, 6.0])
        >>> band = jackknife(lambda some: some.mean().log(), runs)
        >>> [round(float(end), 2) for end in band]
        [1.1, -0.17, 2.37]

    Source: Efron & Tibshirani, An introduction to the bootstrap (1993), Section 11.2.
    """
    R = len(runs)
    if R < 2:
        raise ValueError(f"an interval over runs needs at least 2 runs, got {R}")
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")
    value = statistic(runs)
    others = [runs[torch.arange(R) != run] for run in range(R)]
    left = torch.stack([statistic(some) for some in others])
    error = ((R - 1) * left.var(0, correction=0)).sqrt()
    half = stdtrit(R - 1, 0.5 + level / 2) * error
    return Interval(value, value - half, value + half)


def power_law_exponent(sizes, values, *, confidence=0.95):
    r"""Slope b of :math:`\ln v = a + b \ln n`, with Student's t-interval over the runs.

    Each run gives its own least-squares slope :math:`b_r`; the estimate is their mean
    :math:`\bar b` (the slope of the mean logarithm), and the interval :math:`\bar b \pm
    t_{R-1} s / \sqrt R` with s the standard deviation of the R slopes. It is negative
    where v falls; the rate that papers quote is −b. The interval says how far new runs
    would move the slope, not whether a straight line fits.

    Args:
        sizes: tensor of shape ``(k,)``, k >= 2 different sample sizes, > 0.
        values: tensor of shape ``(runs, k)``, all > 0.
        confidence: of the interval, in (0, 1).

    Returns:
        ``Exponent(exponent, low, high)``; low and high are NaN for a single run.

    Raises:
        ValueError: shapes do not match, fewer than two sizes, or a size or value that
            has no logarithm.

    Example:
        >>> sizes = torch.tensor([1.0, 10.0, 100.0])
        >>> values = torch.stack([sizes**-0.5, 3 * sizes**-0.7])
        >>> round(power_law_exponent(sizes, values).exponent, 3)
        -0.6

    Source: Ji & Zhu 2020, Fig. 2 left and Section S2; the fit is ours, theirs is not
    published.
    """
    sizes = torch.as_tensor(sizes).double()
    values = torch.as_tensor(values).double()
    are_shaped = sizes.ndim == 1 and values.ndim == 2 and 0 not in values.shape
    if not are_shaped or values.shape[1] != len(sizes):
        raise ValueError(
            "sizes must have shape (k,) and values (runs, k), got "
            f"{tuple(sizes.shape)} and {tuple(values.shape)}"
        )
    if len(sizes.unique()) < 2:
        raise ValueError(
            f"sizes must hold at least two different sizes, got {sizes.tolist()}"
        )
    if not (sizes.min() > 0 and values.min() > 0):
        raise ValueError(
            f"sizes and values must be > 0, got a least size {sizes.min().item()} and "
            f"a least value {values.min().item()}"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    x = sizes.log() - sizes.log().mean()
    b = values.log() @ x / (x @ x)
    runs, half = len(b), float("nan")
    if runs > 1:
        half = (
            float(stdtrit(runs - 1, 0.5 + confidence / 2)) * b.std().item() / runs**0.5
        )
    return Exponent(b.mean().item(), b.mean().item() - half, b.mean().item() + half)
