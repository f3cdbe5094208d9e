"""Numbers on logarithmic axes as a reader writes them, at their full size."""

import math

from matplotlib.ticker import LogFormatter, LogFormatterSciNotation

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def ten_to(exponent):
    """A power of ten as text."""
    return "10" + str(exponent).translate(RAISED)


class PlainLogFormatter(LogFormatterSciNotation):
    """0.001, 0.01, 0.1, 1, 10 where an axis stays near one, else powers of ten."""

    def __call__(self, value, pos=None):
        """The text at a tick; empty where matplotlib leaves a tick without one."""
        if not super().__call__(value, pos):
            return ""
        sign = "−" if value < 0 else ""
        size = abs(value)
        if size and self._is_crowded(size):
            return ""
        if size == 0 or self._stays_near_one():
            return f"{sign}{size:g}"
        exponent = math.floor(math.log10(size) + 1e-9)
        factor = size / 10.0**exponent
        if exponent in (0, 1):
            return f"{sign}{size:g}"
        power = ten_to(exponent)
        return sign + (power if f"{factor:g}" == "1" else f"{factor:g}·{power}")

    def _is_crowded(self, size):
        """Whether a tick is left without a text so that its neighbours can be read."""
        low, high = sorted(self.axis.get_view_interval())
        if low < 0 and size == 1:
            return high > 1000  # beside the zero of a symmetric axis
        first = f"{size:.0e}"[0]
        return first not in "125" and (low <= 0 or high > 4 * low)

    def _stays_near_one(self):
        low, high = sorted(abs(end) for end in self.axis.get_view_interval())
        if min(self.axis.get_view_interval()) <= 0:  # symmetric about zero
            low = 1
        return low >= 5e-4 and high < 2e4


def write_plainly(figure):
    """Give each logarithmic axis of a figure plain numbers, where it has its own not.

    Args:
        figure: ``matplotlib.figure.Figure``.
    """
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            for which in ("major", "minor"):
                old = getattr(axis, f"get_{which}_formatter")()
                if isinstance(old, LogFormatter):
                    new = PlainLogFormatter(
                        base=old._base,
                        labelOnlyBase=old.labelOnlyBase,
                        minor_thresholds=old.minor_thresholds,
                        linthresh=old._linthresh,
                    )
                    getattr(axis, f"set_{which}_formatter")(new)
