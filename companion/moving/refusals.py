"""What a figure with sliders cannot show, and says so before it is drawn."""

import math

from companion import plots


def check(frame, columns, *, along, x, keys):
    """Refuses a frame whose rows do not give each curve once.

    Args:
        frame: ``pandas.DataFrame``.
        columns: all columns that are used, each for one purpose.
        along: columns with a slider each.
        x: column of the horizontal axis.
        keys: columns whose combinations are curves.

    Raises:
        ValueError: a column that is not there or has two uses, or a combination of
            keys without rows or with two for one x.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing or not along:
        raise ValueError(
            "sliders needs columns of the frame, at least one of them in along; not "
            f"there: {missing}"
        )
    if len(set(columns)) < len(columns):
        raise ValueError(f"sliders gives each column one use, got {', '.join(columns)}")
    names = ", ".join(keys)
    wanted = math.prod(frame[name].nunique() for name in keys)
    present = frame.groupby(keys).ngroups
    if present != wanted:
        raise ValueError(
            f"every combination of {names} needs rows: {present} of {wanted} have"
        )
    repeated = int(frame.duplicated([*keys, x]).sum())
    if repeated:
        raise ValueError(
            f"one row for each {x} and combination of {names}; {repeated} are repeated"
        )


def check_looks(frame, *, x, y, low, high, colors, logarithmic):
    """Refuses half a band, an unknown axis or role, and what an axis cannot show.

    Args:
        frame: ``pandas.DataFrame``.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        low: column of a band's lower end, or None.
        high: column of its upper end, or None.
        colors: hue -> role.
        logarithmic: ``x``, ``y`` or both.

    Raises:
        ValueError: one of these.
    """
    if (low is None) != (high is None):
        raise ValueError(f"low and high go together, got low={low!r}, high={high!r}")
    if not set(logarithmic) <= {"x", "y"} or isinstance(logarithmic, str):
        raise ValueError(f"logarithmic holds x, y or both; got {logarithmic!r}")
    for role in colors.values():
        if role not in plots.COLORS:
            roles = ", ".join(plots.COLORS)
            raise ValueError(f"a role is one of {roles}; got {role!r}")
    shown = {"x": [x], "y": [y] if low is None else [y, low, high]}
    for axis in logarithmic:
        for name in shown[axis]:
            if (frame[name] <= 0).any():
                raise ValueError(
                    f"{name} must be > 0 on a logarithmic axis, got {frame[name].min()}"
                )


def place_of(name, value, values, *, what):
    """Where a value is among those of its column.

    Args:
        name: the column.
        value: one of its values.
        values: all of them, in the order of the slider.
        what: what the value is for, such as ``start``.

    Returns:
        The place, counted from 0.

    Raises:
        ValueError: it is not among them.
    """
    if value not in (values or []):
        raise ValueError(f"{what} of {name} must be one of {values}, got {value}")
    return values.index(value)
