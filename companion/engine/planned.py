"""What sweeps would ask for: each tells its settings, and computes nothing."""

import contextlib
import json
import os
import runpy
import traceback

from companion.engine import asked, measured


class NeedsRows(Exception):
    """A cell needs rows that are still to come, and none of their store to stand in."""


class _Script:
    """The script that is run.

    Attributes:
        chapter: whose cells it has.
        told: stores of the sweeps that told what they ask for.
        waits_for: those of which rows are still to come.
    """

    def __init__(self):
        self.begin(None)

    def begin(self, chapter):
        """Another script begins."""
        self.chapter = chapter
        self.told = set()
        self.waits_for = set()


_script = _Script()


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
    settings = _settings_of(results)
    store = results.folder.name
    line = {"store": store, "data": sweep["data"], "settings": settings}
    _write(line | {"supposed": bool(_script.waits_for)})
    _script.told.add(store)
    if not results.missing():
        return
    for row in getattr(data, "later_rows", list)():
        with contextlib.suppress(NeedsRows):
            row.values()
    _script.waits_for.add(store)
    if not travelled:
        raise NeedsRows(store)
    of_store = measured.MeasuredRows(
        (row.line["setting"], row.sweep["data"], row.row.seconds, row)
        for row in travelled.values()
    )
    for one in settings:
        near = of_store.nearest(one["setting"], sweep["data"])
        results.take_recorded(dict.fromkeys(one["rows"], near.row))


def _settings_of(results):
    """The settings asked for, each with its rows: by identity whether it is there."""
    settings = {}
    for key, task in results.tasks.items():
        setting = {name: asked.readable(task.setting[name]) for name in task.setting}
        one = settings.setdefault(repr(setting), {"setting": setting, "rows": {}})
        one["rows"][task.identity] = not results.is_missing(key)
    return list(settings.values())


def run(scripts):
    """Runs scripts that each come to a sweep, as far as they go without rows.

    Args:
        scripts: list of ``[chapter, store, path]``, with the store of the sweep to
            which one comes.
    """
    for chapter, store, path in scripts:
        _script.begin(chapter)
        try:
            runpy.run_path(path, run_name="__main__")
        except Exception as error:
            if store not in _script.told:
                last = traceback.format_exception_only(error)[-1].strip()
                waits = sorted(_script.waits_for)
                _write({"store": store, "waits": waits, "error": last})


def _write(line):
    with open(f"{os.environ['KDLIB_PLAN']}.lines", "a", encoding="utf-8") as file:
        file.write(json.dumps({"chapter": _script.chapter} | line) + "\n")
