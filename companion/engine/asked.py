"""The rows that a sweep asks a store for: which are finished, which failed, which are
missing."""

from pathlib import Path
from typing import NamedTuple

from companion.engine import rows


class Task(NamedTuple):
    """What to compute for one row.

    Attributes:
        setting: dict of plain values.
        seed: an int.
        device: type of the device, ``cpu`` or ``cuda``.
        arithmetic: ``bfloat16`` or ``float32`` where that is the device's choice, else
            None.
        identity: by which a recorded row is found, see
            :func:`companion.engine.identity.row_identity`.
    """

    setting: dict
    seed: int
    device: str
    arithmetic: str | None = None
    identity: str | None = None


class FinishedRow(NamedTuple):
    """A row that was computed.

    Attributes:
        values: dict; in a store arrays are the names of their files, see
            :func:`companion.engine.rows.decode`.
        seconds: that it took.
        machine: that computed it.
    """

    values: dict
    seconds: float
    machine: str


class FailedRow(NamedTuple):
    """A row that could not be computed.

    Attributes:
        error: one line.
        traceback: where it was raised.
        time_limit: seconds after which it was stopped; None where it ended by itself.
    """

    error: str
    traceback: str
    time_limit: float | None = None


class AskedRows:
    """What a store holds of the rows that a sweep asks for.

    A row that a time limit stopped counts as failed only while no more time is given.

    Attributes:
        folder: the store.
        tasks: dict from a row's key to its :class:`Task`.
        time_limit: seconds that a row may take, or None.
        finished: dict from key to :class:`FinishedRow`.
        failed: dict from key to :class:`FailedRow`.
        recorded: dict from key to :class:`companion.engine.recorded.RecordedRow`, of
            the finished rows that came with the book.
    """

    def __init__(self, folder, tasks, time_limit=None):
        self.folder = Path(folder)
        self.tasks = tasks
        self.time_limit = time_limit
        self.finished = {}
        self.failed = {}
        self.recorded = {}
        self._sweeps = set()  # whose common part is written in the store
        self._end = 0  # of what has been read
        self.refresh()

    def is_missing(self, key):
        """Whether a row has neither been finished nor failed.

        Args:
            key: of a row.

        Returns:
            True or False.
        """
        return key not in self.finished and key not in self.failed

    def missing(self):
        """The keys of the rows that have neither been finished nor failed.

        Returns:
            List of keys in the order of the tasks.
        """
        return [key for key in self.tasks if self.is_missing(key)]

    def take_recorded(self, found):
        """Takes the recorded rows that this machine has not finished itself.

        Args:
            found: dict from identity to
                :class:`companion.engine.recorded.RecordedRow`.
        """
        for key, task in self.tasks.items():
            if key not in self.finished and task.identity in found:
                self.recorded[key] = found[task.identity]
                self.finished[key] = found[task.identity].row
                self.failed.pop(key, None)

    def refresh(self):
        """Reads what has been added to the store since the last look; a finished row
        outranks a failed one."""
        records, self._end = rows.read(self.folder, self._end)
        for record in records:
            key = record.get("key")
            if key is None:
                self._sweeps.add(record.get("sweep"))
            elif key in self.tasks:
                self._note(key, record)

    def keep(self, sweep, outcomes):
        """Writes rows; when it returns they are on disk and known here.

        Args:
            sweep: dict of what the rows have in common, written once into the store.
            outcomes: dict from key to :class:`FinishedRow` or :class:`FailedRow`.

        Raises:
            OSError: if they cannot be written.
        """
        if not outcomes:
            return
        records = [
            self._record(key, sweep["sweep"], outcome)
            for key, outcome in outcomes.items()
        ]
        if sweep["sweep"] not in self._sweeps:
            records.insert(0, sweep)
        rows.append(self.folder, records)
        self.refresh()

    def _note(self, key, record):
        if "error" not in record:
            self.finished[key] = FinishedRow(
                record["values"], record["seconds"], record["machine"]
            )
            self.failed.pop(key, None)
        elif key not in self.finished:
            limit = _stopped_after(record)
            if limit is not None and self._allows_more_than(limit):
                self.failed.pop(key, None)
            else:
                failed = FailedRow(record["error"], record["traceback"], limit)
                self.failed[key] = failed

    def _allows_more_than(self, limit):
        return self.time_limit is None or self.time_limit > limit

    def _record(self, key, sweep, outcome):
        """A row as it is written into the store."""
        task = self.tasks[key]
        setting = {name: readable(value) for name, value in task.setting.items()}
        return {
            "key": key,
            "sweep": sweep,
            "device": task.device,
            "arithmetic": task.arithmetic,
            "seed": task.seed,
            "setting": setting,
            **outcome._asdict(),
        }


def _stopped_after(record):
    """The time limit that stopped a row, or None if no limit did."""
    if "time_limit" in record:
        return record["time_limit"]
    # Records without the field are from the time when a limit was named in the error
    # alone: any limit counts as larger.
    was_stopped = record["error"].startswith("TimeoutError: over the time limit")
    return 0.0 if was_stopped else None


def readable(value):
    """A setting's value in the store, for people: the key holds it exactly.

    Args:
        value: of a setting.

    Returns:
        What JSON can write.
    """
    if isinstance(value, (list, tuple)):
        return [readable(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
