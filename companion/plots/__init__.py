"""How every figure of the book looks, and the verbs that draw what is said often."""

from companion.plots.colors import COLORS, shades
from companion.plots.style import use_style
from companion.plots.svg import figure_html
from companion.plots.verbs import band, curve, paper, rows

__all__ = [
    "COLORS",
    "band",
    "curve",
    "figure_html",
    "paper",
    "rows",
    "shades",
    "use_style",
]
