"""Rows that travel with the book: ``book/recorded/rows/<profile>/<store>.jsonl``.

A store is text: a line for each sweep with what its rows have in common, and a line for
each row. A row is found by its identity (setting, seed, code, data and dtype); device,
versions and machine stand beside it. Each line begins with a checksum of the rest.
"""

import functools
import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy

from companion.engine import variables
from companion.engine.asked import FinishedRow
from kdlib import places

INDEX = "stores.json"
# A store of more bytes is compressed, and a diff shows only that it changed.
PLAIN_BYTES = 60_000
OPENING = '{"checksum": "'
DIGITS = 32  # of a checksum


class RecordedRow(NamedTuple):
    """A row of a recorded store.

    Attributes:
        row: :class:`companion.engine.asked.FinishedRow` with arrays as they were.
        line: dict of everything that its line says.
        sweep: dict of what the rows of its sweep have in common.
    """

    row: FinishedRow
    line: dict
    sweep: dict


class RecordedStore(NamedTuple):
    """What is recorded of a store, in all profiles.

    Attributes:
        rows: dict from identity to :class:`RecordedRow`.
        wrong: lines that say what is missing or was altered.
    """

    rows: dict
    wrong: list


def folder():
    """Where the recorded rows are, a folder for each profile.

    Returns:
        A path; None without a book, or where ``KDLIB_FRESH`` is 1.
    """
    if variables.value("KDLIB_FRESH"):
        return None
    try:
        return places.book() / "recorded" / "rows"
    except ValueError:
        return None


def read(store, profile="*"):
    """The recorded rows of a store.

    Args:
        store: its name.
        profile: of which alone; by default of all.

    Returns:
        :class:`RecordedStore`; what is wrong with a file costs the rows that it hits.
    """
    rows = {}
    wrong = []
    top = folder()
    indices = sorted(top.glob(f"{profile}/{INDEX}")) if top else []
    for index in indices:
        try:
            counts = json.loads(index.read_text(encoding="utf-8"))
        except ValueError:
            wrong.append(f"{index} was altered, so none of its rows are taken")
            continue
        if store not in counts:
            continue
        path = file_of(index.parent, store)
        if path is None:
            wrong.append(f"the recorded rows of {store} are missing in {index.parent}")
            continue
        found, altered = _read_file(path, path.stat().st_mtime_ns)
        rows |= found
        wrong += altered
        if not altered and len(found) != counts[store]["rows"]:
            wrong.append(
                f"{path} has {len(found)} rows of {counts[store]['rows']} in {INDEX}"
            )
    return RecordedStore(rows, wrong)


def file_of(profile_folder, store):
    """The file of a store, plain or compressed; None where there is none."""
    for name in (f"{store}.jsonl", f"{store}.jsonl.gz"):
        if (profile_folder / name).is_file():
            return profile_folder / name
    return None


def text_of(sweeps, rows):
    """The text of a store.

    Args:
        sweeps: dicts, what the rows of a sweep have in common.
        rows: dicts, of which ``values`` may hold arrays.

    Returns:
        Text with a line for each.
    """
    lines = [_line(sweep) for sweep in sweeps]
    for row in rows:
        values = {name: _plain(value) for name, value in row["values"].items()}
        lines.append(_line(row | {"values": values}))
    return "".join(f"{line}\n" for line in lines)


def contents_of(text):
    """The bytes of a store's file, and the ending of its name.

    Args:
        text: of :func:`text_of`.

    Returns:
        ``(contents, ending)``.
    """
    plain = text.encode()
    if len(plain) <= PLAIN_BYTES:
        return plain, ".jsonl"
    # Without the date, so that the same rows are the same bytes.
    return gzip.compress(plain, mtime=0), ".jsonl.gz"


@functools.lru_cache(maxsize=64)
def _read_file(path, _changed_at):
    """The rows of a file by identity, and what is wrong with it."""
    text, wrong = _text_in(path)
    sweeps = {}
    rows = {}
    for number, line in enumerate(text.splitlines(), start=1):
        record = _checked(line)
        if record is None:
            wrong.append(f"{path}: line {number} was altered, so it is left out")
        elif "identity" not in record:
            sweeps[record["sweep"]] = record
        elif record["sweep"] in sweeps:
            row = FinishedRow(
                {name: _exact(value) for name, value in record["values"].items()},
                record["seconds"],
                record["machine"],
            )
            sweep = sweeps[record["sweep"]]
            rows[record["identity"]] = RecordedRow(row, record, sweep)
    return rows, wrong


def _text_in(path):
    """The text of a file as far as it goes, and whether it was cut off."""
    content = Path(path).read_bytes()
    wrong = []
    if path.suffix == ".gz":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content)
        except zlib.error:
            return "", [f"{path} does not unpack"]
        if not unpacker.eof:
            wrong.append(f"{path} is cut off")
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content) and not wrong:
        wrong.append(f"{path} is cut off")
    return whole.decode(errors="replace"), wrong


def _line(record):
    body = json.dumps(record)
    return f'{OPENING}{_checksum(body)}", {body[1:]}'


def _checked(line):
    """A line's record; None where it is not what was written."""
    end = len(OPENING) + DIGITS
    body = "{" + line[end + len('", ') :]
    if line[:end] != OPENING + _checksum(body):
        return None
    return json.loads(body)


def _checksum(body):
    return hashlib.blake2b(body.encode(), digest_size=DIGITS // 2).hexdigest()


def _plain(value):
    """An array as type, shape and numbers; anything else as it is."""
    if not isinstance(value, numpy.ndarray):
        return value
    return {
        "dtype": str(value.dtype),
        "shape": list(value.shape),
        "flat": _shortest(value.ravel()),
    }


def _shortest(flat):
    """The numbers of an array with as few digits as give the same array again."""
    if flat.dtype.kind == "f" and flat.dtype.itemsize < 8:
        numbers = [float(text) for text in flat.astype("U32")]
        if numpy.array_equal(numpy.array(numbers, flat.dtype), flat, equal_nan=True):
            return numbers
    return flat.tolist()


def _exact(value):
    """What :func:`_plain` was given."""
    if not isinstance(value, dict):
        return value
    return numpy.array(value["flat"], value["dtype"]).reshape(value["shape"])
