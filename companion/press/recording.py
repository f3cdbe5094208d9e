"""``make record``: the rows that a build's pages rest on, as text beside the book."""

import datetime
import json
from pathlib import Path

from companion.engine import recorded, rows
from companion.press import chapters, files, provenance
from kdlib import places

# Bytes of all recorded profiles together.
LIMIT = 12_000_000
# What a store counts.
SUMS = ("rows", "seconds", "bytes")
# What a line of a sweep says of its rows.
COMMON = ("code", "constants", "data", "source", "batched", "dtype", "trained")


def indices():
    """What is recorded of each profile.

    Returns:
        Dict from profile to a dict of its stores with ``rows``, ``seconds``, ``bytes``.
    """
    top = places.book() / "recorded" / "rows"
    found = {}
    for path in sorted(top.glob(f"*/{recorded.INDEX}")):
        found[path.parent.name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def rows_of(chapter):
    """How many rows of a chapter are recorded.

    Args:
        chapter: its full name.

    Returns:
        Dict from profile to a number, of the profiles that have any.
    """
    counts = {}
    for profile, index in indices().items():
        for store in index.values():
            if chapter in store["chapters"]:
                counts[profile] = counts.get(profile, 0) + store["rows"]
    return counts


def record(profile, built):
    """Writes the recorded rows of a profile.

    Rows that a page took from earlier records stay as they were, and so do those of
    chapters that this build has not executed: a night is recorded in parts.

    Args:
        profile: name of the profile.
        built: folder of the executed chapters, with ``rows`` and ``sweeps``.

    Returns:
        Dict: for each store how many ``rows``, and the ``seconds`` and ``bytes``.

    Raises:
        companion.press.chapters.Failed: no chapter was executed, or the rows of all
            profiles would be more than may be committed.
    """
    told_by = {chapter: _told(built, chapter) for chapter in chapters.names()}
    if not any(told is not None for told in told_by.values()):
        raise chapters.Failed(
            f"no chapter has been executed: make book PROFILE={profile} comes first"
        )
    stores = {}
    for chapter, sweeps in told_by.items():
        if sweeps is None:
            _keep_earlier(stores, profile, built, chapter)
        for told in sweeps or []:
            if told["sweep"]["travels"]:
                store = stores.setdefault(told["store"], _Store(told["store"], built))
                store.add(told, chapter)
    folder = places.book() / "recorded" / "rows" / profile
    contents = {name: store.text() for name, store in sorted(stores.items())}
    packed = {name: recorded.contents_of(text) for name, text in contents.items()}
    _check_size(folder, packed)
    folder.mkdir(parents=True, exist_ok=True)
    index = {}
    for name, (content, ending) in packed.items():
        path = folder / f"{name}{ending}"
        _remove(folder, name)
        files.write_whole(path, content)
        index[name] = stores[name].summary() | {"bytes": len(content)}
    for path in folder.glob("*.jsonl*"):
        if path.name.partition(".")[0] not in index:
            path.unlink()
    text = json.dumps(index, indent=1) + "\n"
    files.write_whole(folder / recorded.INDEX, text)
    return index


def _keep_earlier(stores, profile, built, chapter):
    """Adds what is recorded of a chapter that was not executed to the stores."""
    for name, summary in indices().get(profile, {}).items():
        if chapter in summary["chapters"]:
            stores.setdefault(name, _Store(name, built)).keep(profile, chapter)


def _told(built, chapter):
    """What the sweeps of a chapter told; None of one that was not executed."""
    path = Path(built) / "sweeps" / f"{chapter}.jsonl"
    if not path.exists():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


class _Store:
    """The rows of a store that pages rest on.

    Attributes:
        sweeps: what the rows of a sweep have in common, by its digest.
        rows: lines of rows by identity.
    """

    def __init__(self, name, built):
        self.folder = Path(built) / "rows" / name
        self.computed = {}
        for row in rows.read(self.folder)[0]:
            if "values" in row:
                self.computed[row["key"]] = row
        self.travelled = recorded.read(name).rows
        self.sweeps = {}
        self.rows = {}

    def add(self, told, chapter):
        """Adds the finished rows of a sweep."""
        sweep = told["sweep"]
        run = sweep["run"].replace("__main__:", f"{chapter}:")
        common = {name: sweep[name] for name in COMMON}
        common |= {"run": run, "chapter": chapter, "versions": sweep["versions"]}
        common |= {"commit": provenance.commit(), "date": _today()}
        for key, identity in told["identities"].items():
            if identity in self.travelled:
                # It stays as it is, so that a diff shows what is new.
                self._keep_row(identity, self.travelled[identity])
            elif key in self.computed:
                self.sweeps.setdefault(
                    sweep["sweep"], {"sweep": sweep["sweep"]} | common
                )
                self.rows[identity] = self._line(identity, self.computed[key])

    def keep(self, profile, chapter):
        """Adds the rows that are recorded of a chapter."""
        for identity, row in recorded.read(self.folder.name, profile).rows.items():
            if row.sweep["chapter"] == chapter:
                self._keep_row(identity, row)

    def _keep_row(self, identity, row):
        self.sweeps.setdefault(row.sweep["sweep"], _unsigned(row.sweep))
        self.rows[identity] = _unsigned(row.line) | {"values": row.row.values}

    def _line(self, identity, row):
        """A row of this machine as it is recorded."""
        names = ("sweep", "seed", "setting", "device", "arithmetic", "machine")
        line = {"identity": identity} | {name: row.get(name) for name in names}
        line["seconds"] = round(row["seconds"], 3)
        return line | {"values": rows.decode(self.folder, row["values"])}

    def text(self):
        """The text of the store's file."""
        ordered = sorted(self.rows.values(), key=_order)
        return recorded.text_of(self.sweeps.values(), ordered)

    def summary(self):
        """How many rows there are, and what they took."""
        seconds = sum(row["seconds"] for row in self.rows.values())
        sources = [sweep["source"] for sweep in self.sweeps.values() if sweep["source"]]
        return {
            "rows": len(self.rows),
            "seconds": round(seconds, 1),
            "sets": sorted({source["name"] for source in sources}),
            "chapters": sorted({sweep["chapter"] for sweep in self.sweeps.values()}),
        }


def _today():
    return datetime.date.today().isoformat()


def _unsigned(line):
    return {name: value for name, value in line.items() if name != "checksum"}


def _order(row):
    """Rows of a sweep stand together, by setting and seed."""
    return row["sweep"], json.dumps(row["setting"], sort_keys=True), row["seed"]


def _remove(folder, name):
    path = recorded.file_of(folder, name)
    if path is not None:
        path.unlink()


def _check_size(folder, packed):
    total = sum(len(content) for content, _ in packed.values())
    for path in folder.parent.glob("*/*.jsonl*"):
        if path.parent != folder:
            total += path.stat().st_size
    if total > LIMIT:
        largest = max(packed, key=lambda name: len(packed[name][0]))
        raise chapters.Failed(
            f"the recorded rows would take {total:,} bytes, of which "
            f"{len(packed[largest][0]):,} are {largest}; at most {LIMIT:,} are allowed"
        )
