"""From an executed chapter to a page.

The page has a head line, a parameter card, a drawer behind each figure, the verdicts.
"""

import copy
import re

from nbformat.v4 import new_code_cell, new_markdown_cell

from companion import claims, markup, prose
from companion.claims.verdicts import VERDICTS
from companion.press import (
    along,
    chapters,
    figurefile,
    folding,
    origins,
    records,
    references,
    tables,
    trials,
)
from companion.press.figurefile import is_drawing

# What shows a picture: an element, Markdown or a directive, or a place in which a
# script of the book draws.
PICTURE = re.compile(
    r"<(figure|img|picture|svg|canvas|iframe|object|embed|video|script)\b|"
    r"!\[|\{(figure|figure-md|image|glue:figure|raw)\}|"
    r"<\w+[^>]*\bclass=[\"'][^\"']*\bkd-"
    r"(figure|moving|effective-logits|four-neurons|gradient-plane|kernel-student|"
    r"label-flow|label-rounds|sliders)\b",
    re.IGNORECASE,
)
PAST = "a picture without the rows, cell and run behind it"


def dress(executed):
    """The notebook as the page shows it, and what is wrong with it.

    Args:
        executed: an executed chapter (``nbformat.NotebookNode``) with its record under
            ``metadata["kdlib"]``.

    Returns:
        A copy with the head line, one parameter card instead of the parameters cells,
        each figure's alt text and drawer, notes where rows are lost, and the chapter's
        verdicts and trials at its end; and a list of problems, one line each.
    """
    page = copy.deepcopy(executed)
    record = page.metadata["kdlib"]
    said = prose.statements(page)
    _say_what_figures_show(page.cells, said)
    _make_tables_readable(page.cells)
    page.cells, problems = _dressed_cells(page.cells, record)
    title, _, opening = page.cells[0].source.partition("\n")
    cited = along.citation(record, title.removeprefix("# "), opening)
    _put_head(page.cells[0], record)
    judged = claims.collect(page)
    page.cells = [*folding.fold(page.cells), *_end_cells(record, judged)]
    page.cells.append(new_markdown_cell(cited, id="citation"))
    problems += _lost_problems(record)
    problems += claims.check(record["chapter"], judged)
    problems += _unsaid_problems(record, said)
    return page, problems


def _say_what_figures_show(cells, said):
    """End each figure's caption and alternative text with what its run has shown."""
    for cell in cells:
        about = cell.metadata.get("mystnb", {})
        figure = about.get("figure", {})
        shown = prose.said_of(figure.get("name"), said)
        for part, key in ((figure, "caption"), (about.get("image", {}), "alt")):
            if shown and part.get(key):
                part[key] = f"{part[key].strip()} {shown}"


def _make_tables_readable(cells):
    """Give each table of pandas a caption, scopes and a keyboard."""
    heading = ""
    for cell in cells:
        if cell.cell_type == "markdown":
            for title in re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE):
                heading = re.sub(r"[$`\\]|\{[\w:]+\}", "", title)
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html")
            if html is not None:
                output.data["text/html"] = tables.readable("".join(html), heading)


def _unsaid_problems(record, said):
    """Sentences with nothing to say; a run of another kind just leaves them out."""
    if record["profile"] == "smoke" or record["changed"]:
        return []
    return [f"{record['chapter']}, {line}" for line in prose.unsaid(said)]


def _dressed_cells(cells, record):
    """The page's cells, and what is wrong with them."""
    dressed = []
    problems = []
    code_cells = []
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            continue
        if "parameters" in tags:
            card = records.parameter_card(record)
            dressed.append(new_markdown_cell(card, id="parameter-card"))
        elif cell.cell_type == "code":
            code_cells.append(cell.source)
            made, wrong = _dressed_code(cell, record, code_cells)
            dressed += made
            problems += wrong
        else:
            dressed.append(cell)
            problems += _picture_in_text(cell, record)
    return dressed, problems


def _dressed_code(cell, record, code_cells):
    """A code cell with what stands under it, and what is wrong with it."""
    cell.outputs = [output for output in cell.outputs if not _is_bare_verdict(output)]
    drawings = [output for output in cell.outputs if is_drawing(output)]
    others = [output for output in cell.outputs if not is_drawing(output)]
    problems = _pictures_past_the_style(cell, others, record)
    notes = _lost_notes(cell, record, code_cells)
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    if not drawings and not figure:
        return [cell, *notes], problems
    problems += _incomplete(cell, drawings, record)
    _describe(drawings, _alt(cell))
    name = figure.get("name", "figure")
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), "remove-input"]
    cell.outputs = drawings
    text = records.drawer(record, name, code_cells, drawings)
    behind = new_markdown_cell(text, id=f"drawer-{name}")
    return [cell, *_beside(name, others), *notes, behind], problems


def _is_bare_verdict(output):
    """Whether an output is what ``claims.record`` returned, which its card has."""
    shown = output.get("data", {}).get("text/plain")
    is_result = output["output_type"] == "execute_result"
    return is_result and shown in [repr(verdict) for verdict in VERDICTS]


def _put_head(cell, record):
    """Put the head line, and what failed, under the title in the first cell."""
    title, _, rest = cell.source.partition("\n")
    number = chapters.number(record["chapter"])
    title = f"# {number}. {title.removeprefix('# ')}"
    head = [records.head_line(record), along.line(record)]
    lost = [
        markup.element("p", line, class_="kd-lost")
        for line in records.lost_lines(record)
    ]
    if lost:
        head.append(markup.raw_block(*lost))
    cell.source = "\n\n".join([title, *head]) + f"\n{references.with_links(rest)}"


def _end_cells(record, judged):
    """The chapter's verdicts and trials, where there are any."""
    cells = []
    if judged:
        cells.append(new_markdown_cell(claims.chapter_summary(judged), id="verdicts"))
    tried = trials.section(record["chapter"], judged)
    if tried:
        cells.append(new_markdown_cell(tried, id="trials"))
    return cells


def _lost_problems(record):
    """What a strict build says of lost rows, with the command that tries them again."""
    chapter = record["chapter"]
    again = f"KDLIB_RETRY=1 kdlib execute {chapter} --profile {record['profile']}"
    lines = records.lost_lines(record)
    return [f"{chapter}: {line} ({again} tries them again)" for line in lines]


def _lost_notes(cell, record, code_cells):
    """A note under a cell for each store that lost rows on which the cell rests."""
    shown = _what_it_shows(cell)
    notes = []
    for store, (failed, asked) in records.lost_by_store(record).items():
        if shown and origins.rests_on_store(code_cells, store):
            many = f"{len(failed)} of {asked} rows of {store} failed"
            line = f"{many} and are not in {' and '.join(shown)}."
            note = markup.element("p", line, class_="kd-lost")
            notes.append(markup.raw_block(note))
    number = len(code_cells)
    return [
        new_markdown_cell(note, id=f"lost-{number}-{i}") for i, note in enumerate(notes)
    ]


def _what_it_shows(cell):
    """What of a cell a reader meets: its figure, its verdicts, numbers in the text."""
    shown = []
    has_figure = cell.metadata.get("mystnb", {}).get("figure")
    if has_figure or any(is_drawing(output) for output in cell.outputs):
        shown.append("this figure")
    metadata = [output.get("metadata", {}) for output in cell.outputs]
    if any("claim" in one.get("kdlib", {}) for one in metadata):
        shown.append("these verdicts")
    if any("scrapbook" in one for one in metadata):
        shown.append("the numbers that the text takes from here")
    return shown


def _picture_in_text(cell, record):
    found = PICTURE.search(cell.source)
    if not found:
        return []
    what = f"{found[0]!r} in the text: {PAST}"
    return [f"{record['chapter']}: {what}; draw it in a code cell"]


def _pictures_past_the_style(cell, outputs, record):
    """A line for each kind of picture that a cell shows past ``plots.use_style()``."""
    kinds = set()
    for output in outputs:
        kinds |= _picture_kinds(output)
    where = f"{record['chapter']}, cell {cell.source[:40]!r}"
    return [f"{where}: shows {kind}, {PAST}" for kind in sorted(kinds)]


def _picture_kinds(output):
    """The MIME types under which a cell's output is a picture."""
    kinds = set()
    for kind, content in output.get("data", {}).items():
        is_picture = kind.startswith("image/") or kind == "application/javascript"
        if kind in ("text/html", "text/markdown"):
            is_picture = PICTURE.search("".join(content))
        if is_picture:
            kinds.add(kind)
    return kinds


def _incomplete(cell, drawings, record):
    """What a figure's cell lacks, a line each."""
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    cell_name = f"the figure of cell {cell.source[:40]!r}"
    where = f"{record['chapter']}, {figure.get('name') or cell_name}"
    needed = {
        "name": figure.get("name"),
        "caption": figure.get("caption"),
        "alt text": _alt(cell),
    }
    problems = [
        f"{where}: has no {what}" for what, given in needed.items() if not given
    ]
    if not drawings:
        drew = "its cell drew nothing that plots.use_style() knows of"
        problems.append(f"{where}: {drew}")
    elif not figurefile.rows_of(drawings):
        rows = "plots knows of no rows behind it, so the page cannot offer its numbers"
        problems.append(f"{where}: {rows}")
    return problems


def _alt(cell):
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt") or ""


def _describe(drawings, alt):
    """Give each drawing its alt text."""
    for output in drawings:
        output.data["text/html"] = markup.labelled(output.data["text/html"], alt)


def _beside(name, outputs):
    """A cell for what a figure's cell shows beside its picture."""
    if not outputs:
        return []
    hidden = {"tags": ["remove-input"]}
    beside = new_code_cell(id=f"beside-{name}", metadata=hidden)
    beside.outputs = outputs
    return [beside]
