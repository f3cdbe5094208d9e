"""kdlib's analytic kernels beside neural-tangents', jitted: agreement and time, turn by turn in one run.

``make bench-peers`` makes the peer's own environment and runs ``python benchmarks/peers/compare_kernels.py PEER_PYTHON``.
Both have the same cores: their number is set by the affinity that the peer inherits, and torch gets as many threads.
Ends with an error if the kernels differ by more than 5e-8 of sqrt(K_ii K_jj).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch

from kdlib import kernels

sys.path.append(str(Path(__file__).resolve().parent.parent))
import table

ROWS = []
N, DEPTH, ROUNDS, AGREEMENT = 4096, 3, 9, 5e-8
SCALES = [(1.0, 1.0), (1.5, 0.1)]  # (sigma_w, sigma_b)


def ask(peer, **request):
    peer.stdin.write(json.dumps(request) + "\n")
    peer.stdin.flush()
    line = peer.stdout.readline()
    if not line:
        raise SystemExit("the peer's process ended; see its message above")
    return json.loads(line)


def inputs(d):
    """Points as in the book's chapters, with near-duplicates, parallel and opposite ones among them."""
    x = 5 * torch.randn(500, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    near = 1e-6 * torch.randn(20, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.cat([x, x[:20] + near, 2 * x[:20], -x[:20]])


def agreement(peer, folder):
    """Largest difference over sqrt(K_ii K_jj), for every setting."""
    worst = 0.0
    print("kernel activation depth  d  sigma_w sigma_b   largest difference / sqrt(K_ii K_jj)")
    for d in (2, 10):
        x = inputs(d)
        numpy.save(folder / "x.npy", x.numpy())
        for which in ("ntk", "nngp"):
            for activation in ("relu", "erf"):
                for depth in (1, 3):
                    for sigma_w, sigma_b in SCALES:
                        setting = dict(depth=depth, activation=activation, sigma_w=sigma_w, sigma_b=sigma_b)
                        ask(peer, **setting, kernel=which, x=str(folder / "x.npy"), out=str(folder / "k.npy"))
                        theirs = torch.from_numpy(numpy.load(folder / "k.npy"))
                        ours = getattr(kernels, which)(x, **setting)
                        size = ours.diagonal().sqrt()
                        gap = float(((ours - theirs).abs() / size / size[:, None]).max())
                        worst = max(worst, gap)
                        print(f"{which:6} {activation:10} {depth:5} {d:2} {sigma_w:8} {sigma_b:7}   {gap:.1e}")
    return worst


def speed(peer, folder, activation):
    """Median over rounds of the peer's seconds over ours, both having run once before."""
    x = 5 * torch.randn(N, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    numpy.save(folder / "x.npy", x.numpy())
    setting = dict(depth=DEPTH, activation=activation, sigma_w=1.0, sigma_b=1.0)
    ours, theirs = [], []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        kernels.ntk(x, **setting)
        ours.append(time.perf_counter() - start)
        theirs.append(ask(peer, **setting, kernel="ntk", x=str(folder / "x.npy"), out="")["seconds"])
    ratios = [b / a for a, b in zip(ours[1:], theirs[1:])]
    ROWS.append(dict(what=f"NTK, {activation}, depth {DEPTH}, float64", n=N, seconds=min(ours[1:]), peer="neural-tangents 0.6.5, jitted",
                     times=statistics.median(ratios), low=min(ratios), high=max(ratios), limit="arithmetic of the tiles"))
    print(f"{activation:10} {min(ours[1:]):9.3f} {min(theirs[1:]):18.3f} {statistics.median(ratios):8.1f}   "
          f"{min(ratios):.1f} to {max(ratios):.1f}")


def main(python):
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    script = Path(__file__).with_name("neural_tangents_kernels.py")
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        worst = agreement(peer, Path(name))
        print(f"\nNTK of {N} inputs, d = 2, depth {DEPTH}, float64, {cores} cores each, turn by turn\n"
              f"activation  kdlib s  neural-tangents s  times as fast (median, range)")
        for activation in ("relu", "erf"):
            speed(peer, Path(name), activation)
        peer.stdin.close()
    table.record("kernels, beside neural-tangents", ROWS)
    if worst > AGREEMENT:
        raise SystemExit(f"kernels differ by {worst:.1e} of sqrt(K_ii K_jj), more than {AGREEMENT:.0e}")
    print(f"largest difference of all {worst:.1e}, at most {AGREEMENT:.0e}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("which Python has neural-tangents? python benchmarks/peers/compare_kernels.py PEER_PYTHON")
    main(sys.argv[1])
