"""Recorded rows computed again on this machine, and held against what was recorded."""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy

from companion.engine import asked, rows

# Rows of closed forms and kernels: other processors differ in the last digits.
RELATIVE = 1e-8
# Of what is zero but for rounding.
ABSOLUTE = 1e-12
# How the name of a value ends that is a time, which no machine repeats.
TIME = "_seconds"


def compare(tasks, travelled, data, compute):
    """Computes the recorded rows again that ``$KDLIB_VERIFY`` names, and adds a line on
    each to the file beside it.

    Args:
        tasks: dict from key to :class:`companion.engine.asked.Task`.
        travelled: dict from identity to
            :class:`companion.engine.recorded.RecordedRow`.
        data: of the sweep, see :func:`companion.sweeps.run_sweep`.
        compute: function of :class:`companion.engine.asked.AskedRows` that completes
            it.

    Where the data cannot be made, as their images are not on this disk, the lines say
    so and nothing is computed.
    """
    path = os.environ.get("KDLIB_VERIFY")
    if not path:
        return
    drawn = set(json.loads(Path(path).read_text(encoding="utf-8")))
    chosen = {}
    for key, task in tasks.items():
        if task.identity in drawn & travelled.keys():
            chosen[key] = task
    if not chosen:
        return
    missing = _what_is_missing(data)
    if missing:
        lines = [
            {"identity": task.identity, "left_out": missing} for task in chosen.values()
        ]
    else:
        lines = _compared(chosen, travelled, compute)
    with open(f"{path}.lines", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def _what_is_missing(data):
    """Which file the data need that is not there; None where they can be made."""
    try:
        if hasattr(data, "values"):
            data.values()
    except FileNotFoundError as error:
        return str(error)
    return None


def _compared(chosen, travelled, compute):
    """A line for each of the tasks, which are computed again."""
    with TemporaryDirectory() as folder:
        again = asked.AskedRows(folder, chosen)
        compute(again)
        return [
            {"identity": task.identity} | line_of(again, key, travelled[task.identity])
            for key, task in chosen.items()
        ]


def differences(here, there):
    """How far the values of a row are from the recorded ones.

    Args:
        here: dict of plain values and arrays.
        there: dict, recorded.

    Returns:
        Dict from name to the largest difference of its numbers, relative to the largest
        of them; infinite where a text, a shape or a name differs. Times are left out.
    """
    if here.keys() != there.keys():
        return dict.fromkeys(here.keys() ^ there.keys(), numpy.inf)
    names = [name for name in there if not name.endswith(TIME)]
    return {name: _difference(here[name], there[name]) for name in names}


def _difference(here, there):
    a = numpy.asarray(here)
    b = numpy.asarray(there)
    if a.shape != b.shape:
        return numpy.inf
    if b.dtype.kind not in "fiub" or a.dtype.kind not in "fiub":
        return 0.0 if numpy.array_equal(a, b) else numpy.inf
    a = a.astype(float)
    b = b.astype(float)
    is_same = (a == b) | (numpy.isnan(a) & numpy.isnan(b))
    if is_same.all():
        return 0.0
    with numpy.errstate(invalid="ignore"):
        largest = numpy.abs(a - b)[~is_same].max()
    scale = numpy.abs(b[numpy.isfinite(b)]).max(initial=0.0)
    if largest <= ABSOLUTE or numpy.isnan(largest):
        return 0.0 if largest <= ABSOLUTE else numpy.inf
    return float(largest / scale) if scale else numpy.inf


def line_of(again, key, recorded):
    """A comparison as it is written down: means are for rows of trained networks.

    Args:
        again: :class:`companion.engine.asked.AskedRows` that computed the row.
        key: of the row.
        recorded: :class:`companion.engine.recorded.RecordedRow`.

    Returns:
        Dict of ``seconds``, ``differences`` and ``means``, or of an ``error``.
    """
    if key in again.failed:
        return {"error": again.failed[key].error}
    row = again.finished[key]
    values = rows.decode(again.folder, row.values)
    return {
        "seconds": row.seconds,
        "differences": differences(values, recorded.row.values),
        "means": means(values),
    }


def means(values):
    """The mean of each value's finite numbers, where it has any and is no time.

    Args:
        values: dict of plain values and arrays.

    Returns:
        Dict from name to a number.
    """
    found = {}
    for name, value in values.items():
        numbers = numpy.asarray(value)
        if numbers.dtype.kind in "fiub" and not name.endswith(TIME):
            numbers = numbers.astype(float)
            numbers = numbers[numpy.isfinite(numbers)]
            if numbers.size:
                found[name] = float(numpy.mean(numbers))
    return found
