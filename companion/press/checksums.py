"""Checksums of data files, each of which is read once while it stays the same."""

import contextlib
import hashlib
import json
import time

from companion.press import files

KEPT = "checksums.json"
# A file that was written a moment ago may be written again within one tick of a clock.
SETTLED = 2 * 10**9


def of_files(folder, paths):
    """The checksums of files.

    What is known of them is kept in the folder where that can be written; a file whose
    size, dates or place on the disk have changed is read again.

    Args:
        folder: the folder of the data sets.
        paths: files in it.

    Returns:
        Dict from a file's name in the folder to a hexadecimal text.
    """
    known = _read(folder / KEPT)
    keep = {}
    checksums = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        entry = known.get(name)
        if not isinstance(entry, list) or entry[:-1] != stamp:
            entry = [*stamp, _checksum(path)]
        checksums[name] = entry[-1]
        if time.time_ns() - stat.st_ctime_ns > SETTLED:
            keep[name] = entry
    if keep != known:
        with contextlib.suppress(OSError):
            files.write_whole(folder / KEPT, json.dumps(keep, indent=1) + "\n")
    return checksums


def _read(path):
    """What is known; nothing where there is no such file, or a broken one."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _checksum(path):
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").hexdigest()
