"""The still figure of sliders: the curves at the setting where they stand first."""

import matplotlib.pyplot as plt

from companion import plots


def draw(
    frame,
    *,
    x,
    y,
    along,
    values,
    hue,
    low,
    high,
    colors,
    logarithmic,
    labels,
    start,
    ghost,
):
    """A figure of the curves, their bands and the ghost, as the script draws them.

    Args:
        frame: as :func:`companion.moving.sliders` has it, as all others.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        along: columns with a slider each.
        values: column -> its slider's values.
        hue: column of the curves' names, or None.
        low: column of a band's lower end, or None.
        high: column of its upper end, or None.
        colors: hue -> role.
        logarithmic: ``x``, ``y`` or both.
        labels: column -> what the page calls it.
        start: column -> place of its slider's first value.
        ghost: column -> place of the ghost's value; empty without a ghost.

    Returns:
        ``matplotlib.figure.Figure``
    """

    def words(name):
        return labels.get(name, name)

    def setting(places):
        return {name: values[name][places[name]] for name in along}

    still, axis = plt.subplots(figsize=(6.6, 3.7))
    first = setting(start)
    stays = setting(start | ghost)
    named = ", ".join(f"{words(name)} {stays[name]:g}" for name in ghost)
    groups = [None] if hue is None else list(dict.fromkeys(frame[hue]))
    for place, group in enumerate(groups):
        part = frame if group is None else frame[frame[hue] == group]
        color = plots.COLORS[colors.get(group, "soft")]
        # The first lies below the others, and stays visible where they coincide.
        look = {"color": color, "lw": 2 + 1.5 * (len(groups) - 1 - place)}
        here = _rows(part, first).sort_values(x)
        axis.plot(here[x], here[y], "--" if place else "-", label=group, **look)
        if low is not None:
            axis.fill_between(here[x], here[low], here[high], color=color, alpha=0.15)
        if ghost:
            there = _rows(part, stays).sort_values(x)
            look = {"color": plots.COLORS["ink"], "lw": 1.2, "dashes": (4, 3)}
            axis.plot(there[x], there[y], label=named, **look)
    if hue is not None or ghost:
        axis.legend()
    axis.set(xlabel=words(x), ylabel=words(y))
    axis.set_title(", ".join(f"{words(name)} {first[name]:g}" for name in along))
    for which in logarithmic:
        getattr(axis, f"set_{which}scale")("log")
    return still


def _rows(frame, setting):
    """The rows of a frame at a setting."""
    for name, value in setting.items():
        frame = frame[frame[name] == value]
    return frame
