"""A figure of an executed chapter as an SVG file of its own."""

import re

from companion import markup, plots
from companion.press import chapters


def standalone_figure(executed, name):
    """One figure of an executed chapter as an SVG file of its own.

    Args:
        executed: the executed notebook (``nbformat.NotebookNode``).
        name: the figure's name, ``fig-01-...``.

    Returns:
        The SVG as text; it follows the viewer's light or dark theme.

    Raises:
        ValueError: the chapter has no figure of that name.
    """
    named = {}
    for cell in executed.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "name" in figure:
            named[figure["name"]] = cell
    if name not in named:
        raise ValueError(
            f"a figure of this chapter is one of {', '.join(named)}; got {name!r}"
        )
    drawn = [output.get("data", {}).get("text/html") for output in named[name].outputs]
    html = next(text for text in drawn if text)
    svg = plots.wide_drawings(html)[0]
    opening, closing, rest = svg.partition(">")
    return f"{opening}{closing}{_theme_style()}{rest}\n"


def _theme_style():
    """The book's colours for the light and the dark theme, for an SVG by itself."""
    css = (chapters.book() / "_static" / "kdlib.css").read_text(encoding="utf-8")
    light, dark = (
        re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.S)[1]
        for theme in ("light", "dark")
    )
    in_dark = f"@media (prefers-color-scheme: dark) {{ svg {{{dark}}} }}"
    return markup.element("style", markup.Markup(f"svg {{{light}}} {in_dark}"))
