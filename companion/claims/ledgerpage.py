"""The ledger as HTML: every claim, by paper in the paper's own order."""

from companion import markup
from companion.claims.cards import card, definitions
from companion.claims.file import AS_WRITTEN, PAPERS
from companion.claims.verdicts import VERDICTS
from companion.claims.words import WHOSE, reason


def ledger_html(frame):
    """The ledger: what the words mean, and a card for each claim.

    ``ledger.js`` shows the search and the filters, and keeps them in the address.

    Args:
        frame: the rows of ``ledger.ledger``.

    Returns:
        A ``div`` element.
    """
    count = f"{len(frame)} claims"
    sections = []
    for paper, name in PAPERS.items():
        of_paper = frame[frame["paper"] == paper].sort_index()
        if len(of_paper):
            sections.append(_section(name, of_paper))
    return markup.element(
        "div",
        definitions(),
        "\n",
        _filters(frame, count),
        "\n",
        markup.join(sections, "\n"),
        class_="kd-ledger",
    )


def _section(name, frame):
    """The claims of one paper."""
    cards = [_entry(made) for made in frame.to_dict("records")]
    heading = markup.element("h2", name)
    return markup.element("section", heading, "\n", markup.join(cards, "\n"))


def _entry(made):
    found = reason(made)
    return card(
        made,
        page=f"{made['chapter']}.html",
        id=made["id"],
        data_paper=made["paper"],
        data_verdict=made["verdict"],
        data_whose=made["whose"] or AS_WRITTEN,
        data_kind=found[0] if found else None,
        data_chapter=made["chapter"],
    )


def _filters(frame, count):
    papers = {key: name for key, name in PAPERS.items() if key in set(frame["paper"])}
    found = set(frame["verdict"])
    verdicts = {verdict: verdict for verdict in VERDICTS if verdict in found}
    kinds = sorted({why[0] for why in map(reason, frame.to_dict("records")) if why})
    search = markup.element(
        "label", "Search ", markup.Markup('<input type="search" name="words">')
    )
    return markup.element(
        "form",
        search,
        _select("paper", "Paper", papers),
        _select("verdict", "Verdict", verdicts),
        _select("kind", "Why not", {kind: kind for kind in kinds}),
        _select("whose", "Whose", {key: key for key in WHOSE}),
        _select("chapter", "Chapter", {name: name for name in _chapters(frame)}),
        " ",
        markup.element("output", count, aria_live="polite"),
        class_="kd-filters",
        hidden=True,
    )


def _chapters(frame):
    return sorted(set(frame["chapter"]))


def _select(name, label, options):
    choices = [markup.element("option", "all", value="")]
    for key, text in options.items():
        choices.append(markup.element("option", text, value=key))
    select = markup.element("select", *choices, name=name)
    return markup.element("label", f"{label} ", select)
