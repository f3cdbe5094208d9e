"""What pages ask for with ``<!-- kdlib: NAME -->``: lists, counts, the ledger.

What is about one paper has its key behind: ``<!-- kdlib: beside PAPER -->``.
"""

import re

import nbformat

from companion import claims, markup
from companion.claims.verdicts import NOT_REPRODUCED
from companion.press import chapters, costpage, recording, trials
from companion.press.beside import page


def filled(text, executed):
    """A page's text with what it asks for in its place.

    Args:
        text: Markdown in which a line ``<!-- kdlib: NAME -->`` asks for ``findings``,
            ``counts``, ``ledger``, ``parameters``, ``cost``, ``recorded``, or for
            ``beside`` and the key of a paper.
        executed: folder of the executed notebooks.

    Returns:
        Markdown text.
    """

    def generated(asked):
        return _GENERATED[asked[1]](*filter(None, [asked[2]]), executed)

    asks = r"^<!-- kdlib: (\w+)(?: (\w+))? -->$"
    return re.sub(asks, generated, text, flags=re.M)


def _parameter_lists(executed):
    """Every chapter's parameters: the same lists as ``kdlib list``."""
    cards = []
    for name in chapters.names():
        rows = []
        for parameter in chapters.parameters(name).values():
            rows.append(
                markup.row(
                    markup.heading(markup.element("code", parameter.name)),
                    parameter.default,
                    "; ".join(parameter.rules),
                    parameter.meaning,
                )
            )
        table = markup.table(("name", "default", "allowed", "meaning"), rows)
        title = markup.element("summary", name)
        cards.append(markup.element("details", title, table, class_="kd-card"))
    return markup.raw_block(*cards)


def _ledger(executed):
    return markup.raw_block(claims.ledger_html(claims.ledger(executed)))


def _counts(executed):
    """How many claims have each verdict, and of which kind the negative ones are."""
    ledger = claims.ledger(executed)
    frame = claims.counts(ledger)
    rows = []
    for paper, counts in zip(frame.index, frame.to_numpy(), strict=True):
        shown = [count or "" for count in counts]
        rows.append(markup.row(markup.heading(paper), *shown))
    heads = ("whose", *frame.columns)
    many = [f"{count} {kind}" for kind, count in claims.kinds(ledger).items()]
    table = markup.table(heads, rows, class_="kd-claims")
    if not many:
        return markup.raw_block(table)
    line = f"The claims that are not reproduced, by kind: {', '.join(many)}."
    return markup.raw_block(table, markup.element("p", line))


def _findings(executed):
    """What each chapter found in its own words, and where to see what does not hold."""
    lines = []
    for name in chapters.names():
        path = executed / f"{name}.ipynb"
        if not path.exists():
            continue
        notebook = nbformat.read(path, as_version=4)
        title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
        said = trials.finding(notebook) or "No finding is recorded."
        number = chapters.number(name)
        lines.append(f"- **[{number}. {title}]({name})**. {said}")
    failing = (claims.ledger(executed)["verdict"] == NOT_REPRODUCED).sum()
    if failing:
        text = f"{failing} claims are not reproduced; the ledger says of each why."
        link = markup.element("a", text, href="ledger.html#verdict=not+reproduced")
        lines.append("\n" + markup.raw_block(markup.element("p", link)))
    return "\n".join(lines)


def _cost(executed):
    return costpage.table()


def _recorded(executed):
    """What is recorded of each profile: rows, hours of one core, and bytes."""
    rows = []
    for profile, index in recording.indices().items():
        stores = index.values()
        total = {name: sum(store[name] for store in stores) for name in recording.SUMS}
        rows.append(
            markup.row(
                markup.heading(profile),
                len(index),
                f"{total['rows']:,}",
                f"{total['seconds'] / 3600:.1f}",
                f"{total['bytes'] / 1e6:.1f}",
            )
        )
    heads = ("profile", "stores", "rows", "hours of one core", "MB")
    return markup.raw_block(markup.table(heads, rows, class_="kd-claims"))


_GENERATED = {
    "findings": _findings,
    "counts": _counts,
    "ledger": _ledger,
    "parameters": _parameter_lists,
    "beside": page.markdown,
    "cost": _cost,
    "recorded": _recorded,
}
