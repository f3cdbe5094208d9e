"""A function over settings and seeds: one durable row each, computed once, on one machine or a cluster.

``python -m kdlib.sweeps serve -- COMMAND`` runs a command whose sweeps share one local cluster.
"""

import argparse
import collections
import contextlib
import inspect
import itertools
import os
import pickle
import queue
import sys
import time
from pathlib import Path

import pandas
import tqdm

from kdlib import cluster, codekeys, rowprocess, rows

IN_FLIGHT = 4  # jobs for each thread of the cluster, so that none waits for the next
TRIES = 3  # times that a row is sent out when the workers that held it or its data die


def grid(**values):
    """The product of the given values as a list of settings, the last name running fastest.

    Args:
        **values: an iterable of values for each name.

    Returns:
        List of dicts.

    Raises:
        ValueError: if a name has a single number or text instead of several values.
    """
    for name, value in values.items():
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise ValueError(f"grid takes a list of values for each name, got {name}={value!r}")
    return [dict(zip(values, combination)) for combination in itertools.product(*values.values())]


def store(name):
    """The folder of a sweep's rows: ``$KDLIB_ROWS/name``, or in the user's cache folder where that is not set."""
    root = os.environ.get("KDLIB_ROWS")
    if root is None:
        import pooch

        root = Path(pooch.os_cache("kdlib")) / "rows"
    return Path(root) / name


def run_sweep(run, settings, *, store, seeds, data=None, batched=False, time_limit=None, retry_failed=None):
    """Computes ``run(seed, **setting)`` for every setting and seed that the store does not hold yet.

    A finished row is on disk before it counts. Its key is the setting, the seed, the code that ``run`` reaches, the
    bytes of ``data``, device type, dtype and the versions of torch, numpy and scipy; rows with other keys are left
    alone. A row that raises is kept with its traceback, printed, and tried again on request only; one that returns
    NaN is a row like any other.

    Args:
        run: ``run(seed, **setting) -> dict`` of numbers, texts, lists of these, arrays or tensors; with
            ``batched=True``, ``run(seeds, **setting) -> list`` of such dicts, one a seed.
        settings: list of dicts with plain values.
        store: folder of the rows, see :func:`store`.
        seeds: an int K for the seeds 0 to K - 1, or the seeds.
        data: dict of arrays and CPU tensors; the workers get it once, ``run`` as the keyword ``data``.
        batched: all missing seeds of a setting in one call.
        time_limit: seconds that a row may take, in (0, inf); by default ``$KDLIB_TIME_LIMIT`` or none.
        retry_failed: compute rows that failed before again; by default whether ``KDLIB_RETRY`` is 1.

    Returns:
        A frame with a row for each finished (setting, seed) in the order asked: the setting's names, ``seed``, what
        ``run`` returned (tensors as numpy arrays), and ``seconds``. ``frame.attrs["failed"]`` lists the others.

    Raises:
        ValueError: for settings, seeds or data that cannot be run or keyed.
        RuntimeError: if all rows failed.
        OSError: if rows cannot be written; the finished ones are safe.
    """
    seeds = _checked_seeds(seeds)
    settings = _checked_settings(settings, run, seeds, data, batched)
    time_limit, retry_failed = _from_environment(time_limit, retry_failed)
    sweep, others = _identity(run, data, batched)
    tasks = {}  # what to compute, by the row's key
    for setting, seed in itertools.product(settings, seeds):
        device = _device_type(setting, run)
        named = [[name, codekeys.value_of(setting[name], name)] for name in sorted(setting)]
        tasks[codekeys.digest([sweep["sweep"], device, named, seed])] = {"setting": setting, "seed": seed, "device": device}
    if len(tasks) < len(settings) * len(seeds):
        raise ValueError("settings and seeds must differ from each other, got one twice")
    known = {"folder": Path(store), "end": 0, "sweeps": set(), "done": {}, "failed": {}}
    _refresh(known, tasks)
    if retry_failed:
        known["failed"].clear()
    if len(known["done"]) + len(known["failed"]) < len(tasks):
        cargo = {"id": sweep["sweep"], "stamp": codekeys.source_stamp(), "run": _pickled(run, others),
                 "data": _shipped(data), **{name: sweep[name] for name in ("batched", "dtype", "modules", "versions")}}
        _compute(tasks, known, sweep, cargo, time_limit)
    return _frame(tasks, known, sweep)


def _checked_seeds(seeds):
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not seeds or any(not isinstance(seed, int) or seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be a number of seeds of at least 1 or different non-negative ints, got {seeds}")
    return seeds


def _checked_settings(settings, run, seeds, data, batched):
    settings = [dict(setting) for setting in settings]
    if not settings:
        raise ValueError("a sweep needs at least one setting, got none")
    signature = inspect.signature(run)
    for setting in settings:
        if {"seed", "seeds", "data", "seconds"} & setting.keys():
            raise ValueError(f"seed, seeds, data and seconds are no names of a setting, got {setting}")
        try:
            signature.bind(seeds if batched else seeds[0], **setting, **({} if data is None else {"data": data}))
        except TypeError as error:
            raise ValueError(f"run cannot be called with the setting {setting}: {error}") from None
    return settings


def _from_environment(time_limit, retry_failed):
    if time_limit is None and "KDLIB_TIME_LIMIT" in os.environ:
        time_limit = float(os.environ["KDLIB_TIME_LIMIT"])
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit must be above 0 seconds, got {time_limit}")
    return time_limit, os.environ.get("KDLIB_RETRY") == "1" if retry_failed is None else retry_failed


def _identity(run, data, batched):
    """What all rows of a sweep have in common, as it is written into the store; and the modules to send along."""
    torch = sys.modules.get("torch")
    code, modules, others = codekeys.code_of(run)
    common = {"code": code, "modules": modules, "data": codekeys.data_of(data), "batched": batched,
              "dtype": str(torch.get_default_dtype()).removeprefix("torch.") if torch else "float32",
              "versions": rowprocess.versions()}
    return {"sweep": codekeys.digest(common), **common}, others


def _device_type(setting, run):
    """The type of the device that a row runs on: that of ``device`` in the setting or among the globals of ``run``."""
    reads = inspect.getclosurevars(inspect.unwrap(run))
    device = str(setting.get("device", {**reads.globals, **reads.nonlocals}.get("device", "cpu")))
    if device == "auto":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return device.partition(":")[0]


def _pickled(run, others):
    """The function as this process has it; functions of modules that a worker may not have travel by value."""
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
    return {name: (value.detach().cpu().contiguous().numpy(), True) if hasattr(value, "detach") else (value, False)
            for name, value in data.items()}


def _refresh(known, tasks):
    """Reads what has been added to the store since the last look; a finished row outranks a failed one."""
    records, known["end"] = rows.read(known["folder"], known["end"])
    for record in records:
        key = record.get("key")
        if key is None:
            known["sweeps"].add(record.get("sweep"))
        elif key in tasks and "error" in record:
            known["failed"][key] = record
        elif key in tasks:
            known["done"][key] = record
            known["failed"].pop(key, None)


def _compute(tasks, known, sweep, cargo, time_limit):
    client = cluster.client()
    finished, flying, cargo_future = queue.SimpleQueue(), {}, None
    waiting = collections.deque(_jobs(tasks, known, cargo["batched"]))
    gpus = os.environ.get("KDLIB_GPUS", "").split(",")
    threads, counted = 0, -10.0
    with rows.claims(known["folder"]) as (claim, release), _progress(known, len(tasks)) as show:
        try:
            while waiting or flying:
                if time.monotonic() - counted > 2:
                    threads, counted = max(1, sum(client.nthreads().values())), time.monotonic()
                for _ in range(min(len(waiting), IN_FLIGHT * threads - len(flying))):
                    job = _claimed(waiting.popleft(), claim, release, tasks, known, waiting)
                    if job is None:
                        continue
                    if cargo_future is None or cargo_future.status != "finished":
                        client.wait_for_workers(1)
                        cargo_future, = client.scatter([cargo], broadcast=True, hash=False)
                    first = tasks[job["keys"][0]]
                    future = client.submit(
                        rowprocess.compute, cargo_future, first["device"], [tasks[key]["seed"] for key in job["keys"]],
                        first["setting"], time_limit and time_limit * len(job["keys"]), pure=False,
                        workers=list(range(len(gpus))) if first["device"] == "cuda" and gpus[0] else None)
                    flying[future] = job
                    future.add_done_callback(finished.put)
                arrived = _drain(finished, 0.2)
                if client.status != "running":
                    raise ConnectionError(f"the Dask scheduler at {client.scheduler.address} is gone; finished rows are "
                                          "safe, run again")
                results = _results(client, arrived, flying, waiting)
                _keep(results, tasks, known, sweep, waiting)
                for job, _ in results:
                    for key in job["keys"]:
                        release(key)
                show()
        except BaseException:
            cluster.abandon(client, list(flying))
            raise


def _jobs(tasks, known, batched):
    """The missing rows as jobs: one each, or one for each setting."""
    missing = [key for key in tasks if key not in known["done"] and key not in known["failed"]]
    if not batched:
        return [{"keys": [key], "tries": 0} for key in missing]
    by_setting = itertools.groupby(missing, lambda key: id(tasks[key]["setting"]))
    return [{"keys": list(keys), "tries": 0} for _, keys in by_setting]


def _claimed(job, claim, release, tasks, known, waiting):
    """The job's rows that nobody else has or computes; the rest waits for its turn or is known meanwhile."""
    mine = [key for key in job["keys"] if claim(key)]
    others = [key for key in job["keys"] if key not in mine]
    _refresh(known, tasks)
    computed = [key for key in mine if key in known["done"] or key in known["failed"]]
    for key in computed:
        release(key)
    others = [key for key in others if key not in known["done"] and key not in known["failed"]]
    if others:
        waiting.append({"keys": others, "tries": job["tries"]})
    mine = [key for key in mine if key not in computed]
    return {"keys": mine, "tries": job["tries"]} if mine else None


def _drain(finished, timeout):
    arrived = []
    try:
        arrived.append(finished.get(timeout=timeout))
        while True:
            arrived.append(finished.get_nowait())
    except queue.Empty:
        return arrived


def _results(client, arrived, flying, waiting):
    """Pairs (job, result) of the futures that have ended; those whose data was lost with a worker go back."""
    from distributed import KilledWorker

    done = [future for future in arrived if future.status == "finished"]
    results = [(flying.pop(future), pickle.loads(result)) for future, result in zip(done, client.gather(done))]
    for future in arrived:
        job = flying.pop(future, None)
        if job is None:
            continue
        error = future.exception() if future.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker):
            raise error
        job["tries"] += 1
        if error is None and job["tries"] < TRIES:
            waiting.append(job)
        else:
            results.append((job, {"error": "ChildProcessError: the workers that held this row died, several times",
                                  "traceback": str(error)}))
    return results


def _keep(results, tasks, known, sweep, waiting):
    """Writes results as rows; when it returns they are on disk and known."""
    records = []
    for job, result in results:
        if "error" in result and len(job["keys"]) > 1 and not result.get("timeout"):
            waiting.extend({"keys": [key], "tries": 0} for key in job["keys"])  # to tell which seed it was
            continue
        for i, key in enumerate(job["keys"]):
            task = tasks[key]
            record = {"key": key, "sweep": sweep["sweep"], "device": task["device"], "seed": task["seed"],
                      "setting": {name: _readable(value) for name, value in task["setting"].items()}}
            if "error" in result:
                record |= {"error": result["error"], "traceback": result["traceback"]}
            else:
                record |= {"values": rows.encode(known["folder"], result["rows"][i]), "seconds": result["seconds"],
                           "machine": result["machine"]}
            records.append(record)
    if records:
        rows.append(known["folder"], records if sweep["sweep"] in known["sweeps"] else [sweep, *records])
        _refresh(known, tasks)


def _readable(value):
    """A setting's value in the store, for people: the key holds it exactly."""
    if isinstance(value, (list, tuple)):
        return [_readable(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _frame(tasks, known, sweep):
    table, machines = [], set()
    for key, task in tasks.items():
        record = known["done"].get(key)
        if record is not None:
            table.append({**task["setting"], "seed": task["seed"], **rows.decode(known["folder"], record["values"]),
                          "seconds": record["seconds"]})
            machines.add(record["machine"])
    failed = [{"setting": task["setting"], "seed": task["seed"], "error": record["error"],
               "traceback": record["traceback"]} for key, task in tasks.items() if (record := known["failed"].get(key))]
    for row in failed:
        print(f"row failed: {_name(row)}: {row['error']}")
    if not table:
        raise RuntimeError(f"all {len(failed)} rows failed; the first, {_name(failed[0])}:\n{failed[0]['traceback']}")
    frame = pandas.DataFrame(table)
    frame.insert(len(frame.columns) - 1, "seconds", frame.pop("seconds"))
    frame.attrs = {"failed": failed, "finished": len(table), "asked": len(tasks), "sweep": sweep["sweep"],
                   "machines": sorted(machines)}
    return frame


def _name(row):
    return ", ".join(f"{name}={value}" for name, value in {"seed": row["seed"], **row["setting"]}.items())


@contextlib.contextmanager
def _progress(known, total):
    """Gives ``show()``: a bar where standard error is a terminal, and the file that ``KDLIB_PROGRESS`` names."""
    path, written = os.environ.get("KDLIB_PROGRESS"), [-1.0]
    name, initial = known["folder"].name, len(known["done"])
    bar = tqdm.tqdm(total=total, initial=initial, desc=name, unit="row", disable=not sys.stderr.isatty())

    def show(last=False):
        count = len(known["done"]) + len(known["failed"])
        bar.update(count - bar.n)
        if path and (last or time.monotonic() - written[0] >= 1):
            written[0] = time.monotonic()
            unfinished = Path(f"{path}.{os.getpid()}.tmp")
            unfinished.write_text(f"{count} {total} {name}\n")
            os.replace(unfinished, path)

    with bar:
        show(last=True)
        yield show
        show(last=True)


def main(arguments):
    """``serve [--workers N] -- COMMAND ...``: see :func:`kdlib.cluster.serve`."""
    parser = argparse.ArgumentParser(prog="python -m kdlib.sweeps")
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("--workers", type=int, help="processes of the cluster; one a core by default")
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:split])
    if not arguments[split + 1:]:
        parser.error("give the command to run after --")
    return cluster.serve(arguments[split + 1:], options.workers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
