"""Projected gradient descent of a stack of two-layer networks against the same networks one by one, in one run.

Twenty networks (ten seeds, hard and soft labels) of 4 and of 8 neurons on inputs of MNIST's size; both ways are
``training.projected_gradient_descent``, with the same arithmetic, so only the company differs.
Run: ``python benchmarks/bench_projected.py [samples]``.
"""

import statistics
import sys
import time

import torch

import table
from kdlib import models, training

NETWORKS, INPUTS, STEPS, ASKED = 20, 784, 5, {4: 3.0, 8: 2.0}


def networks(width):
    return [models.TwoLayerReLU(INPUTS, width, generator=torch.Generator().manual_seed(k // 2)) for k in range(NETWORKS)]


def train(nets, x, p):
    start = time.perf_counter()
    training.projected_gradient_descent(nets, x, p, step=10.0, radius=100.0, steps=STEPS)
    return time.perf_counter() - start


def main(samples=20000, repeats=5):
    draw, rows = torch.Generator().manual_seed(0), []
    x = torch.nn.functional.normalize(torch.randn(samples, INPUTS, generator=draw), dim=1)
    p = torch.rand(samples, NETWORKS, generator=draw)
    for width, asked in ASKED.items():
        ratios, stacked = [], []
        for turn in range(repeats + 1):  # the first warms up
            together = train(networks(width), x, p)
            alone = sum(train([net], x, p[:, k]) for k, net in enumerate(networks(width)))
            if turn:
                ratios.append(alone / together)
                stacked.append(together / STEPS)
        print(f"{NETWORKS} networks of {width} neurons, n = {samples}, d = {INPUTS}: {1e3 * min(stacked):.0f} ms a step, "
              f"{statistics.median(ratios):.2f} times faster than one by one ({min(ratios):.2f} to {max(ratios):.2f}; "
              f"at least {asked:g} is asked for)", flush=True)
        rows.append({"what": f"{NETWORKS} two-layer networks of {width} neurons, a step", "n": samples, "seconds": min(stacked),
                     "peer": "one by one", "times": statistics.median(ratios), "low": min(ratios), "high": max(ratios)})
    table.record("stacked two-layer networks", rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
