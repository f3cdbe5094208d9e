"""The verdicts as one stacked bar, whose legend says what each word means."""

from companion import markup
from companion.claims.verdicts import MEANINGS, VERDICTS


def verdict_bar(frame, *, page="ledger.html"):
    """How many claims have each verdict: a bar, and its legend with the definitions.

    Args:
        frame: the rows of ``ledger.ledger``, at least one.
        page: address of the page that shows the claims of a verdict.

    Returns:
        A ``div`` element; each part of the bar and each word leads to its claims.
    """
    number = frame["verdict"].value_counts()
    found = [verdict for verdict in reversed(VERDICTS) if verdict in number.index]
    parts = []
    rows = []
    for verdict in found:
        many = int(number[verdict])
        kind = f"kd-part--{verdict.replace(' ', '-')}"
        address = f"{page}#verdict={verdict.replace(' ', '+')}"
        parts.append(
            markup.element(
                "span", class_=kind, style=f"flex-grow: {many}", title=verdict
            )
        )
        mark = markup.element("span", class_=f"kd-mark {kind}")
        word = markup.element("a", verdict, href=address)
        named = markup.heading(mark, " ", word)
        rows.append(markup.row(named, many, MEANINGS[verdict]))
    said = ", ".join(f"{number[verdict]} {verdict}" for verdict in found)
    bar = markup.element(
        "div", *parts, class_="kd-bar", role="img", aria_label=f"Claims: {said}."
    )
    heads = ("verdict", "claims", "what it means")
    legend = markup.table(heads, rows, caption="The verdicts", class_="kd-claims")
    return markup.element("div", bar, legend)
