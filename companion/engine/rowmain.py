"""What runs in a row process: it answers its worker's messages until the worker is
gone."""

import faulthandler
import functools
import os
import pickle
import platform
import random
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from companion.engine import codekeys, identity, rowprocess


class _Loaded(NamedTuple):
    """A program that is ready to run: the function, and the ``data`` for it if any."""

    run: Any
    arguments: dict
    batched: bool


def main(pipe, notes):
    """Answers each :class:`companion.engine.rowprocess.Program` with nothing, and each
    :class:`companion.engine.rowprocess.Request` with what came of it.

    Args:
        pipe: handle of the pipe to the worker.
        notes: handle of the file in which to note where the process was when it ended.
    """
    # Ctrl-C is for the sweep, which stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR1, file=notes, all_threads=False)
    faulthandler.enable(file=notes)
    _end_with_the_worker()
    pipe = Connection(pipe)
    programs = {}
    while True:
        try:
            message = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        if isinstance(message, rowprocess.Program):
            _add(programs, message)
            pipe.send_bytes(b"")
        else:
            pipe.send_bytes(_answer(programs, message))


def _end_with_the_worker():
    """Ends this process when its standard input ends; a row reads nothing from it."""
    standard_input = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def wait():
        os.read(standard_input, 1)
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def _add(programs, program):
    """Loads a program; the oldest goes where there are too many."""
    programs[program.identity] = _load(program)
    for oldest in list(programs)[: -rowprocess.PROGRAMS_KEPT]:
        del programs[oldest]


def _load(program):
    """Function and data ready to run, or the error that every row will show."""
    try:
        _check_same_code(program)
        run = pickle.loads(program.run)
        if _needs_torch(program):
            import torch

            torch.set_num_threads(1)
            torch.set_default_dtype(getattr(torch, program.dtype))
        arguments = {}
        if program.data is not None:
            arguments["data"] = _received(program.data)
        return _Loaded(run, arguments, program.batched)
    except BaseException as error:
        return error


def _check_same_code(program):
    """Raises where this machine would compute something else than the one that asks."""
    node = platform.node()
    for name, expected in program.definitions.items():
        if codekeys.definition_digest(name) != expected:
            raise RuntimeError(
                f"{name} on {node} is not the {name} of the process that asks: install "
                "the same kdlib there"
            )
    here = rowprocess.versions()
    if here != program.versions:
        raise RuntimeError(
            f"{node} has {here}, the process that asks has {program.versions}"
        )


def _check_same_arithmetic(expected, device):
    """Raises where this device would multiply in other numbers than the keys say."""
    if expected is None:
        return
    here = identity.device_arithmetic(device)
    if here != expected:
        raise RuntimeError(
            f"the {device} of {platform.node()} multiplies in {here}, that of the "
            f"process that asks in {expected}"
        )


def _needs_torch(program):
    """Whether a program's rows need torch; those that do not are spared its start."""
    data = program.data or {}
    return (
        "torch" in sys.modules
        or b"torch" in program.run
        or program.dtype != "float32"
        or any(is_tensor for _, is_tensor in data.values())
    )


def _received(data):
    """The data as they were given to the sweep: tensors where there were tensors."""
    torch = sys.modules.get("torch")
    return {
        name: torch.from_numpy(array) if is_tensor else array
        for name, (array, is_tensor) in data.items()
    }


def _answer(programs, request):
    """What came of a request: ``Finished`` or ``Failed``, pickled."""
    try:
        return pickle.dumps(_compute(programs[request.program], request), protocol=5)
    except BaseException as error:
        # The traceback begins with run, unless the error is in this file.
        frames = error.__traceback__
        while frames.tb_next and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next
        lines = traceback.format_exception(error.with_traceback(frames))
        said = traceback.format_exception_only(error)[-1].strip()
        return pickle.dumps(rowprocess.Failed(said, "".join(lines)))


def _compute(loaded, request):
    """The rows of a request, and the time that they took."""
    if isinstance(loaded, BaseException):
        raise loaded
    _check_same_arithmetic(request.arithmetic, request.device)
    seeds = request.seeds
    arguments = {**request.setting, **loaded.arguments}
    _seed_everything(seeds[0], request.device)
    start = time.perf_counter()
    if loaded.batched:
        results = loaded.run(seeds, **arguments)
    else:
        results = [loaded.run(seeds[0], **arguments)]
    seconds = (time.perf_counter() - start) / len(seeds)
    _check_batch(results, seeds)
    plain = [_plain_row(result, request.setting) for result in results]
    return rowprocess.Finished(plain, seconds, _machine(request.device))


def _seed_everything(seed, device):
    """A row that draws from global state after all draws the same whatever ran before
    it in this process."""
    import numpy

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(seed)
        if device == "cuda":
            torch.cuda.manual_seed(seed)


def _check_batch(results, seeds):
    if isinstance(results, list) and len(results) == len(seeds):
        return
    got = type(results).__name__
    if isinstance(results, list):
        got = f"list of {len(results)}"
    raise ValueError(
        f"a batched run must return a list of {len(seeds)} dicts, one a seed, got {got}"
    )


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
    """Plain values and lists as they are, tensors and arrays as numpy arrays."""
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
        return [_plain_item(item, name) for item in value]
    raise ValueError(
        "a row holds numbers, texts, lists of them, arrays and tensors; run returned "
        f"{name!r} of type {type(value).__name__}"
    )


def _plain_item(item, name):
    """An item of a list: a list of its own, or anything but an array."""
    plain = _plain(item, name)
    if hasattr(plain, "shape"):
        raise ValueError(
            f"run returned {name!r} as a list of arrays; stack them into one array"
        )
    return plain


@functools.cache
def _machine(device):
    """The name of the GPU or the processor that computes here."""
    torch = sys.modules.get("torch")
    if device == "cuda" and torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
