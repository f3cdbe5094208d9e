"""What pages ask for with ``<!-- kdlib: NAME -->``: lists, counts, the ledger.

What is about one of several things has its name behind, as ``beside PAPER`` has.
"""

import re

import nbformat
import yaml

from companion import claims, markup, prose
from companion.claims.verdicts import NOT_REPRODUCED
from companion.press import along, chapters, costpage, drawings, recording, trials
from companion.press.beside import page


def filled(text, executed):
    """A page's text with what it asks for in its place.

    Args:
        text: Markdown in which a line ``<!-- kdlib: NAME -->`` asks for ``findings``,
            ``surprises``, ``verdicts``, ``counts``, ``ledger``, ``parameters``,
            ``cost``, ``recorded`` or ``cite``; ``drawing CHAPTER FIGURE`` asks for a
            figure, and ``beside PAPER`` for what stands beside a paper.
        executed: folder of the executed notebooks.

    Returns:
        Markdown text.
    """

    def generated(asked):
        return _GENERATED[asked[1]](executed, *asked[2].split())

    return re.sub(r"^<!-- kdlib: (\w+)([\w -]*) -->$", generated, text, flags=re.M)


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
        heads = ("name", "default", "allowed", "meaning")
        table = markup.table(heads, rows, label=f"Parameters of {name}")
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
    label = "Claims by whose they are and by verdict"
    table = markup.table(heads, rows, label=label, class_="kd-claims")
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


def _surprises(executed):
    """The findings of ``landing.yml``: for each a picture and a sentence of its run."""
    text = (chapters.book() / "landing.yml").read_text(encoding="utf-8")
    cards = []
    for chosen in yaml.safe_load(text):
        name = chosen["chapter"]
        if not (executed / f"{name}.ipynb").exists():
            continue
        statements = prose.statements(executed / f"{name}.ipynb")
        said = prose.said_of("surprise", statements)
        if not said:
            raise chapters.Failed(f"{name}: says no surprise for the landing page")
        held = all(one["holds"] for one in statements if one["name"] == "surprise")
        # A title says what the sentence shows, and stands where this run shows it.
        words = chosen["title"] if held else f"In chapter {chapters.number(name)}"
        title = markup.element("h3", words)
        sentence = markup.element("p", said)
        shown = {"panel": chosen["panel"]}
        picture = drawings.drawing(executed, name, chosen["figure"], **shown)
        cards.append(markup.element("article", title, sentence, picture))
    return markup.raw_block(markup.element("div", *cards, class_="kd-surprises"))


def _drawing(executed, chapter, figure):
    if not (executed / f"{chapter}.ipynb").exists():
        return ""
    return markup.raw_block(drawings.drawing(executed, chapter, figure))


def _verdicts(executed):
    verdicts = claims.ledger(executed)["verdict"]
    return markup.raw_block(claims.verdict_bar(verdicts), claims.meanings(verdicts))


def _beside(executed, paper):
    return page.markdown(paper, executed)


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
    label = "What is recorded of each profile"
    table = markup.table(heads, rows, label=label, class_="kd-claims")
    return markup.raw_block(table)


def _cite(executed):
    return along.citation_of_book()


_GENERATED = {
    "findings": _findings,
    "surprises": _surprises,
    "drawing": _drawing,
    "verdicts": _verdicts,
    "counts": _counts,
    "ledger": _ledger,
    "parameters": _parameter_lists,
    "beside": _beside,
    "cost": _cost,
    "recorded": _recorded,
    "cite": _cite,
}
