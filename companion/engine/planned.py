"""What sweeps would ask for: each tells its settings, and computes nothing."""

import contextlib
import json
import os
import runpy
import traceback

from companion.engine import asked, measured


class NeedsRows(Exception):
    """A cell needs rows that are still to come, and none of their store to stand in."""


# Of the script that is run: stores that were told, and those whose rows are to come.
_told = set()
_waiting_for = set()


def is_planned():
    """Whether ``$KDLIB_PLAN`` names a file, so that nothing is computed."""
    return bool(os.environ.get("KDLIB_PLAN"))


def tell(results, sweep, travelled, data):
    """Adds a line on a sweep to the file beside ``$KDLIB_PLAN``; then the nearest
    recorded rows stand in for those that are still to come.

    So the sweeps after it can be asked too. Their lines are marked ``supposed``: what
    they ask for may hang on what the rows will say.

    Args:
        results: :class:`companion.engine.asked.AskedRows`, completed here.
        sweep: dict of what the rows have in common.
        travelled: dict from identity to
            :class:`companion.engine.recorded.RecordedRow`, of the store.
        data: of the sweep.

    Raises:
        NeedsRows: no row of the store is recorded.
    """
    settings = {}
    for key, task in results.tasks.items():
        setting = {name: asked.readable(task.setting[name]) for name in task.setting}
        group = settings.setdefault(repr(setting), {"setting": setting, "rows": {}})
        group["rows"][task.identity] = not results.is_missing(key)
    store = results.folder.name
    line = {"store": store, "data": sweep["data"], "settings": list(settings.values())}
    _write(line | {"supposed": bool(_waiting_for)})
    _told.add(store)
    if not results.missing():
        return
    for row in getattr(data, "later_rows", list)():
        with contextlib.suppress(NeedsRows):
            row.values()
    _waiting_for.add(store)
    if not travelled:
        raise NeedsRows(store)
    of_store = measured.MeasuredRows(
        (row.line["setting"], row.sweep["data"], row.row.seconds, row)
        for row in travelled.values()
    )
    stand_ins = {}
    for line_of_setting in settings.values():
        near = of_store.nearest(line_of_setting["setting"], sweep["data"])
        stand_ins |= dict.fromkeys(line_of_setting["rows"], near.row)
    results.take_recorded(stand_ins)


def run(scripts):
    """Runs scripts that each come to a sweep, as far as they go without rows.

    Args:
        scripts: list of ``[store, path]``, the store of the sweep to which one comes.
    """
    for store, path in scripts:
        _told.clear()
        _waiting_for.clear()
        try:
            runpy.run_path(path, run_name="__main__")
        except Exception as error:
            if store in _told:
                continue
            last = traceback.format_exception_only(error)[-1].strip()
            _write({"store": store, "waits": sorted(_waiting_for), "error": last})


def _write(line):
    with open(f"{os.environ['KDLIB_PLAN']}.lines", "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
