"""Figures that move without a kernel.

A cell hands over a frame of numbers; a script of the book draws from it in the page.
"""

import json
import math

from IPython.display import display

from companion import markup, plots

WITHOUT_SCRIPT = (
    "This figure moves with JavaScript only; its numbers are in the table behind it."
)


def figure(kind, rows, **settings):
    """Shows the place in which a script draws, with rows for the page's drawer.

    Args:
        kind: CSS class that the script looks for, such as ``kd-effective-logits``.
        rows: ``pandas.DataFrame`` that the drawer offers as CSV: the numbers at the
            figure's first setting, or all.
        **settings: start values and data, given to the script as ``data-…``
            attributes; what is not text is JSON.

    Raises:
        ValueError: ``rows`` is empty, or a setting is NaN or infinite.

    Source: none; this is how the book shows what no paper page can.
    """
    if not len(rows):
        raise ValueError("a figure that moves needs rows, and there are none")
    data = {}
    for name, value in settings.items():
        is_text = isinstance(value, str)
        text = value if is_text else json.dumps(value, allow_nan=False)
        data[f"data_{name}"] = text
    place = markup.element("div", WITHOUT_SCRIPT, class_=kind, **data)
    html = markup.element("div", place, class_="kd-figure kd-moving", role="group")
    frames = {"rows": {"rows": rows.to_csv(index=False)}}
    display(
        {"text/html": str(html), "text/plain": WITHOUT_SCRIPT},
        raw=True,
        metadata={"text/html": {"kdlib": frames}},
    )


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

    A y or a band that is NaN or infinite, as of rows that failed, is left out of the
    drawing and stays in the table.

    Raises:
        ValueError: a column that is not there or has two uses, a combination of sliders
            and hue without rows or with two for one x, half a band, an unknown axis or
            role, a value that its axis cannot show, or a start that is not among the
            values.

    Source: none; see :func:`figure`.
    """
    given = [x, y, hue, low, high, *along]
    columns = [name for name in given if name is not None]
    _check_columns(frame, columns, along)
    if (low is None) != (high is None):
        raise ValueError(f"low and high go together, got low={low!r}, high={high!r}")
    if not set(logarithmic) <= {"x", "y"} or isinstance(logarithmic, str):
        raise ValueError(f"logarithmic holds x, y or both; got {logarithmic!r}")
    for role in (colors or {}).values():
        if role not in plots.COLORS:
            roles = ", ".join(plots.COLORS)
            raise ValueError(f"a role is one of {roles}; got {role!r}")
    keys = [*along] if hue is None else [*along, hue]
    _check_combinations(frame, keys, x)
    if "x" in logarithmic:
        _check_positive(frame, [x])
    if "y" in logarithmic:
        _check_positive(frame, [y] if low is None else [y, low, high])
    values = {name: sorted(frame[name].unique().tolist()) for name in along}
    figure(
        "kd-sliders",
        frame[columns],
        columns=_numbers(frame, columns, values),
        x=x,
        y=y,
        along=list(along),
        values=values,
        hue=hue,
        low=low,
        high=high,
        colors=colors or {},
        logarithmic=list(logarithmic),
        labels=labels or {},
        start=_positions(start or {}, values),
    )


def _check_columns(frame, columns, along):
    missing = [name for name in columns if name not in frame.columns]
    if missing or not along:
        raise ValueError(
            "sliders needs columns of the frame, at least one of them in along; not "
            f"there: {missing}"
        )
    if len(set(columns)) < len(columns):
        raise ValueError(f"sliders gives each column one use, got {', '.join(columns)}")


def _check_combinations(frame, keys, x):
    """Refuses a frame that lacks a combination of keys or has one twice for an x."""
    names = ", ".join(keys)
    wanted = math.prod(frame[name].nunique() for name in keys)
    present = frame.groupby(keys).ngroups
    if present != wanted:
        raise ValueError(
            f"every combination of {names} needs rows: {present} of {wanted} have"
        )
    repeated = int(frame.duplicated([*keys, x]).sum())
    if repeated:
        raise ValueError(
            f"one row for each {x} and combination of {names}; {repeated} are repeated"
        )


def _check_positive(frame, columns):
    for name in columns:
        if (frame[name] <= 0).any():
            raise ValueError(
                f"{name} must be > 0 on a logarithmic axis, got {frame[name].min()}"
            )


def _positions(start, values):
    """Column -> place of a slider's first value among its values."""
    positions = {}
    for name, value in start.items():
        if value not in values.get(name, []):
            raise ValueError(
                f"start of {name} must be one of {values.get(name)}, got {value}"
            )
        positions[name] = values[name].index(value)
    return positions


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
