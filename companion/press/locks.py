"""One process at a time: a lock on a file, which ends with the process that holds it.

``python -m companion.press.locks FILE COMMAND ...`` takes the lock and becomes the
command, which then holds it; what the command starts through Python does not.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

# Seconds between two looks at a lock that another process holds.
PAUSE = 0.1


@contextlib.contextmanager
def held(path):
    """Hold a lock inside; wait until it is free, and say so in one line.

    Args:
        path: the lock's file, which is made and stays.
    """
    lock = _take(path)
    try:
        yield
    finally:
        os.close(lock)


def become(path, command):
    """Take a lock and become a command, which holds it until it ends.

    A process that waits ends when the one that started it does.

    Args:
        path: the lock's file.
        command: list of texts.
    """
    for number in (signal.SIGINT, signal.SIGPIPE):
        # As the command is to have them, and not as Python does.
        signal.signal(number, signal.SIG_DFL)
    lock = _take(path, parent=os.getppid())
    os.set_inheritable(lock, True)
    os.execvp(command[0], command)


def remove(folder):
    """Remove a folder, unless a process holds a lock in it.

    Args:
        folder: the folder, which need not exist.

    Raises:
        SystemExit: a process holds a lock; the message names both, and nothing is
            removed.
    """
    folder = Path(folder)
    with contextlib.ExitStack() as taken:
        for path in [*folder.rglob("lock"), *folder.rglob("*.lock")]:
            lock = os.open(path, os.O_RDWR)
            taken.callback(os.close, lock)
            if not _is_locked(lock):
                sys.exit(
                    f"kdlib: process {_holder(lock)} holds {path}: wait until it has "
                    f"ended, or end it, before {folder} is removed"
                )
        if folder.exists():
            shutil.rmtree(folder)


def _take(path, parent=None):
    """The descriptor of a lock's file, once the lock is this process's."""
    path = Path(path)
    is_told = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        while not _is_locked(lock):
            time.sleep(PAUSE)
            if parent is not None and parent != os.getppid():
                sys.exit(1)
            if not is_told:
                line = f"kdlib: waiting for process {_holder(lock)}, which holds {path}"
                print(line, file=sys.stderr, flush=True)
                is_told = True
        if _is_at(path, lock):
            break
        # The file was removed while this process waited: others take a new one.
        os.close(lock)
    # Only who waits reads it.
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _holder(lock):
    """The number of the process that holds a lock, in words."""
    return os.pread(lock, 20, 0).decode() or "another"


def _is_at(path, lock):
    """Whether a path still leads to the lock's file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(lock))
    except FileNotFoundError:
        return False


def _is_locked(lock):
    """Whether the lock is this process's now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks keeps nobody waiting.
        return True
    return True


if __name__ == "__main__":
    become(sys.argv[1], sys.argv[2:])
