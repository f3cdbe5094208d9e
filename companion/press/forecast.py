"""``kdlib list --profile PROFILE``: what a profile would ask of this machine."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from companion.engine import measured, recorded, rows, variables
from companion.press import cells, chapters


def lines(profile, build):
    """For each chapter its parameters, the rows of its sweeps, and their hours.

    The sweeps are asked and compute nothing. A row that two chapters share counts where
    it is asked for first. The seconds of a row are those of measured rows, of this
    machine and of those that came with the book, see
    :func:`companion.engine.measured.estimate`.

    Args:
        profile: its name.
        build: folder in which each profile has its own.

    Yields:
        Lines of text.

    Raises:
        companion.press.chapters.Failed: a chapter's cells did not run.
    """
    names = chapters.names()
    built = Path(build) / profile / "book"
    workers = variables.value("KDLIB_WORKERS") or os.cpu_count()
    total = Sum()
    known = set()  # identities of rows that were asked for
    stores = {}  # measured rows
    with ThreadPoolExecutor(workers) as pool:
        asked = pool.map(lambda name: cells.plan_chapter(name, profile, built), names)
        for name, told in zip(names, asked):
            yield name
            for parameter, value in chapters.profile_values(name, profile).items():
                yield f"  {parameter} = {_shown(value)}"
            for line in told:
                store = line["store"]
                if store not in stores:
                    stores[store] = measured_rows(store, build)
                yield from _of_sweep(line, stores[store], known, total)
    yield f"all: {total.text()}, {total.seconds / workers / 3600:.2f} on {workers} cores"


class Sum:
    """Rows and seconds of sweeps.

    Attributes:
        rows: that were asked for.
        there: how many of them are there.
        unmeasured: how many of the others have no measured row in their store.
        seconds: of the others, on one core.
        is_least: whether more may be asked for, or they may take longer.
    """

    def __init__(self):
        self.rows = 0
        self.there = 0
        self.unmeasured = 0
        self.seconds = 0.0
        self.is_least = False

    def add(self, other):
        """Adds those of a sweep."""
        self.rows += other.rows
        self.there += other.there
        self.unmeasured += other.unmeasured
        self.seconds += other.seconds
        self.is_least |= other.is_least

    def text(self):
        """Rows, those that are there, and hours of one core for the others."""
        least = "at least " if self.is_least or self.unmeasured else ""
        text = f"{self.rows:,} rows, {self.there:,} there, {least}"
        if self.unmeasured == self.rows - self.there > 0:
            return f"{text}{self.unmeasured:,} to compute, not measured"
        if self.unmeasured:
            text += f"{self.unmeasured:,} not measured, "
        return f"{text}{self.seconds / 3600:.2f} hours of one core"


def measured_rows(store, build):
    """The measured rows of a store, by setting and data.

    Args:
        store: its name.
        build: folder in which each profile has its own.

    Returns:
        :class:`companion.engine.measured.MeasuredRows`.
    """
    found = []
    for row in recorded.read(store).rows.values():
        setting = row.line["setting"]
        found.append((setting, row.sweep["data"], row.row.seconds, None))
    for folder in sorted(Path(build).glob(f"*/book/rows/{store}")):
        records = rows.read(folder)[0]
        data = {}
        for record in records:
            if "key" not in record:
                data[record["sweep"]] = record["data"]
        for record in records:
            if "values" in record:
                of_sweep = data.get(record["sweep"])
                found.append((record["setting"], of_sweep, record["seconds"], None))
    return measured.MeasuredRows(found)


def _of_sweep(line, of_store, known, total):
    """The lines of one sweep; its rows are added to those of all."""
    store = line["store"]
    if "error" in line:
        total.is_least = True
        waits = ", ".join(line["waits"])
        why = f"needs rows of {waits}" if waits else f"cannot be asked: {line['error']}"
        yield f"  {store}: {why}"
        return
    own = Sum()
    own.is_least = line["supposed"]
    rests = set()
    for one in line["settings"]:
        new = {row: there for row, there in one["rows"].items() if row not in known}
        known.update(new)
        own.rows += len(new)
        own.there += sum(new.values())
        missing = len(new) - sum(new.values())
        if not missing:
            continue
        row = of_store.estimate(one["setting"], line["data"])
        if row is None:
            own.unmeasured += missing
            continue
        own.seconds += missing * row.seconds
        rests.add(_rest(row))
    total.add(own)
    if own.rows:
        yield f"  {store}: {own.text()}{''.join(sorted(rests))}"


def _rest(row):
    """What the seconds of a row rest on."""
    text = ""
    for name, power in row.powers.items():
        text += f", by {name}^{power:g}"
    if row.others:
        text += f", not scaled by {', '.join(row.others)}"
    return text


def _shown(value):
    return ",".join(map(str, value)) if isinstance(value, list) else value
