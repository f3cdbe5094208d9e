"""The cluster that rows are computed on: who starts it, who may use it, which worker has a GPU, and its end."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import dask
import pytest

from companion import sweeps
from companion.engine import cluster, localcluster, rows
from processes import PATIENCE, alive, descendants, python, until


@pytest.fixture(scope="module", autouse=True)
def _no_cluster_left():
    yield
    cluster.close()


def plain(seed):
    return {"y": seed, "dask": [name for name in os.environ if name.startswith("DASK_")]}


def test_no_scheduler_at_the_address_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:1")
    monkeypatch.setattr(cluster, "PATIENCE", "1s")
    with pytest.raises(ConnectionError, match="no Dask scheduler answers at DASK_SCHEDULER_ADDRESS=tcp://127.0.0.1:1"):
        sweeps.run_sweep(plain, [{}], store=tmp_path, seeds=1)


@pytest.mark.parametrize("keys, message", [
    ({}, "DASK_SCHEDULER_ADDRESS=tls://127.0.0.1:1 needs a certificate: DASK_DISTRIBUTED__COMM__TLS__CA_FILE and"),
    ({"ca-file": "/nowhere.pem", "client.cert": "/nowhere.pem"}, "CLIENT__KEY must name PEM files by whole paths: .*No such"),
])
def test_keys_that_are_missing_are_one_clear_error(tmp_path, monkeypatch, keys, message):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tls://127.0.0.1:1")
    with dask.config.set({f"distributed.comm.tls.{name}": file for name, file in keys.items()}):
        with pytest.raises(ConnectionError, match=message):
            sweeps.run_sweep(plain, [{}], store=tmp_path, seeds=1)


def test_serve_gives_a_command_one_cluster_and_its_status_back():
    code = "import os, sys; print(os.environ['DASK_SCHEDULER_ADDRESS'], flush=True); sys.exit(sys.stdin.read() or 3)"
    serving = python("-m", "companion.engine.cluster", "serve", "--", sys.executable, "-c", code,
                     stdin=subprocess.PIPE)
    assert serving.stdout.readline().startswith("tls://127.0.0.1:")
    family = descendants(serving.pid)
    serving.communicate("", timeout=PATIENCE)
    assert serving.returncode == 3
    until(lambda: not any(map(alive, family)), "the end of the cluster")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_serve_passes_signals_on_and_leaves_nothing(number):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
    serving = python("-m", "companion.engine.cluster", "serve", "--", sys.executable, "-c", code)
    command = int(serving.stdout.readline())
    family = descendants(serving.pid)
    serving.send_signal(number)
    serving.wait(PATIENCE)
    assert serving.returncode == (128 + 15 if number == signal.SIGTERM else -9)
    if number == signal.SIGKILL:  # the command itself outlives a killed server, and its sweeps say that it is gone
        os.kill(command, signal.SIGKILL)
    until(lambda: not any(map(alive, family)), "the end of the cluster")
    serving.stdout.close()


TRIES = """
import asyncio, os, sys
import distributed
from distributed.core import rpc
async def answers(address, security):
    try:
        arguments = security.get_connection_args("client")
        async with rpc(address, connection_args=arguments, timeout=1) as node:
            return 1 if await asyncio.wait_for(node.identity(), 2) else 0
    except Exception:
        return 0
addresses = sys.argv[1:]
own = distributed.Security()
if __name__ == "__main__":
    for security in (own, distributed.Security.temporary()):
        for protocol in ("tls", "tcp"):
            named = [f"{protocol}://" + address.partition("://")[2] for address in addresses]
            print(sum(asyncio.run(answers(address, security)) for address in named))
    try:
        with distributed.Client(addresses[0], timeout="1s") as client:
            print(client.run_on_scheduler(os.getpid))
    except Exception as error:
        print(type(error).__name__)
"""


def test_only_a_process_that_was_given_the_key_gets_an_answer_and_runs_code(tmp_path):
    addresses = [cluster.client().scheduler.address, *cluster.client().nthreads()][:2]
    local = cluster._open.local
    assert all(address.startswith("tls://127.0.0.1:") for address in addresses)
    assert local.key not in Path(f"/proc/{local.process.pid}/cmdline").read_text()
    script = tmp_path / "tries.py"
    script.write_text(TRIES)
    stranger, friend = (python(str(script), *addresses, env=env, stderr=subprocess.DEVNULL)
                        for env in ({}, local.environment()))
    assert stranger.communicate(timeout=PATIENCE)[0].split()[:4] == ["0"] * 4
    *counts, pid = friend.communicate(timeout=PATIENCE)[0].split()
    assert counts == ["2", "0", "0", "0"] and int(pid) == local.process.pid


def test_rows_have_no_key_and_a_command_of_serve_shares_its_cluster(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(f"""
        from companion import sweeps
        from companion.engine import cluster
        def run(seed):
            import os
            return {{"names": [name for name in os.environ if name.startswith("DASK_")]}}
        names = sweeps.run_sweep(run, [{{}}], store={str(tmp_path / "s")!r}, seeds=1).names[0]
        print(names, cluster._open.local)
    """))
    serve = ["-m", "companion.engine.cluster", "serve", "--"]
    again = [sys.executable, *serve, sys.executable, str(script)]  # as make book within make trials
    assert python(*serve, *again).communicate(timeout=PATIENCE)[0] == "[] None\n"


def test_serve_ends_with_a_line_when_its_cluster_is_killed():
    code = "import time; print('begun', flush=True); time.sleep(1000)"
    serving = python("-m", "companion.engine.cluster", "serve", "--", sys.executable, "-c", code,
                     stderr=subprocess.PIPE)
    serving.stdout.readline()
    family = descendants(serving.pid)
    local, = (pid for pid in family if "companion.engine.localcluster" in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(local, signal.SIGKILL)
    _, said = serving.communicate(timeout=PATIENCE)
    assert serving.returncode == 128 + signal.SIGTERM
    line = said.splitlines()[-1]  # after a warning of Python's own on what a killed process leaves
    assert line.startswith("kdlib: the local cluster has ended (status -9)") and said.count("kdlib:") == 1
    until(lambda: not any(map(alive, family)), "the end of the cluster")


def test_a_lost_cluster_of_a_build_is_told_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", "1s")
    for name in ("DASK_SCHEDULER_ADDRESS", "KDLIB_SERVED"):
        monkeypatch.setenv(name, "tcp://127.0.0.1:1")
    with pytest.raises(ConnectionError, match="the local cluster of this build has ended; run the build again") as told:
        sweeps.run_sweep(plain, [{}], store=tmp_path, seeds=1)
    assert "DASK_SCHEDULER_ADDRESS" not in str(told.value)


def seen(seed, device):
    time.sleep(0.02)
    return {"gpu": os.environ["CUDA_VISIBLE_DEVICES"], "worker": os.getppid()}


def test_each_gpu_has_one_worker_and_rows_on_the_cpu_see_none(tmp_path, monkeypatch):
    cluster.close()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")  # only names are needed to see who is given which
    monkeypatch.setenv("KDLIB_WORKERS", "3")
    frame = sweeps.run_sweep(seen, sweeps.grid(device=["cuda", "cpu"]), store=tmp_path, seeds=8)
    cluster.close()
    on_gpu = frame[frame.device == "cuda"]
    assert sorted(on_gpu.groupby("worker").gpu.unique().map(list)) == [["5"], ["7"]]
    assert set(frame[frame.device == "cpu"].gpu) == {""}


def test_workers_that_are_fewer_than_the_gpus_that_nvidia_smi_lists_compute_on_theirs(tmp_path, monkeypatch):
    listing = tmp_path / "nvidia-smi"
    listing.write_text("#!/bin/sh\necho 'GPU 0: a card'\necho 'GPU 1: a card'\n")
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("KDLIB_WORKERS", "1")
    cluster.close()
    frame = sweeps.run_sweep(seen, [{"device": "cuda"}], store=tmp_path / "s", seeds=2)
    cluster.close()
    assert list(frame.gpu) == ["0", "0"]


@pytest.mark.parametrize("gpus", [[], ["5"], ["0", "1", "GPU-8a"]])
@pytest.mark.parametrize("count", range(1, 6))
def test_a_gpu_is_one_worker_s_and_no_worker_has_two(gpus, count):
    workers = localcluster._workers(count, gpus, {})
    with_gpu = [worker["options"] for worker in workers.values() if "resources" in worker["options"]]
    assert list(workers) == list(range(count)) and len(with_gpu) == min(count, len(gpus))
    assert [options["env"]["CUDA_VISIBLE_DEVICES"] for options in with_gpu] == gpus[:count]


def test_rows_on_a_gpu_go_on_when_its_only_worker_is_killed(tmp_path, monkeypatch):
    cluster.close()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    monkeypatch.setenv("KDLIB_WORKERS", "2")
    killed = []

    def kill():
        until(lambda: len(rows.read(tmp_path)[0]) > 4, "rows on disk")
        killed.append(rows.read(tmp_path)[0][-1]["values"]["worker"])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    frame = sweeps.run_sweep(seen, [{"device": "cuda"}], store=tmp_path, seeds=40)
    killer.join()
    cluster.close()
    assert len(frame) == 40 and set(frame.gpu) == {"5"}
    assert frame.worker.nunique() == 2 and killed[0] in set(frame.worker)
