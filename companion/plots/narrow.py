"""A figure laid out anew for a phone: one panel under another, the legend above."""

import textwrap

from matplotlib.ticker import NullLocator

from companion.plots import legends

COLUMN = 7.1  # inches of the page's column beside a laptop's two side bars
PHONE = 3.4  # inches of a phone's screen
TALL = (1.9, 2.7)  # inches of a panel: at least, at most
MANY = 3  # panels, under which a legend above the first is out of view
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

    Returns:
        A figure of the legend alone where many panels would leave it out of view, else
        None.
    """
    panels = [axis for axis in figure.axes if not hasattr(axis, "_colorbar")]
    grids = [axis.get_subplotspec() for axis in panels]
    if not panels or None in grids:
        figure.set_size_inches(PHONE, PHONE)
        return None
    rows, columns = grids[0].get_gridspec().get_geometry()
    height = figure.get_figheight() / rows
    _label_each(panels)
    _drop_small_ticks(panels)
    keys = legends.take(figure, panels)
    if len(panels) > 1:
        rows = _place(figure, panels)
    panel = min(max(height, TALL[0]), TALL[1])
    if all(_is_picture(axis) for axis in panels):
        panel = PHONE / min(len(panels), IN_A_ROW)
    _wrap_labels(panels, panel)
    figure.set_size_inches(PHONE, rows * panel)
    if keys and rows >= MANY:
        return legends.strip(keys, PHONE)
    for key in keys:
        key.draw(figure, loc="outside upper left")
    figure.set_figheight(rows * panel + sum(key.height for key in keys))
    return None


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
        across = textwrap.fill(axis.get_xlabel(), int(PHONE / LETTER))
        axis.set_ylabel(upward)
        axis.set_xlabel(across, loc="right" if len(across) > 22 else "center")


def _drop_small_ticks(panels):
    """Leave out the ticks between decades, which crowd a phone and cost time."""
    for panel in panels:
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            if axis.get_scale() == "log" and high >= 100 * low:
                axis.set_minor_locator(NullLocator())
