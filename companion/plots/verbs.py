"""What is drawn often: a band over seeds, a curve, a paper's points; and its rows."""

import re
from typing import NamedTuple

import pandas

from companion.plots.colors import COLORS


class _Drawn(NamedTuple):
    """What a verb has drawn, until the figure is shown."""

    axis: object
    label: str
    x: str
    frame: pandas.DataFrame


_drawn = []
_named = {}


def band(
    axis, frame, x, *, color, label=None, line="-", floor=None, shade=0.2, **style
):
    """Draw means over seeds as a line, and their intervals as a band around it.

    A label says where seeds are missing. The page offers what was drawn as CSV.

    Args:
        axis: ``matplotlib.axes.Axes``.
        frame: rows of ``intervals.mean_band`` for one curve.
        x: the column of the horizontal axis.
        color: a colour, such as ``plots.COLORS["soft"]``.
        label: what the legend calls the curve.
        line: matplotlib's format of the line, such as ``"o-"``.
        floor: the least value that the band shows, for logarithmic axes.
        shade: opacity of the band; 0 leaves it out where many would hide each other.
        **style: further options of the line.
    """
    frame = frame.sort_values(x)
    if label is not None and (frame["k"] < frame["K"]).any():
        label = f"{label} ({', '.join(frame['seeds'].unique())} seeds)"
    low = frame["low"] if floor is None else frame["low"].clip(lower=floor)
    axis.plot(frame[x], frame["mean"], line, color=color, label=label, **style)
    if shade:
        look = {"color": color, "alpha": shade, "lw": 0}
        axis.fill_between(frame[x], low, frame["high"], **look)
    _drawn.append(_Drawn(axis, label, x, frame[[x, "mean", "low", "high", "seeds"]]))


def curve(axis, frame, x, y, *, color, label=None, line="-", **style):
    """Draw one column of a frame against another; the page offers both as CSV.

    Args:
        axis: ``matplotlib.axes.Axes``.
        frame: a tidy ``pandas.DataFrame``.
        x: the column of the horizontal axis.
        y: the column of the vertical axis.
        color: a colour, such as ``plots.COLORS["ink"]``.
        label: what the legend calls the curve.
        line: matplotlib's format of the line; ``"o"`` draws points alone.
        **style: further options of the line.
    """
    axis.plot(frame[x], frame[y], line, color=color, label=label, **style)
    _drawn.append(_Drawn(axis, label, x, frame[[x, y]].rename(columns={y: "value"})))


def paper(axis, points, *, color=None, label=None, line="--", **style):
    """Draw a paper's own curve, dashed, in the colour of its partner of ours.

    The legend has one key for all of a panel's curves of the paper.

    Args:
        axis: ``matplotlib.axes.Axes``.
        points: ``[[x, y], ...]``, such as a curve of ``published.curves``.
        color: the colour of our curve beside it; grey where it has none.
        label: what the table of its rows calls it.
        line: matplotlib's format of the line; ``"o"`` draws points alone.
        **style: further options of the line.
    """
    look = {"ms": 5, "mfc": "none", "lw": 1.3, "zorder": 1.5} | style
    key = {"color": COLORS["paper"], "clip_on": True}  # without data nothing to clip
    if not any(one.get_label() == "paper" for one in axis.lines):
        axis.plot([], [], line, label="paper", **look | key)
    look["color"] = color or COLORS["paper"]
    axis.plot(*zip(*points, strict=True), line, **look)
    frame = pandas.DataFrame(points, columns=["x", "value"])
    _drawn.append(_Drawn(axis, label or "paper", "x", frame))
    # By this name the page beside the paper finds the curve in the drawing.
    axis.lines[-1].set_gid(f"paper_{len(_drawn)}")


def rows(**frames):
    """Name the frames that a figure draws by other means than this room's verbs.

    Args:
        **frames: frames by the names under which the page offers them as CSV; their
            columns carry units where they have any.

    Raises:
        ValueError: a frame is empty, or a column holds arrays.
    """
    for name, frame in frames.items():
        if not len(frame):
            raise ValueError(f"a figure draws rows, and {name} has none")
        for column in frame:
            if frame[column].map(_is_array).any():
                raise ValueError(
                    f"{name}: column {column!r} holds arrays, tidy it first"
                )
        _named[name] = frame


def take_rows():
    """What the figure of a cell was drawn from, and forget it.

    Returns:
        dict: name -> CSV text. Tables are named by the labels of their axes, which hold
        the units; the frames of :func:`rows` have their own names.
    """
    tables = {}
    for one in _drawn:
        tables.setdefault(_table_name(one), []).append(_with_units(one))
    texts = {}
    for name, parts in tables.items():
        texts[name] = pandas.concat(parts, ignore_index=True).to_csv(index=False)
    for name, frame in _named.items():
        texts[name] = frame.to_csv(index=False)
    _drawn.clear()
    _named.clear()
    return texts


def _table_name(one):
    across = _label(one.axis, "x") or one.x
    upward = _label(one.axis, "y") or "values"
    return _slug(f"{upward} against {across}")


def _with_units(one):
    """A curve's rows, their columns called like the axes, with its label and panel."""
    upward = _label(one.axis, "y")
    names = {one.x: _label(one.axis, "x") or one.x, "value": upward or "value"}
    for column in ("mean", "low", "high"):
        names[column] = f"{column} of {upward}" if upward else column
    frame = one.frame.rename(columns=names)
    title = one.axis.get_title(loc="left") or one.axis.get_title()
    panel = " ".join(title.split())  # of one line or several
    if one.label:
        frame["curve"] = one.label
    if panel:
        frame["panel"] = panel
    return frame


def _label(axis, which):
    """An axis's label, or that of a panel which shares the axis; empty without any."""
    shared = getattr(axis, f"get_shared_{which}_axes")()
    for one in (axis, *axis.figure.axes):
        if one is axis or shared.joined(axis, one):
            text = getattr(one, f"get_{which}label")()
            if text:
                return text
    return ""


def _slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _is_array(value):
    return hasattr(value, "__len__") and not isinstance(value, str)
