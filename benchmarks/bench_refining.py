"""Networks of all losses and seeds in one stack against the same networks one by one, in one run.

Six seeds with eight losses each on inputs of chapter 6c's size; both ways are ``stack.learn``, with the same arithmetic, so
only the company differs. Run: ``python benchmarks/bench_refining.py [samples]``.
"""

import statistics
import sys
import time

import torch

import table
from kdlib import self_distillation
from kdlib.papers.dong import stack

SEEDS, INPUTS, WIDTH, EPOCHS = 6, 50, 256, 2


def train(seeds, losses, x, given):
    network = stack.StackedMLP(seeds, kinds=len(losses), inputs=INPUTS, width=WIDTH)
    way = {"seeds": seeds, "epochs": EPOCHS, "batch_size": 50, "rate": 0.02, "kept": [EPOCHS]}
    start = time.perf_counter()
    stack.learn(network, x, given, losses, x[:, 0, :1], **way)
    return time.perf_counter() - start


def main(samples=1000, repeats=3):
    draw, losses = torch.Generator().manual_seed(0), list(self_distillation.LOSSES)
    x = torch.randn(SEEDS, 1, samples, INPUTS, generator=draw)
    labels = torch.randint(10, (SEEDS, samples), generator=draw)
    given = torch.nn.functional.one_hot(labels, 10).float()[:, None].expand(-1, len(losses), -1, -1)
    ratios, stacked = [], []
    for turn in range(repeats + 1):  # the first warms up
        together = train(list(range(SEEDS)), losses, x, given)
        alone = 0.0
        for seed in range(SEEDS):
            for k, loss in enumerate(losses):
                alone += train([seed], [loss], x[seed : seed + 1], given[seed : seed + 1, k : k + 1])
        if turn:
            ratios.append(alone / together)
            stacked.append(together / EPOCHS)
    networks = SEEDS * len(losses)
    print(f"{networks} networks of {WIDTH} neurons, n = {samples}: {min(stacked):.2f} s an epoch, {statistics.median(ratios):.2f} "
          f"times faster than one by one ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)
    table.record("stacked networks that refine labels", [
        {"what": f"{networks} networks that refine labels, an epoch", "n": samples, "seconds": min(stacked), "peer": "one by one",
         "times": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
