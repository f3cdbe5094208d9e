"""Where things lie: the book's sources, the data sets, the rows of sweeps.

``VARIABLES`` lists each environment variable that the two packages read.
"""

import json
import os
from pathlib import Path

import platformdirs

VARIABLES = {
    "KDLIB_BOOK": "folder of the book's text sources",
    "KDLIB_DATA": "folder of the data sets",
    "KDLIB_ROWS": "folder of the rows of sweeps",
    "KDLIB_WORKERS": "how many workers a local cluster has; by default one a core",
    "KDLIB_TIME_LIMIT": "seconds that a row may take",
    "KDLIB_RETRY": "1: rows that failed before are computed again; 0: they are not",
    "KDLIB_FRESH": "1: rows that came with the book are not taken",
    "KDLIB_PROFILE": "profile of the run that is going on",
    "KDLIB_CHANGED": "names of the parameters that are not the profile's, with commas",
    "KDLIB_PROGRESS": "file into which a sweep writes how many rows are done",
    "KDLIB_SWEEPS": "file to which each sweep adds a JSON line on its rows",
    "KDLIB_VERIFY": "file with the identities of recorded rows to compute again",
    "KDLIB_ADOPT": "file with the stores whose rows of earlier code are tried again",
    "KDLIB_PLAN": "file beside which sweeps tell what they would ask for",
    "KDLIB_SERVED": "address of the local cluster that this build started",
    "KDLIB_WARM": "address of the process that has loaded the libraries already",
}


def book():
    """The book's text sources.

    Returns:
        The folder ``$KDLIB_BOOK``, or the first of these that holds a book: ``book``
        beside the packages, ``book`` in the current folder.

    Raises:
        ValueError: there is no book; the message says in one line how to name it.
    """
    named = os.environ.get("KDLIB_BOOK")
    if named:
        if not _holds_a_book(Path(named)):
            raise ValueError(
                "KDLIB_BOOK must name the book's folder, which holds chapters and "
                f"claims.yml; got {named}"
            )
        return Path(named)
    for folder in (Path(__file__).resolve().parent.parent, Path.cwd()):
        has_contents = (folder / "_toc.yml").is_file()
        has_claims = (folder / "book" / "claims.yml").is_file()
        if (folder / "book").is_dir() and (has_contents or has_claims):
            return folder / "book"
    raise ValueError(
        "this needs the book: run it in the folder that holds book, or let KDLIB_BOOK "
        f"name that folder; there is none under {Path.cwd()}"
    )


def _holds_a_book(folder):
    """Whether a folder has claims or chapters in it."""
    return (folder / "claims.yml").is_file() or any(folder.glob("[0-9][0-9]*_*.md"))


def data():
    """The data sets: ``$KDLIB_DATA``, or the user's cache folder. It need not exist."""
    named = os.environ.get("KDLIB_DATA") or platformdirs.user_cache_dir("kdlib")
    return Path(named).expanduser().absolute()


def rows():
    """The rows of sweeps, a folder a store: ``$KDLIB_ROWS``, or in the cache folder."""
    named = os.environ.get("KDLIB_ROWS")
    return Path(named or Path(platformdirs.user_cache_dir("kdlib")) / "rows")


def recorded_sets():
    """Names of the image sets of which rows of this run are recorded with the book.

    Returns:
        A set of names; empty outside a run of a profile, where parameters were changed,
        where ``KDLIB_FRESH`` is 1, and where the list of stores was altered.
    """
    profile = os.environ.get("KDLIB_PROFILE")
    is_other = os.environ.get("KDLIB_CHANGED") or os.environ.get("KDLIB_FRESH") == "1"
    if not profile or is_other:
        return set()
    index = book() / "recorded" / "rows" / profile / "stores.json"
    if not index.is_file():
        return set()
    try:
        stores = json.loads(index.read_text(encoding="utf-8")).values()
    except ValueError:
        return set()
    return {name for store in stores for name in store["sets"]}
