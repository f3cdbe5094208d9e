"""Recorded rows whose code has changed since: which they are, and a sample of them
computed by the new code."""

import json
import math
import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from companion.engine import asked, verified

# The least rows of a sample, and the least share of a store.
ROWS, SHARE = 3, 0.02


def sample_stale(results, sweep, travelled, compute):
    """Where ``$KDLIB_ADOPT`` names a file: takes the rows of a sweep that are recorded
    for earlier code, and computes a random sample of them.

    Adds to the file beside it a line on each stale row with its old and new identity,
    and on the sampled ones how far they differ.

    Args:
        results: :class:`companion.engine.asked.AskedRows`, which takes the stale rows.
        sweep: dict of what the rows have in common today.
        travelled: dict from identity to
            :class:`companion.engine.recorded.RecordedRow`.
        compute: function of :class:`companion.engine.asked.AskedRows` that completes
            it.
    """
    path = os.environ.get("KDLIB_ADOPT")
    if not path:
        return
    wish = json.loads(Path(path).read_text(encoding="utf-8"))
    if results.folder.name not in wish["stores"]:
        return
    stale = _stale(results, sweep, travelled)
    drawn = draw(stale, results.tasks, random.Random(wish["seed"]))
    common = {name: sweep[name] for name in sweep if name != "definitions"}
    lines = []
    for key, row in stale.items():
        task = results.tasks[key]
        line = {"old": row.line["identity"], "new": task.identity}
        lines.append(line | {"store": results.folder.name, "sweep": common})
    with TemporaryDirectory() as folder:
        chosen = {key: results.tasks[key] for key in drawn}
        again = asked.AskedRows(folder, chosen)
        if chosen:
            compute(again)
        for key, line in zip(stale, lines, strict=True):
            if key in chosen:
                line["sample"] = verified.line_of(again, key, stale[key])
    results.take_recorded({results.tasks[key].identity: stale[key] for key in stale})
    with open(f"{path}.lines", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def draw(stale, tasks, generator):
    """A random sample of stale rows: at least three and one in fifty, of as many
    different settings as there are.

    Args:
        stale: dict by key.
        tasks: dict from key to :class:`companion.engine.asked.Task`.
        generator: ``random.Random``.

    Returns:
        List of keys.
    """
    count = min(len(stale), max(ROWS, math.ceil(SHARE * len(stale))))
    by_setting = {}
    for key in generator.sample(list(stale), len(stale)):
        by_setting.setdefault(repr(tasks[key].setting), []).append(key)
    groups = list(by_setting.values())
    drawn = []
    while len(drawn) < count:
        drawn += [group.pop() for group in groups if group]
    return drawn[:count]


def _stale(results, sweep, travelled):
    """By key the recorded rows of the same run, setting and seed, and of other code."""
    by_place = {}
    for row in travelled.values():
        if all(
            row.sweep[name] == sweep[name] for name in ("batched", "dtype", "source")
        ):
            place = _place(row.line["setting"], row.line["seed"])
            by_place.setdefault(place, []).append(row)
    found = {}
    for key, task in results.tasks.items():
        readable = {name: asked.readable(task.setting[name]) for name in task.setting}
        rows = by_place.get(_place(readable, task.seed), [])
        # Of two that look alike nobody knows which one it is.
        if task.identity not in travelled and len(rows) == 1:
            found[key] = rows[0]
    return found


def _place(setting, seed):
    kept = {name: value for name, value in setting.items() if name != "device"}
    return json.dumps([kept, seed], sort_keys=True)
