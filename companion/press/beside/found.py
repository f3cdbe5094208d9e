"""What an executed chapter holds that a page beside a paper shows."""

import functools
import json
from typing import NamedTuple

from companion import prose
from companion.press import trials


class Figure(NamedTuple):
    """A figure of an executed chapter.

    Attributes:
        html: what the chapter shows.
        alt: its alternative text, with what the run has shown.
    """

    html: str
    alt: str


class Chapter(NamedTuple):
    """An executed chapter.

    Attributes:
        title: its title.
        figures: a dict from name to :class:`Figure`.
        said: a dict from the name of a figure or of a sentence to what is said of it;
            ``finding`` is the chapter's finding.
        is_whole: whether it ran at a profile's own values, and not at those of the
            tests, which leave panels and sentences out.
    """

    title: str
    figures: dict
    said: dict
    is_whole: bool


def chapter(executed, name):
    """What an executed chapter holds.

    Args:
        executed: folder of the executed notebooks.
        name: full name of the chapter.

    Returns:
        :class:`Chapter`; None where the chapter was not executed.
    """
    path = executed / f"{name}.ipynb"
    return _read(path, path.stat().st_mtime_ns) if path.exists() else None


@functools.lru_cache(maxsize=64)
def _read(path, modified):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    statements = prose.statements(notebook)
    said = {}
    for name in dict.fromkeys(one["name"] for one in statements):
        said[name] = prose.said_of(name, statements)
    said["finding"] = trials.finding(notebook) or ""
    figures = {}
    for cell in notebook["cells"]:
        about = cell["metadata"].get("mystnb", {})
        name = about.get("figure", {}).get("name")
        if name:
            alt = " ".join(about.get("image", {}).get("alt", "").split())
            full = f"{alt} {said.get(name, '')}".strip()
            figures[name] = Figure(_drawing(cell), full)
    head = "".join(notebook["cells"][0]["source"]).partition("\n")[0]
    record = notebook["metadata"]["kdlib"]
    is_whole = record["profile"] != "smoke" and not record["changed"]
    return Chapter(head.removeprefix("# "), figures, said, is_whole)


def _drawing(cell):
    """What a cell shows as its figure; empty where it drew nothing."""
    for output in cell.get("outputs", []):
        html = "".join(output.get("data", {}).get("text/html", ""))
        if "kd-figure" in html:
            return html
    return ""
