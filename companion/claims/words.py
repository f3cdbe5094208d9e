"""How claims and verdicts read: a line, a chapter's table, the ledger."""

from companion import markup
from companion.claims.file import PAPERS
from companion.claims.records import shown
from companion.claims.rules import rule_text
from companion.claims.rules.kind import names
from companion.claims.verdicts import NO_CHAPTER, NOT_RUN, VERDICTS


def as_line(made):
    """One recorded claim as HTML: verdict, what is claimed where, what was measured."""
    measured = quantity(made)
    source = f"{PAPERS[made['paper']]}, {made['place']}."
    if measured:
        source += f" Measured: {measured}."
    return markup.element(
        "p",
        _badge(made["verdict"]),
        f" {made['statement']} ",
        markup.element("small", source),
        class_=_classes("kd-verdict", made["verdict"]),
        id=f"claim-{made['id']}",
    )


def as_text(made):
    """One claim as a line of plain text."""
    line = f"{made['verdict']}: {made['id']}: {made['statement']}"
    measured = quantity(made)
    return f"{line} [{measured}]" if measured else line


def chapter_table(records):
    """A chapter's recorded claims as Markdown: a heading and a table, failing first."""
    rows = []
    for made in sorted(records, key=lambda made: VERDICTS.index(made["verdict"])):
        place = markup.element("small", made["place"])
        measured = markup.element("td", quantity(made), *_link(made, page=""))
        rows.append(
            markup.row(
                _verdict_cell(made["verdict"]),
                markup.heading(f"{made['statement']} ", place),
                rule_text(made["rule"]),
                measured,
            )
        )
    table = markup.table(
        ("verdict", "the paper says", "rule", "measured here"),
        rows,
        caption="The paper's claims that this chapter decides, the failing first",
        label="This chapter's claims",
        class_="kd-claims",
    )
    return f"## What became of the claims\n\n{markup.raw_block(table)}"


def ledger_html(frame):
    """The ledger as HTML, a table row a claim; ``ledger.js`` shows its filters."""
    rows = [_ledger_row(made) for made in frame.to_dict("records")]
    papers = {}
    for key, name in PAPERS.items():
        if (frame["paper"] == key).any():
            papers[key] = name
    verdicts = {}
    for verdict in VERDICTS:
        if (frame["verdict"] == verdict).any():
            verdicts[verdict] = verdict
    count = f"{len(frame)} claims"
    filters = markup.element(
        "form",
        _select("paper", "Paper", papers),
        _select("verdict", "Verdict", verdicts),
        " ",
        markup.element("output", count, aria_live="polite"),
        class_="kd-filters",
        hidden=True,
    )
    table = markup.table(
        ("verdict", "claim", "rule", "measured here", "decided by"),
        rows,
        caption=f"All {count}, the failing first",
        label="Ledger of claims",
        class_="kd-claims",
    )
    return markup.element("div", filters, "\n", table, class_="kd-ledger")


def _ledger_row(made):
    source = markup.element("small", f"{PAPERS[made['paper']]}, {made['place']}")
    link = _link(made, page=f"{made['chapter']}.html") or [made["chapter"]]
    return markup.row(
        _verdict_cell(made["verdict"]),
        markup.heading(f"{made['statement']} ", source),
        rule_text(made["rule"]),
        quantity(made),
        markup.element("td", *link),
        id=made["id"],
        data_paper=made["paper"],
        data_verdict=made["verdict"],
    )


def quantity(made):
    """What was measured for a claim, in words.

    Args:
        made: a record, or a row of the ledger.

    Returns:
        Estimate, interval and note; names in the paper's order. Empty where nothing was
        measured.
    """
    estimate, interval = made["estimate"], made["interval"]
    if isinstance(estimate, dict):
        order = names(made["rule"]) or []
        first = [name for name in order if name in estimate]
        estimate = {name: estimate[name] for name in [*first, *estimate]}
    absent = estimate is None and interval is None
    parts = ["" if absent else shown(estimate, interval), made["note"] or ""]
    return "; ".join(part for part in parts if part)


def _link(made, page):
    """A link to the figure that decides a claim, or to its line in the chapter.

    Returns:
        A list of a space and the link; empty where the claim was not run.
    """
    if made["verdict"] in (NOT_RUN, NO_CHAPTER):
        return []
    if not page and not made["figure"]:
        return []
    target = made["figure"] or f"claim-{made['id']}"
    text = made["figure"] or made["chapter"]
    return [" ", markup.element("a", text, href=f"{page}#{target}")]


def _badge(verdict):
    return markup.element("strong", verdict, class_="kd-badge")


def _verdict_cell(verdict):
    return markup.element("td", _badge(verdict), class_=_classes("kd-verdict", verdict))


def _classes(name, verdict):
    return f"{name} {name}--{verdict.replace(' ', '-')}"


def _select(name, label, options):
    choices = [markup.element("option", "all", value="")]
    for key, text in options.items():
        choices.append(markup.element("option", text, value=key))
    select = markup.element("select", *choices, name=name)
    return markup.element("label", f"{label} ", select)
