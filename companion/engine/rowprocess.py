"""The process in which a row is computed: a child of a Dask worker's thread, single-threaded, and expendable.

Why not in the worker itself: a row that hangs can be killed, a row that crashes takes nothing with it, the numbers of
threads are set before torch loads on anybody's cluster, and a changed ``kdlib`` meets a fresh process.
"""

import atexit
import contextlib
import faulthandler
import functools
import importlib.metadata
import os
import pickle
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from multiprocessing import Pipe
from multiprocessing.connection import Connection

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
KEEP_THE_HEAP = dict.fromkeys(
    ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(1 << 28)
)
# glibc would hand the heap back after every step of a training loop: a third of a row's time went into page faults
VERSIONS = ("torch", "numpy", "scipy")
CARGOES_KEPT = 4  # sweeps whose function and data a process keeps, for chapters that run side by side

_mine = threading.local()  # the row processes of this worker thread, by device type
_running = []  # those of all threads of this worker


def environment():
    """Environment variables for a Python that finds the modules that this one finds."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }


def compute(seeds, setting, *, cargo, device, time_limit):
    """Runs on a Dask worker: has the row process compute one task.

    Args:
        seeds: list of ints.
        setting: dict.
        cargo: dict with ``id``, ``run`` (pickled), ``data``, ``dtype``, ``stamp`` (of kdlib's source), ``definitions``,
            ``versions``, ``batched``.
        device: type of the device; a process for ``cpu`` sees no GPU.
        time_limit: seconds for each seed, or None for no limit.

    Returns:
        Pickled ``{"rows": [...], "seconds": ..., "machine": ...}`` or ``{"error": ..., "traceback": ...}``.
    """
    for attempt in (1, 2):
        child = _child(device, cargo["stamp"])
        try:
            if cargo["id"] not in child["cargoes"]:
                _ask(child, ("load", cargo), None)
                child["cargoes"] = [*child["cargoes"], cargo["id"]][-CARGOES_KEPT:]
            return _ask(
                child,
                ("row", cargo["id"], device, seeds, setting),
                time_limit and time_limit * len(seeds),
            )
        except TimeoutError:
            child["process"].send_signal(
                signal.SIGUSR1
            )  # it notes where it is, even in C with the interpreter's lock
            with contextlib.suppress(subprocess.TimeoutExpired):
                child["process"].wait(0.2)
            where = _stop(child)
            return pickle.dumps(
                {
                    "error": f"TimeoutError: over the time limit of {time_limit:g} s, stopped",
                    "traceback": where,
                    "timeout": True,
                }
            )
        except (EOFError, OSError):
            status = child["process"].wait()
            where = _stop(child)
    how = (
        f"was killed by signal {-status}"
        if status < 0
        else f"ended with status {status}"
    )
    return pickle.dumps(
        {
            "error": f"ChildProcessError: the process of this row {how}, twice",
            "traceback": where,
        }
    )


def _child(device, stamp):
    """The row process of this thread for this device type and source; a new one where there is none."""
    children = _mine.__dict__
    child = children.get(device)
    if child in _running and child["stamp"] != stamp:
        _stop(child)
    if child not in _running:
        child = children[device] = _start(device, stamp)
    return child


def _start(device, stamp):
    near, far = Pipe()
    notes = tempfile.TemporaryFile()
    variables = environment() | ONE_THREAD | KEEP_THE_HEAP
    gpus = os.environ.get("KDLIB_GPUS")
    if device == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = (
            ""  # what a row finds by itself is what its key says
        )
    elif gpus:
        gpus = gpus.split(",")
        variables["CUDA_VISIBLE_DEVICES"] = gpus[_worker_number() % len(gpus)]
    handles = (far.fileno(), notes.fileno())
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, *map(str, handles)],
        env=variables,
        stdin=subprocess.PIPE,
        pass_fds=handles,
    )
    far.close()
    child = {
        "process": process,
        "pipe": near,
        "notes": notes,
        "stamp": stamp,
        "cargoes": [],
    }
    _running.append(child)
    return child


def _worker_number():
    from distributed import get_worker

    name = get_worker().name
    return name if isinstance(name, int) else 0


def _ask(child, message, time_limit):
    child["pipe"].send_bytes(pickle.dumps(message, protocol=5))
    if not child["pipe"].poll(time_limit):
        raise TimeoutError
    return child["pipe"].recv_bytes()


def _stop(child):
    """Kills a row process; returns what it noted about its end."""
    _running.remove(child)
    child["process"].kill()
    child["process"].stdin.close()
    child["process"].wait()
    child["pipe"].close()
    with child["notes"] as notes:
        notes.seek(0)
        return notes.read().decode(errors="replace")


@atexit.register
def _stop_all():
    for child in list(_running):
        _stop(child)


def main(pipe, notes):
    """The row process: answers ``load`` and ``row`` messages until its worker is gone."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the sweep, which stops its workers
    faulthandler.register(signal.SIGUSR1, file=notes, all_threads=False)
    faulthandler.enable(file=notes)
    lifeline = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_end_with_worker, args=(lifeline,), daemon=True).start()
    pipe = Connection(pipe)
    cargoes = {}
    while True:
        try:
            message = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send_bytes(_answer(message, cargoes))


def _end_with_worker(lifeline):
    os.read(lifeline, 1)
    os._exit(0)


def _answer(message, cargoes):
    kind, *content = pickle.loads(message)
    try:
        if kind == "load":
            (cargo,) = content
            cargoes[cargo["id"]] = _load(cargo)
            for old in list(cargoes)[:-CARGOES_KEPT]:
                del cargoes[old]
            return b""
        identity, *task = content
        return pickle.dumps(_rows(cargoes[identity], *task), protocol=5)
    except BaseException as error:
        frames = error.__traceback__
        while frames.tb_next and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next  # begin with run, unless the error is ours
        lines = traceback.format_exception(error.with_traceback(frames))
        return pickle.dumps(
            {
                "error": traceback.format_exception_only(error)[-1].strip(),
                "traceback": "".join(lines),
            }
        )


def _load(cargo):
    """Function and data ready to run, or the error that every row of this cargo will show."""
    from companion.engine import codekeys

    try:
        for name, expected in cargo["definitions"].items():
            if codekeys.definition_digest(name) != expected:
                raise RuntimeError(
                    f"{name} on {platform.node()} is not the {name} of the process that asks: install "
                    "the same kdlib there"
                )
        here = versions()
        if here != cargo["versions"]:
            raise RuntimeError(
                f"{platform.node()} has {here}, the process that asks has {cargo['versions']}"
            )
        run = pickle.loads(cargo["run"])
        data = {}
        if (
            "torch" in sys.modules
            or b"torch" in cargo["run"]
            or cargo["dtype"] != "float32"
        ):
            import torch

            torch.set_num_threads(1)
            torch.set_default_dtype(getattr(torch, cargo["dtype"]))
        if cargo["data"] is not None:
            data["data"] = {
                name: torch.from_numpy(array) if is_tensor else array
                for name, (array, is_tensor) in cargo["data"].items()
            }
        return run, data, cargo["batched"]
    except Exception as error:
        return error


def _rows(loaded, device, seeds, setting):
    if isinstance(loaded, Exception):
        raise loaded
    run, data, batched = loaded
    _seed_everything(seeds[0], device)
    start = time.perf_counter()
    results = (
        run(seeds, **setting, **data) if batched else [run(seeds[0], **setting, **data)]
    )
    seconds = (time.perf_counter() - start) / len(seeds)
    if not isinstance(results, list) or len(results) != len(seeds):
        got = f"{type(results).__name__}" + (
            f" of {len(results)}" if isinstance(results, list) else ""
        )
        raise ValueError(
            f"a batched run must return a list of {len(seeds)} dicts, one a seed, got {got}"
        )
    return {
        "rows": [_plain_row(result, setting) for result in results],
        "seconds": seconds,
        "machine": _machine(device),
    }


def _seed_everything(seed, device):
    """A row that draws from global state after all draws the same whatever ran before it in this process."""
    import numpy

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(seed)
        if device == "cuda":
            torch.cuda.manual_seed(seed)


def _plain_row(result, setting):
    if not isinstance(result, dict):
        raise ValueError(f"run must return a dict, got {type(result).__name__}")
    taken = ({*setting, "seed", "seconds"}) & result.keys()
    if taken:
        raise ValueError(
            f"run must not return what names the row or its time, got {sorted(taken)}"
        )
    return {name: _plain(value, name) for name, value in result.items()}


def _plain(value, name):
    """Numbers, texts and lists of them as they are, tensors and arrays as numpy arrays (scalars where 0-d)."""
    import numpy

    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, (numpy.ndarray, numpy.generic)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, numpy.ndarray) and not value.dtype.hasobject:
        return value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [
            _plain(item, name)
            if isinstance(item, (list, tuple))
            else _scalar(item, name)
            for item in value
        ]
    raise ValueError(
        f"a row holds numbers, texts, lists of them, arrays and tensors; run returned {name!r} of type "
        f"{type(value).__name__}"
    )


def _scalar(item, name):
    plain = _plain(item, name)
    if hasattr(plain, "shape"):
        raise ValueError(
            f"run returned {name!r} as a list of arrays; stack them into one array"
        )
    return plain


def versions():
    """Versions of the packages that a result may depend on."""
    return {name: importlib.metadata.version(name) for name in VERSIONS}


@functools.cache
def _machine(device):
    torch = sys.modules.get("torch")
    if device == "cuda" and torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo") as file:
            return next(
                line.partition(":")[2].strip()
                for line in file
                if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
