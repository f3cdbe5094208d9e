"""Rows that are on disk for good: JSON lines in ``rows.jsonl``, arrays beside them as ``arrays/<digest>.npy``.

A store is a folder of plain text that any number of processes on a machine or a shared disk may read and extend. A
line that a crash cut off has no end of line: it is not a row, and the next append removes it.
"""

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy


def read(folder, start=0):
    """The complete records from byte ``start`` on, without those whose arrays are gone.

    Args:
        folder: the store; it need not exist.
        start: where an earlier call ended; in [0, inf).

    Returns:
        ``(records, end)``: list of dicts, and the byte from which to read on next time.
    """
    path = Path(folder) / "rows.jsonl"
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == start:
                return [], start
            start = (
                start if size > start else 0
            )  # shorter than before: another file took its place
            file.seek(start)
            content = file.read()
    except FileNotFoundError:
        return [], 0
    content = content[: content.rfind(b"\n") + 1]
    records = []
    for line in content.splitlines():
        try:
            record = json.loads(line)
            arrays = [
                value["npy"]
                for value in record.get("values", {}).values()
                if isinstance(value, dict)
            ]
        except (ValueError, AttributeError, KeyError):
            print(f"{path}: a line that is no row was left out: {line[:40]!r}")
            continue
        if all((path.parent / name).exists() for name in arrays):
            records.append(record)
    return records, start + len(content)


def append(folder, records):
    """Adds records as lines; when this returns they have reached the disk, all of them or none.

    Args:
        folder: the store.
        records: dicts of plain values; numpy arrays among the ``values`` of a record go into files of their own, first.

    Raises:
        OSError: if they cannot be written (no space, no permission); the rows that were there before are unharmed.
    """
    path = Path(folder) / "rows.jsonl"
    try:
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        records = _with_arrays_saved(path.parent / "arrays", records)
        text = "".join(json.dumps(record) + "\n" for record in records).encode()
        with open(path, "a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = _drop_cut_off_line(file)
            try:
                _write_all(file, text)
                os.fsync(file.fileno())
            except BaseException:
                with contextlib.suppress(
                    OSError
                ):  # what it leaves is a line cut off, or rows that count
                    os.ftruncate(file.fileno(), end)
                raise
        if is_new:
            _sync_folder(path.parent)
    except OSError as error:
        raise _say(error, path) from None


def decode(folder, values):
    """The ``values`` of a record as they were given to :func:`append`."""
    return {
        name: numpy.load(Path(folder) / value["npy"], allow_pickle=False)
        if isinstance(value, dict)
        else value
        for name, value in values.items()
    }


@contextlib.contextmanager
def claims(folder):
    """Gives two functions ``claim(key) -> bool`` and ``release(key)`` that keep processes off each other's rows.

    A claim is a lock on one byte of a file, so it ends with its process, however that ends.
    """
    path = Path(folder) / ".in-flight"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab")
    except OSError as error:
        raise _say(error, path) from None

    def claim(key):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(key[:15], 16))
            return True
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            return False

    def release(key):
        fcntl.lockf(file, fcntl.LOCK_UN, 1, int(key[:15], 16))

    with file:
        yield claim, release


def _drop_cut_off_line(file):
    """Truncates to the end of the last complete line; returns where that is."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return 0
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return end
    file.seek(0)
    end = file.read(end).rfind(b"\n") + 1
    file.truncate(end)
    return end


def _write_all(file, text):
    view = memoryview(text)
    while view:
        view = view[os.write(file.fileno(), view) :]


def _with_arrays_saved(folder, records):
    """The records with the names of files in place of arrays; the files are on disk when it returns."""
    arrays = [
        (i, name)
        for i, record in enumerate(records)
        for name, value in record.get("values", {}).items()
        if isinstance(value, numpy.ndarray)
    ]
    if not arrays:
        return records
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(
        8
    ) as pool:  # a disk serves eight waits for it in about the time of one
        names = list(
            pool.map(
                lambda where: _save(folder, records[where[0]]["values"][where[1]]),
                arrays,
            )
        )
    _sync_folder(folder)
    saved = {
        where: {"npy": f"{folder.name}/{name}"} for where, name in zip(arrays, names)
    }
    return [
        {
            **record,
            "values": {
                name: saved.get((i, name), value)
                for name, value in record["values"].items()
            },
        }
        if "values" in record
        else record
        for i, record in enumerate(records)
    ]


def _save(folder, array):
    buffer = io.BytesIO()
    numpy.save(buffer, array, allow_pickle=False)
    path = (
        folder / f"{hashlib.blake2b(buffer.getvalue(), digest_size=16).hexdigest()}.npy"
    )
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        try:
            with open(unfinished, "wb", buffering=0) as file:
                _write_all(file, buffer.getbuffer())
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path.name


def _sync_folder(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _say(error, path):
    """The same kind of error with one line that says what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OSError(
        error.errno,
        f"{reason}: cannot write rows; the finished ones are safe, make room or choose another "
        "KDLIB_ROWS and run again",
        str(path),
    )
