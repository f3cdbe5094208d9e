"""What a sweep tells of its rows to the run that it is a part of."""

import json
import os


def tell(results, sweep, found, failed, wrong):
    """Adds a line on a sweep to the file that ``KDLIB_SWEEPS`` names.

    Its fields: ``store``, the number of rows ``asked`` for, the seconds of each row
    that was ``found`` by its key and 0 for each that was not there, the ``recorded``
    ones among them, the ``identities`` of all, the rows that ``failed``, what is
    ``wrong`` with recorded rows, the ``source``, the ``arithmetic`` of rows that leave
    it to the device, and the ``sweep`` with what all rows have in common.

    Args:
        results: :class:`companion.engine.asked.AskedRows`.
        sweep: dict of what the rows have in common.
        found: dict from key to seconds of the rows that were there before.
        failed: of :func:`companion.engine.failures.failed_rows`.
        wrong: list of texts.
    """
    path = os.environ.get("KDLIB_SWEEPS")
    if not path:
        return
    told = []
    for row in failed:
        setting = {name: str(value) for name, value in row["setting"].items()}
        told.append({"setting": setting, "seed": row["seed"], "error": row["error"]})
    tasks = results.tasks
    line = {
        "store": results.folder.name,
        "asked": len(tasks),
        "found": {key: found.get(key, 0.0) for key in tasks},
        "recorded": _recorded(results, sweep["versions"]),
        "identities": {key: task.identity for key, task in tasks.items()},
        "failed": told,
        "wrong": wrong,
        "source": sweep["source"],
        "arithmetic": sorted({task.arithmetic for task in tasks.values()} - {None}),
        "sweep": {name: sweep[name] for name in sweep if name != "definitions"},
    }
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _recorded(results, versions):
    """For each row that came with the book its machine and the versions that differ."""
    rows = {}
    for key, row in results.recorded.items():
        others = {}
        for name, version in row.sweep["versions"].items():
            if version != versions.get(name):
                others[name] = version
        rows[key] = {"machine": row.row.machine, "versions": others}
    return rows
