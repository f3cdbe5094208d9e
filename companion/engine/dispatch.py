"""From missing rows to rows on disk: a bounded number of jobs out on the cluster, and their results home."""

import collections
import contextlib
import itertools
import math
import os
import pickle
import queue
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import tqdm

from companion.engine import cluster, rowprocess, rows

IN_FLIGHT = (
    2,
    16,
)  # jobs out for each thread of the cluster: the next one, and a dozen where jobs are short
SHORT = 0.1  # seconds of work that are out for each thread, where that is more jobs than the fewest
TRIES = 3  # times that a job is sent out when the workers that held it or its data die


def known(folder, tasks):
    """What a store holds of the tasks that are asked for.

    Args:
        folder: the store.
        tasks: dict from a row's key to its ``setting``, ``seed`` and ``device``.

    Returns:
        Dict with ``done`` and ``failed``, dicts from key to record, for :func:`compute` to complete.
    """
    state = {
        "folder": Path(folder),
        "tasks": tasks,
        "end": 0,
        "sweeps": set(),
        "done": {},
        "failed": {},
    }
    _refresh(state)
    return state


def missing(state):
    """The keys of rows that are neither done nor failed."""
    return [
        key
        for key in state["tasks"]
        if key not in state["done"] and key not in state["failed"]
    ]


def compute(state, sweep, cargo, time_limit):
    """Computes what is missing; each row is on disk before it counts as done.

    Args:
        state: of :func:`known`.
        sweep: what the rows have in common, written once into the store.
        cargo: what a worker needs for any of the jobs, see :func:`companion.engine.rowprocess.compute`.
        time_limit: seconds a row, or None.

    Raises:
        ConnectionError: if the scheduler cannot be reached, or is lost several times.
        OSError: if rows cannot be written.
    """
    with _progress(state) as show:
        for attempt in range(TRIES):
            try:
                with rows.claims(state["folder"]) as (claim, release):
                    return _compute(
                        state, sweep, cargo, time_limit, claim, release, show
                    )
            except (
                ConnectionResetError
            ) as error:  # what was in flight is lost with the scheduler: send it again
                lost = error
        raise lost


def _compute(state, sweep, cargo, time_limit, claim, release, show):
    client = cluster.client()
    waiting, flying, landed = (
        collections.deque(_jobs(state, cargo["batched"])),
        {},
        queue.SimpleQueue(),
    )
    counted, pace = {"at": -math.inf}, collections.deque(maxlen=20)
    try:
        with _scheduler_errors():
            send = _sender(client, state["tasks"], cargo, time_limit)
        while waiting or flying:
            with _scheduler_errors():
                room = max(0, _depth(pace) * _threads(client, counted) - len(flying))
                jobs = [waiting.popleft() for _ in range(min(len(waiting), room))]
                mine, others = _claimed(state, jobs, claim, release)
                waiting.extend(others)
                _let_fly(send(mine), flying, landed)
                results, again = _results(client, _drain(landed), flying)
            waiting.extend(again)
            pace.extend(
                len(job["keys"]) * result["seconds"]
                for job, result in results
                if "seconds" in result
            )
            _keep(state, sweep, results)
            for key in itertools.chain.from_iterable(job["keys"] for job, _ in results):
                release(key)
            show()
    except BaseException:
        cluster.abandon(list(flying))
        raise


@contextlib.contextmanager
def _scheduler_errors():
    """Turns what Dask raises when a scheduler goes away into one kind of error."""
    from distributed.comm import CommClosedError

    try:
        yield
    except (
        CommClosedError,
        CancelledError,
        OSError,
    ) as error:  # a TimeoutError, a refused connection
        if getattr(error, "errno", None) is not None and not isinstance(
            error, ConnectionError
        ):
            raise  # the store's own: a file that cannot be read
        raise ConnectionResetError(
            "the Dask scheduler went away; the finished rows are safe, run again"
        ) from error


def _refresh(state):
    """Reads what has been added to the store since the last look; a finished row outranks a failed one."""
    records, state["end"] = rows.read(state["folder"], state["end"])
    for record in records:
        key = record.get("key")
        if key is None:
            state["sweeps"].add(record.get("sweep"))
        elif key in state["tasks"] and "error" not in record:
            state["done"][key] = {
                name: record[name] for name in ("values", "seconds", "machine")
            }
            state["failed"].pop(key, None)
        elif key in state["tasks"] and key not in state["done"]:
            state["failed"][key] = record


def _jobs(state, batched):
    """The missing rows as jobs, one each or one for each setting; a job is the keys of rows with one setting."""
    keys = missing(state)
    if not batched:
        return [{"keys": [key], "tries": 0} for key in keys]
    groups = itertools.groupby(keys, lambda key: id(state["tasks"][key]["setting"]))
    return [{"keys": list(group), "tries": 0} for _, group in groups]


def _claimed(state, jobs, claim, release):
    """The jobs as far as they are ours to compute, and as far as another process has them in hand."""
    taken = {key for job in jobs for key in job["keys"] if claim(key)}
    _refresh(state)
    mine, others = [], []
    for job in jobs:
        left = [
            key
            for key in job["keys"]
            if key not in state["done"] and key not in state["failed"]
        ]
        for key in taken.intersection(job["keys"]).difference(left):
            release(key)
        for part, ours in ((mine, True), (others, False)):
            keys = [key for key in left if (key in taken) == ours]
            if keys:
                part.append({**job, "keys": keys})
    return mine, others


def _sender(client, tasks, cargo, time_limit):
    """Gives ``send(jobs)``, which yields (job, future); function and data go out once, and again if they are lost."""
    held = {"cargo": None}
    gpu_workers = cluster.gpu_workers()

    def send(jobs):
        if jobs and (held["cargo"] is None or held["cargo"].status != "finished"):
            if not client.nthreads():
                print(
                    f"waiting for the first worker of {client.scheduler.address}",
                    file=sys.stderr,
                )
            client.wait_for_workers(1)
            (held["cargo"],) = client.scatter([cargo], broadcast=True, hash=False)
        for device in {tasks[job["keys"][0]]["device"] for job in jobs}:
            group = [job for job in jobs if tasks[job["keys"][0]]["device"] == device]
            seeds = [[tasks[key]["seed"] for key in job["keys"]] for job in group]
            settings = [tasks[job["keys"][0]]["setting"] for job in group]
            futures = client.map(
                rowprocess.compute,
                seeds,
                settings,
                cargo=held["cargo"],
                device=device,
                pure=False,
                time_limit=time_limit,
                workers=gpu_workers if device == "cuda" else None,
            )
            yield from zip(group, futures)

    return send


def _let_fly(sent, flying, landed):
    """Notes what has been sent out; a future that a name here held on to would be computed again if its worker died."""
    for job, future in sent:
        flying[future] = job
        future.add_done_callback(landed.put)


def _depth(pace):
    """Jobs to have out for each thread, from the seconds that the last ones took."""
    fewest, most = IN_FLIGHT
    return (
        max(fewest, min(most, math.ceil(SHORT * len(pace) / max(sum(pace), 1e-9))))
        if pace
        else fewest
    )


def _threads(client, counted):
    """Threads of the cluster, which may grow and shrink: asked for every two seconds."""
    if time.monotonic() - counted["at"] > 2:
        counted |= {
            "at": time.monotonic(),
            "threads": max(1, sum(client.nthreads().values())),
        }
    return counted["threads"]


def _drain(landed):
    """Waits a moment for a future to land, and takes all that have."""
    futures = []
    with contextlib.suppress(queue.Empty):
        futures.append(landed.get(timeout=0.1))
        while True:
            futures.append(landed.get_nowait())
    return futures


def _results(client, futures, flying):
    """Pairs (job, result) of the landed futures, and the jobs to send again: data was lost, or a batch failed."""
    from distributed import KilledWorker

    if client.status != "running":
        raise CancelledError
    finished = [future for future in futures if future.status == "finished"]
    results = [
        (flying.pop(future), pickle.loads(result))
        for future, result in zip(finished, client.gather(finished))
    ]
    split = [
        pair
        for pair in results
        if "error" in pair[1]
        and len(pair[0]["keys"]) > 1
        and not pair[1].get("timeout")
    ]
    again = [
        {"keys": [key], "tries": 0} for job, _ in split for key in job["keys"]
    ]  # to tell which seed it was
    results = [pair for pair in results if pair not in split]
    for future in set(futures).difference(finished):
        job, error = (
            flying.pop(future),
            future.exception() if future.status == "error" else None,
        )
        if error is not None and not isinstance(error, KilledWorker):
            raise error
        if error is None and job["tries"] < TRIES:
            again.append({**job, "tries": job["tries"] + 1})
        else:
            results.append(
                (
                    job,
                    {
                        "error": "ChildProcessError: the workers that held this row died, one after another",
                        "traceback": str(error),
                    },
                )
            )
    return results, again


def _keep(state, sweep, results):
    """Writes results as rows; when it returns they are on disk and known."""
    records = []
    for job, result in results:
        for key, values in zip(job["keys"], result.get("rows", itertools.repeat(None))):
            task = state["tasks"][key]
            record = {
                "key": key,
                "sweep": sweep["sweep"],
                "device": task["device"],
                "seed": task["seed"],
                "setting": {
                    name: _readable(value) for name, value in task["setting"].items()
                },
            }
            if values is None:
                record |= {"error": result["error"], "traceback": result["traceback"]}
            else:
                record |= {
                    "values": values,
                    "seconds": result["seconds"],
                    "machine": result["machine"],
                }
            records.append(record)
    if records:
        rows.append(
            state["folder"],
            records if sweep["sweep"] in state["sweeps"] else [sweep, *records],
        )
        _refresh(state)


def _readable(value):
    """A setting's value in the store, for people: the key holds it exactly."""
    if isinstance(value, (list, tuple)):
        return [_readable(item) for item in value]
    return (
        value
        if value is None or isinstance(value, (bool, int, float, str))
        else str(value)
    )


@contextlib.contextmanager
def _progress(state):
    """Gives ``show()``: a bar where standard error is a terminal, and the file that ``KDLIB_PROGRESS`` names."""
    total, name, path, written = (
        len(state["tasks"]),
        state["folder"].name,
        os.environ.get("KDLIB_PROGRESS"),
        [-1.0],
    )

    def count():
        return len(state["done"]) + len(state["failed"])

    def show(last=False):
        bar.update(count() - bar.n)
        if path and (last or time.monotonic() - written[0] >= 1):
            written[0] = time.monotonic()
            unfinished = Path(f"{path}.{os.getpid()}")
            unfinished.write_text(f"{count()} {total} {name}\n")
            os.replace(unfinished, path)

    with tqdm.tqdm(
        total=total,
        initial=count(),
        desc=name,
        unit="row",
        disable=not sys.stderr.isatty(),
    ) as bar:
        show(last=True)
        yield show
        show(last=True)
