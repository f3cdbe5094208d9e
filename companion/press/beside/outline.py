"""The file of a paper's outline: its sections, figures, tables and theorems in order.

``book/beside/PAPER.yml`` says for each which claims belong to it, which figure of the
book stands beside it, or why none does.
"""

import functools
import re

import yaml

from companion.claims.file import PAPERS
from companion.press import wording
from kdlib.places import book

FIELDS = {"reference", "says", "sections"}
NEEDED = {"item", "shows", "chapter"}
MAY_HAVE = {
    "claims",
    "figure",
    "panel",
    "drawn",
    "formula",
    "numbers",
    "no_pair",
    "found",
}
# Where a sentence on what was found is taken from; the others are typed, of a kind.
SOURCES = ("said", "why", *wording.KINDS)


def papers():
    """The papers that have an outline, in the order of the book."""
    return [paper for paper in PAPERS if _path(paper).exists()]


def read(paper):
    """The outline of a paper.

    Args:
        paper: its key, such as ``ji_zhu_2020``.

    Returns:
        A dict: ``reference``, the paper's name in the bibliography; ``says``, what the
        paper says in a sentence or two; ``sections``, a list of dicts with ``title``
        and ``entries``, whose fields the head of each file explains.

    Raises:
        ValueError: the file is not of this form; one line says where.
    """
    return _read(paper, _path(paper).stat().st_mtime_ns)


def entries(paper):
    """The entries of all sections of a paper, in its order."""
    found = []
    for section in read(paper)["sections"]:
        found += section["entries"]
    return found


def has_pair(entry):
    """Whether an entry has both halves of a pair: the paper's and ours."""
    theirs = entry.get("drawn") or entry.get("formula")
    return bool(entry.get("numbers") or theirs and entry.get("figure"))


def anchor(paper, entry):
    """The name of an entry's place on its page."""
    words = re.sub(r"[^a-z0-9]+", "-", entry["item"].lower()).strip("-")
    return f"beside-{paper.replace('_', '-')}-{words}"


def _path(paper):
    return book() / "beside" / f"{paper}.yml"


@functools.lru_cache(maxsize=16)
def _read(paper, modified):
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    outline = yaml.load(_path(paper).read_text(encoding="utf-8"), Loader=loader)
    if set(outline) != FIELDS:
        raise ValueError(f"{paper}: must have {', '.join(sorted(FIELDS))}")
    for section in outline["sections"]:
        if set(section) != {"title", "entries"}:
            raise ValueError(f"{paper}: a section has a title and entries")
        for entry in section["entries"]:
            wrong = _wrong(entry)
            if wrong:
                raise ValueError(f"{paper}, {entry.get('item')}: {wrong}")
    return outline


def _wrong(entry):
    """What is wrong with the form of an entry; empty where nothing is."""
    missing = NEEDED - set(entry)
    unknown = set(entry) - NEEDED - MAY_HAVE
    if missing or unknown:
        return f"{', '.join(sorted(missing | unknown))}: missing, or not a field"
    for source in entry.get("found", []):
        if len(source) != 1 or next(iter(source)) not in SOURCES:
            return f"found: each has one of {', '.join(SOURCES)}; got {source}"
    return ""
