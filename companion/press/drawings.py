"""A chapter's figure on another page of the book."""

import nbformat

from companion import markup
from companion.press import chapters
from companion.press.beside import thumbnails


def drawing(executed, chapter, figure, *, panel=None):
    """A figure of an executed chapter, for another page.

    Args:
        executed: folder of the executed notebooks.
        chapter: full name of the chapter.
        figure: name of the figure, ``fig-...``.
        panel: number of the panel that is shown alone and small, from 1; all by
            default.

    Returns:
        A ``figure`` element; it leads to the figure in its chapter.

    Raises:
        companion.press.chapters.Failed: the chapter has no such figure, or the figure
            no such panel.
    """
    cell = _cell(executed, chapter, figure)
    drawn = [output.data.get("text/html", "") for output in cell.outputs]
    drawn = [html for html in drawn if "kd-figure" in html]
    if not drawn:
        raise chapters.Failed(f"{chapter}: {figure} shows no drawing")
    alt = cell.metadata["mystnb"].get("image", {}).get("alt", "")
    if panel is None:
        html = markup.labelled(drawn[0], alt)
    else:
        html = thumbnails.drawing(drawn[0], alt, panel=panel, keep="all")
    if html is None:
        raise chapters.Failed(f"{chapter}: {figure} has no panel {panel}")
    link = markup.element(
        "a", f"In chapter {chapters.number(chapter)}", href=f"{chapter}.html#{figure}"
    )
    below = markup.element("figcaption", link)
    return markup.element("figure", html, below, class_="kd-taken")


def _cell(executed, chapter, figure):
    """The code cell of a chapter that draws a figure."""
    for cell in nbformat.read(executed / f"{chapter}.ipynb", as_version=4).cells:
        named = cell.metadata.get("mystnb", {}).get("figure", {})
        if cell.cell_type == "code" and named.get("name") == figure:
            return cell
    raise chapters.Failed(f"{chapter}: has no figure {figure}")
