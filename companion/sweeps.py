"""A function over settings and seeds: one durable row each, computed once.

Rows are computed on this machine or on a cluster. ``python -m companion.engine.cluster
serve -- COMMAND`` runs a command whose sweeps share one local cluster.
"""

import inspect
import itertools
import json
import os
from pathlib import Path

from companion.engine import (
    asked,
    codekeys,
    dispatch,
    failures,
    frames,
    identity,
    rowprocess,
    variables,
)
from companion.engine.frames import tidy
from kdlib import places

__all__ = ["grid", "run_sweep", "store", "tidy"]


def grid(**values):
    """The product of the given values as settings, the last name running fastest.

    Args:
        **values: an iterable of values for each name.

    Returns:
        List of dicts.

    Raises:
        ValueError: if a name has a single number or text instead of several values.
    """
    for name, value in values.items():
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise ValueError(
                f"grid takes a list of values for each name, got {name}={value!r}"
            )
    return [
        dict(zip(values, combination))
        for combination in itertools.product(*values.values())
    ]


def store(name):
    """The folder of a sweep's rows: ``name`` in ``places.rows()``."""
    return places.rows() / name


def run_sweep(
    run,
    settings,
    *,
    store,
    seeds,
    data=None,
    source=None,
    batched=False,
    time_limit=None,
    retry_failed=None,
):
    """Computes ``run(seed, **setting)`` for each setting and seed not in the store.

    A finished row is on disk before it counts. Its key is the setting, the seed, the
    code that ``run`` reaches, the bytes of ``data``, device type, dtype and the
    versions of torch, numpy and scipy; rows with other keys are left alone. A row that
    raises is kept with its traceback, printed, and tried again on request only; one
    that a time limit stopped also when more time is given. One that returns NaN is a
    row like any other.

    Args:
        run: ``run(seed, **setting) -> dict`` of numbers, texts, lists of these, arrays
            or tensors; with ``batched=True``, ``run(seeds, **setting) -> list`` of such
            dicts, one a seed.
        settings: list of dicts with plain values.
        store: folder of the rows, see :func:`store`.
        seeds: an int K for the seeds 0 to K - 1, or the seeds.
        data: dict of arrays and CPU tensors; the workers get it once, ``run`` as the
            keyword ``data``.
        source: the image set behind ``data``, with a ``name`` and a ``checksum``, which
            the store and the page's head name.
        batched: all missing seeds of a setting in one call.
        time_limit: seconds that a row may take, in (0, inf); by default
            ``$KDLIB_TIME_LIMIT`` or none.
        retry_failed: compute rows that failed before again; by default whether
            ``KDLIB_RETRY`` is 1.

    Returns:
        A frame with a row for each finished (setting, seed) in the order asked. Its
        columns are the setting's names, ``seed``, what ``run`` returned (tensors as
        numpy arrays), and ``seconds``. ``frame.attrs["failed"]`` lists the rows that
        failed.

    Raises:
        ValueError: for settings, seeds or data that cannot be run or keyed.
        RuntimeError: if all rows failed.
        OSError: if rows cannot be written; the finished ones are safe.
    """
    seeds = _checked_seeds(seeds)
    settings = _checked_settings(settings, run, seeds, data, batched)
    variables.check()
    time_limit = variables.time_limit(time_limit)
    if retry_failed is None:
        retry_failed = variables.value("KDLIB_RETRY")
    code = codekeys.code_of(run)
    sweep = identity.sweep_record(code, data, source, batched)
    tasks = {}  # what to compute, by the row's key
    for setting in settings:
        device = identity.device_type(setting)
        arithmetic = identity.arithmetic(code, device)
        for seed in seeds:
            key = identity.row_key(sweep, device, setting, seed, arithmetic)
            tasks[key] = asked.Task(setting, seed, device, arithmetic)
    if len(tasks) < len(settings) * len(seeds):
        raise ValueError(
            "settings and seeds must differ from each other, got one twice"
        )
    results = asked.AskedRows(store, tasks, time_limit)
    found = dict.fromkeys(tasks, 0.0)
    for key, row in results.finished.items():
        found[key] = row.seconds
    if retry_failed:
        results.failed.clear()
    if results.missing():
        program = rowprocess.Program(
            identity=sweep["sweep"],
            stamp=codekeys.source_stamp(),
            run=identity.pickled(run, code.others),
            data=identity.shipped(data),
            dtype=sweep["dtype"],
            definitions=sweep["definitions"],
            versions=sweep["versions"],
            arithmetic={task.device: task.arithmetic for task in tasks.values()},
            batched=batched,
            time_limit=time_limit,
        )
        dispatch.compute(results, sweep, program)
    failed = failures.failed_rows(results)
    _tell(store, tasks, found, failed, sweep["source"])
    failures.tell(results, failed)
    return frames.frame(results, failed, sweep)


def _checked_seeds(seeds):
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    are_seeds = all(isinstance(seed, int) and seed >= 0 for seed in seeds)
    if not seeds or not are_seeds or len(set(seeds)) < len(seeds):
        raise ValueError(
            "seeds must be a number of seeds of at least 1 or different non-negative "
            f"ints, got {seeds}"
        )
    return seeds


def _checked_settings(settings, run, seeds, data, batched):
    settings = [dict(setting) for setting in settings]
    if not inspect.isfunction(inspect.unwrap(run)):
        raise ValueError(f"run must be a function, got {run!r}")
    if not settings:
        raise ValueError("a sweep needs at least one setting, got none")
    signature = inspect.signature(run)
    first = seeds if batched else seeds[0]
    given = {} if data is None else {"data": data}
    for setting in settings:
        if {"seed", "seeds", "data", "seconds"} & setting.keys():
            raise ValueError(
                "seed, seeds, data and seconds are no names of a setting, got "
                f"{setting}"
            )
        try:
            signature.bind(first, **setting, **given)
        except TypeError as error:
            raise ValueError(
                f"run cannot be called with the setting {setting}: {error}"
            ) from None
    return settings


def _tell(store, tasks, found, failed, source):
    """Adds a line on this sweep to the file that ``KDLIB_SWEEPS`` names.

    Its fields: ``store``, the number of rows ``asked`` for, by its key the seconds of
    each row that was ``found`` and 0 for each that was not there, the rows that
    ``failed``, the ``source``, and the ``arithmetic`` of rows that leave it to the
    device.
    """
    path = os.environ.get("KDLIB_SWEEPS")
    if not path:
        return
    told = []
    for row in failed:
        setting = {name: str(value) for name, value in row["setting"].items()}
        told.append({"setting": setting, "seed": row["seed"], "error": row["error"]})
    line = {"store": Path(store).name, "asked": len(tasks), "found": found}
    line |= {"failed": told, "source": source}
    chosen = {task.arithmetic for task in tasks.values()} - {None}
    line["arithmetic"] = sorted(chosen)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
