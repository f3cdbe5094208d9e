"""What a sweep costs beside its rows' own work: overhead per row, memory over 10,000 rows, many rows found again.

``python benchmarks/bench_sweeps.py [ROWS]`` prints them for a local cluster on this machine.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

from companion import sweeps
from companion.engine import cluster


def nothing(seed):
    return {"y": 0.5 * seed}


def array(seed):
    return {"y": torch.full((16,), float(seed))}


def resident(pid):
    """Resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def family(pid):
    """A process and all its descendants, with what they are."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found += family(int(stat.parent.name))
    return found


def watch(samples, done):
    """Notes the memory of this process and of the cluster's every half second."""
    while not done.wait(0.5):
        samples.append([resident(os.getpid()), sum(map(resident, family(cluster._open.local.process.pid)))])


def main(count):
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        workers = len(cluster.client().nthreads())
        started = time.perf_counter() - start
        start = time.perf_counter()
        sweeps.run_sweep(nothing, [{}], store=f"{folder}/first", seeds=workers)
        print(f"start of a local cluster of {workers} workers: {started:.2f} s, of its first rows' processes: "
              f"{time.perf_counter() - start:.2f} s")

        samples, done = [], threading.Event()
        watcher = threading.Thread(target=watch, args=(samples, done))
        watcher.start()
        start = time.perf_counter()
        frame = sweeps.run_sweep(nothing, [{}], store=f"{folder}/rows", seeds=count)
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
        print(f"{count} rows of no work: {1e3 * seconds / count:.2f} ms a row, {count / seconds:.0f} rows a second "
              f"(their own work: {1e3 * frame.seconds.mean():.4f} ms)")
        quarter = max(1, len(samples) // 4)
        for name, values in zip(("this process", "cluster and rows"), zip(*samples)):
            early, late = sum(values[:quarter]) / quarter, sum(values[-quarter:]) / quarter
            print(f"memory of {name}: {early:.0f} MiB in the first quarter, {late:.0f} MiB in the last "
                  f"({1024 * (late - early) / count:+.2f} KiB a row)")
        print(f"the store: {(Path(folder) / 'rows' / 'rows.jsonl').stat().st_size / count:.0f} bytes a row")

        start = time.perf_counter()
        sweeps.run_sweep(nothing, [{}], store=f"{folder}/rows", seeds=count)
        print(f"finding all {count} again: {1e3 * (time.perf_counter() - start) / count:.3f} ms a row")

        sweeps.run_sweep(array, [{}], store=f"{folder}/arrays", seeds=workers)  # torch is loaded here
        more = range(workers, workers + min(count, 1000))
        start = time.perf_counter()
        sweeps.run_sweep(array, [{}], store=f"{folder}/arrays", seeds=more)
        print(f"rows with an array beside them: {1e3 * (time.perf_counter() - start) / len(more):.2f} ms a row")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
