"""One colour for each role in the whole book, on the light and on the dark page."""

import matplotlib
from matplotlib.colors import to_hex

# The page's style sheet gives each role a second value for the dark theme.
COLORS = {
    "hard": "#c4432b",
    "soft": "#1f6fb4",
    "teacher": "#8a6a00",
    "paper": "#767676",
    "ink": "#1b1b1d",
    "muted": "#b9b9bf",
}
BLACKS = ("#000000", "#262626", "#333333")  # matplotlib's and seaborn's own ink

# What a drawing's colours become on the page.
CSS = {color: f"var(--kd-{role}, {color})" for role, color in COLORS.items()}
CSS |= dict.fromkeys(BLACKS, CSS[COLORS["ink"]])


def shades(values, *, start="hard", end="soft"):
    """One colour for each value of an ordered family of curves, from role to role.

    Args:
        values: the k values that name the curves, in the order in which they are drawn;
            repeated values share a colour.
        start: role of ``COLORS`` that the first value gets.
        end: role of ``COLORS`` that the last value gets.

    Returns:
        A dict from value to colour, for seaborn's ``palette`` or matplotlib's
        ``color``.

    Raises:
        ValueError: ``start`` or ``end`` is not a role of ``COLORS``.
    """
    for role in (start, end):
        if role not in COLORS:
            raise ValueError(f"a role is one of {', '.join(COLORS)}; got {role!r}")
    values = list(dict.fromkeys(values))
    last_place = max(len(values) - 1, 1)
    palette = {}
    for place, value in enumerate(values):
        share = 1 - place / last_place if len(values) > 1 else 0.0
        palette[value] = _mixed(start, end, share)
    return palette


def _mixed(start, end, share):
    """The colour with so much of the start's, which the page mixes in its theme."""
    first = matplotlib.colors.to_rgb(COLORS[start])
    last = matplotlib.colors.to_rgb(COLORS[end])
    parts = zip(first, last, strict=True)
    color = to_hex([share * a + (1 - share) * b for a, b in parts])
    ends = [f"var(--kd-{role}, {COLORS[role]})" for role in (start, end)]
    mix = f"color-mix(in srgb, {ends[0]} {100 * share:.1f}%, {ends[1]})"
    CSS.setdefault(color, mix)
    return color
