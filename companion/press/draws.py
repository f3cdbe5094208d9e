"""Which recorded rows are computed again: a random draw in which every store has its
turn."""

import json
from typing import NamedTuple

from companion.engine import recorded
from kdlib import places

# Seconds until the cells of a chapter have come to their first row.
CELLS = 12


class Row(NamedTuple):
    """A recorded row as a draw sees it.

    Attributes:
        store: its name.
        identity: of the row.
        chapter: whose sweep it is of.
        seconds: that it took.
        images: name of the image set that it needs, or None.
    """

    store: str
    identity: str
    chapter: str
    seconds: float
    images: str | None = None


def recorded_rows(profile, store=None):
    """The rows that are recorded of a profile.

    Args:
        profile: its name.
        store: of which alone, or None for all.

    Returns:
        List of :class:`Row`.

    Raises:
        ValueError: nothing is recorded of ``store``.
    """
    folder = places.book() / "recorded" / "rows" / profile
    path = folder / recorded.INDEX
    names = list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []
    if store is not None and store not in names:
        allowed = ", ".join(names) or "nothing is recorded"
        raise ValueError(f"store must be one of {allowed}; got {store!r}")
    found = []
    for name in names if store is None else [store]:
        for identity, row in recorded.read(name, profile).rows.items():
            chapter = row.sweep["chapter"]
            images = (row.sweep["source"] or {}).get("name")
            found.append(Row(name, identity, chapter, row.row.seconds, images))
    return found


def draw(found, generator, *, seconds=None, share=None):
    """A random draw of rows in which every store gets its turn.

    Args:
        found: list of :class:`Row`.
        generator: ``random.Random``.
        seconds: that the rows took together, at most; or None.
        share: of each store, in (0, 1]; at least one row; or None.

    Returns:
        List of :class:`Row`; all of them where neither is given.
    """
    by_store = {}
    for row in generator.sample(found, len(found)):
        by_store.setdefault(row.store, []).append(row)
    if share is not None:
        drawn = []
        for rows in by_store.values():
            drawn += rows[: max(1, round(share * len(rows)))]
        return drawn
    if seconds is None:
        return list(found)
    return _within(by_store, generator, seconds)


def _within(by_store, generator, seconds):
    """Rows of one store after another while there is time for them."""
    drawn = []
    begun = set()  # chapters whose cells are counted
    waiting = list(by_store)
    generator.shuffle(waiting)
    while waiting:
        store = waiting.pop(0)
        rows = by_store[store]
        row = rows.pop()
        cost = row.seconds + (0 if row.chapter in begun else CELLS)
        if cost <= seconds:
            seconds -= cost
            begun.add(row.chapter)
            drawn.append(row)
        if rows:
            waiting.append(store)
    return drawn
