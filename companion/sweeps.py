"""A function over settings and seeds: one durable row each, computed once.

Rows are computed on this machine or on a cluster. ``python -m companion.engine.cluster
serve -- COMMAND`` runs a command whose sweeps share one local cluster.
"""

import inspect
import itertools
from pathlib import Path

from companion.engine import (
    adopted,
    asked,
    codekeys,
    dispatch,
    failures,
    frames,
    identity,
    planned,
    prepared,
    recorded,
    rowprocess,
    telling,
    variables,
    verified,
)
from companion.engine.frames import tidy
from kdlib import places

__all__ = ["grid", "later", "prepare", "run_sweep", "store", "tidy"]


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


def prepare(function, *arguments, **named):
    """The data of a sweep, made when the first row is computed.

    Args:
        function: returns a dict of arrays and CPU tensors.
        *arguments: of the function: plain values, arrays, image sets, other prepared
            data, rows of :func:`later`.
        **named: more of them.

    Returns:
        :class:`companion.engine.prepared.Prepared`, the ``data`` of sweeps.

    Example:
        >>> data = prepare(dict, x=[1.0, 2.0])
        >>> data.values()
        {'x': [1.0, 2.0]}
    """
    return prepared.Prepared(function, *arguments, **named)


def later(run, setting, *, store, seed, data=None, source=None):
    """A row that is computed when prepared data need it, and never recorded.

    Args:
        run: as of :func:`run_sweep`.
        setting: dict of plain values.
        store: folder of the row.
        seed: an int.
        data: as of :func:`run_sweep`.
        source: as of :func:`run_sweep`.

    Returns:
        :class:`companion.engine.prepared.LaterRow`; a function of prepared data gets
        what the row measured as a dict.
    """
    sweep = identity.sweep_record(codekeys.code_of(run), data, source, False)

    def compute():
        """The row's values by name."""
        given = {"store": store, "seeds": [seed], "data": data, "source": source}
        row = run_sweep(run, [setting], travels=False, **given).iloc[0]
        return {name: row[name] for name in row.index if name != "seed"}

    return prepared.LaterRow(identity.row_identity(sweep, setting, seed), compute)


def run_sweep(
    run,
    settings,
    *,
    store,
    seeds,
    data=None,
    source=None,
    batched=False,
    trained=False,
    travels=True,
    time_limit=None,
    retry_failed=None,
):
    """Computes ``run(seed, **setting)`` for each setting and seed that is neither in
    the store nor recorded with the book.

    A finished row is on disk before it counts. Its key is the setting, the seed, the
    code that ``run`` reaches, the ``data``, device type, dtype and the
    versions of torch, numpy and scipy; rows with other keys are left alone. A row that
    raises is kept with its traceback, printed, and tried again on request only; one
    that a time limit stopped also when more time is given. One that returns NaN is a
    row like any other.

    Args:
        run: ``run(seed, **setting) -> dict`` of numbers, texts, lists of these, arrays
            or tensors, in which a name that ends in ``_seconds`` is a time; with
            ``batched=True``, ``run(seeds, **setting) -> list`` of such dicts, one a
            seed.
        settings: list of dicts with plain values.
        store: folder of the rows, see :func:`store`.
        seeds: an int K for the seeds 0 to K - 1, or the seeds.
        data: dict of arrays and CPU tensors, or :func:`prepare` of one; the workers get
            it once, ``run`` as the keyword ``data``.
        source: the image set behind ``data``, with a ``name`` and a ``checksum``, which
            the store and the page's head name.
        batched: all missing seeds of a setting in one call.
        trained: rows come from descent in floating point: another machine gives the
            same mean and not the same digits.
        travels: whether its rows are recorded with the book; False where they are large
            and only other rows need them.
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
            anywhere = identity.row_identity(sweep, setting, seed)
            tasks[key] = asked.Task(setting, seed, device, arithmetic, anywhere)
    if len(tasks) < len(settings) * len(seeds):
        raise ValueError(
            "settings and seeds must differ from each other, got one twice"
        )
    results = asked.AskedRows(store, tasks, time_limit)
    travelled = recorded.read(Path(store).name)
    results.take_recorded(travelled.rows)
    if planned.is_planned():
        planned.tell(results, sweep, travelled.rows, data)
        return frames.frame(results, [], sweep)
    found = {key: row.seconds for key, row in results.finished.items()}
    if retry_failed:
        results.failed.clear()

    def compute(rows):
        """Computes what is missing of some of the rows."""
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
        dispatch.compute(rows, sweep, program)

    verified.compare(tasks, travelled.rows, data, compute)
    adopted.sample_stale(results, sweep, travelled.rows, compute)
    if results.missing():
        compute(results)
    failed = failures.failed_rows(results)
    common = sweep | {"run": codekeys.name_of(run), "trained": trained}
    common["travels"] = travels
    telling.tell(results, common, found, failed, travelled.wrong)
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
