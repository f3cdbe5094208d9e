"""Numbers on logarithmic axes as a reader writes them, at their full size."""

import math

from matplotlib.ticker import Formatter, LogFormatter

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def ten_to(exponent):
    """A power of ten as text."""
    return "10" + str(exponent).translate(RAISED)


def write_plainly(figure):
    """Give each logarithmic axis of a figure numbers of :class:`PlainLogFormatter`.

    Args:
        figure: ``matplotlib.figure.Figure``; what a cell has labelled itself stays.
    """
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):
                axis.set_major_formatter(PlainLogFormatter())
            if isinstance(axis.get_minor_formatter(), LogFormatter):
                axis.set_minor_formatter(PlainLogFormatter())


class PlainLogFormatter(Formatter):
    """0.001, 0.01, 0.1, 1, 10 where an axis stays near one, else powers of ten."""

    def __call__(self, value, pos=None):
        """The text at a tick; empty where it would crowd its neighbours."""
        low, high = sorted(self.axis.get_view_interval())
        sign = "−" if value < 0 else ""
        size = abs(value)
        exponent = math.floor(math.log10(size) + 1e-9) if size else 0
        factor = f"{size / 10.0**exponent:g}"
        if (
            low <= 0
            and size == 1
            and high > 1000
            or self._is_crowded(factor, low, high)
        ):
            return ""  # 1 would touch the zero of an axis on both sides of it
        least = low if low > 0 else 1  # an axis on both sides of zero is linear there
        stays_near_one = least >= 5e-4 and high < 2e4
        if stays_near_one or exponent in (0, 1) or not size:
            return f"{sign}{size:g}"
        power = ten_to(exponent)
        return sign + (power if factor == "1" else f"{factor}·{power}")

    def _is_crowded(self, factor, low, high):
        """Whether a tick between two decades has too little room for its text."""
        if factor == "1" or low <= 0:
            return False
        panel = self.axis.axes.bbox
        is_across = self.axis.axis_name == "x"
        length = panel.width if is_across else panel.height
        decade = length / self.axis.figure.dpi / math.log10(high / low)
        room = decade / (1.5 if is_across else 0.5)  # inches for 1, 2 and 5
        return room < (1 if factor in "25" else 3.5)
