"""The Cost page's table: what the book's main functions and their peers take, as ``make bench`` last recorded it."""

import json
from html import escape

from kdlib import places

HEADS = (
    "what",
    "n",
    "seconds",
    "beside",
    "times as fast (range)",
    "memory, GiB",
    "what limits it",
    "grows like",
)


def table(path=None):
    """The recorded measurements as HTML, one table for each benchmark, with the machine that each was measured on.

    Args:
        path: the file that ``make bench`` writes; by default the book's.

    Returns:
        Markdown text with a raw HTML block; one sentence where nothing is recorded.
    """
    path = path or places.book() / "recorded" / "cost.json"
    if not path.exists():
        return "Nothing is recorded yet: run `make bench`."
    parts = []
    for script, made in json.loads(path.read_text(encoding="utf-8")).items():
        heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in HEADS)
        cells = [
            "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row))
            for row in made["rows"]
        ]
        rows = "".join(f"<tr>{one}</tr>" for one in cells)
        where = f"{made['processor']}, {made['cores']} cores, {made['threads']} threads, torch {made['torch']}"
        caption = f"<caption>{escape(script)}: {escape(where)}, {escape(made['date'])}</caption>"
        parts.append(
            f'<table class="kd-claims">{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        )
    return (
        "````{raw} html\n"
        + "\n".join(f'<div class="kd-scroll">{part}</div>' for part in parts)
        + "\n````"
    )


def _cells(row):
    def shown_as(value):
        return (
            f"{value:,}"
            if isinstance(value, int)
            else f"{value:g}"
            if isinstance(value, float)
            else value or ""
        )

    shown = {name: shown_as(value) for name, value in row.items()}
    times = (
        f"{shown['times']} ({shown['low']} to {shown['high']})"
        if row["low"] is not None
        else shown["times"]
    )
    grows = f"n^{shown['growth']}" if row["growth"] is not None else ""
    return (
        shown["what"],
        shown["n"],
        shown["seconds"],
        shown["peer"],
        times,
        shown["memory"],
        shown["limit"],
        grows,
    )
