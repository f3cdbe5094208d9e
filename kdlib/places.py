"""Where things lie: the book's sources, the data sets, the rows of sweeps. Three folders, each with its variable."""

import os
from pathlib import Path

import platformdirs


def book():
    """The book's text sources: ``$KDLIB_BOOK``, or ``book`` beside the package."""
    return Path(
        os.environ.get("KDLIB_BOOK") or Path(__file__).resolve().parent.parent / "book"
    )


def data():
    """The data sets: ``$KDLIB_DATA``, or the user's cache folder. It need not exist."""
    return (
        Path(os.environ.get("KDLIB_DATA") or platformdirs.user_cache_dir("kdlib"))
        .expanduser()
        .absolute()
    )


def rows():
    """The rows of sweeps, a folder a store: ``$KDLIB_ROWS``, or ``rows`` in the user's cache folder."""
    return Path(
        os.environ.get("KDLIB_ROWS")
        or Path(platformdirs.user_cache_dir("kdlib")) / "rows"
    )
