"""How the record of a run reads on a page: head line, card, drawer, lost rows."""

import csv
import io

from companion import markup
from companion.press import along, chapters, figurefile, origins, repository


def head_line(record):
    """One line on a run: where, on what, how long, and in what it is not the paper's.

    Args:
        record: an executed chapter's record.

    Returns:
        Markdown text.
    """
    parts = [f"**{record['profile']}** profile", _device(record)]
    if record["data"]:
        parts.append(f"data: {record['data']['name']}")
    seeds = record["seeds"]
    if seeds is not None:
        parts.append("1 seed" if seeds == 1 else f"{seeds} seeds")
    parts.append(_seconds(record, f"{record['seconds']:.0f}"))
    parts += _recorded(record)
    commit = f"`{record['commit'] or 'unknown'}`"
    where = repository.tree(record["commit"])
    parts.append(f"commit [{commit}]({where})" if where else f"commit {commit}")
    line = f"Run with: {markup.join(parts, ', ')}."
    others = _unlike_the_paper(record)
    if others:
        line += f" Not at the paper's size: {markup.join(others, '; ')}."
    return f"```{{div}} kd-head\n{line}\n```"


def parameter_card(record):
    """The chapter's parameters as one folded table.

    Args:
        record: an executed chapter's record.

    Returns:
        Markdown text with a raw HTML block; each row has a parameter's meaning, its
        default, this run's value, and whether that was changed.
    """
    changed = record["changed"]
    profiled = chapters.profile_values(record["chapter"], record["profile"])
    rows = []
    for name, parameter in chapters.parameters(record["chapter"]).items():
        mark = f"{record['profile']} profile" if name in profiled else ""
        if name in changed:
            mark = "changed"
        value = record["parameters"].get(name, parameter.default)
        rows.append(
            markup.row(
                markup.heading(markup.element("code", name)),
                parameter.meaning,
                "; ".join(parameter.rules),
                _short(parameter.default),
                _short(value),
                mark,
                class_="kd-changed" if name in changed else None,
            )
        )
    summary = "Parameters: all at their profile's values"
    if changed:
        summary = f"Parameters: {len(changed)} changed"
    heads = ("name", "meaning", "allowed", "default", "this run", "set by")
    link = "Re-run this chapter with your parameters"
    card = markup.element(
        "details",
        markup.element("summary", summary),
        markup.table(heads, rows, label="Parameters of this run"),
        markup.element("p", markup.element("a", link, href="rerun.html")),
        class_="kd-card",
        open=bool(changed),
    )
    return markup.raw_block(card)


def drawer(record, name, code_cells, drawings):
    """What lies behind a figure: its rows, its cell, its functions, the run's record.

    Args:
        record: an executed chapter's record.
        name: the figure's name.
        code_cells: the sources of the chapter's code cells up to the figure's.
        drawings: the outputs of the figure's cell that show it.

    Returns:
        Markdown text with a raw HTML block.
    """
    chapter = record["chapter"]
    links = []
    for frame, text in figurefile.rows_of(drawings).items():
        count = sum(1 for _ in csv.reader(io.StringIO(text))) - 1
        link = along.download(chapter, figurefile.row_file(name, frame), f"{frame}.csv")
        links.append(markup.element("li", link, f", {count} rows"))
    for file in figurefile.drawing_files(name, drawings):
        link = along.download(chapter, file, file)
        links.append(markup.element("li", link, ", the drawing"))
    functions = []
    for function in origins.functions_behind(code_cells):
        code = markup.element("code", function.removeprefix("kdlib."))
        page = "api" if function.startswith("kdlib.") else "api_companion"
        link = markup.element("a", code, href=f"{page}.html#{function}")
        functions.append(markup.element("li", link))
    return markup.raw_block(
        markup.element(
            "details",
            markup.element("summary", "Behind this figure"),
            markup.element("p", "Files"),
            markup.element("ul", *links),
            markup.element("p", "Functions"),
            markup.element("ul", *functions),
            markup.element("p", "Run"),
            markup.element("p", ", ".join(_facts(record))),
            markup.element("p", "Cell"),
            markup.element("pre", markup.element("code", code_cells[-1])),
            class_="kd-drawer",
        )
    )


def _recorded(record):
    """How many rows came with the book and how many were computed here, if any came."""
    rows = record.get("rows")
    if not rows or not rows["recorded"]:
        return []
    where = " and ".join(rows["machines"])
    if rows["versions"]:
        where += f" with {', '.join(rows['versions'])}"
    return [f"{rows['recorded']:,} rows recorded on {where}, {rows['computed']:,} here"]


def lost_by_store(record):
    """Store -> (rows that failed, rows asked for), over the sweeps that lost rows."""
    stores = {}
    for sweep in record.get("lost", []):
        failed, asked = stores.get(sweep["store"], ([], 0))
        stores[sweep["store"]] = failed + sweep["failed"], asked + sweep["asked"]
    return stores


def lost_lines(record):
    """For each store that lost rows one line: how many, and why the first of them."""
    lines = []
    for store, (failed, asked) in lost_by_store(record).items():
        first = {**failed[0]["setting"], "seed": failed[0]["seed"]}
        named = ", ".join(f"{name}={value}" for name, value in first.items())
        many = f"{len(failed)} of {asked} rows of {store} failed"
        lines.append(f"{many}; the first, {named}: {failed[0]['error']}")
    return lines


def _facts(record):
    """What is known of a run, as short texts."""
    facts = [
        f"{record['profile']} profile",
        _device(record),
        f"seeds {record['seeds']}",
        _seconds(record, record["seconds"]),
        f"commit {record['commit']}",
    ]
    facts += [f"{name} {version}" for name, version in record["versions"].items()]
    if record["data"]:
        facts.append(f"data {record['data']['name']} {record['data']['checksum'][:12]}")
    return facts


def _device(record):
    """The device, and in which numbers it multiplied where that was its choice."""
    chosen = record.get("arithmetic")
    if not chosen:
        return record["device"]
    return f"{record['device']} with products in {' and '.join(chosen)}"


def _unlike_the_paper(record):
    """Each value that is not the paper profile's, beside that profile's."""
    if "paper" not in chapters.profiles():
        return []
    used = dict(record["parameters"])
    if record["data"] and "dataset" in used:
        used["dataset"] = record["data"]["name"]
    others = []
    for name, wanted in chapters.profile_values(record["chapter"], "paper").items():
        if name in used and name != "device" and used[name] != wanted:
            values = f"{_short(used[name])} (the paper profile: {_short(wanted)})"
            others.append(f"`{name}` {values}")
    return others


def _seconds(record, own):
    """The seconds of an execution, and those of the rows that it found computed."""
    before = round(record.get("rows_seconds", 0))
    if not before:
        return f"{own} s"
    return f"{own} s and {before} s for rows computed before"


def _short(value):
    """A value as the command line takes it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
