"""Figures that move without a kernel: a frame of numbers, and a script of the book's that draws from it in the page."""

import json
import math
from html import escape

from IPython.display import display

from companion import plots

WITHOUT_SCRIPT = (
    "This figure moves with JavaScript only; its numbers are in the table behind it."
)


def figure(kind, rows, **settings):
    """Shows the place in which a script of the book draws, with the rows behind it for the page's drawer.

    Args:
        kind: CSS class that the script looks for, such as ``kd-effective-logits``.
        rows: ``pandas.DataFrame`` that the drawer offers as CSV: the numbers at the figure's first setting, or all.
        settings: start values and data, given to the script as ``data-…`` attributes; what is not text is JSON.

    Raises:
        ValueError: ``rows`` is empty, or a setting is NaN or infinite.

    Source: none; this is how the book shows what no paper page can.
    """
    if not len(rows):
        raise ValueError("a figure that moves needs rows, and there are none")
    values = {
        name: value if isinstance(value, str) else json.dumps(value, allow_nan=False)
        for name, value in settings.items()
    }
    data = "".join(
        f' data-{name.replace("_", "-")}="{escape(value)}"'
        for name, value in values.items()
    )
    inner = f'<div class="{escape(kind)}"{data}>{WITHOUT_SCRIPT}</div>'
    html = f'<div class="kd-figure kd-moving" role="group">{inner}</div>'
    frames = {"rows": {"rows": rows.to_csv(index=False)}}
    display(
        {"text/html": html, "text/plain": WITHOUT_SCRIPT},
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
    """A curve, or one for each hue, of which the reader chooses the setting with one slider for each column in ``along``.

    Args:
        frame: tidy ``pandas.DataFrame`` with one row for each x, hue and combination of the sliders' values.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        along: columns with a slider each.
        hue: column of the curves' names, or None for one curve.
        low, high: columns of a band around y, both or neither.
        colors: hue -> role of ``plots.COLORS`` (``soft``, ``hard``, ``teacher``, ``paper``, …); the soft one by default.
        logarithmic: ``x``, ``y`` or both where the axis is; its values must be > 0.
        labels: column -> what the page calls it.
        start: column -> value at which its slider stands first; the first one by default.

    A y or a band that is NaN or infinite, as of rows that failed, is left out of the drawing and stays in the table.

    Raises:
        ValueError: a column that is not there or has two uses, a combination of sliders and hue without rows or with
            two for one x, half a band, an unknown axis or role, a value that its axis cannot show, or a start that is
            not among the values.

    Source: none; see :func:`figure`.
    """
    columns = [name for name in (x, y, hue, low, high, *along) if name is not None]
    missing = [name for name in columns if name not in frame.columns]
    if missing or not along:
        raise ValueError(
            f"sliders needs columns of the frame, at least one of them in along; not there: {missing}"
        )
    if len(set(columns)) < len(columns):
        raise ValueError(f"sliders gives each column one use, got {', '.join(columns)}")
    if (low is None) != (high is None):
        raise ValueError(f"low and high go together, got low={low!r}, high={high!r}")
    if not set(logarithmic) <= {"x", "y"} or isinstance(logarithmic, str):
        raise ValueError(f"logarithmic holds x, y or both; got {logarithmic!r}")
    for role in (colors or {}).values():
        if role not in plots.COLORS:
            raise ValueError(
                f"a role is one of {', '.join(plots.COLORS)}; got {role!r}"
            )
    keys = [*along] if hue is None else [*along, hue]
    wanted, found = (
        math.prod(frame[name].nunique() for name in keys),
        frame.groupby(keys).ngroups,
    )
    if found != wanted:
        raise ValueError(
            f"every combination of {', '.join(keys)} needs rows: {found} of {wanted} have"
        )
    if repeated := int(frame.duplicated([*keys, x]).sum()):
        raise ValueError(
            f"one row for each {x} and combination of {', '.join(keys)}; {repeated} are repeated"
        )
    for axis, names in (("x", [x]), ("y", [y, low, high] if low else [y])):
        for name in names:
            if axis in logarithmic and (frame[name] <= 0).any():
                raise ValueError(
                    f"{name} must be > 0 on a logarithmic axis, got {frame[name].min()}"
                )
    values, chosen = {name: sorted(frame[name].unique().tolist()) for name in along}, {}
    for name, value in (start or {}).items():
        if value not in values.get(name, []):
            raise ValueError(
                f"start of {name} must be one of {values.get(name)}, got {value}"
            )
        chosen[name] = values[name].index(value)
    numbers = {name: _short(frame[name]) for name in columns if name not in along}
    numbers |= {
        name: [values[name].index(value) for value in frame[name]] for name in along
    }
    figure(
        "kd-sliders",
        frame[columns],
        columns=numbers,
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
        start=chosen,
    )


def _short(column):
    """A column for the page: numbers to nine digits, None where there is no finite one."""
    if column.dtype.kind != "f":
        return column.tolist()
    return [float(f"{value:.9g}") if math.isfinite(value) else None for value in column]
