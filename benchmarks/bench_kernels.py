"""Analytic NTK in tiles beside the plain whole-matrix form, turn by turn in one run; its growth with n, and its memory.

Beside neural-tangents it stands in benchmarks/peers, which ``make bench-peers`` runs.
"""

import math
import resource
import statistics
import subprocess
import sys
import time

import torch

import table
from kdlib import kernels

ROWS = []
N, DEPTH, ROUNDS, LARGEST = 4096, 3, 5, 20_000


def plain(x):
    """The recursion of ReLU with sigma_w = sigma_b = 1 on whole matrices, as one writes it down."""
    K = 1 + x @ x.T / x.shape[1]
    tangent = K
    for _ in range(DEPTH):
        norm = K.diagonal().sqrt()
        size = norm[:, None] * norm
        cos = (K / size).clamp(-1, 1)
        angle = torch.acos(cos)
        K = 1 + size * (torch.sin(angle) + (math.pi - angle) * cos) / (2 * math.pi)
        tangent = K + tangent * (math.pi - angle) / (2 * math.pi)
    return tangent


def inputs(n, device="cpu"):
    return 5 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(device)


def seconds(function, x):
    """Wall time of one call, the device's queue included."""
    start = time.perf_counter()
    function(x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ours(x):
    return kernels.ntk(x, depth=DEPTH)


def compare(device, n):
    x = inputs(n, device)
    gap = float(((ours(x) - plain(x)).abs() / plain(x).diagonal().mean()).max())
    pairs = [(seconds(ours, x), seconds(plain, x)) for _ in range(ROUNDS)]
    ratios = [b / a for a, b in pairs]
    ROWS.append(dict(what=f"NTK, depth {DEPTH}, float64, {device}", n=n, seconds=min(a for a, _ in pairs), peer="plain whole-matrix torch",
                     times=statistics.median(ratios), low=min(ratios), high=max(ratios), limit="arithmetic of the tiles"))
    print(f"{device:5} {n:6} {min(a for a, _ in pairs):9.3f} {min(b for _, b in pairs):8.3f} "
          f"{statistics.median(ratios):8.1f} ({min(ratios):.1f} to {max(ratios):.1f})   {gap:.0e}")


def memory(n):
    """What the ``memory`` run of this script prints: seconds, and the largest memory of the whole process in GiB."""
    found = subprocess.run([sys.executable, __file__, "memory", str(n)], capture_output=True, text=True, check=True)
    taken, peak = found.stdout.split()
    return float(taken), float(peak)


def main():
    print(f"NTK, d = 2, depth {DEPTH}, float64, {torch.get_num_threads()} threads each\n"
          "where      n   tiles s  plain s   times as fast (range)   largest difference over the mean diagonal")
    compare("cpu", N)
    if torch.cuda.is_available():
        compare("cuda", 20_000)
    print("\n     n   tiles s   seconds / n^2")
    times = {}
    for n in (1024, 2048, 4096, 8192):
        x = inputs(n)
        best = times[n] = min(seconds(ours, x) for _ in range(3))
        print(f"{n:6} {best:9.3f}   {best / n**2:.1e}")
    ROWS[0]["growth"] = table.growth(list(times), list(times.values()))
    taken, peak = memory(LARGEST)
    ROWS.append(dict(what="NTK in a process of its own, all memory", n=LARGEST, seconds=taken, memory=peak,
                     limit=f"memory: the result is {8 * LARGEST**2 / 2**30:.2f} GiB"))
    table.record("kernels", ROWS)
    print(f"\nn = {LARGEST}, a process of its own: {taken:.1f} s, {peak:.2f} GiB in all, of which the result "
          f"{8 * LARGEST**2 / 2**30:.2f} GiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        print(seconds(ours, inputs(int(sys.argv[2]))), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    else:
        main()
