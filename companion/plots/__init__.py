"""How every figure of the book looks, and the verbs that draw what is said often."""

from companion.plots.colors import COLORS, partner, shades
from companion.plots.labels import label_lines
from companion.plots.legends import legend_below
from companion.plots.style import use_style
from companion.plots.svg import figure_html, inline_svg, wide_drawings
from companion.plots.verbs import band, curve, paper, rows, take_rows

__all__ = [
    "COLORS",
    "band",
    "curve",
    "figure_html",
    "inline_svg",
    "label_lines",
    "legend_below",
    "paper",
    "partner",
    "rows",
    "shades",
    "take_rows",
    "use_style",
    "wide_drawings",
]
