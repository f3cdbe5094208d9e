"""How every figure of the book looks, and the verbs that draw what is said often."""

from companion.plots.colors import COLORS, shades
from companion.plots.style import use_style
from companion.plots.svg import figure_html, inline_svg
from companion.plots.verbs import band, curve, paper, rows, take_rows

__all__ = [
    "COLORS",
    "band",
    "curve",
    "figure_html",
    "inline_svg",
    "paper",
    "rows",
    "shades",
    "take_rows",
    "use_style",
]
