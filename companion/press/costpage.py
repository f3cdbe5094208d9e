"""The Cost page's table: what ``make bench`` last recorded.

It says what the book's main functions and their peers take.
"""

import json

from companion import markup
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
    """The recorded measurements as HTML, one table for each benchmark with its machine.

    Args:
        path: the file that ``make bench`` writes; by default the book's.

    Returns:
        Markdown text with a raw HTML block; one sentence where nothing is recorded.
    """
    path = path or places.book() / "recorded" / "cost.json"
    if not path.exists():
        return "Nothing is recorded yet: run `make bench`."
    tables = []
    for script, made in json.loads(path.read_text(encoding="utf-8")).items():
        rows = [markup.row(*_cells(measured)) for measured in made["rows"]]
        machine = f"{made['processor']}, {made['cores']} cores"
        software = f"{made['threads']} threads, torch {made['torch']}"
        caption = f"{script}: {machine}, {software}, {made['date']}"
        tables.append(markup.table(HEADS, rows, caption=caption, class_="kd-claims"))
    return markup.raw_block(*tables)


def _cells(measured):
    """The cells of one measurement, in the order of ``HEADS``."""
    shown = {name: _shown(value) for name, value in measured.items()}
    times = shown["times"]
    if measured["low"] is not None:
        times = f"{times} ({shown['low']} to {shown['high']})"
    grows = "" if measured["growth"] is None else f"n^{shown['growth']}"
    first = [shown[name] for name in ("what", "n", "seconds", "peer")]
    return [*first, times, shown["memory"], shown["limit"], grows]


def _shown(value):
    """A number or text as the table shows it; nothing for None."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    return value or ""
