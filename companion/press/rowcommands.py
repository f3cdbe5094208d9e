"""The commands on rows that travel: record, verify, adopt."""

import os
import sys
from pathlib import Path

from companion.engine import cluster
from companion.press import adoption, locks, recording, verification
from companion.terminal import show

BUILD = Path("_build")


def record_rows(arguments):
    """``kdlib record``: the rows of a build, as text that is committed with the book.

    Args:
        arguments: the words of the command line.
    """
    folder = BUILD / arguments.profile
    with locks.held(folder / "record.lock"):
        index = recording.record(arguments.profile, folder / "book")
    rows = sum(store["rows"] for store in index.values())
    hours = sum(store["seconds"] for store in index.values()) / 3600
    size = sum(store["bytes"] for store in index.values()) / 1e6
    show(
        f"recorded {rows:,} rows of {len(index)} stores, {hours:.1f} hours of one core "
        f"in {size:.1f} MB"
    )


def verify_rows(arguments):
    """``kdlib verify``: recorded rows computed again on this machine.

    Args:
        arguments: the words of the command line.

    Returns:
        1 where a row does not agree, else 0.
    """
    if cluster.ADDRESS not in os.environ:
        # The chapters share one cluster.
        return cluster.serve([sys.executable, "-m", "companion", *sys.argv[1:]])
    folder = BUILD / arguments.profile
    text, status = verification.check(arguments.profile, folder, arguments)
    if text:
        show(text)
    return status


def adopt_rows(arguments):
    """``kdlib adopt``: recorded rows of rewritten code, tried by a random sample.

    Args:
        arguments: the words of the command line.

    Returns:
        1 where a store does not agree, else 0.
    """
    if cluster.ADDRESS not in os.environ:
        return cluster.serve([sys.executable, "-m", "companion", *sys.argv[1:]])
    built = BUILD / arguments.profile / "book"
    words = (arguments.profile, built, arguments.store, arguments.seed)
    text, status = adoption.adopt(*words)
    show(text)
    return status
