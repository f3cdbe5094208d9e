"""Students of all kinds and training sets in one stack against the same students one by one, in one run.

Eight training sets with ten kinds of losses each, as in chapter 8; both ways are ``kinds.train``, with the same arithmetic, so
only the company differs. Run: ``python benchmarks/bench_bias_variance.py [samples]``.
"""

import statistics
import sys
import time

import torch

import table
from kdlib.models import StackedMLP
from kdlib.papers.zhou import kinds

SETS, INPUTS, CLASSES, WIDTH, EPOCHS = 8, 8, 4, 64, 4
TEMPERATURES = (1.0, 2.0, 4.0, 8.0)


def train(seeds, losses, x, labels, taught):
    network = StackedMLP(seeds, kinds=len(losses), inputs=INPUTS, width=WIDTH, classes=CLASSES)
    way = {"seeds": seeds, "epochs": EPOCHS, "batch_size": 50, "rate": 0.02, "kept": []}
    start = time.perf_counter()
    list(kinds.train(network, x, labels, taught, losses, **way))
    return time.perf_counter() - start


def main(samples=200, repeats=3):
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(SETS, samples, INPUTS, generator=draw)
    labels = torch.randint(CLASSES, (SETS, samples), generator=draw)
    taught = torch.randn(SETS, 1, samples, CLASSES, generator=draw)
    losses = [kinds.Kind(), kinds.Kind(smoothing=0.1)]
    for mode in ("plain", "weighted"):
        losses += [kinds.Kind(soft=2.25, temperature=T, mode=mode) for T in TEMPERATURES]
    ratios, stacked = [], []
    for turn in range(repeats + 1):  # the first warms up
        together = train(list(range(SETS)), losses, x, labels, taught)
        alone = 0.0
        for seed in range(SETS):
            one = slice(seed, seed + 1)
            alone += sum(train([seed], [loss], x[one], labels[one], taught[one]) for loss in losses)
        if turn:
            ratios.append(alone / together)
            stacked.append(together / EPOCHS)
    networks = SETS * len(losses)
    print(f"{networks} students of {WIDTH} neurons, n = {samples}: {min(stacked):.3f} s an epoch, {statistics.median(ratios):.1f} "
          f"times faster than one by one ({min(ratios):.1f} to {max(ratios):.1f})", flush=True)
    table.record("stacked students of soft labels", [
        {"what": f"{networks} students of soft labels, an epoch", "n": samples, "seconds": min(stacked), "peer": "one by one",
         "times": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
