"""The head of the page beside a paper: reference, verdicts, and its places."""

import functools
import re

from companion import claims, markup
from companion.claims.file import AS_WRITTEN, KINDS
from companion.claims.verdicts import (
    ANOTHER_CONSTANT,
    FITTED,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
)
from companion.press import chapters
from companion.press.beside import outline

ARXIV = re.compile(r"arXiv:(\d+\.\d+)")


def head(paper, judged):
    """What stands before the first section.

    Args:
        paper: the paper's key.
        judged: the rows of the ledger by id.

    Returns:
        Markdown text.
    """
    told = outline.read(paper)
    verdicts = [made["verdict"] for made in judged.values()]
    return "\n\n".join(
        [
            markup.raw_block(reference(told["reference"])),
            told["says"].strip(),
            " ".join(_became(list(judged.values()))),
            markup.raw_block(
                claims.verdict_bar(verdicts, query=f"paper={paper}"),
                _places(paper, judged),
            ),
        ]
    )


def reference(key):
    """A paper's full reference, with a link to its text.

    Args:
        key: its name in ``book/references.bib``.

    Returns:
        A ``p`` element.
    """
    return markup.element("p", _formatted(key), class_="kd-reference")


@functools.lru_cache(maxsize=16)
def _formatted(key):
    from pybtex.database import parse_file
    from pybtex.style.formatting.unsrt import Style

    known = parse_file(chapters.book() / "references.bib").entries
    (entry,) = Style().format_entries([known[key]])
    html = entry.text.render_as("html")
    if "arxiv.org" not in html:
        html = ARXIV.sub(_link, html)
    return markup.Markup(html)


def _link(found):
    address = f"https://arxiv.org/abs/{found[1]}"
    return markup.element("a", found[0], href=address)


def _became(judged):
    """What became of the claims, in a few sentences."""
    written = [one for one in judged if (one["whose"] or AS_WRITTEN) == AS_WRITTEN]
    number = functools.partial(_number, written)
    held = number(REPRODUCED, ANOTHER_CONSTANT, FITTED)
    aside = [
        f"{number(verdict)} {words}"
        for verdict, words in (
            (ANOTHER_CONSTANT, "with another constant"),
            (FITTED, "with a setting that was chosen so"),
        )
        if number(verdict)
    ]
    within = f" ({', '.join(aside)})" if aside else ""
    decided = held + number(NOT_REPRODUCED, UNDECIDED)
    lines = [
        f"Of the {len(written)} claims that stand in the paper as written, {held} hold "
        f"here{within}, {number(NOT_REPRODUCED)} do not, {number(UNDECIDED)} are "
        f"undecided, and {len(written) - decided} could not be tested in this run."
    ]
    kinds = [claims.reason(one)[0] for one in written if claims.reason(one)]
    parts = [f"{kind} ({kinds.count(kind)})" for kind in KINDS if kind in kinds]
    if parts:
        lines.append(f"Why they do not hold: {', '.join(parts)}.")
    others = len(judged) - len(written)
    if others:
        lines.append(
            f"The bar also counts {others} that are corrected or the book's own."
        )
    return lines


def _number(judged, *verdicts):
    """How many claims have one of some verdicts."""
    return sum(one["verdict"] in verdicts for one in judged)


def _places(paper, judged):
    """A list of all entries, each with a bar of its verdicts."""
    lists = []
    for section in outline.read(paper)["sections"]:
        places = []
        for entry in section["entries"]:
            verdicts = [judged[one]["verdict"] for one in entry.get("claims", [])]
            address = f"#{outline.anchor(paper, entry)}"
            link = markup.element("a", entry["item"], href=address)
            places.append(markup.element("li", link, claims.verdict_bar(verdicts)))
        title = markup.element("strong", section["title"])
        lists.append(markup.element("li", title, markup.element("ul", *places)))
    whole = markup.element("ul", *lists, class_="kd-places")
    return markup.element("nav", whole, aria_label="Places of the paper")
