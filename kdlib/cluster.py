"""Where rows are computed: a Dask cluster that somebody else started, or one on this machine that ends with us."""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys

QUIET = {  # no dashboard, no sampling of threads, no large-graph advice: data is scattered, rows are small
    "distributed.worker.profile.enabled": False,
    "distributed.logging": {"distributed": "error"},
    "distributed.comm.timeouts.connect": "10s",
}
_kept = {}  # the client of this process, by scheduler address ("" for the local one)


def client():
    """The process's Dask client: on ``DASK_SCHEDULER_ADDRESS`` where that is set, else on a local cluster of its own.

    It is started at the first call and kept until the process ends or :func:`close` is called.

    Raises:
        ConnectionError: if no scheduler answers at ``DASK_SCHEDULER_ADDRESS``.
    """
    address = os.environ.get("DASK_SCHEDULER_ADDRESS", "")
    kept = _kept.get(address)
    if kept is None or kept.status != "running":
        if kept is not None:
            _end(_kept.pop(address))
        _kept[address] = _connect(address) if address else _start_local()
    return _kept[address]


def close():
    """Ends the clients of this process, and the local cluster with its workers."""
    while _kept:
        _end(_kept.popitem()[1])


def abandon(client, futures):
    """Gives up jobs in flight: a local cluster ends with them; on another's, those that have begun come to their end."""
    if client.cluster is not None:
        close()
    elif client.status == "running":
        client.cancel(futures)


def size():
    """Workers of a local cluster: one a core that this process may use, but at least one a GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(cores, len(visible_gpus()))


def visible_gpus():
    """Names of the CUDA devices of this machine, as ``CUDA_VISIBLE_DEVICES`` would list them; torch is not loaded."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return [str(i) for i, line in enumerate(x for x in listed.stdout.splitlines() if x.startswith("GPU"))]


def serve(command, workers=None):
    """Runs a command with ``DASK_SCHEDULER_ADDRESS`` set to a local cluster that lives as long as it does.

    Args:
        command: list of texts.
        workers: number of workers; one a core by default.

    Returns:
        The command's exit status, 128 + n where signal n ended it.
    """
    environment = dict(os.environ)
    if "DASK_SCHEDULER_ADDRESS" not in environment:
        started = _kept[""] = _start_local(workers)
        environment["DASK_SCHEDULER_ADDRESS"] = started.scheduler.address
    process = subprocess.Popen(command, env=environment)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: _pass_on(process, number))
    try:
        status = process.wait()
    finally:
        close()
    return status if status >= 0 else 128 - status


def _pass_on(process, number):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _start_local(workers=None):
    import dask
    from distributed import Client, LocalCluster

    gpus = visible_gpus()
    if gpus:
        os.environ["KDLIB_GPUS"] = ",".join(gpus)  # workers and their sweeps read it
    with dask.config.set(QUIET):
        cluster = LocalCluster(n_workers=workers or size(), threads_per_worker=1, host="127.0.0.1",
                               dashboard_address=None, memory_limit=None, silence_logs=50)
        return Client(cluster, set_as_default=False)


def _connect(address):
    from distributed import Client

    try:
        return Client(address, timeout="10s", set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(f"no Dask scheduler answers at DASK_SCHEDULER_ADDRESS={address}: start one there, or unset "
                              "it to compute on this machine alone") from error


def _end(client):
    with contextlib.suppress(Exception):  # an end that fails leaves processes that end with this one
        cluster = client.cluster
        client.close(timeout=2)
        if cluster is not None:
            cluster.close(timeout=5)


atexit.register(close)
