"""Every sample size from one factorisation: what it costs beside the factorisation alone and beside explicit solves.
Every stopping time from one basis: what it costs beside all eigenvectors.
"""

import resource
import time

import torch

import table
from kdlib import kernels, linearized
from kdlib.metrics import inefficiency

SAMPLES = [1000, 2000, 4000]
LARGEST = 10_000
TEST_POINTS = 1000
STOPPED = 8192
TIMES = [300.0, 2300.0, 26000.0]


def kernel(n, rows=None):
    """A Laplacian kernel of points in the plane, in row blocks: positive definite, cheap beside its factor."""
    x = 5 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gram = torch.empty(n, n, dtype=torch.float64)
    for start in range(0, n, 500):
        gram[start : start + 500] = torch.cdist(x[start : start + 500], x).neg_().exp_()
    return gram


def timed(function, repeats=3):
    """The result, and the best of ``repeats`` wall times in seconds."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return result, best


def gib():
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def by_eigenvectors(gram, targets):
    """The flow from every eigenvector of the kernel."""
    rates, V = torch.linalg.eigh(gram / len(gram))
    learned = -torch.expm1(-rates[:, None] * torch.tensor(TIMES, dtype=gram.dtype)) / rates[:, None]
    return V @ (learned * (V.T @ targets)[:, None]) / len(gram)


def stopped():
    """Rows of the flow at several times beside all eigenvectors, and of float32 storage."""
    x = 5 * torch.randn(STOPPED, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gram, y = kernels.ntk(x, depth=2), torch.sin(x[:, 0]).sign()
    flow, ours = timed(lambda: linearized.gradient_flow(gram, y, TIMES))
    exact, peer = timed(lambda: by_eigenvectors(gram, y), 1)
    off = ((flow - exact).norm(dim=0) / exact.norm(dim=0)).max()
    half = gram.float()
    single, seconds = timed(lambda: linearized.gradient_flow(half, y, TIMES))
    rounded = ((gram @ (single - exact)).norm(dim=0) / (gram @ exact).norm(dim=0)).max()
    print(f"flow at {STOPPED} samples: {ours:.1f} s, all eigenvectors {peer:.1f} s, {peer / ours:.0f} times; off by {off:.0e}; "
          f"stored in float32 {seconds:.1f} s, outputs off by {rounded:.0e}")
    return [dict(what="gradient flow at three times", n=STOPPED, seconds=ours, peer="torch.linalg.eigh", times=peer / ours,
                 limit="memory: a pass over the Gram matrix for each vector of the basis")]


def main():
    torch.set_num_threads(2)
    print("     n   factor s   student + 1 target, ratio   100 targets   1000 test points at 8 sizes   "
          "solves on the authors' grid, ratio")
    rows, times = [], {}
    for n in SAMPLES:
        gram, generator = kernel(n), torch.Generator().manual_seed(1)
        z, many = (torch.randn(n, k, generator=generator, dtype=torch.float64) for k in (1, 100))
        cross, sizes = gram[:TEST_POINTS], [n >> k for k in reversed(range(8))]
        student = linearized.LinearizedStudent(gram)
        _, factor = timed(lambda g=gram: torch.linalg.cholesky(g))
        norms, one = timed(lambda g=gram, t=z: linearized.LinearizedStudent(g).weight_norms(t))
        _, hundred = timed(lambda s=student, t=many: s.weight_norms(t))
        _, points = timed(lambda s=student, c=cross, t=z, m=sizes: s.predict(c, t, m))
        grid = inefficiency.AUTHORS_SIZES[inefficiency.AUTHORS_SIZES <= n].tolist()
        explicit, solves = timed(
            lambda g=gram, t=z, m=grid: [(t[:k] * torch.linalg.solve(g[:k, :k], t[:k])).sum().sqrt() for k in m], 1)
        worst = max(abs(norms[k - 1].item() / norm.item() - 1) for k, norm in zip(grid, explicit))
        times[n] = one * 1.0
        rows.append(dict(what="student and one target, every n", n=n, seconds=one, peer="explicit solves on the authors' grid",
                         times=solves / one, limit="arithmetic of the factorisation"))
        rows.append(dict(what="the same, beside the factorisation alone", n=n, seconds=one, peer="torch.linalg.cholesky",
                         times=factor / one, limit="arithmetic of the factorisation"))
        print(f"{n:6} {factor:10.3f} {one / factor:27.2f} {hundred / factor:13.2f} {points / factor:28.2f} "
              f"{solves / one:36.1f}   (largest relative difference {worst:.0e})")
    rows[-1]["growth"] = table.growth(list(times), list(times.values()))
    z = torch.randn(LARGEST, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = gib()
    gram = kernel(LARGEST)
    needed = linearized.memory_needed(LARGEST) / 2**30
    norms, seconds = timed(lambda: linearized.LinearizedStudent(gram, in_place=True).weight_norms(z), 1)
    rows.append(dict(what="student and one target, in place", n=LARGEST, seconds=seconds, memory=gib(),
                     limit="arithmetic; memory, the Gram matrix is 0.75 GiB"))
    rows += stopped()
    table.record("linearised student", rows)
    print(f"{LARGEST} samples in place: {seconds:.1f} s, all {len(norms):,} norms; {gib() - before:.2f} GiB more than "
          f"before, announced {needed:.2f} GiB, the Gram matrix alone {LARGEST**2 * 8 / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
