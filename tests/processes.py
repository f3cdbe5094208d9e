"""Processes that tests start, watch and wait for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kdlib

PATIENCE = 60  # seconds until a condition that must come true counts as never coming true


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.02)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def descendants(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found += [int(stat.parent.name), *descendants(int(stat.parent.name))]
    return found


def python(*arguments, env=None, **options):
    """Starts a Python that finds these packages, and knows of no cluster but one that ``env`` names."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("DASK_", "KDLIB_SERVED"))}
    environment |= {"PYTHONPATH": str(Path(kdlib.__file__).parents[1]), "KDLIB_WORKERS": "1", **(env or {})}
    return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True, **options)


def hears_interrupts():
    """For ``preexec_fn``: what a shell's ``&`` starts does not hear SIGINT, nor do its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
