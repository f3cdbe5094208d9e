"""How every figure of the book looks: one style, one colour for each role, one drawing for the light and the dark page."""

import ast
import hashlib
import re
from io import StringIO

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
        lambda figure: (figure_html(figure), {"kdlib": {"rows": _rows_of_cell(shell)}}),
    )


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


def _rows_of_cell(shell):
    """The data frames that the running cell names, as CSV texts by name: what its figure is drawn from."""
    names = {
        node.id
        for node in ast.walk(ast.parse(_plain(shell.user_ns["In"][-1])))
        if isinstance(node, ast.Name)
    }
    frames = {name: shell.user_ns.get(name) for name in sorted(names)}
    return {
        name: frame.to_csv(index=False)
        for name, frame in frames.items()
        if isinstance(frame, pandas.DataFrame)
    }


def _plain(source):
    """The cell's source without the lines that only IPython reads (``%magic``, ``!command``)."""
    return "\n".join(
        line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))
    )
