"""A figure of an executed chapter as files of its own: its drawing and its rows."""

import re

from companion import markup, plots
from companion.press import chapters

# What an element of a page has and a drawing by itself has not.
OF_THE_PAGE = re.compile(r' (class|style|role|aria-label|width|height)="[^"]*"')
VARIABLE = re.compile(r"var\(--[\w-]+, (#[0-9a-fA-F]{6})\)")
MIX = re.compile(
    r"color-mix\(in srgb, (#[0-9a-fA-F]{6}) ([\d.]+)%, (#[0-9a-fA-F]{6})\)"
)


def is_drawing(output):
    """Whether a cell's output is a drawing in the book's style."""
    return "kd-figure" in output.get("data", {}).get("text/html", "")


def rows_of(outputs):
    """The CSV texts of the rows behind drawings, by name."""
    frames = {}
    for output in outputs:
        about = output.get("metadata", {}).get("text/html", {}).get("kdlib", {})
        frames |= about.get("rows", {})
    return frames


def files(executed):
    """The files that the page of a chapter offers beside its figures.

    Args:
        executed: the executed notebook (``nbformat.NotebookNode``).

    Returns:
        Dict from a file's name, as :func:`row_file` and :func:`drawing_files` give it,
        to its text.
    """
    made = {}
    for cell in executed.cells:
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        if name is None:
            continue
        for frame, text in rows_of(cell.outputs).items():
            made[row_file(name, frame)] = text
        made |= drawing_files(name, cell.outputs)
    return made


def row_file(figure, frame):
    """The name of the file with some rows behind a figure."""
    return re.sub(r"[^\w.-]+", "-", f"{figure}-{frame}.csv")


def drawing_files(figure, outputs):
    """The drawings of a figure that stand still, as SVG files that open alone.

    Args:
        figure: the figure's name.
        outputs: the outputs of its cell.

    Returns:
        Dict from a file's name to its text.
    """
    drawn = []
    for output in outputs:
        if is_drawing(output):
            drawn += plots.wide_drawings(output["data"]["text/html"])
    many = len(drawn) > 1
    made = {}
    for place, svg in enumerate(drawn, start=1):
        name = f"{figure}-{place}.svg" if many else f"{figure}.svg"
        made[name] = in_light_colors(svg)
    return made


def in_light_colors(svg):
    """A drawing whose colours are those of the light page, for programs without styles.

    Args:
        svg: the drawing as it stands on a page, in the style sheet's colours.

    Returns:
        The SVG as text, with a white ground, and a size where its box is known.
    """
    svg = VARIABLE.sub(r"\1", svg)
    svg = MIX.sub(_mixed, svg)
    box = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', svg)
    width, height = box.groups() if box else (None, None)
    size = markup.attribute_text(
        width=width, height=height, style="background: #ffffff"
    )
    opening, closing, rest = svg.partition(">")
    opening = OF_THE_PAGE.sub("", opening)
    if "xmlns=" not in opening:
        opening += ' xmlns="http://www.w3.org/2000/svg"'
    return f"{opening}{size}{closing}{rest}\n"


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


def _mixed(mix):
    """The colour that a mix of two gives."""
    share = float(mix[2]) / 100
    parts = []
    for place in (1, 3, 5):
        one, other = (int(mix[which][place : place + 2], 16) for which in (1, 3))
        parts.append(round(share * one + (1 - share) * other))
    return "#" + "".join(f"{part:02x}" for part in parts)


def _theme_style():
    """The book's colours for the light and the dark theme, for an SVG by itself."""
    css = (chapters.book() / "_static" / "kdlib.css").read_text(encoding="utf-8")
    light, dark = (
        re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.S)[1]
        for theme in ("light", "dark")
    )
    in_dark = f"@media (prefers-color-scheme: dark) {{ svg {{{dark}}} }}"
    return markup.element("style", markup.Markup(f"svg {{{light}}} {in_dark}"))
