"""Where rows are computed: a Dask cluster that somebody else started, or one on this machine that ends with us.

Either way a sweep is a client that knows an address. The local cluster is a process of its own (``python -m
companion.engine.cluster``), so a script needs no main guard, and whatever way its owner ends, it notices and goes.
"""

import atexit
import contextlib
import logging
import math
import os
import shutil
import signal
import subprocess
import sys

from companion.engine import rowprocess

GPU_WORKERS = "kdlib-gpu-workers"  # the scheduler's note of which of its workers have a GPU to themselves
PATIENCE = "10s"  # for a scheduler to answer
_open = {}  # this process's client and, where it owns the cluster, the cluster's process


def client():
    """The process's Dask client: on ``DASK_SCHEDULER_ADDRESS`` where that is set, else on a local cluster of its own.

    Made at the first call, kept until the process ends.

    Raises:
        ConnectionError: if no scheduler answers.
    """
    from distributed import Client

    logging.getLogger("distributed").setLevel(
        logging.CRITICAL
    )  # what goes wrong is raised, and is in the rows
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if "client" in _open and (
        _open["client"].status != "running" or _open["address"] != address
    ):
        close()
    if "client" not in _open:
        _open["address"] = address
        if address is None:
            _open["process"], local = start()
        try:
            _open["client"] = Client(
                address or local, timeout=PATIENCE, set_as_default=False
            )
        except (OSError, TimeoutError) as error:
            raise ConnectionError(
                f"no Dask scheduler answers at DASK_SCHEDULER_ADDRESS={address}: start one there, or "
                "unset it to compute on this machine alone"
            ) from error
    return _open["client"]


@atexit.register
def close():
    """Ends this process's client, and its local cluster with all that runs there."""
    client, process = _open.pop("client", None), _open.pop("process", None)
    if client is not None:
        with contextlib.suppress(Exception):  # a scheduler that is gone already
            client.close(timeout=2)
    if process is not None:
        stop(process)


def abandon(futures):
    """Gives up jobs in flight: a local cluster ends with them, elsewhere those that have begun come to their end."""
    if "process" in _open:
        close()
    elif futures and _open["client"].status == "running":
        _open["client"].cancel(futures)


def gpu_workers():
    """Names of the workers that have a GPU each; None on a cluster that makes no difference between workers."""
    return list(_open["client"].get_metadata(GPU_WORKERS, default=())) or None


def start():
    """Starts a local cluster, loopback only, with ``KDLIB_WORKERS`` single-threaded workers, else one a core.

    Returns:
        ``(process, address)``; the cluster ends when ``process.stdin`` is closed, by us or by our death.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "companion.engine.cluster"],
        env=rowprocess.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )  # Ctrl-C reaches the owner, who closes it
    with process.stdout:
        address = process.stdout.readline().strip()
    if not address:
        raise ConnectionError(
            f"the local cluster did not start (status {process.wait()})"
        )
    return process, address


def stop(process):
    """Ends a cluster that :func:`start` made."""
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()  # its workers notice
        process.wait()


def visible_gpus():
    """The CUDA devices of this machine as ``CUDA_VISIBLE_DEVICES`` names them; torch is not loaded for that."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    return [
        str(i)
        for i, _ in enumerate(
            line for line in listed.splitlines() if line.startswith("GPU")
        )
    ]


def serve(command):
    """Runs a command with ``DASK_SCHEDULER_ADDRESS`` set to a local cluster that lives as long as the command.

    Where the address is set already, the command runs with that.

    Args:
        command: list of texts.

    Returns:
        The command's exit status; 128 + n where signal n ended it, 127 where there is no such command.
    """
    environment, process, parent = dict(os.environ), None, os.getppid()
    if "DASK_SCHEDULER_ADDRESS" not in environment:
        process, environment["DASK_SCHEDULER_ADDRESS"] = start()
    try:
        running = subprocess.Popen(command, env=environment)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: running.send_signal(number))
        while (status := _waited(running, 1)) is None:
            if (
                os.getppid() != parent
            ):  # killed without a word: nobody waits for this build, and the next one may run
                running.terminate()
    except FileNotFoundError:
        print(f"no such command: {command[0]}", file=sys.stderr)
        status = 127
    finally:
        if process is not None:
            stop(process)
    return status if status >= 0 else 128 - status


def _waited(running, seconds):
    """A process's exit status, or None where it has not ended after so many seconds."""
    try:
        return running.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def main():
    """The local cluster's process: prints the scheduler's address and lives until its standard input ends."""
    import dask
    from dask.system import CPU_COUNT  # of this process's affinity and container
    from distributed import LocalCluster

    dask.config.set(
        {
            "distributed.worker.profile.enabled": False,
            "distributed.scheduler.worker-saturation": math.inf,  # the next jobs wait at the worker, not at the scheduler
            "distributed.admin.low-level-log-length": 100,  # what the scheduler remembers of jobs that are done
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
        os.dup2(2, 1)  # what rows print is no part of a conversation
        sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1:3] == ["serve", "--"] and len(sys.argv) > 3:
        sys.exit(serve(sys.argv[3:]))
    if len(sys.argv) > 1:
        sys.exit("usage: python -m companion.engine.cluster serve -- COMMAND ...")
    main()
