"""Figures that move without a kernel: a frame of numbers, and a script of the book's that draws from it in the page."""

import json
from html import escape

from IPython.display import display

WITHOUT_SCRIPT = "This figure moves with JavaScript only; its numbers are in the table behind it."


def figure(kind, rows, **settings):
    """Shows the place in which a script of the book draws, with the rows behind it for the page's drawer.

    Args:
        kind: CSS class that the script looks for, such as ``kd-effective-logits``.
        rows: ``pandas.DataFrame`` that the drawer offers as CSV: the numbers at the figure's first setting, or all.
        settings: start values and data, given to the script as ``data-…`` attributes; what is not text is JSON.

    Raises:
        ValueError: ``rows`` is empty.

    Source: none; this is how the book shows what no paper page can.
    """
    if not len(rows):
        raise ValueError("a figure that moves needs rows, and there are none")
    values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    data = "".join(f' data-{name.replace("_", "-")}="{escape(value)}"' for name, value in values.items())
    inner = f'<div class="{escape(kind)}"{data}>{WITHOUT_SCRIPT}</div>'
    html = f'<div class="kd-figure kd-moving" role="group">{inner}</div>'
    frames = {"rows": {"rows": rows.to_csv(index=False)}}
    display({"text/html": html, "text/plain": WITHOUT_SCRIPT}, raw=True, metadata={"text/html": {"kdlib": frames}})


def sliders(frame, *, x, y, along, hue=None, low=None, high=None, colors=None, logarithmic=(), labels=None,
            start=None):
    """A curve, or one for each hue, of which the reader chooses the setting with one slider for each column in ``along``.

    Args:
        frame: tidy ``pandas.DataFrame`` with a row for each x, hue and combination of the sliders' values.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        along: columns with a slider each.
        hue: column of the curves' names, or None for one curve.
        low, high: columns of a band around y, both or neither.
        colors: hue -> role of ``plots.COLORS`` (``soft``, ``hard``, ``teacher``, ``paper``, …); the soft one by default.
        logarithmic: ``x``, ``y`` or both where the axis is; its values must be > 0.
        labels: column -> what the page calls it.
        start: column -> value at which its slider stands first; the first one by default.

    Raises:
        ValueError: a column that is not there, a combination of sliders without rows, a value that its axis cannot
            show, or a start that is not among the values.

    Source: none; see :func:`figure`.
    """
    columns = [name for name in (x, y, hue, low, high, *along) if name is not None]
    missing = [name for name in columns if name not in frame.columns]
    if missing or not along:
        raise ValueError(f"sliders needs columns of the frame, at least one of them in along; not there: {missing}")
    values = {name: sorted(frame[name].unique().tolist()) for name in along}
    wanted = 1
    for name in along:
        wanted *= len(values[name])
    found = len(frame.groupby(list(along)))
    if found != wanted:
        raise ValueError(f"every combination of {', '.join(along)} needs rows: {found} of {wanted} have")
    for axis, name in (("x", x), ("y", y)):
        if axis in logarithmic and not (frame[name] > 0).all():
            raise ValueError(f"{name} must be > 0 on a logarithmic axis, got {frame[name].min()}")
    start = start or {}
    for name in start:
        if start[name] not in values.get(name, []):
            raise ValueError(f"start of {name} must be one of {values.get(name)}, got {start[name]}")
    numbers = {name: (frame[name].round(9) if frame[name].dtype.kind == "f" else frame[name]).tolist() for name in columns}
    figure("kd-sliders", frame[columns], columns=numbers, x=x, y=y, along=list(along), values=values, hue=hue, low=low,
           high=high, colors=colors or {}, logarithmic=list(logarithmic), labels=labels or {}, start=start)
