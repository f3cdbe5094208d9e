"""How every figure of the book looks: one style, one colour for each role, one drawing for the light and the dark page."""

import hashlib
import re
from io import StringIO
from typing import NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import pandas
import seaborn
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

# Each role has one colour in the whole book. The page's style sheet gives each name a second value for the dark theme.
COLORS = {
    "hard": "#c4432b",
    "soft": "#1f6fb4",
    "teacher": "#8a6a00",
    "paper": "#767676",
    "ink": "#1b1b1d",
    "muted": "#b9b9bf",
}
_css = {color: f"var(--kd-{role}, {color})" for role, color in COLORS.items()}
_css |= {
    black: _css[COLORS["ink"]] for black in ("#000000", "#262626", "#333333")
}  # matplotlib's and seaborn's own ink


def use_style():
    """Give matplotlib and seaborn the book's style; in a notebook, show figures as drawings that follow the page's theme.

    A figure that a cell leaves open is shown once, at the end of the cell, as inline SVG: its colours are the style
    sheet's, so one drawing serves the light and the dark page.
    """
    ink, muted = COLORS["ink"], COLORS["muted"]
    seaborn.set_theme(
        context="notebook",
        style="ticks",
        rc={
            "axes.edgecolor": ink,
            "axes.grid": True,
            "axes.labelcolor": ink,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "figure.figsize": (7.6, 3.8),
            "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
            "font.size": 10,
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.title_fontsize": 9,
            "grid.color": muted,
            "grid.alpha": 0.4,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "svg.fonttype": "none",
            "text.color": ink,
            "xtick.color": ink,
            "ytick.color": ink,
        },
    )
    try:
        shell = get_ipython()
    except NameError:
        return
    if matplotlib.get_backend().endswith("inline"):
        from IPython.core.pylabtools import select_figure_formats

        plt.switch_backend(
            matplotlib.get_backend()
        )  # loads the backend, which would choose PNG later
        select_figure_formats(shell, [])
    shell.display_formatter.formatters["text/html"].for_type(
        Figure,
        lambda figure: (figure_html(figure), {"kdlib": {"rows": _rows_of_figure()}}),
    )


def band(axis, frame, x, *, color, label=None, line="-", floor=None, **style):
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
        **style: further options of the line.
    """
    if label is not None and (frame["k"] < frame["K"]).any():
        label = f"{label} ({', '.join(frame['seeds'].unique())} seeds)"
    low = frame["low"] if floor is None else frame["low"].clip(lower=floor)
    axis.plot(frame[x], frame["mean"], line, color=color, label=label, **style)
    axis.fill_between(frame[x], low, frame["high"], color=color, alpha=0.2, lw=0)
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


def paper(axis, points, *, label=None, line="o-", **style):
    """Draw a paper's own curve in the colour of all papers, under ours.

    Args:
        axis: ``matplotlib.axes.Axes``.
        points: ``[[x, y], ...]``, such as a curve of ``published.curves``.
        label: what the legend calls it.
        line: matplotlib's format of the line.
        **style: further options of the line.
    """
    look = {"color": COLORS["paper"], "ms": 4, "mfc": "none", "lw": 0.9, "zorder": 1.5}
    axis.plot(*zip(*points, strict=True), line, label=label, **look | style)
    frame = pandas.DataFrame(points, columns=["x", "value"])
    _drawn.append(_Drawn(axis, label or "paper", "x", frame))


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


def shades(values, *, start="hard", end="soft"):
    """One colour for each value of an ordered family of curves, from the role ``start`` to the role ``end``.

    Args:
        values: the k values that name the curves, in the order in which they are drawn; repeated values share a colour.
        start: role of ``COLORS`` that the first value gets.
        end: role of ``COLORS`` that the last value gets.

    Returns:
        A dict from value to colour, for seaborn's ``palette`` or matplotlib's ``color``.

    Raises:
        ValueError: ``start`` or ``end`` is not a role of ``COLORS``.
    """
    for role in (start, end):
        if role not in COLORS:
            raise ValueError(f"a role is one of {', '.join(COLORS)}; got {role!r}")
    values = list(dict.fromkeys(values))
    first, last = (matplotlib.colors.to_rgb(COLORS[role]) for role in (start, end))
    palette = {}
    for i, value in enumerate(values):
        share = 1 - i / (len(values) - 1) if len(values) > 1 else 0.0
        color = to_hex(
            [share * a + (1 - share) * b for a, b in zip(first, last, strict=True)]
        )
        palette[value] = color
        if color not in _css:
            ends = [f"var(--kd-{role}, {COLORS[role]})" for role in (start, end)]
            _css[color] = f"color-mix(in srgb, {ends[0]} {100 * share:.1f}%, {ends[1]})"
    return palette


def figure_html(figure):
    """A figure as inline SVG that scales with the page and takes its colours from the style sheet.

    Args:
        figure: a ``matplotlib.figure.Figure``.

    Returns:
        One ``<div class="kd-figure">`` as text; its element ids are the drawing's own, so that many fit on one page.
    """
    text = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "kdlib"}):
        figure.savefig(
            text,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None},
        )
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL
    )
    own = "kd" + hashlib.sha1(svg.encode()).hexdigest()[:8]
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{own}-\1"', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\1{own}-", svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda found: _css.get(found[0], found[0]), svg)
    width = 96 * figure.get_figwidth()
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    size = f"width:100%;max-width:{width:.0f}px;min-width:{0.6 * width:.0f}px"
    svg = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', rf'\1 role="img" style="{size}"', svg, count=1
    )
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    return f'<div class="kd-figure" tabindex="0">\n{svg}</div>'


class _Drawn(NamedTuple):
    """What a verb has drawn, until the figure is shown."""

    axis: object
    label: str
    x: str
    frame: pandas.DataFrame


_drawn = []
_named = {}


def _rows_of_figure():
    """What the figure of this cell was drawn from, as CSV texts by name; once.

    Tables are named by the labels of their axes, which hold the units.
    """
    tables = {}
    for one in _drawn:
        across, upward = _label(one.axis, "x") or one.x, _label(one.axis, "y")
        named = {
            "curve": one.label,
            "panel": one.axis.get_title(loc="left") or one.axis.get_title(),
        }
        frame = one.frame.rename(columns={one.x: across, "value": upward or "value"})
        of = f" of {upward}" if upward else ""
        frame = frame.rename(columns={name: name + of for name in _OF_A_BAND})
        named = {name: text for name, text in named.items() if text}
        name = _slug(f"{upward or 'values'} against {across}")
        tables.setdefault(name, []).append(frame.assign(**named))
    texts = {
        name: pandas.concat(parts, ignore_index=True).to_csv(index=False)
        for name, parts in tables.items()
    }
    texts |= {name: frame.to_csv(index=False) for name, frame in _named.items()}
    _drawn.clear()
    _named.clear()
    return texts


_OF_A_BAND = ("mean", "low", "high")


def _label(axis, which):
    """An axis's label, or that of the panel which it shares."""
    text = getattr(axis, f"get_{which}label")()
    if text or axis.figure is None:
        return text
    shared = getattr(axis, f"get_shared_{which}_axes")()
    others = [one for one in axis.figure.axes if shared.joined(axis, one)]
    return next(
        filter(None, (getattr(one, f"get_{which}label")() for one in others)), ""
    )


def _slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _is_array(value):
    return hasattr(value, "__len__") and not isinstance(value, str)
