"""One colour for each role in the whole book, on the light and on the dark page.

The roles differ in lightness as well as in hue, so that they part for the colour-blind
and in grey; each has a contrast of at least 3 : 1 to the page, but for the grid.
"""

from matplotlib.colors import to_hex, to_rgb

# The page's style sheet gives each role a second value for the dark theme.
COLORS = {
    "hard": "#b9351f",
    "soft": "#10477f",
    "teacher": "#a5831a",
    "paper": "#767676",
    "ink": "#1b1b1d",
    "muted": "#8c8c94",
    "grid": "#b9b9bf",
}
# What ordered families of curves run through: dark, halfway, light.
STOPS = {
    "cool": "#0d2f66",
    "violet": "#9b3f90",
    "orange": "#e0683a",
    "green": "#3f6a5c",
    "ochre": "#a88b1c",
}
RAMPS = {
    ("soft", "hard"): ("cool", "violet", "orange"),
    ("soft", "teacher"): ("cool", "green", "ochre"),
}
RAMPS |= {(end, start): ramp[::-1] for (start, end), ramp in RAMPS.items()}
BLACKS = ("#000000", "#262626", "#333333")  # matplotlib's and seaborn's own ink

# What a drawing's colours become on the page.
CSS = {color: f"var(--kd-{name}, {color})" for name, color in (STOPS | COLORS).items()}
CSS |= dict.fromkeys(BLACKS, CSS[COLORS["ink"]])


def shades(values, *, start="hard", end="soft"):
    """One colour for each value of an ordered family of curves, from role to role.

    The lightness rises or falls all the way, so that the order is seen in grey too.

    Args:
        values: the k values that name the curves, in the order in which they are drawn;
            repeated values share a colour.
        start: role that the first value is near to: ``soft``, ``hard`` or ``teacher``.
        end: role that the last value is near to; one of the two is ``soft``.

    Returns:
        A dict from value to colour, for seaborn's ``palette`` or matplotlib's
        ``color``.

    Raises:
        ValueError: no ramp leads from ``start`` to ``end``.
    """
    if (start, end) not in RAMPS:
        ramps = ", ".join(" to ".join(ends) for ends in RAMPS)
        raise ValueError(f"a ramp leads {ramps}; got {start!r} to {end!r}")
    values = list(dict.fromkeys(values))
    last_place = max(len(values) - 1, 1)
    palette = {}
    for place, value in enumerate(values):
        way = place / last_place if len(values) > 1 else 1.0
        palette[value] = _mixed(RAMPS[start, end], way)
    return palette


def partner(colors, value, *, within=0.02):
    """The colour of our curve beside which a paper's one of a rounded value belongs.

    Args:
        colors: dict from our curves' values to colours.
        value: the number that the paper's legend prints, as text or number.
        within: relative distance up to which the two are the same.

    Returns:
        The colour; the grey of all papers where we have no such curve.
    """
    value = float(value)
    nearest = min(colors, key=lambda own: abs(own - value))
    if abs(nearest - value) > within * abs(value):
        return COLORS["paper"]
    return colors[nearest]


def _mixed(ramp, way):
    """The colour so far along a ramp, which the page mixes in its theme."""
    leg = min(int(way * (len(ramp) - 1)), len(ramp) - 2)
    here, there = ramp[leg : leg + 2]
    share = leg + 1 - way * (len(ramp) - 1)
    parts = zip(to_rgb(STOPS[here]), to_rgb(STOPS[there]), strict=True)
    color = to_hex([share * a + (1 - share) * b for a, b in parts])
    ends = [CSS[STOPS[name]] for name in (here, there)]
    mix = f"color-mix(in srgb, {ends[0]} {100 * share:.1f}%, {ends[1]})"
    CSS.setdefault(color, mix)
    return color
