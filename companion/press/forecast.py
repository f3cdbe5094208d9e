"""``kdlib list --profile PROFILE``: what a profile would ask of this machine."""

import os
from pathlib import Path

from companion.engine import measured, recorded, rows, variables
from companion.press import cells, chapters


def lines(profile, build):
    """For each chapter what a profile sets, the rows of its sweeps, and their hours.

    The sweeps are asked and compute nothing. A row that two chapters share counts where
    it is asked for first. The seconds of a row are those of measured rows, of this
    machine and of those that came with the book, see
    :class:`companion.engine.measured.MeasuredRows`.

    Args:
        profile: its name.
        build: folder in which each profile has its own.

    Yields:
        Lines of text.

    Raises:
        companion.press.chapters.Failed: the chapters' cells did not run.
    """
    told = cells.plan(chapters.names(), profile, Path(build) / profile / "book")
    total = Sum()
    known = set()  # identities of rows that were asked for
    stores = {}  # measured rows
    for name, of_chapter in told.items():
        yield name
        for parameter, value in chapters.profile_values(name, profile).items():
            yield f"  {parameter} = {_shown(value)}"
        for line in of_chapter:
            store = line["store"]
            if store not in stores:
                stores[store] = measured_rows(store, build)
            yield from _of_sweep(line, stores[store], known, total)
    workers = variables.value("KDLIB_WORKERS") or os.cpu_count()
    yield f"in all: {total.text()}, {total.seconds / workers / 3600:.2f} of {workers}"


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
        text = f"{self.rows:,} rows"
        missing = self.rows - self.there
        if not missing:
            return f"{text}, all there"
        if self.there:
            text += f", {self.there:,} there"
        if self.unmeasured:
            text += f", {self.unmeasured:,} not measured"
        if self.unmeasured == missing:
            return text
        least = "at least " if self.is_least or self.unmeasured else ""
        return f"{text}, {least}{self.seconds / 3600:.2f} hours of one core"


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
        why = f"cannot be asked: {line['error']}"
        if line["waits"]:
            why = f"needs rows of {', '.join(line['waits'])}"
        yield f"  {store}: {why}"
        return
    own = Sum()
    own.is_least = line["supposed"]
    powers = {}
    assumed = set()
    others = set()
    for one in line["settings"]:
        new = {row: there for row, there in one["rows"].items() if row not in known}
        known.update(new)
        missing = len(new) - sum(new.values())
        own.rows += len(new)
        own.there += sum(new.values())
        row = of_store.estimate(one["setting"], line["data"]) if missing else None
        if row is not None:
            own.seconds += missing * row.seconds
            powers |= row.powers
            assumed.update(row.assumed)
            others.update(row.others)
        else:
            own.unmeasured += missing
    own.is_least |= "data" in others
    total.add(own)
    if own.rows:
        yield f"  {store}: {own.text()}{_rests_on(powers, assumed, others)}"


def _rests_on(powers, assumed, others):
    """How the seconds of measured rows were scaled to other sizes."""
    parts = []
    if powers:
        fitted = [f"{name}^{power:g}" for name, power in sorted(powers.items())]
        parts.append(f"scaled by {', '.join(fitted)} as measured")
    if assumed:
        parts.append(f"taken in proportion to {', '.join(sorted(assumed))}")
    if others:
        parts.append(f"not scaled by {', '.join(sorted(others))}")
    return f" ({'; '.join(parts)})" if parts else ""


def _shown(value):
    return ",".join(map(str, value)) if isinstance(value, list) else value
