"""The book's style for matplotlib and seaborn, and how a notebook shows a figure."""

import matplotlib
import matplotlib.pyplot as plt
import seaborn
from matplotlib.figure import Figure

from companion.plots.colors import COLORS
from companion.plots.svg import figure_html
from companion.plots.verbs import take_rows


def use_style():
    """Give matplotlib and seaborn the book's style.

    In a notebook figures are shown as drawings that follow the page's theme: one that a
    cell leaves open is shown once, at the end of the cell, as inline SVG, with the rows
    that its verbs drew.
    """
    ink = COLORS["ink"]
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
            "figure.figsize": (7.1, 3.8),
            "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
            "font.size": 10,
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.title_fontsize": 9,
            "grid.color": COLORS["grid"],
            "grid.alpha": 0.5,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.handlelength": 1.6,
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

        # This loads the backend, which would choose PNG later.
        plt.switch_backend(matplotlib.get_backend())
        select_figure_formats(shell, [])
    html = shell.display_formatter.formatters["text/html"]
    html.for_type(Figure, _html_with_rows)


def _html_with_rows(figure):
    """What a notebook shows for a figure, and its metadata."""
    return figure_html(figure), {"kdlib": {"rows": take_rows()}}
