"""A figure laid out anew for a phone: one panel under another, the legend above."""

import textwrap

from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

COLUMN = 7.1  # inches of the page's column beside a laptop's two side bars
PHONE = 3.4  # inches of a phone's screen
TALL = (1.9, 2.7)  # inches of a panel: at least, at most
LETTER = 0.08  # inches of a label
IN_A_ROW = 2  # of pictures without axes


def fit_column(figure):
    """Make a figure no wider than the page's column, so that letters keep their size.

    Args:
        figure: ``matplotlib.figure.Figure``.
    """
    width, height = figure.get_size_inches()
    if width > COLUMN:
        figure.set_size_inches(COLUMN, height)


def stack(figure):
    """Lay a figure out for a phone; it is another figure afterwards.

    Panels that stood side by side stand one under another, each with its labels and
    numbers. A legend of several panels, or one of many entries, stands above them.

    Args:
        figure: ``matplotlib.figure.Figure``.
    """
    panels = [axis for axis in figure.axes if not hasattr(axis, "_colorbar")]
    grids = [axis.get_subplotspec() for axis in panels]
    if not panels or None in grids:
        figure.set_size_inches(PHONE, PHONE)
        return
    rows, columns = grids[0].get_gridspec().get_geometry()
    height = figure.get_figheight() / rows
    _label_each(panels)
    _drop_small_ticks(panels)
    legends = _take_legends(figure, panels)
    if len(panels) > 1:
        rows = _place(figure, panels)
    panel = min(max(height, TALL[0]), TALL[1])
    if all(_is_picture(axis) for axis in panels):
        panel = PHONE / min(len(panels), IN_A_ROW)
    _wrap_labels(panels, panel)
    above = sum(_put_above(figure, legend) for legend in legends)
    figure.set_size_inches(PHONE, rows * panel + above)


def _place(figure, panels):
    """Give each panel its place in the new grid; how many rows that has."""
    columns = IN_A_ROW if all(_is_picture(axis) for axis in panels) else 1
    rows = -(-len(panels) // columns)
    grid = figure.add_gridspec(rows, columns)
    for place, axis in enumerate(panels):
        axis.set_subplotspec(grid[divmod(place, columns)])
    return rows


def _is_picture(axis):
    return not axis.axison or not (len(axis.get_xticks()) or len(axis.get_yticks()))


def _label_each(panels):
    """Give each panel the labels and numbers that a neighbour showed for it."""
    across = {}
    upward = {}
    for axis in panels:
        spec = axis.get_subplotspec()
        across[spec.colspan.start] = axis.get_xlabel() or across.get(spec.colspan.start)
        upward.setdefault(spec.rowspan.start, axis.get_ylabel())
    for axis in panels:
        spec = axis.get_subplotspec()
        axis.set_xlabel(axis.get_xlabel() or across[spec.colspan.start] or "")
        axis.set_ylabel(axis.get_ylabel() or upward[spec.rowspan.start])
        axis.tick_params(labelbottom=True, labelleft=True)


def _wrap_labels(panels, height):
    """Break labels that are longer than a panel of that many inches is high or wide."""
    for axis in panels:
        upward = textwrap.fill(axis.get_ylabel(), int((height - 0.6) / LETTER))
        across = textwrap.fill(axis.get_xlabel(), int(0.9 * PHONE / LETTER))
        axis.set_ylabel(upward)
        axis.set_xlabel(across, loc="right" if len(across) > 22 else "center")


def _drop_small_ticks(panels):
    """Leave out the ticks between decades, which crowd a phone and cost time."""
    for panel in panels:
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            if axis.get_scale() == "log" and high >= 100 * low:
                axis.set_minor_locator(NullLocator())


def _take_legends(figure, panels):
    """The entries and titles of the legends that do not stay where they are."""
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
        taken[title, _words(legend)] = (legend.legend_handles, _words(legend), title)
        legend.remove()
    return list(taken.values())


def _serves(legend, panels):
    """Whether every panel has a curve in a colour of the legend's."""
    shown = {_color(handle) for handle in legend.legend_handles}
    return all(shown & {_color(line) for line in axis.lines} for axis in panels)


def _color(artist):
    return to_hex(artist.get_color()) if isinstance(artist, Line2D) else None


def _words(legend):
    return tuple(text.get_text() for text in legend.get_texts())


def _put_above(figure, legend):
    """Draw a legend above the panels; the inches that it takes."""
    handles, words, title = legend
    columns = max(1, min(4, int(44 / (max(map(len, words)) + 6))))
    figure.legend(
        handles,
        words,
        title=title or None,
        ncols=columns,
        loc="outside upper left",
        alignment="left",
        columnspacing=1.2,
    )
    lines = -(-len(words) // columns) + bool(title)
    return 0.17 * lines + 0.1
