"""The cluster on this machine: a process of its own, which ends when its owner does,
however that ends.

Nobody else can use it, though other people may be logged in: all of it speaks TLS, with
a key that is made when it starts, is kept in memory, and reaches the processes that may
use it through pipes and their environment.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from typing import NamedTuple

from companion.engine import rowprocess, variables

ADDRESS = "DASK_SCHEDULER_ADDRESS"
# What Dask reads its keys from: the texts themselves are as good as names of files.
CERTIFICATE_NAMES = (
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT",
)
KEY_NAME = "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
# Dask's name for what a worker has that has a GPU to itself.
GPU = "kdlib-gpu"


class LocalCluster(NamedTuple):
    """A cluster that :func:`start` made.

    Attributes:
        process: the cluster's process.
        address: of the scheduler.
        certificate: of the cluster, which is its own authority.
        key: to the certificate.
    """

    process: subprocess.Popen
    address: str
    certificate: str
    key: str

    def security(self):
        """What a client in this process needs to be let in.

        Returns:
            A ``distributed.Security``.
        """
        from distributed import Security

        return Security(
            require_encryption=True,
            tls_ca_file=self.certificate,
            tls_client_cert=self.certificate,
            tls_client_key=self.key,
        )

    def environment(self):
        """What another process needs to find the cluster and to be let in.

        Returns:
            Dict of environment variables.
        """
        named = dict.fromkeys(CERTIFICATE_NAMES, self.certificate)
        return {**named, KEY_NAME: self.key, ADDRESS: self.address}

    def stop(self):
        """Ends the cluster with all that runs there."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            # Its workers notice, and end too.
            self.process.kill()
            self.process.wait()


def start():
    """Starts a cluster, loopback only, with ``KDLIB_WORKERS`` single-threaded workers,
    else one a core.

    Returns:
        :class:`LocalCluster`; it ends when its ``process.stdin`` is closed, by this
        process or by its death.

    Raises:
        ValueError: ``KDLIB_WORKERS`` is no number of workers.
        ConnectionError: the cluster ends before it has an address.
    """
    variables.check()
    # In a session of its own: Ctrl-C reaches the owner, who closes the cluster.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "companion.engine.localcluster"],
        env=rowprocess.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process.stdout:
        line = process.stdout.readline()
    if not line:
        status = process.wait()
        raise ConnectionError(f"the local cluster did not start (status {status})")
    return LocalCluster(process, **json.loads(line))


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


def main():
    """The cluster's process: prints the scheduler's address and the key as one line of
    JSON, and lives until its standard input ends."""
    import dask

    # The cores that this process's affinity and container leave it.
    from dask.system import CPU_COUNT
    from distributed import Scheduler, Security, SpecCluster

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
    try:
        security = Security.temporary()
    except ImportError as error:
        sys.exit(f"kdlib: {error}")
    common = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    quiet = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    gpus = visible_gpus()
    count = variables.value("KDLIB_WORKERS") or max(CPU_COUNT, len(gpus))
    with SpecCluster(
        scheduler={"cls": Scheduler, "options": {**common, **quiet}},
        workers=_workers(count, gpus, common),
        security=security,
        silence_logs=50,
    ) as local:
        local.scheduler.set_metadata([GPU], bool(gpus))
        started = {
            "address": local.scheduler_address,
            "certificate": security.tls_client_cert,
            "key": security.tls_client_key,
        }
        print(json.dumps(started), flush=True)
        # The owner reads that line only; what rows print goes to standard error.
        os.dup2(2, 1)
        sys.stdin.read()


def _workers(count, gpus, common):
    """The workers by their numbers; each of the first has a GPU to itself."""
    from distributed import Nanny

    options = {
        **common,
        "nthreads": 1,
        "memory_limit": None,
        "dashboard": False,
        "silence_logs": 50,
    }
    workers = {}
    for number in range(count):
        own = {}
        if number < len(gpus):
            own["env"] = {"CUDA_VISIBLE_DEVICES": gpus[number]}
            own["resources"] = {GPU: 1}
        workers[number] = {"cls": Nanny, "options": {**options, **own}}
    return workers


if __name__ == "__main__":
    main()
