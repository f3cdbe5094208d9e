"""A claim as HTML: a line that opens into a card, at its place and on the ledger."""

import re

from companion import markup
from companion.claims.file import AS_WRITTEN, PAPERS
from companion.claims.rules import allowed, stated
from companion.claims.verdicts import (
    MEANINGS,
    NO_CHAPTER,
    NOT_RUN,
    VERDICTS,
    WORDS,
)
from companion.claims.words import WHOSE, measured, reason


def card(made, *, page="", has_place=True, **attributes):
    """One claim: its verdict and statement, and inside what decided it.

    Args:
        made: a record, or a row of the ledger.
        page: address of the page on which the claim is decided; empty on that page.
        has_place: whether it says where the paper says it.
        **attributes: further attributes of the card, as of ``markup.attribute_text``.

    Returns:
        A ``details`` element.
    """
    source = ""
    if has_place:
        source = markup.element("small", f"{PAPERS[made['paper']]}, {made['place']}")
    summary = markup.element(
        "summary", badge(made["verdict"]), f" {made['statement']} ", source
    )
    kind = f"kd-claim kd-verdict--{made['verdict'].replace(' ', '-')}"
    inside = markup.element("dl", *_entries(made, page))
    return markup.element("details", summary, inside, class_=kind, **attributes)


def badge(verdict):
    """A verdict's word, with its meaning for who points at it."""
    return markup.element("strong", verdict, class_="kd-badge", title=MEANINGS[verdict])


def chapter_summary(records):
    """How a chapter's claims came out, in one line that leads to the ledger.

    Args:
        records: what ``ledger.collect`` found in the chapter.

    Returns:
        Markdown text: a heading and the line.
    """
    parts = []
    for verdict in VERDICTS:
        count = sum(made["verdict"] == verdict for made in records)
        if count:
            parts.append(markup.join([f"{count} ", badge(verdict)]))
    chapter = records[0]["chapter"]
    all_of_them = f"all {len(records)}" if len(records) > 1 else "it"
    link = markup.element(
        "a", f"{all_of_them} on the ledger", href=f"ledger.html#chapter={chapter}"
    )
    line = markup.element("p", markup.join(parts, ", "), " (", link, ").")
    title = "## What became of the claims"
    return f"{title}\n\n{markup.raw_block(line)}"


def definitions():
    """What each word of the ledger means, as a table."""
    rows = []
    for word, meaning in (MEANINGS | WORDS).items():
        rows.append(markup.row(markup.heading(word), meaning))
    return markup.table(
        ("word", "meaning"), rows, caption="What the words mean", class_="kd-claims"
    )


def _entries(made, page):
    """The names and contents of a card's entries, those that there are."""
    entries = {
        "the paper": stated(made["rule"]),
        "here": measured(made),
        "allowed": allowed(made["rule"]),
        "what is measured": made["quantity"],
        "why not": _why_not(made),
        "whose": _whose(made),
        "decided by": _link(made, page),
    }
    parts = []
    for name, content in entries.items():
        if content:
            parts.append(markup.element("dt", name))
            parts.append(markup.element("dd", _explained(content)))
    return parts


def _why_not(made):
    found = reason(made)
    if found is None:
        return ""
    kind, why = found
    return f"{kind}: {why}" if why else kind


def _whose(made):
    """Whose the claim is, where it is not simply the paper's."""
    whose = made.get("whose") or AS_WRITTEN
    if whose == AS_WRITTEN:
        return ""
    corrected = made.get("corrects")
    if not corrected:
        return WHOSE[whose]
    link = markup.element("a", "the claim", href=f"ledger.html#{corrected}")
    return markup.join([WHOSE[whose], " (", link, ")"])


def _link(made, page):
    """A link to the figure that decides a claim, or to its line in the chapter."""
    was_run = made["verdict"] not in (NO_CHAPTER, NOT_RUN)
    if not was_run or not (page or made["figure"]):
        return ""
    target = made["figure"] or f"claim-{made['id']}"
    text = "its figure" if made["figure"] else "its place in the chapter"
    return markup.element("a", text, href=f"{page}#{target}")


def _explained(content):
    """A text in which the words of ``verdicts.WORDS`` tell their meaning."""
    if isinstance(content, markup.Markup):
        return content
    parts = []
    for piece in re.split(f"({'|'.join(WORDS)})", content):
        if piece in WORDS:
            piece = markup.element("abbr", piece, title=WORDS[piece])
        parts.append(piece)
    return markup.join(parts)
