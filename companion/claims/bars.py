"""How many claims have each verdict, as one stacked bar."""

from companion import markup
from companion.claims.cards import badge
from companion.claims.verdicts import JUDGED, VERDICTS

# Those that say something good come first.
ORDER = (*reversed(JUDGED), *VERDICTS[len(JUDGED) :])


def verdict_bar(verdicts, *, query=None):
    """A stacked bar of verdicts, the good ones first.

    Args:
        verdicts: the verdict of each claim.
        query: what the address of the ledger asks for, such as ``paper=dong_2019``;
            with it a legend stands under the bar, whose entries lead to their claims.

    Returns:
        A ``div`` element; empty without a claim.
    """
    given = list(verdicts)
    counts = {}
    for verdict in ORDER:
        if verdict in given:
            counts[verdict] = given.count(verdict)
    if not counts:
        return markup.Markup("")
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    parts = []
    for verdict, count in counts.items():
        share = f"flex-grow:{count}"
        parts.append(markup.element("i", class_=_class(verdict), style=share))
    bar = markup.element(
        "div", *parts, class_="kd-bar", role="img", aria_label=f"Verdicts: {told}"
    )
    if query is None:
        return bar
    return markup.element("div", bar, _legend(counts, query), class_="kd-bar-whole")


def _legend(counts, query):
    """The counts with their words, each a link to its claims on the ledger."""
    entries = []
    for verdict, count in counts.items():
        address = f"ledger.html#{query}&verdict={verdict.replace(' ', '+')}"
        mark = markup.element("i", class_=_class(verdict))
        words = markup.element("a", f"{count} ", badge(verdict), href=address)
        entries.append(markup.element("li", mark, words))
    return markup.element("ul", *entries)


def _class(verdict):
    return f"kd-verdict--{verdict.replace(' ', '-')}"
