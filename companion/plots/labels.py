"""The names of curves at their right ends, where the eye is, instead of in a legend."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform
from scipy.optimize import isotonic_regression

from companion.plots.colors import COLORS

ARM = 10  # points from the panel's edge to a name
GAP = 1.15  # heights of a letter from one name to the next


def label_lines(axis, *, title=None):
    """Write the label of each curve of a panel at the curve's right end.

    The names keep clear of each other. A key without data, such as that of a paper's
    curves, stays in a legend.

    Args:
        axis: ``matplotlib.axes.Axes`` whose curves have labels.
        title: what the names are values of, written above them, or None.
    """
    named = [line for line in axis.lines if not line.get_label().startswith("_")]
    curves = [line for line in named if len(line.get_xdata())]
    keys = [line for line in named if not len(line.get_xdata())]
    if axis.get_legend():
        axis.get_legend().remove()
    if keys:
        axis.legend(handles=keys)
    axis.add_artist(_EndLabels(curves, title))


class _EndLabels(Artist):
    """Names beside a panel, placed when the panel's own place is known."""

    def __init__(self, curves, title):
        super().__init__()
        self.zorder = 6
        self._curves = curves
        self._title = title
        self.set_clip_on(False)

    def get_tightbbox(self, renderer=None):
        """The space that the names take beside the panel."""
        texts = self._texts(renderer)
        boxes = [text.get_window_extent(renderer) for text, _ in texts]
        return Bbox.union(boxes) if boxes else Bbox.null()

    get_window_extent = get_tightbbox

    def draw(self, renderer):
        """Draw each name, and an arm from its curve to it."""
        for text, arm in self._texts(renderer):
            text.draw(renderer)
            if arm is not None:
                arm.draw(renderer)

    def _texts(self, renderer):
        """Pairs of a name and its arm; the title has none."""
        panel = self.axes.bbox
        figure = self.axes.get_figure()
        point = figure.dpi / 72
        ends = {line: _end(line, panel) for line in self._curves}
        ends = {line: end for line, end in ends.items() if end is not None}
        ordered = sorted(ends, key=lambda line: ends[line][1])
        step = GAP * _size() * point
        top = panel.y1 - step * bool(self._title)
        heights = _spread([ends[line][1] for line in ordered], step, panel.y0, top)
        x = panel.x1 + ARM * point
        texts = []
        for line, height in zip(ordered, heights, strict=True):
            text = self._text(x + 2 * point, height, line.get_label())
            end = ends[line]
            bend = max(panel.x1 + 1.5 * point, end[0])
            path = [[end[0], bend, x], [end[1], end[1], height]]
            look = {"color": line.get_color(), "ls": line.get_linestyle(), "lw": 0.9}
            arm = Line2D(*path, transform=IdentityTransform(), **look)
            arm.set_figure(figure)
            texts.append((text, arm))
        if self._title and texts:
            title = self._text(x + 2 * point, heights[-1] + step, self._title)
            texts.append((title, None))
        return texts

    def _text(self, x, y, words):
        place = {"va": "center", "transform": IdentityTransform()}
        text = Text(x, y, words, color=COLORS["ink"], fontsize=_size(), **place)
        text.set_figure(self.axes.get_figure())
        return text


def _size():
    from matplotlib import rcParams

    return float(rcParams["legend.fontsize"])


def _end(line, panel):
    """Where a curve is last seen inside its panel; None if it never is."""
    points = np.column_stack([line.get_xdata(orig=False), line.get_ydata(orig=False)])
    places = line.axes.transData.transform(points)
    inside = np.isfinite(places).all(axis=1)
    inside[inside] = [
        panel.x0 - 1 <= x <= panel.x1 + 1 and panel.y0 - 1 <= y <= panel.y1 + 1
        for x, y in places[inside]
    ]
    return places[inside][np.argmax(places[inside][:, 0])] if inside.any() else None


def _spread(heights, step, bottom, top):
    """The nearest heights in the same order that lie at least a step apart."""
    if not heights:
        return []
    steps = step * np.arange(len(heights))
    apart = isotonic_regression(np.array(heights) - steps).x
    highest = top - steps[-1]
    return np.clip(apart, min(bottom, highest), highest) + steps
