"""How long a row would take, by rows of its store that were measured."""

import math
import statistics
from typing import NamedTuple

# A fitted power of a size lies in this range.
POWERS = (0.0, 3.0)


class Setting(NamedTuple):
    """Measured rows of one setting and one kind of data.

    Attributes:
        sizes: of :func:`sizes_of`.
        data: digest of the sweep's data, or None.
        seconds: of each row.
        row: one of them, whatever the caller keeps of it.
    """

    sizes: dict
    data: str | None
    seconds: list
    row: object

    @property
    def typical(self):
        """The median of its rows' seconds; a busy machine moves it little."""
        return statistics.median(self.seconds)


class Estimate(NamedTuple):
    """What a row would take, and what that rests on.

    Attributes:
        seconds: of the row.
        powers: dict from a name whose size differs to the fitted power.
        assumed: names of counts in proportion to which it is scaled, unfitted.
        others: names that differ and scale nothing; ``data`` where they are others.
    """

    seconds: float
    powers: dict
    assumed: list
    others: list


class MeasuredRows:
    r"""The measured rows of a store.

    A row takes what rows of the nearest setting took, times a power of each size that
    differs:

    .. math:: t = t_0 \prod_k (s_k / s_{0k})^{p_k}

    Nearest is the setting of the same data that differs in the fewest texts, then by
    the least sum of :math:`|\log(s_k / s_{0k})|`. A power is the median over pairs of
    measured settings that differ in this one size, and lies in [0, 3]. Without such a
    pair it is 1 for a count (a whole number, a sum of them, the length of another
    list) and 0 for the rest, which is told.

    Args:
        rows: tuples ``(setting, data, seconds, row)``: a dict as a store writes it, the
            digest of the sweep's data or None, a number, and anything.

    Example:
        >>> of_store = MeasuredRows(({"n": n}, None, n**2, None) for n in (10, 20))
        >>> of_store.estimate({"n": 40}, None)
        Estimate(seconds=1600.0, powers={'n': 2.0}, assumed=[], others=[])
    """

    def __init__(self, rows):
        self._settings = {}
        for setting, data, seconds, row in rows:
            sizes = sizes_of(setting)
            new = Setting(sizes, data, [], row)
            place = (data, *sizes.items())
            self._settings.setdefault(place, new).seconds.append(seconds)
        self._powers = {}  # by name, as far as they were asked for

    def estimate(self, setting, data):
        """What a row would take.

        Args:
            setting: dict as a store writes it.
            data: digest of the sweep's data, or None.

        Returns:
            :class:`Estimate`; None where nothing was measured.
        """
        near = self.nearest(setting, data)
        if near is None:
            return None
        sizes = sizes_of(setting)
        seconds = near.typical
        powers = {}
        assumed = []
        others = ["data"] if near.data != data else []
        for name in _differing(sizes, near.sizes):
            ratio = _ratio(name, sizes, near.sizes)
            power = self._power(name) if ratio else None
            if power is not None:
                powers[name] = power
                seconds *= ratio**power
            elif ratio and isinstance(sizes[name], int):
                assumed.append(name)
                seconds *= ratio
            else:
                others.append(name)
        return Estimate(seconds, powers, assumed, others)

    def nearest(self, setting, data):
        """The measured setting that is nearest to one.

        Args:
            setting: dict as a store writes it.
            data: digest of the sweep's data, or None.

        Returns:
            :class:`Setting`; None where nothing was measured.
        """
        sizes = sizes_of(setting)
        exact = self._settings.get((data, *sizes.items()))
        if exact or not self._settings:
            return exact

        def distance(near):
            differing = _differing(sizes, near.sizes)
            ratios = [_ratio(name, sizes, near.sizes) for name in differing]
            logs = [abs(math.log(ratio)) for ratio in ratios if ratio]
            return near.data != data, len(ratios) - len(logs), sum(logs)

        return min(self._settings.values(), key=distance)

    def _power(self, name):
        """The power of a size; None where no two measured settings show it."""
        if name not in self._powers:
            self._powers[name] = self._fitted_power(name)
        return self._powers[name]

    def _fitted_power(self, name):
        alike = {}  # settings that differ in this one name
        for setting in self._settings.values():
            rest = [item for item in setting.sizes.items() if item[0] != name]
            alike.setdefault((setting.data, *rest), []).append(setting)
        powers = []
        for settings in alike.values():
            for place, one in enumerate(settings):
                for other in settings[:place]:
                    ratio = _ratio(name, one.sizes, other.sizes)
                    if ratio and min(one.typical, other.typical) > 0:
                        longer = math.log(one.typical / other.typical)
                        powers.append(longer / math.log(ratio))
        if not powers:
            return None
        low, high = POWERS
        return round(min(max(statistics.median(powers), low), high), 2)


def sizes_of(setting):
    """A setting by name: a count, another number, or a text.

    Args:
        setting: dict as a store writes it.

    Returns:
        Dict in the order of the names, without the device. A count is an int: a whole
        number, the sum of a list of them, or the length of another list.
    """
    return {name: _size(setting[name]) for name in sorted(setting) if name != "device"}


def _size(value):
    if isinstance(value, list):
        are_counts = all(type(item) is int and item >= 0 for item in value)
        return sum(value) if are_counts else len(value)
    return value if type(value) in (int, float) else str(value)


def _differing(sizes, others):
    names = sorted(sizes.keys() | others.keys())
    return [name for name in names if sizes.get(name) != others.get(name)]


def _ratio(name, sizes, others):
    """How much larger a size is; None where one of the two is none above zero."""
    size = sizes.get(name)
    other = others.get(name)
    for one in (size, other):
        if not isinstance(one, (int, float)) or not 0 < one < math.inf:
            return None
    return size / other
