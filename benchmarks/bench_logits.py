"""Effective logits against scipy's element-wise root finder: one million logits, one thread each, the same run."""

import time
import warnings
from functools import partial

import numpy
import torch
from scipy.optimize import elementwise

import table
from kdlib import logits

SIZE = 10**6
SETTINGS = [(0.9, 5.0), (0.05, 0.2), (0.5, 1.0), (0.05, 2.0), (0.99, 20.0)]  # (soft_ratio, temperature)


def residual(z, teacher, labels, soft_ratio, temperature):
    """Eq. 3 as printed."""
    soft = 1 / (1 + numpy.exp(-z / temperature)) - 1 / (1 + numpy.exp(-teacher / temperature))
    return soft_ratio / temperature * soft + (1 - soft_ratio) * (1 / (1 + numpy.exp(-z)) - labels)


def scipy_roots(teacher, labels, soft_ratio, temperature):
    """Eq. 3 by scipy, from a bracket that holds for every logit here."""
    reach = numpy.abs(teacher).max() * max(1, 1 / temperature) + abs(numpy.log((1 - soft_ratio) / soft_ratio)) + 20
    bracket = (numpy.full_like(teacher, -reach), numpy.full_like(teacher, reach))
    args = (teacher, labels, soft_ratio, temperature)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # exp overflows to inf, and 1 / inf = 0 is right
        return elementwise.find_root(residual, bracket, args=args).x


def timed(functions, repeats):
    """Results, and the least processor time of each in seconds; they take turns, so that a busy machine slows all."""
    least = [float("inf")] * len(functions)
    for _ in range(repeats):
        results = []
        for i, function in enumerate(functions):
            start = time.process_time()
            results.append(function())
            least[i] = min(least[i], time.process_time() - start)
    return results, least


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    teacher = 5 * torch.randn(SIZE, generator=generator, dtype=torch.float64)
    labels = torch.randint(2, (SIZE,), generator=generator)
    print("soft_ratio temperature   kdlib s   scipy s   ratio   largest difference")
    rows = []
    for soft_ratio, temperature in SETTINGS:
        setting = {"soft_ratio": soft_ratio, "temperature": temperature}
        ours = partial(logits.effective_logits, teacher, labels, **setting)
        theirs = partial(scipy_roots, teacher.numpy(), labels.numpy().astype(float), **setting)
        (roots, other), (fast, slow) = timed([ours, theirs], 5)
        gap = numpy.abs(roots.numpy() - other).max()  # scipy solves Eq. 3 as printed, which loses digits in saturation
        rows.append(dict(what=f"effective logits, ρ = {soft_ratio}, T = {temperature}", n=SIZE, seconds=fast, times=slow / fast,
                         peer="scipy.optimize.elementwise.find_root", limit="arithmetic, one thread"))
        print(f"{soft_ratio:10} {temperature:11} {fast:9.3f} {slow:9.3f} {slow / fast:7.1f}   {gap:.1e}")
    table.record("effective logits", rows)


if __name__ == "__main__":
    main()
