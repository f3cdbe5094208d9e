"""Rows that are on disk for good: JSON lines in ``rows.jsonl``, arrays beside them as
``arrays/<digest>.npy``.

A store is a folder of plain text that any number of processes on a machine or a shared
disk may read and extend. A line that a crash cut off has no end of line: it is not a
row, and the next append removes it.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import io
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy

# Arrays that are written at the same time: a disk serves eight waits for it in about
# the time of one.
WRITERS = 8


def read(folder, start=0):
    """The complete records from byte ``start`` on, without those whose arrays are gone.

    Args:
        folder: the store; it need not exist.
        start: where an earlier call ended; in [0, inf).

    Returns:
        ``(records, end)``: list of dicts, and the byte from which to read on next time.
    """
    path = Path(folder) / "rows.jsonl"
    content, start = _content_from(path, start)
    content = content[: content.rfind(b"\n") + 1]
    records = []
    for line in content.splitlines():
        try:
            record = json.loads(line)
            arrays = _array_files(record)
        except (ValueError, AttributeError, KeyError):
            print(f"{path}: a line that is no row was left out: {line[:40]!r}")
            continue
        if all((path.parent / name).exists() for name in arrays):
            records.append(record)
    return records, start + len(content)


def append(folder, records):
    """Adds records as lines; when this returns they have reached the disk, all of them
    or none.

    Args:
        folder: the store.
        records: dicts of plain values; numpy arrays among the ``values`` of a record go
            into files of their own, first.

    Raises:
        OSError: if they cannot be written (no space, no permission); the rows that were
            there before are unharmed.
    """
    path = Path(folder) / "rows.jsonl"
    try:
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        records = _with_arrays_saved(path.parent / "arrays", records)
        text = "".join(json.dumps(record) + "\n" for record in records)
        _append_text(path, text.encode())
        if is_new:
            _sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, _advice(error), str(path)) from None


def decode(folder, values):
    """The ``values`` of a record as they were given to :func:`append`.

    Args:
        folder: the store.
        values: dict as :func:`read` returns it in a record.

    Returns:
        Dict with the same names, and arrays in place of the names of their files.
    """
    decoded = {}
    for name, value in values.items():
        if isinstance(value, dict):
            value = numpy.load(Path(folder) / value["npy"], allow_pickle=False)
        decoded[name] = value
    return decoded


@contextlib.contextmanager
def reservations(folder):
    """Gives this process's :class:`Reservations` of a store's rows, and releases all at
    the end.

    Args:
        folder: the store.

    Raises:
        OSError: if the store cannot be written.
    """
    path = Path(folder) / ".in-flight"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab")
    except OSError as error:
        raise OSError(error.errno, _advice(error), str(path)) from None
    with file:
        yield Reservations(file)


class Reservations:
    """What keeps processes from computing each other's rows.

    A reservation is a lock on one byte of a file, so it ends with its process, however
    that ends.
    """

    def __init__(self, file):
        self._file = file

    def reserve(self, key):
        """Reserves a row for this process.

        Args:
            key: of the row, hexadecimal digits.

        Returns:
            False where another process has reserved it.

        Raises:
            OSError: the file system keeps no locks.
        """
        mode = fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            fcntl.lockf(self._file, mode, 1, _byte(key))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def release(self, key):
        """Releases a row that is not computed here, or is on disk."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(key))


def _byte(key):
    """The position of the byte whose lock reserves a row."""
    return int(key[:15], 16)


def _content_from(path, start):
    """The bytes from ``start`` on, and where they begin: 0 if the file is shorter."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == start:
                return b"", start
            if size < start:
                # Another file has taken its place.
                start = 0
            file.seek(start)
            return file.read(), start
    except FileNotFoundError:
        return b"", 0


def _array_files(record):
    """Names of the files that hold the arrays of a record."""
    values = record.get("values", {}).values()
    return [value["npy"] for value in values if isinstance(value, dict)]


def _append_text(path, text):
    """Writes whole lines at the end of a file, and waits until they are on the disk."""
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = _drop_cut_off_line(file)
        try:
            _write_all(file, text)
            os.fsync(file.fileno())
        except BaseException:
            # Where this fails too, there remain a line cut off or rows that count.
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), end)
            raise


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
    remaining = memoryview(text)
    while remaining:
        written = os.write(file.fileno(), remaining)
        remaining = remaining[written:]


def _with_arrays_saved(folder, records):
    """The records with names of files, which are on disk, in place of arrays."""
    arrays = _arrays(records)
    if not arrays:
        return records
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(WRITERS) as pool:
        names = list(pool.map(functools.partial(_save, folder), arrays.values()))
    _sync_folder(folder)
    files = {}
    for place, name in zip(arrays, names):
        files[place] = {"npy": f"{folder.name}/{name}"}
    saved = []
    for number, record in enumerate(records):
        if "values" in record:
            values = {
                name: files.get((number, name), value)
                for name, value in record["values"].items()
            }
            record = {**record, "values": values}
        saved.append(record)
    return saved


def _arrays(records):
    """The arrays among the values of records, by (number of the record, name)."""
    arrays = {}
    for number, record in enumerate(records):
        for name, value in record.get("values", {}).items():
            if isinstance(value, numpy.ndarray):
                arrays[number, name] = value
    return arrays


def _save(folder, array):
    """Writes an array into a file that is named by its content; returns the name."""
    buffer = io.BytesIO()
    numpy.save(buffer, array, allow_pickle=False)
    digest = hashlib.blake2b(buffer.getvalue(), digest_size=16).hexdigest()
    path = folder / f"{digest}.npy"
    if path.exists():
        return path.name
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
    """Waits until the names of new files in a folder are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _advice(error):
    """One line that says what went wrong and what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return (
        f"{reason}: cannot write rows; the finished ones are safe, make room or choose "
        "another KDLIB_ROWS and run again"
    )
