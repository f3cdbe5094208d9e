"""Legends of several panels: below them, and on a phone above or in a strip."""

from typing import NamedTuple

from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

LINE = 0.17  # inches from an entry to the next below
CHARACTERS = 44  # that fit on a line, of which a handle takes six


class Key(NamedTuple):
    """What a legend shows."""

    handles: list
    words: tuple
    title: str

    @property
    def columns(self):
        """How many entries stand side by side."""
        return max(1, min(4, CHARACTERS // (max(map(len, self.words)) + 6)))

    @property
    def height(self):
        """Inches that it takes."""
        lines = -(-len(self.words) // self.columns) + bool(self.title)
        return LINE * lines + 0.1

    def draw(self, figure, **place):
        """Draw it in a figure, at a place that matplotlib's legends know."""
        figure.legend(
            self.handles,
            self.words,
            title=self.title or None,
            ncols=self.columns,
            alignment="left",
            columnspacing=1.2,
            **place,
        )


def legend_below(axis, *, ncols):
    """One legend for all panels, below them.

    Args:
        axis: ``matplotlib.axes.Axes`` whose curves have the labels.
        ncols: how many entries stand side by side.
    """
    entries = axis.get_legend_handles_labels()
    axis.figure.legend(*entries, loc="outside lower center", ncols=ncols)


def take(figure, panels):
    """Take the legends out of a figure that do not stay where they are.

    Those are the figure's own, one that serves all panels, and a single panel's one of
    many entries.

    Args:
        figure: ``matplotlib.figure.Figure``.
        panels: its axes without colour bars.

    Returns:
        List of :class:`Key`.
    """
    moved = [*figure.legends]
    owned = [axis.get_legend() for axis in panels if axis.get_legend()]
    same = len({_words(legend) for legend in owned}) == 1
    for legend in owned:
        many = len(legend.get_texts())
        if len(panels) == 1 and many > 3:
            moved.append(legend)
        elif len(panels) > 1 and many > 1 and same and _serves(legend, panels):
            moved.append(legend)
    taken = {}
    for legend in moved:
        title = legend.get_title().get_text()
        key = Key(legend.legend_handles, _words(legend), title)
        taken[key.title, key.words] = key
        legend.remove()
    return list(taken.values())


def strip(keys, width):
    """A figure of so many inches with keys alone, which the page keeps in view.

    Args:
        keys: list of :class:`Key`.
        width: of the figure.

    Returns:
        ``matplotlib.figure.Figure``
    """
    height = sum(key.height for key in keys)
    figure = Figure(figsize=(width, height), layout="none")
    top = height
    for key in keys:
        place = {"bbox_to_anchor": (0, top / height), "borderaxespad": 0.2}
        key.draw(figure, loc="upper left", **place)
        top -= key.height
    return figure


def _serves(legend, panels):
    """Whether every panel has a curve in a colour of the legend's."""
    shown = {_color(handle) for handle in legend.legend_handles}
    return all(shown & {_color(line) for line in axis.lines} for axis in panels)


def _color(artist):
    return to_hex(artist.get_color()) if isinstance(artist, Line2D) else None


def _words(legend):
    return tuple(text.get_text() for text in legend.get_texts())
