"""The peer's side of compare_kernels.py: reads one request a line, writes kernels as .npy files, answers in JSON.

A request names a network, a kernel and files: {"depth", "activation", "sigma_w", "sigma_b", "kernel", "x", "out"}.
The answer is the seconds of one jitted call, compilation not counted: each setting is compiled when it first comes.
"""

import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow, which a dependency loads, talks of graphics cards

import jax
import numpy

jax.config.update("jax_enable_x64", True)

from neural_tangents import stax  # noqa: E402

COMPILED = {}


def kernel(depth, activation, sigma_w, sigma_b, which):
    """Eq. 1's network of Ji & Zhu, in NTK parametrisation, as one jitted function of the inputs."""
    layers = []
    for _ in range(depth):
        layers += [stax.Dense(1, sigma_w, sigma_b, parameterization="ntk"), {"relu": stax.Relu, "erf": stax.Erf}[activation]()]
    _, _, function = stax.serial(*layers, stax.Dense(1, sigma_w, sigma_b, parameterization="ntk"))
    return jax.jit(lambda x: function(x, None, which))


def main():
    for line in sys.stdin:
        request = json.loads(line)
        setting = tuple(request[key] for key in ("depth", "activation", "sigma_w", "sigma_b", "kernel"))
        x = jax.numpy.asarray(numpy.load(request["x"]))
        if (setting, x.shape) not in COMPILED:
            COMPILED[setting, x.shape] = kernel(*setting)
            COMPILED[setting, x.shape](x).block_until_ready()
        start = time.perf_counter()
        out = COMPILED[setting, x.shape](x).block_until_ready()
        seconds = time.perf_counter() - start
        if request["out"]:
            numpy.save(request["out"], numpy.asarray(out))
        del out
        print(json.dumps({"seconds": seconds, "cores": len(os.sched_getaffinity(0))}), flush=True)


if __name__ == "__main__":
    main()
