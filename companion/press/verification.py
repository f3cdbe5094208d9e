"""``kdlib verify``: recorded rows computed again on this machine."""

import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas

from companion import markup
from companion.engine import codekeys, recorded, variables
from companion.press import agreement, cells, draws, execution, files
from kdlib import places


def check(profile, build, words):
    """Verifies recorded rows of a build, and writes the result beside it.

    Args:
        profile: its name.
        build: its folder.
        words: of the command line: ``minutes``, ``share``, ``all``, ``store``,
            ``seed``, ``unless_known``; and ``absent``, the image sets that are not on
            this disk, whose rows are left out.

    Returns:
        ``(text, status)``: a table and a sentence; 1 where a row does not agree.

    Raises:
        ValueError: nothing is recorded of the store.
        companion.press.chapters.Failed: a chapter's cells did not run.
    """
    found = draws.recorded_rows(profile, words.store)
    path = build / "verified.json"
    if not found:
        # What an earlier build found is not said of this one.
        path.unlink(missing_ok=True)
        return f"no recorded rows of the {profile} profile are taken", 0
    now = _state(profile, build / "book")
    if words.unless_known and _known(path) == now:
        return "", 0
    seed = words.seed
    if seed is None:
        seed = random.SystemRandom().randrange(10**6)
    workers = variables.value("KDLIB_WORKERS") or os.cpu_count()
    limit = None
    seconds = None
    if not words.all and words.share is None:
        limit = 60 * words.minutes
        # A row may take twice as long here, and chapters wait for each other.
        seconds = workers * limit / 2
    generator = random.Random(seed)
    possible = [row for row in found if row.images not in words.absent]
    drawn = draws.draw(possible, generator, seconds=seconds, share=words.share)
    compared = verify(profile, drawn, build / "book", workers, limit)
    table = agreement.table(compared, found, profile)
    result = {"state": now, "seed": seed, "rows": len(found)}
    for name in ("verified", "agreed"):
        result[name] = int(table[name].sum())
    # Recorded rows can be verified before the first build.
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, json.dumps(result, indent=1) + "\n")
    shown = table[table["verified"] > 0] if result["verified"] else table
    lines = [
        shown.to_string(index=False, float_format="{:.1e}".format),
        f"{sentence(result)} Again: kdlib verify --seed {seed}",
    ]
    left_out = len(found) - len(possible)
    if left_out:
        sets = " and ".join(words.absent)
        line = f"{left_out:,} rows need images that are not on this disk ({sets})"
        lines.append(f"{line}; `make data` brings them")
    return "\n".join(lines), int(result["agreed"] < result["verified"])


def _known(path):
    """Of which state the last verification was; None where rows are still to agree."""
    if not path.exists():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    has_agreed = 0 < result["verified"] == result["agreed"]
    return result["state"] if has_agreed else None


def verify(profile, drawn, built, workers, limit=None):
    """Computes rows again.

    Args:
        profile: of which they are recorded.
        drawn: list of :class:`companion.press.draws.Row`.
        built: folder of the executed chapters, whose rows may be used on the way.
        workers: chapters at a time.
        limit: seconds after which no chapter is begun, or None.

    Returns:
        A frame with a row for each comparison: ``store``, ``identity``, ``error``, and
        dicts of ``differences`` and ``means`` by name.
    """
    by_chapter = {}
    for row in drawn:
        by_chapter.setdefault(row.chapter, []).append(row)
    begun = time.monotonic()
    # On a busy machine a chapter that has begun gets the same time once more.
    ends = None if limit is None else begun + 2 * limit

    def compared(rows):
        if limit is not None and time.monotonic() > begun + limit:
            return []
        stores = {row.store for row in rows}
        identities = [row.identity for row in rows]
        return cells.run_chapter(
            rows[0].chapter,
            profile,
            stores,
            built,
            variable="KDLIB_VERIFY",
            content=identities,
            ends=ends,
        )

    with ThreadPoolExecutor(max(1, workers)) as pool:
        lines = []
        for found in pool.map(compared, by_chapter.values()):
            lines += [line for line in found if "left_out" not in line]
    stores = {row.identity: row.store for row in drawn}
    for line in lines:
        line["store"] = stores[line["identity"]]
    names = ["store", "identity", "error", "differences", "means"]
    return pandas.DataFrame(lines, columns=names)


def _state(profile, built):
    """A digest of the recorded rows and of the pages that a verification is of."""
    index = places.book() / "recorded" / "rows" / profile / recorded.INDEX
    keys = {}
    for path in sorted(Path(built).glob("*.ipynb")):
        keys[path.stem] = execution.record_of(path)["key"]
    return codekeys.digest([index.read_text(encoding="utf-8"), keys])


def sentence(result):
    """What a verification found, for the landing page.

    Args:
        result: as written by ``kdlib verify``, or None.

    Returns:
        Text.
    """
    if result is None:
        return ""
    rows = f"{result['verified']:,} of {result['rows']:,} recorded rows"
    if not result["verified"]:
        return f"No recorded row was computed again: {rows}."
    agreed = result["agreed"]
    all_or = "all agree" if agreed == result["verified"] else f"{agreed:,} agree"
    return f"{rows} were computed again on this machine: {all_or}."


def shown(path):
    """The landing page's line on the last verification of a build.

    Args:
        path: of the file that ``kdlib verify`` wrote; it need not exist.

    Returns:
        HTML.
    """
    if not path.exists():
        return markup.join([])
    result = json.loads(path.read_text(encoding="utf-8"))
    return markup.element("p", sentence(result), class_="kd-verified")
