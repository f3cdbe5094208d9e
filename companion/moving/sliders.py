"""Curves of a table, whose setting the reader chooses with sliders."""

import math

from companion.moving import refusals
from companion.moving.firstsetting import draw
from companion.moving.place import figure


def sliders(
    frame,
    *,
    x,
    y,
    along,
    hue=None,
    low=None,
    high=None,
    colors=None,
    logarithmic=(),
    labels=None,
    start=None,
    ghost=None,
    at=None,
):
    """A curve, or one for each hue, with a slider for each column in ``along``.

    Args:
        frame: tidy ``pandas.DataFrame`` with one row for each x, hue and combination of
            the sliders' values.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        along: columns with a slider each.
        hue: column of the curves' names, or None for one curve.
        low: column of a band's lower end around y, or None.
        high: column of its upper end; both are given or neither.
        colors: hue -> role of ``plots.COLORS`` (``soft``, ``hard``, ``teacher``,
            ``paper``, …); the soft one by default.
        logarithmic: ``x``, ``y`` or both where the axis is; its values must be > 0.
        labels: column -> what the page calls it.
        start: column -> value at which its slider stands first; the first one by
            default.
        ghost: column of ``along`` -> value at which a second curve stays, thin and
            dashed, whatever its slider says; or None.
        at: the x at which the reading below the figure gives the curves' values; the
            largest by default.

    A y or a band that is NaN or infinite, as of rows that failed, is left out of the
    drawing and stays in the table.

    Raises:
        ValueError: a column that is not there or has two uses, a combination of sliders
            and hue without rows or with two for one x, half a band, an unknown axis or
            role, a value that its axis cannot show, or a start, ghost or x that is not
            among the values.

    Source: none; see :func:`figure`.
    """
    given = [x, y, hue, low, high, *along]
    columns = [name for name in given if name is not None]
    keys = [*along] if hue is None else [*along, hue]
    refusals.check(frame, columns, along=along, x=x, keys=keys)
    looks = {"x": x, "y": y, "low": low, "high": high, "colors": colors or {}}
    looks["logarithmic"] = list(logarithmic)
    refusals.check_looks(frame, **looks | {"logarithmic": logarithmic})
    values = {name: sorted(frame[name].unique().tolist()) for name in along}
    across = sorted(frame[x].unique().tolist())
    at = across[-1] if at is None else across[_place(x, at, across, "at")]
    first = dict.fromkeys(along, 0) | _places(start, values, "start")
    settings = looks | {
        "along": list(along),
        "values": values,
        "hue": hue,
        "labels": labels or {},
        "start": first,
        "ghost": _places(ghost, values, "ghost"),
    }
    figure(
        "kd-sliders",
        frame[columns],
        still=draw(frame, **settings),
        columns=_numbers(frame, columns, values),
        at=at,
        **settings,
    )


def _place(name, value, values, what):
    return refusals.place_of(name, value, values, what=what)


def _places(chosen, values, what):
    """Column -> place of a chosen value among its slider's values."""
    places = {}
    for name, value in (chosen or {}).items():
        places[name] = _place(name, value, values.get(name), what)
    return places


def _numbers(frame, columns, values):
    """The columns as the page gets them; a slider's column as places in its values."""
    numbers = {}
    for name in columns:
        if name in values:
            numbers[name] = [values[name].index(value) for value in frame[name]]
        else:
            numbers[name] = _short(frame[name])
    return numbers


def _short(column):
    """A column's numbers to nine digits, None where there is no finite one."""
    if column.dtype.kind != "f":
        return column.tolist()
    return [float(f"{value:.9g}") if math.isfinite(value) else None for value in column]
