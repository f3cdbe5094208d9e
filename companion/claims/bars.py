"""How many claims have each verdict, as one stacked bar."""

from companion import markup
from companion.claims.cards import badge
from companion.claims.verdicts import JUDGED, MEANINGS, VERDICTS

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
    counts = _counts(verdicts)
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


def meanings(verdicts):
    """What each verdict of a bar means, and how many claims have it.

    Args:
        verdicts: the verdict of each claim.

    Returns:
        A table; each word leads to its claims on the ledger.
    """
    rows = []
    for verdict, count in _counts(verdicts).items():
        mark = markup.element("i", class_=_class(verdict))
        address = f"ledger.html#verdict={verdict.replace(' ', '+')}"
        word = markup.element("a", verdict, href=address)
        named = markup.heading(mark, word)
        rows.append(markup.row(named, count, MEANINGS[verdict]))
    heads = ("verdict", "claims", "what it means")
    return markup.table(heads, rows, caption="The verdicts", class_="kd-claims")


def _counts(verdicts):
    """How many claims have each verdict, in the bar's order."""
    given = list(verdicts)
    return {verdict: given.count(verdict) for verdict in ORDER if verdict in given}


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
