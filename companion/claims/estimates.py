"""What was measured: numbers by name, each with its interval over the seeds.

An interval can be open: one of its ends is infinite. An estimate can lie beyond a
limit, and nobody knows where: the epoch of an event that did not come by the last
epoch. It is given as ``beyond(8959)``, or as ``math.inf`` with the interval
``(8959, math.inf)``.
"""

import math
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple


class Measured(NamedTuple):
    """A number with its interval over the seeds, or with None where it has none."""

    value: float
    interval: tuple | None

    @property
    def span(self):
        """The interval; without one, from the value to the value."""
        return self.interval or (self.value, self.value)


@dataclass(frozen=True)
class Beyond:
    """An estimate that lies between a finite limit and an infinite end."""

    limit: float
    end: float

    def __post_init__(self):
        """Refuse a limit that is not finite."""
        if not (is_number(self.limit) and math.isfinite(self.limit)):
            raise ValueError(f"a limit is a finite number; got {self.limit!r}")


def beyond(limit):
    """An estimate of which only this is known: it lies above a limit.

    Args:
        limit: a finite number.

    Returns:
        What ``claims.record`` takes for a number: the same as ``math.inf`` with the
        interval ``(limit, math.inf)``.

    Raises:
        ValueError: the limit is not finite.
    """
    return Beyond(limit, math.inf)


def below(limit):
    """An estimate of which only this is known: it lies below a limit.

    Args:
        limit: a finite number.

    Returns:
        What ``claims.record`` takes for a number: the same as ``-math.inf`` with the
        interval ``(-math.inf, limit)``.

    Raises:
        ValueError: the limit is not finite.
    """
    return Beyond(limit, -math.inf)


def plain(value):
    """Tensors, arrays, series and frames as lists, dicts with text keys, numbers."""
    if type(value).__name__ == "DataFrame":
        halves = [
            value[name] for name in ("first_half", "second_half") if name in value
        ]
        value = {"x": value.get("x"), "y": value.get("y"), "halves": halves}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def by_name(values, names):
    """A list as a dict: by the names where there are as many, else numbered from 1."""
    if not isinstance(values, list):
        return values
    if not names or len(names) != len(values):
        names = [str(number) for number in range(1, len(values) + 1)]
    return dict(zip(names, values, strict=True))


def measured(estimate, interval, names, needs):
    """An estimate and its intervals as ``Measured`` numbers by name.

    Args:
        estimate: a number, a list or a dict, as ``plain`` leaves them.
        interval: a pair, or one for each number, as a list or a dict; None for a number
            without one.
        names: the names that there must be, which give the order too; None for any.
        needs: what the estimate must be, in words.

    Returns:
        A dict; the name of a single number is empty.

    Raises:
        ValueError: the estimate or the interval is not such, or not finite where it
            must be.
    """
    given = numbers(estimate, names, needs)
    pairs = _intervals_of(interval, given)
    found = {name: _one_measured(given[name], pairs[name]) for name in names or given}
    for one in found.values():
        _check_value(one)
    return found


def incomplete(estimate, interval, names, needs):
    """What there is of an estimate that no rule judges, as ``Measured`` by name.

    Args:
        estimate: as in :func:`measured`; numbers can be missing or NaN.
        interval: as in :func:`measured`; where it does not fit, there is none.
        names: the names that a list has.
        needs: what the estimate must be, in words.

    Returns:
        A dict; a number that is not finite and lies beyond no limit has no interval.

    Raises:
        ValueError: the estimate is no number and no set of numbers.
    """
    given = numbers(by_name(estimate, names), None, needs)
    try:
        pairs = _intervals_of(interval, given)
    except ValueError:
        pairs = dict.fromkeys(given)
    found = {}
    for name in given:
        one = _one_measured(given[name], pairs[name])
        found[name] = one if _is_known(one) else one._replace(interval=None)
    return found


def _one_measured(value, interval):
    if not isinstance(value, Beyond):
        return Measured(float(value), interval)
    return Measured(value.end, tuple(sorted((float(value.limit), value.end))))


def numbers(estimate, names, needs):
    """The numbers of an estimate by name, whether they are finite or not.

    Args:
        estimate: as in :func:`measured`.
        names: as in :func:`measured`.
        needs: as in :func:`measured`.

    Returns:
        A dict of numbers and ``Beyond``; the name of a single number is empty.

    Raises:
        ValueError: it is no number and no set of numbers, or has other names.
    """
    named = by_name(estimate, names)
    named = named if isinstance(named, dict) else {"": named}
    complete = not names or set(names) == set(named)
    if not (named and complete and all(map(_is_estimate, named.values()))):
        wanted = f": {', '.join(names)}" if names else ""
        raise ValueError(f"needs {needs}{wanted}; got {estimate!r}")
    return named


def _intervals_of(interval, names):
    """The interval, or None, of each name; ValueError where it does not fit."""
    if interval is None:
        return dict.fromkeys(names)
    pairs = {"": interval} if "" in names else interval
    if isinstance(pairs, list) and len(pairs) == len(names):
        pairs = dict(zip(names, pairs, strict=True))
    if not isinstance(pairs, dict) or set(pairs) != set(names):
        raise ValueError(
            f"an interval is one pair (low, high) for each of {', '.join(names)}; "
            f"got {interval!r}"
        )
    return {name: _checked_interval(pairs[name]) for name in names}


def _checked_interval(pair):
    """A pair as a tuple of numbers, or None; ValueError where it is no interval."""
    if pair is None:
        return None
    two = isinstance(pair, (list, tuple)) and len(pair) == 2
    if not two or not all(map(is_number, pair)):
        raise ValueError(f"an interval is (low, high) with low <= high; got {pair!r}")
    low, high = pair
    if not (low <= high and low < math.inf and high > -math.inf):
        raise ValueError(
            "an interval is (low, high) with low <= high, finite but for an open end; "
            f"got {pair!r}"
        )
    return float(low), float(high)


def _check_value(one):
    """Refuse a value that is no number, or infinite without a limit to lie beyond.

    Raises:
        ValueError: it is such a value.
    """
    if math.isnan(one.value):
        raise ValueError("an estimate is finite; got nan")
    if not _is_known(one):
        raise ValueError(
            "an estimate is finite, or infinite with an interval from a limit to it; "
            f"got {one.value!r} with {one.interval!r}"
        )


def _is_known(one):
    """Whether a value is finite, or infinite with an interval from a limit to it."""
    if math.isfinite(one.value) or one.interval is None:
        return math.isfinite(one.value)
    low, high = one.interval
    above = one.value == high == math.inf and low > -math.inf
    return above or (one.value == low == -math.inf and high < math.inf)


def is_number(value):
    """Whether a value is a real number, and not a truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_estimate(value):
    return is_number(value) or isinstance(value, Beyond)
