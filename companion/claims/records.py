"""What a record keeps of an estimate, and how it reads.

Records have no infinity, as JSON has none. An open end of an interval is null there,
and so is an estimate that lies beyond a limit: ``"estimate": null, "interval": [8959.0,
null]``. An estimate that is null without an interval was not computed.
"""

import math

from companion import prose


def recorded(found):
    """``Measured`` numbers as a record keeps them.

    Args:
        found: a dict of ``Measured``, as ``estimates.measured`` returns it.

    Returns:
        The estimate and the interval: numbers and lists where the name is empty, else
        dicts; the interval is None where no number has one.
    """
    values = {name: _finite(one.value) for name, one in found.items()}
    pairs = {name: recorded_interval(one.interval) for name, one in found.items()}
    if not any(pairs.values()):
        return values.get("", values), None
    return values.get("", values), pairs.get("", pairs)


def recorded_interval(pair):
    """An interval as a record keeps it: a list whose open end is None."""
    return pair and [_finite(end) for end in pair]


def recorded_span(estimate, interval):
    """From where to where a recorded number goes; None where it was not computed."""
    if estimate is not None:
        return estimate, estimate
    return interval and interval_from_record(interval)


def interval_from_record(pair):
    """The interval that a record keeps as a list: an end that is None is infinite."""
    low, high = pair
    return (-math.inf if low is None else low, math.inf if high is None else high)


def _finite(value):
    return value if math.isfinite(value) else None


def shown(value, interval=None):
    """A recorded value, or several by name, in words.

    Args:
        value: the estimate of a record.
        interval: the interval of the record, or None.

    Returns:
        The text: a number and its interval, "not up to 8,959" for an estimate that lies
        beyond a limit, "not computed" for one that is missing.
    """
    if isinstance(value, dict) and {"violations", "trials"} <= set(value):
        return f"violated in {value['violations']:,} of {value['trials']:,} cases"
    if isinstance(value, dict):
        return _shown_by_name(value, interval if isinstance(interval, dict) else {})
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if value is None:
        return _shown_beyond(*interval) if interval else "not computed"
    if interval is None:
        return _number(value)
    if None in interval:
        return f"{_number(value)} ({_open_interval(*interval)})"
    return prose.interval(value, *interval)


def as_printed(value):
    """A value of a rule, or several by name, with the digits that it is written in."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {as_printed(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(as_printed, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _shown_by_name(values, pairs):
    parts = [f"{name}: {shown(item, pairs.get(name))}" for name, item in values.items()]
    steps = [name for name in pairs if name not in values]
    if not steps:
        return ", ".join(parts)
    read = [f"{name}: {_shown_step(*pairs[name])}" for name in steps]
    return f"{', '.join(parts)}; steps {', '.join(read)}"


def _shown_beyond(low, high):
    return f"not up to {_number(low)}" if high is None else f"below {_number(high)}"


def _shown_step(low, high):
    if low is None or high is None:
        return _open_interval(low, high)
    return f"{_number(low)} to {_number(high)}"


def _open_interval(low, high):
    if low is None and high is None:
        return "any"
    if high is None:
        return f"{_number(low)} or more"
    return f"{_number(high)} or less"


def _number(value):
    """A whole number in full, as 8,959; any other to three digits."""
    is_whole = value == int(value) and abs(value) < 1e9
    return prose.number(int(value) if is_whole else value, digits=3)
