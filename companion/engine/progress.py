"""How far a sweep is: a bar where standard error is a terminal, and a file where one is
asked for."""

import contextlib
import os
import sys
import time
from pathlib import Path

import tqdm


@contextlib.contextmanager
def shown(asked):
    """Gives ``show()``, which brings the bar and the file that ``KDLIB_PROGRESS`` names
    up to date.

    Args:
        asked: :class:`companion.engine.asked.AskedRows`.
    """
    total = len(asked.tasks)
    file = _File(os.environ.get("KDLIB_PROGRESS"), total, asked.folder.name)
    bar = tqdm.tqdm(
        total=total,
        initial=_count(asked),
        desc=asked.folder.name,
        unit="row",
        disable=not sys.stderr.isatty(),
    )

    def show():
        count = _count(asked)
        bar.update(count - bar.n)
        if file.is_due():
            file.write(count)

    with bar:
        file.write(_count(asked))
        yield show
        show()
        file.write(_count(asked))


class _File:
    """A file of one line: rows that are finished or failed, rows in all, the store."""

    def __init__(self, path, total, name):
        self.path = path
        self.total = total
        self.name = name
        self.written = None

    def is_due(self):
        """Whether the last line is a second old."""
        return time.monotonic() - self.written >= 1

    def write(self, count):
        self.written = time.monotonic()
        if not self.path:
            return
        unfinished = Path(f"{self.path}.{os.getpid()}")
        unfinished.write_text(f"{count} {self.total} {self.name}\n", encoding="utf-8")
        os.replace(unfinished, self.path)


def _count(asked):
    return len(asked.finished) + len(asked.failed)
