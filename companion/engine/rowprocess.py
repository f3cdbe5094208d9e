"""The process in which a row is computed: a child of a Dask worker's thread,
single-threaded, and expendable.

Why not in the worker itself: a row that hangs can be killed, a row that crashes takes
nothing with it, the numbers of threads are set before torch loads on anybody's cluster,
and a changed ``kdlib`` meets a fresh process. This is the worker's side of it, and what
the two say to each other; :mod:`companion.engine.rowmain` is what the process does.
"""

import atexit
import contextlib
import importlib.metadata
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from multiprocessing import Pipe
from typing import NamedTuple

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
# glibc would give freed memory back after every step of a training loop: a third of a
# row's time went into page faults.
KEEP_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 28),
}
VERSIONS = ("torch", "numpy", "scipy")
# Sweeps whose function and data a process keeps, for chapters that run side by side.
PROGRAMS_KEPT = 4
# How often a row is begun whose process dies.
ATTEMPTS = 2
# Seconds that the system can wait at most, which is three weeks.
LONGEST_WAIT = 2e6

# The row processes of this worker thread, by device type.
_of_thread = threading.local()
# Those of all threads of this worker.
_running = []


class Program(NamedTuple):
    """What a worker needs for any row of a sweep.

    Attributes:
        identity: the sweep's digest.
        stamp: digest of the packages' source, see
            :func:`companion.engine.codekeys.source_stamp`.
        run: the function, pickled.
        data: dict from name to ``(array, is_tensor)``, or None.
        dtype: name of torch's default dtype.
        definitions: digests of the packages' definitions that ``run`` reaches, by name.
        versions: of the packages that a result may depend on, see :func:`versions`.
        arithmetic: of the rows, by device type, see
            :func:`companion.engine.identity.arithmetic`.
        batched: whether ``run`` takes a list of seeds.
        time_limit: seconds a row, or None for no limit.
    """

    identity: str
    stamp: str
    run: bytes
    data: dict | None
    dtype: str
    definitions: dict
    versions: dict
    arithmetic: dict
    batched: bool
    time_limit: float | None


class Request(NamedTuple):
    """What a row process is asked to compute: one call of a program's ``run``.

    Attributes:
        program: the identity of a :class:`Program` that the process holds.
        device: type of the device.
        seeds: list of ints, of which there is one unless the program is batched.
        setting: dict.
        arithmetic: of the rows, see :func:`companion.engine.identity.arithmetic`.
    """

    program: str
    device: str
    seeds: list
    setting: dict
    arithmetic: str | None


class Finished(NamedTuple):
    """What came of a request.

    Attributes:
        rows: list of dicts, one a seed.
        seconds: for each seed.
        machine: that computed them.
    """

    rows: list
    seconds: float
    machine: str


class Failed(NamedTuple):
    """Why nothing came of a request.

    Attributes:
        error: one line.
        traceback: where it was raised, or where the process was when it ended.
        time_limit: seconds a row after which it was stopped; None where it ended by
            itself.
    """

    error: str
    traceback: str
    time_limit: float | None = None


def versions():
    """Versions of the packages that a result may depend on.

    Returns:
        Dict from name to version.
    """
    return {name: importlib.metadata.version(name) for name in VERSIONS}


def environment():
    """Environment variables for a Python that finds the modules that this one finds.

    Returns:
        Dict of texts.
    """
    paths = [path or os.getcwd() for path in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def compute(seeds, setting, *, program, device):
    """Runs on a Dask worker: has the row process compute the rows of one setting.

    Args:
        seeds: list of ints.
        setting: dict.
        program: :class:`Program`.
        device: type of the device; a process for ``cpu`` sees no GPU.

    Returns:
        :class:`Finished` or :class:`Failed`, pickled.
    """
    arithmetic = program.arithmetic[device]
    request = Request(program.identity, device, seeds, setting, arithmetic)
    limit = None
    if program.time_limit is not None:
        limit = min(program.time_limit * len(seeds), LONGEST_WAIT)
    for _ in range(ATTEMPTS):
        process = _process(device, program.stamp)
        try:
            process.load(program)
            return process.ask(request, limit)
        except TimeoutError:
            return pickle.dumps(_timed_out(process, program.time_limit))
        except (EOFError, OSError):
            failed = _died(process)
    return pickle.dumps(failed)


class RowProcess:
    """A process that computes rows.

    Attributes:
        process: its ``subprocess.Popen``; it ends when its standard input is closed.
        pipe: messages go this way, and answers come.
        notes: the file in which it notes where it was when it ended.
        stamp: digest of the source that it has imported.
        programs: identities of the programs that it holds, the oldest first.
    """

    def __init__(self, device, stamp):
        self.pipe, far = Pipe()
        self.notes = tempfile.TemporaryFile()
        self.stamp = stamp
        self.programs = []
        handles = (far.fileno(), self.notes.fileno())
        arguments = [str(handle) for handle in handles]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "companion.engine.rowmain", *arguments],
            env=_environment_for(device),
            stdin=subprocess.PIPE,
            pass_fds=handles,
        )
        far.close()

    def load(self, program):
        """Sends a program, unless the process holds it."""
        if program.identity in self.programs:
            return
        self.ask(program, None)
        self.programs.append(program.identity)
        self.programs = self.programs[-PROGRAMS_KEPT:]

    def ask(self, message, time_limit):
        """Sends a :class:`Program` or a :class:`Request`.

        Args:
            message: what to send.
            time_limit: seconds, or None.

        Returns:
            The answer as bytes.

        Raises:
            TimeoutError: there is no answer in time.
            EOFError: the process ends.
            OSError: the process has ended.
        """
        self.pipe.send_bytes(pickle.dumps(message, protocol=5))
        if not self.pipe.poll(time_limit):
            raise TimeoutError
        return self.pipe.recv_bytes()

    def stop(self):
        """Kills the process.

        Returns:
            What it noted about its end.
        """
        self.process.kill()
        self.process.stdin.close()
        self.process.wait()
        self.pipe.close()
        with self.notes as notes:
            notes.seek(0)
            return notes.read().decode(errors="replace")


def _process(device, stamp):
    """This thread's row process for a device type and source, a new one if need be."""
    processes = _of_thread.__dict__
    process = processes.get(device)
    if process in _running and process.stamp != stamp:
        _stop(process)
    if process not in _running:
        process = RowProcess(device, stamp)
        processes[device] = process
        _running.append(process)
    return process


def _stop(process):
    """Kills a row process; returns what it noted about its end."""
    _running.remove(process)
    return process.stop()


@atexit.register
def _stop_all():
    for process in list(_running):
        _stop(process)


def _timed_out(process, time_limit):
    """Stops a process that is over the time limit; returns the :class:`Failed`."""
    # It notes where it is, even in C with the interpreter's lock.
    process.process.send_signal(signal.SIGUSR1)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.process.wait(0.2)
    where = _stop(process)
    error = f"TimeoutError: over the time limit of {time_limit:g} s, stopped"
    return Failed(error, where, time_limit)


def _died(process):
    """Waits for the end of a process; returns the :class:`Failed` that says how."""
    status = process.process.wait()
    where = _stop(process)
    how = f"ended with status {status}"
    if status < 0:
        how = f"was killed by signal {-status}"
    return Failed(f"ChildProcessError: the process of this row {how}, twice", where)


def _environment_for(device):
    """The environment of a row process: one thread, its worker's GPU or none."""
    variables = {**environment(), **ONE_THREAD, **KEEP_MEMORY}
    if device == "cpu":
        # What a row finds by itself is what its key says.
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return variables
