"""Where rows are computed: a Dask cluster that somebody else started, or one on this
machine that ends with this process.

Either way a sweep is a client that knows an address. ``python -m
companion.engine.cluster serve -- COMMAND`` runs a command whose sweeps share one local
cluster.
"""

import atexit
import contextlib
import dataclasses
import logging
import os
import signal
import subprocess
import sys
from typing import Any

from companion.engine import localcluster, variables, warm
from companion.engine.localcluster import ADDRESS

# Holds the address of the local cluster that ``serve`` started.
SERVED = "KDLIB_SERVED"
# How long a scheduler may take to answer.
PATIENCE = "10s"


@dataclasses.dataclass
class _Connection:
    """This process's client, and what it is connected to.

    Attributes:
        client: None before the first call.
        address: the scheduler's address as the environment gave it; None for a local
            cluster.
        local: the local cluster, where this process owns one.
    """

    client: Any = None
    address: str | None = None
    local: localcluster.LocalCluster | None = None

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
    address = os.environ.get(ADDRESS) or None
    if _open.client is not None and not _open.is_usable(address):
        close()
    if _open.client is None:
        _connect(address)
    return _open.client


@atexit.register
def close():
    """Ends this process's client, and its local cluster with all that runs there."""
    client = _open.client
    local = _open.local
    _open.client = None
    _open.local = None
    if client is not None:
        # The scheduler may be gone already.
        with contextlib.suppress(Exception):
            client.close(timeout=2)
    if local is not None:
        local.stop()


def abandon(futures):
    """Gives up jobs that were sent: a local cluster ends with them, elsewhere those
    that have begun come to their end.

    Args:
        futures: list of the client's futures.
    """
    if _open.local is not None:
        close()
    elif futures and _open.client.status == "running":
        _open.client.cancel(futures)


def gpu_resources():
    """What a job on a GPU asks of its worker.

    Returns:
        Dict as Dask's ``resources``; None on a cluster that makes no difference between
        workers.
    """
    has_gpus = _open.client.get_metadata([localcluster.GPU], default=False)
    return {localcluster.GPU: 1} if has_gpus else None


def serve(command):
    """Runs a command whose sweeps share a local cluster, which lives as long as the
    command; without the cluster the command ends too.

    Where ``DASK_SCHEDULER_ADDRESS`` is set already, the command runs with that.

    Args:
        command: list of texts.

    Returns:
        The command's exit status; 128 + n where signal n ended it, 127 where there is
        no such command.

    Raises:
        ValueError: a variable of the environment holds what is not allowed.
        ConnectionError: the cluster does not start.
    """
    parent = os.getppid()
    variables.check()
    with warm.start() as loaded:
        if os.environ.get(ADDRESS):
            return _status(command, {**os.environ, **loaded}, parent, None)
        local = localcluster.start()
        served = {**local.environment(), SERVED: local.address}
        try:
            environment = {**os.environ, **loaded, **served}
            return _status(command, environment, parent, local.process)
        finally:
            local.stop()


def _connect(address):
    """Opens the client on an address, or on a new local cluster where that is None."""
    from distributed import Client, Security

    _open.address = address
    if address is None:
        _open.local = localcluster.start()
        scheduler = _open.local.address
        security = _open.local.security()
    else:
        scheduler = address
        # As Dask's settings have it.
        security = Security()
        _check_keys(address, security)
    try:
        _open.client = Client(
            scheduler, timeout=PATIENCE, set_as_default=False, security=security
        )
    except (OSError, TimeoutError) as error:
        raise ConnectionError(_no_answer(address)) from error


def _check_keys(address, security):
    """Raises one line where keys are needed and cannot be read."""
    names = (*localcluster.CERTIFICATE_NAMES, localcluster.KEY_NAME)
    try:
        context = security.get_connection_args("client")["ssl_context"]
    except OSError as error:
        raise ConnectionError(
            f"{', '.join(names)} must name PEM files by whole paths: {error}"
        ) from None
    if context is None and address.startswith("tls://"):
        raise ConnectionError(
            f"{ADDRESS}={address} needs a certificate: {names[0]} and {names[1]} must "
            "name its file"
        )


def _no_answer(address):
    """One line on a scheduler that does not answer."""
    if os.environ.get(SERVED) == address:
        return (
            "the local cluster of this build has ended; run the build again, the "
            "finished rows are safe"
        )
    return (
        f"no Dask scheduler answers at {ADDRESS}={address}: start one there, or unset "
        "it to compute on this machine alone"
    )


def _status(command, environment, parent, cluster):
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
        if _is_lost(cluster):
            running.terminate()
            cluster = None
        if os.getppid() != parent:
            # The parent was killed: nobody waits for this command, and the next one
            # may be running already.
            running.terminate()
        status = _waited(running, 1)
    return status if status >= 0 else 128 - status


def _is_lost(cluster):
    """Whether the process of a cluster has ended; says so."""
    if cluster is None or cluster.poll() is None:
        return False
    print(
        f"kdlib: the local cluster has ended (status {cluster.returncode}), and what "
        "runs on it ends too; run it again, the finished rows are safe",
        file=sys.stderr,
    )
    return True


def _waited(running, seconds):
    """A process's exit status, or None where it has not ended after so many seconds."""
    try:
        return running.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def main(words):
    """Runs ``serve -- COMMAND ...``.

    Args:
        words: of the command line.

    Returns:
        The exit status, or one line where there is nothing to run, or no cluster.
    """
    if words[:2] != ["serve", "--"] or len(words) < 3:
        return "usage: python -m companion.engine.cluster serve -- COMMAND ..."
    try:
        return serve(words[2:])
    except (ValueError, ConnectionError) as error:
        return f"kdlib: {error}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
