"""From an executed chapter to a page: its head line, its parameter card, the drawer behind each figure, its verdicts."""

import ast
import base64
import copy
import re
from html import escape

from companion.press import chapters, trials

# What shows a picture: an element, Markdown or a directive, or a place in which a script of the book draws.
PICTURE = re.compile(
    r"<(figure|img|picture|svg|canvas|iframe|object|embed|video|script)\b|"
    r"!\[|\{(figure|figure-md|image|glue:figure|raw)\}|"
    r"<\w+[^>]*\bclass=[\"'][^\"']*\bkd-(figure|moving|effective-logits|sliders)\b",
    re.IGNORECASE,
)
PAST = "a picture without the rows, cell and run behind it"


def dress(executed):
    """The notebook as the page shows it, and what is wrong with it.

    Args:
        executed: an executed chapter (``nbformat.NotebookNode``) with its record under ``metadata["kdlib"]``.

    Returns:
        A copy with the head line, one parameter card instead of the parameters cells, each figure's alt text and
        drawer, and the chapter's verdicts and trials at its end; and a list of problems, one line each.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell

    from companion import claims

    page, record = copy.deepcopy(executed), executed.metadata["kdlib"]
    cells, problems, code_cells = [], [], []
    for cell in page.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            continue
        if "parameters" in tags:
            cells.append(new_markdown_cell(parameter_card(record), id="parameter-card"))
            continue
        cells.append(cell)
        if cell.cell_type != "code":
            if found := PICTURE.search(cell.source):
                problems.append(
                    f"{record['chapter']}: {found[0]!r} in the text: {PAST}; draw it in a code cell"
                )
            continue
        code_cells.append(cell.source)
        options = cell.metadata.get("mystnb", {})
        figure, alt = options.get("figure", {}), options.get("image", {}).get("alt")
        drawings = [
            output
            for output in cell.outputs
            if "kd-figure" in output.get("data", {}).get("text/html", "")
        ]
        past = sorted(
            {
                kind
                for output in cell.outputs
                if output not in drawings
                for kind in _pictures(output)
            }
        )
        problems += [
            f"{record['chapter']}, cell {cell.source[:40]!r}: shows {kind}, {PAST}"
            for kind in past
        ]
        if not drawings and not figure:
            continue
        where = f"{record['chapter']}, {figure.get('name') or 'the figure of cell ' + repr(cell.source[:40])}"
        for what, given in (
            ("name", figure.get("name")),
            ("caption", figure.get("caption")),
            ("alt text", alt),
        ):
            if not given:
                problems.append(f"{where}: has no {what}")
        if not drawings:
            problems.append(
                f"{where}: its cell drew nothing that plots.use_style() knows of"
            )
        frames, told = {}, f'aria-label="{escape(alt or "")}"'
        for output in drawings:
            html = output.data["text/html"]
            output.data["text/html"] = re.sub(
                'role="(img|group)"', lambda role: f"{role[0]} {told}", html, count=1
            )
            frames |= (
                output.metadata.get("text/html", {}).get("kdlib", {}).get("rows", {})
            )
        if drawings and not frames:
            problems.append(
                f"{where}: its cell names no data frame, so the page cannot offer its numbers"
            )
        cell.metadata["tags"] = [*tags, "remove-input"]
        name = figure.get("name", "figure")
        rest = [output for output in cell.outputs if output not in drawings]
        cell.outputs = drawings
        if rest:  # verdicts and glued numbers stand beside the figure, not in it
            beside = new_code_cell(
                id=f"beside-{name}", metadata={"tags": ["remove-input"]}
            )
            beside.outputs = rest
            cells.append(beside)
        cells.append(
            new_markdown_cell(
                drawer(record, name, cell.source, code_cells, frames),
                id=f"drawer-{name}",
            )
        )
    title, _, rest = cells[0].source.partition("\n")
    cells[0].source = f"{title}\n\n{head_line(record)}\n{rest}"
    page.cells = cells
    records = claims.collect(page)
    problems += claims.check(record["chapter"], records)
    if records:
        page.cells.append(
            new_markdown_cell(claims.chapter_table(records), id="verdicts")
        )
    if tried := trials.section(record["chapter"], records):
        page.cells.append(new_markdown_cell(tried, id="trials"))
    return page, problems


def head_line(record):
    """One generated line: profile, device, data, seeds, seconds, commit, and in what the run is not the paper's."""
    chapter, values = record["chapter"], record["parameters"]
    parts = [f"**{record['profile']}** profile", record["device"]]
    if record["data"]:
        parts.append(f"data: {record['data']['name']}")
    if record["seeds"] is not None:
        seeds = record["seeds"]
        parts.append(f"{seeds} seed{'s' if seeds != 1 else ''}")
    parts += [
        _seconds(record, f"{record['seconds']:.0f}"),
        f"commit `{record['commit'] or 'unknown'}`",
    ]
    line = "Run with: " + ", ".join(parts) + "."
    if "paper" in chapters.profiles():
        paper = chapters.profile_values(chapter, "paper")
        data = (record["data"] or {}).get("name")
        others = [
            f"`{name}` {_short(data if name == 'dataset' else values[name])} (the paper profile: {_short(paper[name])})"
            for name in paper
            if name in values
            and (data if name == "dataset" else values[name]) != paper[name]
            and name != "device"
        ]
        if others:
            line += " Not at the paper's size: " + "; ".join(others) + "."
    return f"```{{div}} kd-head\n{line}\n```"


def parameter_card(record):
    """The chapter's parameters as one folded table: meaning, default, this run, and what was changed."""
    rows, changed = [], set(record["changed"])
    profiled = chapters.profile_values(record["chapter"], record["profile"])
    for name, parameter in chapters.parameters(record["chapter"]).items():
        value = record["parameters"].get(name, parameter.default)
        mark = (
            "changed"
            if name in changed
            else f"{record['profile']} profile"
            if name in profiled
            else ""
        )
        allowed = "; ".join(parameter.rules)
        cells = (
            name,
            parameter.meaning,
            allowed,
            _short(parameter.default),
            _short(value),
            mark,
        )
        html = [
            f'<th scope="row"><code>{escape(cells[0])}</code></th>',
            *(f"<td>{escape(cell)}</td>" for cell in cells[1:]),
        ]
        rows.append(
            f"<tr{' class=kd-changed' if name in changed else ''}>{''.join(html)}</tr>"
        )
    summary = (
        f"Parameters: {len(changed)} changed"
        if changed
        else "Parameters: all at their profile's values"
    )
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("name", "meaning", "allowed", "default", "this run", "")
    )
    table = (
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
    again = '<p><a href="rerun.html">Re-run this chapter with your parameters</a></p>'
    opened = " open" if changed else ""
    return _raw(
        f'<details class="kd-card"{opened}><summary>{summary}</summary><div class="kd-scroll">{table}</div>{again}</details>'
    )


def drawer(record, name, source, code_cells, frames):
    """What lies behind a figure: its rows as CSV, its cell, the functions it rests on, and the run's record."""
    links = "".join(
        f'<li><a download="{escape(name)}-{escape(frame)}.csv" href="data:text/csv;base64,'
        f'{base64.b64encode(csv.encode()).decode()}">{escape(frame)}.csv</a>, {csv.count(chr(10)) - 1} rows</li>'
        for frame, csv in frames.items()
    )
    functions = "".join(
        f'<li><a href="api.html#{function}"><code>{function.removeprefix("kdlib.")}</code></a></li>'
        for function in rests_on(source, code_cells)
    )
    run = [
        record["profile"] + " profile",
        record["device"],
        f"seeds {record['seeds']}",
        _seconds(record, record["seconds"]),
    ]
    run += [
        f"commit {record['commit']}",
        *(f"{key} {value}" for key, value in record["versions"].items()),
    ]
    if record["data"]:
        run.append(f"data {record['data']['name']} {record['data']['checksum'][:12]}")
    return _raw(
        '<details class="kd-drawer"><summary>Behind this figure</summary>'
        f"<p>Rows</p><ul>{links}</ul><p>Functions</p><ul>{functions}</ul>"
        f"<p>Run</p><p>{escape(', '.join(run))}</p><p>Cell</p><pre><code>{escape(source)}</code></pre></details>"
    )


def rests_on(source, code_cells):
    """The ``room.function`` names that a cell's figure rests on, followed back through the cells that made its names."""
    functions, wanted = set(), _loaded(ast.parse(source))
    trees = [ast.parse(_python(code)) for code in code_cells]
    imports = [
        node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    ]
    ours = [
        node
        for node in imports
        if node.module and node.module.partition(".")[0] == "kdlib"
    ]
    rooms = {
        alias.name: f"{node.module}.{alias.name}"
        for node in ours
        for alias in node.names
    }
    for tree in reversed(trees):
        made = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        made |= {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }
        if made & wanted:
            wanted |= _loaded(tree)
            functions |= _calls(tree, rooms)
    return sorted(functions)


def _pictures(output):
    """The MIME types under which a cell's output is a picture."""
    for kind, content in output.get("data", {}).items():
        drawn = kind in ("text/html", "text/markdown") and PICTURE.search(
            "".join(content)
        )
        if drawn or kind.startswith("image/") or kind == "application/javascript":
            yield kind


def _loaded(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _calls(tree, rooms):
    """``room.function`` for each attribute of one of the imported rooms that a tree uses and that is no constant."""
    used = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    named = [
        node for node in used if node.value.id in rooms and not node.attr.isupper()
    ]
    return {f"{rooms[node.value.id]}.{node.attr}" for node in named}


def _python(code):
    return "\n".join(
        line for line in code.splitlines() if not line.lstrip().startswith(("%", "!"))
    )


def _seconds(record, own):
    """The seconds of an execution, and those that its rows took which it found computed."""
    before = round(record.get("rows_seconds", 0))
    return f"{own} s and {before} s for rows computed before" if before else f"{own} s"


def _short(value):
    """A value as the command line takes it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _raw(html):
    return f"````{{raw}} html\n{html}\n````"
