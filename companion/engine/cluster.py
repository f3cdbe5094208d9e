"""Where rows are computed: a Dask cluster that somebody else started, or one on this
machine that ends with this process.

Either way a sweep is a client that knows an address. The local cluster is a process of
its own (``python -m companion.engine.cluster``), so a script needs no main guard. It
ends when its owner does, however that ends.
"""

import atexit
import contextlib
import dataclasses
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
from typing import Any

from companion.engine import rowprocess

ADDRESS = "DASK_SCHEDULER_ADDRESS"
# The scheduler's note of which of its workers have a GPU to themselves.
GPU_WORKERS = "kdlib-gpu-workers"
# How long a scheduler may take to answer.
PATIENCE = "10s"


@dataclasses.dataclass
class _Connection:
    """This process's client, and what it is connected to.

    Attributes:
        client: None before the first call.
        address: the scheduler's address as the environment gave it; None for a local
            cluster.
        process: the local cluster's process, where this process owns one.
    """

    client: Any = None
    address: str | None = None
    process: subprocess.Popen | None = None

    def is_usable(self, address):
        """Whether the client still runs, on the address that is asked for."""
        return self.client.status == "running" and self.address == address


_open = _Connection()


def client():
    """The process's Dask client: on ``DASK_SCHEDULER_ADDRESS`` where that is set, else
    on a local cluster of its own.

    It is made at the first call and kept until the process ends.

    Returns:
        A ``distributed.Client``.

    Raises:
        ConnectionError: if no scheduler answers.
    """
    # What goes wrong is raised, and is in the rows.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    address = os.environ.get(ADDRESS)
    if _open.client is not None and not _open.is_usable(address):
        close()
    if _open.client is None:
        _connect(address)
    return _open.client


@atexit.register
def close():
    """Ends this process's client, and its local cluster with all that runs there."""
    client = _open.client
    process = _open.process
    _open.client = None
    _open.process = None
    if client is not None:
        # The scheduler may be gone already.
        with contextlib.suppress(Exception):
            client.close(timeout=2)
    if process is not None:
        stop(process)


def abandon(futures):
    """Gives up jobs that were sent: a local cluster ends with them, elsewhere those
    that have begun come to their end.

    Args:
        futures: list of the client's futures.
    """
    if _open.process is not None:
        close()
    elif futures and _open.client.status == "running":
        _open.client.cancel(futures)


def gpu_workers():
    """The workers that have a GPU each.

    Returns:
        List of their names; None on a cluster that makes no difference between workers.
    """
    return list(_open.client.get_metadata(GPU_WORKERS, default=())) or None


def start():
    """Starts a local cluster, loopback only, with ``KDLIB_WORKERS`` single-threaded
    workers, else one a core.

    Returns:
        ``(process, address)``; the cluster ends when ``process.stdin`` is closed, by
        this process or by its death.

    Raises:
        ConnectionError: if the cluster ends before it has an address.
    """
    # In a session of its own: Ctrl-C reaches the owner, who closes the cluster.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "companion.engine.cluster"],
        env=rowprocess.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process.stdout:
        address = process.stdout.readline().strip()
    if not address:
        status = process.wait()
        raise ConnectionError(f"the local cluster did not start (status {status})")
    return process, address


def stop(process):
    """Ends a cluster that :func:`start` made.

    Args:
        process: its process.
    """
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        # Its workers notice, and end too.
        process.kill()
        process.wait()


def visible_gpus():
    """The CUDA devices of this machine as ``CUDA_VISIBLE_DEVICES`` names them; torch is
    not loaded for that.

    Returns:
        List of texts.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    lines = listed.stdout.splitlines()
    count = sum(line.startswith("GPU") for line in lines)
    return [str(number) for number in range(count)]


def serve(command):
    """Runs a command with ``DASK_SCHEDULER_ADDRESS`` set to a local cluster that lives
    as long as the command.

    Where the address is set already, the command runs with that.

    Args:
        command: list of texts.

    Returns:
        The command's exit status; 128 + n where signal n ended it, 127 where there is
        no such command.
    """
    parent = os.getppid()
    if ADDRESS in os.environ:
        return _status(command, dict(os.environ), parent)
    process, address = start()
    try:
        return _status(command, {**os.environ, ADDRESS: address}, parent)
    finally:
        stop(process)


def main():
    """The local cluster's process: prints the scheduler's address and lives until its
    standard input ends."""
    import dask

    # The cores that this process's affinity and container leave it.
    from dask.system import CPU_COUNT
    from distributed import LocalCluster

    dask.config.set(
        {
            "distributed.worker.profile.enabled": False,
            # The next jobs wait at the worker, not at the scheduler.
            "distributed.scheduler.worker-saturation": math.inf,
            # What the scheduler remembers of jobs that are done.
            "distributed.admin.low-level-log-length": 100,
            "distributed.diagnostics.computations.max-history": 1,
        }
    )
    gpus = visible_gpus()
    workers = int(os.environ.get("KDLIB_WORKERS") or max(CPU_COUNT, len(gpus)))
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        memory_limit=None,
        silence_logs=50,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        env={"KDLIB_GPUS": ",".join(gpus)},
    ) as local:
        local.scheduler.set_metadata([GPU_WORKERS], list(range(len(gpus))))
        print(local.scheduler_address, flush=True)
        # The owner reads the address only; what rows print goes to standard error.
        os.dup2(2, 1)
        sys.stdin.read()


def _connect(address):
    """Opens the client on an address, or on a new local cluster where that is None."""
    from distributed import Client

    _open.address = address
    scheduler = address
    if address is None:
        _open.process, scheduler = start()
    try:
        _open.client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {ADDRESS}={address}: start one there, or "
            "unset it to compute on this machine alone"
        ) from error


def _status(command, environment, parent):
    """Runs a command and passes signals on; returns its exit status as a shell does."""
    try:
        running = subprocess.Popen(command, env=environment)
    except FileNotFoundError:
        print(f"no such command: {command[0]}", file=sys.stderr)
        return 127

    def pass_on(number, frame):
        running.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    status = _waited(running, 1)
    while status is None:
        if os.getppid() != parent:
            # The parent was killed: nobody waits for this command, and the next one
            # may be running already.
            running.terminate()
        status = _waited(running, 1)
    return status if status >= 0 else 128 - status


def _waited(running, seconds):
    """A process's exit status, or None where it has not ended after so many seconds."""
    try:
        return running.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    if sys.argv[1:3] == ["serve", "--"] and len(sys.argv) > 3:
        sys.exit(serve(sys.argv[3:]))
    if len(sys.argv) > 1:
        sys.exit("usage: python -m companion.engine.cluster serve -- COMMAND ...")
    main()
