"""A function over settings and seeds: one durable row each, computed once, on one
machine or a cluster.

``python -m companion.engine.cluster serve -- COMMAND`` runs a command whose sweeps
share one local cluster. """

import inspect
import itertools
import json
import os
import sys
from pathlib import Path

import numpy
import pandas

from companion.engine import asked, codekeys, dispatch, rowprocess, rows
from kdlib import places


def grid(**values):
    """The product of the given values as a list of settings, the last name running
    fastest.

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


def tidy(rows, names, **axes):
    """The array columns of a sweep as a tidy frame that still knows which rows failed.

    Args:
        rows: a frame of :func:`run_sweep`, or rows selected from it.
        names: the column to lay out, or a list of columns whose arrays have one shape.
        **axes: for each axis of the arrays, in their order, its name and the values
            along it.

    Returns:
        A frame with a row for each row of the sweep and combination of the axes'
        values. Its columns are the settings that are single values, ``seed``, the axes
        and ``names``. Means over it (``intervals.mean_band``) say where seeds are
        missing.

    Raises:
        ValueError: an array's shape is not that of the axes.

    Example:
        >>> rows = pandas.DataFrame({"seed": [0, 1], "risk": [[0.5, 0.25], [0.5, 0.75]]})
        >>> tidy(rows, "risk", n=[10, 20])["risk"].tolist()
        [0.5, 0.25, 0.5, 0.75]
    """
    names = [names] if isinstance(names, str) else list(names)
    shape = tuple(len(values) for values in axes.values())
    for name in names:
        for array in rows[name]:
            if numpy.shape(array) != shape:
                wanted = ", ".join(f"{axis} {len(axes[axis])}" for axis in axes)
                raise ValueError(
                    f"{name} must have the shape {shape} of its axes ({wanted}), got "
                    f"{numpy.shape(array)}"
                )
    cells = pandas.MultiIndex.from_product(axes.values(), names=list(axes))
    kept = [name for name in rows.columns if _is_single(rows[name])]
    kept = [name for name in kept if name not in ("device", "seconds", *names, *axes)]
    frame = rows[kept].loc[rows.index.repeat(len(cells))].reset_index(drop=True)
    for axis in axes:
        frame[axis] = numpy.tile(cells.get_level_values(axis), len(rows))
    for name in names:
        arrays = [numpy.ravel(array) for array in rows[name]]
        frame[name] = numpy.concatenate(arrays) if arrays else []
    frame.attrs = {
        "failed": rows.attrs.get("failed", []),
        "axes": {axis: list(values) for axis, values in axes.items()},
        "finished": rows.attrs.get("finished", len(rows)) * len(cells),
    }
    return frame


def store(name):
    """The folder of a sweep's rows: ``$KDLIB_ROWS/name``, or in the user's cache folder
    where that is not set."""
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
    """Computes ``run(seed, **setting)`` for every setting and seed that the store does
    not hold yet.

    A finished row is on disk before it counts. Its key is the setting, the seed, the
    code that ``run`` reaches, the bytes of ``data``, device type, dtype and the
    versions of torch, numpy and scipy; rows with other keys are left alone. A row that
    raises is kept with its traceback, printed, and tried again on request only; one
    that returns NaN is a row like any other.

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
    time_limit, retry_failed = _from_environment(time_limit, retry_failed)
    sweep, others = _identity(run, data, batched)
    sweep["source"] = source and {"name": source.name, "checksum": source.checksum}
    tasks = {}  # what to compute, by the row's key
    for setting in settings:
        device = _device_type(setting, run)
        named = [
            [name, codekeys.describe(setting[name], name)]
            for name in sorted(setting)
            if name != "device"
        ]
        for seed in seeds:
            key = codekeys.digest([sweep["sweep"], device, named, seed])
            tasks[key] = asked.Task(setting, seed, device)
    if len(tasks) < len(settings) * len(seeds):
        raise ValueError(
            "settings and seeds must differ from each other, got one twice"
        )
    results = asked.AskedRows(store, tasks)
    found = {key: row.seconds for key, row in results.finished.items()}
    if retry_failed:
        results.failed.clear()
    if results.missing():
        program = rowprocess.Program(
            identity=sweep["sweep"],
            stamp=codekeys.source_stamp(),
            run=_pickled(run, others),
            data=_shipped(data),
            dtype=sweep["dtype"],
            definitions=sweep["definitions"],
            versions=sweep["versions"],
            batched=batched,
            time_limit=time_limit,
        )
        dispatch.compute(results, sweep, program)
    failed = _failed(results)
    _tell(store, tasks, found, failed, sweep["source"])
    return _frame(results, failed, sweep)


def recorded(store, run):
    """The newest rows of a store whatever their key, for rows that another machine
    made.

    Args:
        store: a folder, such as one under ``book/recorded``.
        run: the function that would compute them now.

    Returns:
        A frame as from :func:`run_sweep`, the settings as they are written in the
        store. ``frame.attrs`` says what the
        rows are: ``machines``, ``devices``, ``versions``, the ``constants`` that they
        were made with, and ``code``, which is ``this code`` where ``run`` and what it
        reaches are as they were for all rows and ``older code`` else.

    Raises:
        ValueError: if the store holds no finished row.
    """
    records, _ = rows.read(store)
    sweeps = {record["sweep"]: record for record in records if "key" not in record}
    newest = {}
    for record in records:
        if "values" in record:
            newest[codekeys.digest([record["setting"], record["seed"]])] = record
    if not newest:
        raise ValueError(
            f"a recorded store holds at least one finished row, got none in {Path(store)}"
        )
    made_by = [
        sweeps[identity]
        for identity in dict.fromkeys(record["sweep"] for record in newest.values())
    ]
    is_this = {sweep["code"] for sweep in made_by} == {codekeys.code_of(run).digest}
    table = [
        {
            **record["setting"],
            "seed": record["seed"],
            **rows.decode(store, record["values"]),
            "seconds": record["seconds"],
        }
        for record in newest.values()
    ]
    attrs = {
        f"{name}s": sorted({record[name] for record in newest.values()})
        for name in ("machine", "device")
    }
    attrs |= {
        name: [sweep[name] for sweep in made_by] for name in ("versions", "constants")
    }
    attrs |= {
        "failed": [],
        "finished": len(table),
        "code": "this code" if is_this else "older code",
    }
    return _with_attrs(table, attrs)


def _checked_seeds(seeds):
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if (
        not seeds
        or any(not isinstance(seed, int) or seed < 0 for seed in seeds)
        or len(set(seeds)) < len(seeds)
    ):
        raise ValueError(
            f"seeds must be a number of seeds of at least 1 or different non-negative ints, got {seeds}"
        )
    return seeds


def _checked_settings(settings, run, seeds, data, batched):
    settings = [dict(setting) for setting in settings]
    if not inspect.isfunction(inspect.unwrap(run)):
        raise ValueError(f"run must be a function, got {run!r}")
    if not settings:
        raise ValueError("a sweep needs at least one setting, got none")
    signature = inspect.signature(run)
    for setting in settings:
        if {"seed", "seeds", "data", "seconds"} & setting.keys():
            raise ValueError(
                f"seed, seeds, data and seconds are no names of a setting, got {setting}"
            )
        try:
            signature.bind(
                seeds if batched else seeds[0],
                **setting,
                **({} if data is None else {"data": data}),
            )
        except TypeError as error:
            raise ValueError(
                f"run cannot be called with the setting {setting}: {error}"
            ) from None
    return settings


def _from_environment(time_limit, retry_failed):
    if time_limit is None and "KDLIB_TIME_LIMIT" in os.environ:
        time_limit = float(os.environ["KDLIB_TIME_LIMIT"])
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit must be above 0 seconds, got {time_limit}")
    return time_limit, os.environ.get(
        "KDLIB_RETRY"
    ) == "1" if retry_failed is None else retry_failed


def _tell(store, tasks, found, failed, source):
    """Adds a line on this sweep to the file that ``KDLIB_SWEEPS`` names.

    Its fields: ``store``, the number of rows ``asked`` for, the seconds of the rows
    that were ``found`` by their keys, the rows that ``failed``, and the ``source``.
    """
    path = os.environ.get("KDLIB_SWEEPS")
    if not path:
        return
    failed = [
        {"setting": {k: str(v) for k, v in row["setting"].items()}}
        | {name: row[name] for name in ("seed", "error")}
        for row in failed
    ]
    line = {"store": Path(store).name, "asked": len(tasks), "found": found}
    line |= {"failed": failed, "source": source}
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _identity(run, data, batched):
    """What all rows of a sweep have in common, as it is written into the store; and the
    modules to send along."""
    torch = sys.modules.get("torch")
    code = codekeys.code_of(run)
    common = {
        "code": code.digest,
        "constants": code.constants,
        "definitions": code.definitions,
    }
    common |= {
        "data": None
        if data is None
        else codekeys.digest(codekeys.describe(data, "data")),
        "batched": batched,
        "dtype": str(torch.get_default_dtype()).removeprefix("torch.")
        if torch
        else "float32",
        "versions": rowprocess.versions(),
    }
    return {"sweep": codekeys.digest(common), **common}, code.others


def _device_type(setting, run):
    """The type of the device that a row runs on: that of ``device`` in the setting or
    among the globals of ``run``."""
    reads = inspect.getclosurevars(inspect.unwrap(run))
    reads = {**reads.globals, **reads.nonlocals, **setting}
    given = [
        value
        for name, value in reads.items()
        if name == "device" or type(value).__name__ == "device"
    ]
    device = str(given[-1]) if given else "cpu"
    if device == "auto":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return device.partition(":")[0]


def _pickled(run, others):
    """The function as this process has it; functions of modules that a worker may not
    have travel by value."""
    import cloudpickle

    others = [sys.modules[name] for name in others]
    for module in others:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(run)
    finally:
        for module in others:
            cloudpickle.unregister_pickle_by_value(module)


def _shipped(data):
    if data is None:
        return None
    return {
        name: (value.detach().cpu().contiguous().numpy(), True)
        if hasattr(value, "detach")
        else (value, False)
        for name, value in data.items()
    }


def _failed(results):
    """The rows that failed, each with setting, seed, error and traceback; printed,
    too."""
    failed = []
    for key, task in results.tasks.items():
        if key in results.failed:
            row = {"setting": task.setting, "seed": task.seed}
            row |= results.failed[key]._asdict()
            failed.append(row)
            print(f"row failed: {_name(row)}: {row['error']}")
    return failed


def _frame(results, failed, sweep):
    table = []
    machines = set()
    for key, task in results.tasks.items():
        row = results.finished.get(key)
        if row is not None:
            values = rows.decode(results.folder, row.values)
            named = {**task.setting, "seed": task.seed}
            table.append({**named, **values, "seconds": row.seconds})
            machines.add(row.machine)
    if not table:
        raise RuntimeError(
            f"all {len(failed)} rows failed; the first, {_name(failed[0])}:\n"
            f"{failed[0]['traceback']}"
        )
    attrs = {"failed": failed, "finished": len(table), "machines": sorted(machines)}
    return _with_attrs(table, attrs | {"sweep": sweep["sweep"]})


def _with_attrs(table, attrs):
    frame = pandas.DataFrame(table)
    seconds = frame.pop("seconds")
    frame["seconds"] = seconds  # last, also where rows have different names
    frame.attrs = attrs
    return frame


def _is_single(column):
    """Whether a column holds one number, text or nothing in each row."""
    return all(
        not hasattr(value, "__len__") or isinstance(value, str) for value in column
    )


def _name(row):
    return ", ".join(
        f"{name}={value}"
        for name, value in {"seed": row["seed"], **row["setting"]}.items()
    )
