"""Whether a GPU job uses the GPU: ``check`` before its work, ``built PROFILE`` after.

A chapter falls back to the CPU with a warning, so a job that only builds would be as
green without a card, or with a driver that is too old for this torch.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch

from companion import sweeps
from kdlib import devices


def row(seed, device):
    """A product of two matrices: where it was computed, and how far the CPU's is."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(256, 256, generator=generator, dtype=torch.float64)
    there = a.to(device) @ a.to(device)
    error = (there.cpu() - a @ a).abs().max()
    return {"where": there.device.type, "error": error}


def check(device="cuda"):
    """Computes a row of a sweep on a device, through workers, as chapters do.

    Args:
        device: ``cuda``; a test takes ``cpu``.

    Returns:
        What it found, in one line.

    Raises:
        ValueError: there is no such device, in words that tell a torch without CUDA
            from a driver that is too old; or the row was not computed on it.
    """
    devices.pick_device(device)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "rows"
        table = sweeps.run_sweep(row, [{"device": device}], store=store, seeds=1)
    (computed,) = table.to_dict("records")
    if computed["where"] != device:
        raise ValueError(
            f"a row that asked for {device} was computed on {computed['where']}"
        )
    if not computed["error"] < 1e-9:
        raise ValueError(
            f"a product on {device} must be the CPU's within 1e-9, got a difference "
            f"of {computed['error']}"
        )
    (machine,) = table.attrs["machines"]
    return f"a row was computed on {device}: {machine}"


def built(profile):
    """Checks that the chapters of a build ran on a GPU where they had the choice.

    Args:
        profile: the build's profile.

    Returns:
        What it found, in one line.

    Raises:
        ValueError: no chapter had the choice, or one ran on the CPU.
    """
    chosen = {}
    for path in sorted(Path("_build", profile, "book").glob("*.ipynb")):
        record = json.loads(path.read_text(encoding="utf-8"))["metadata"]["kdlib"]
        if record["parameters"].get("device", "cpu") != "cpu":
            chosen[path.stem] = record["device"]
    if not chosen:
        raise ValueError(f"no executed chapter of _build/{profile} takes a device")
    on_cpu = [name for name, device in chosen.items() if device == "cpu"]
    if on_cpu:
        raise ValueError(f"chapters that ran on the CPU: {', '.join(on_cpu)}")
    return f"{len(chosen)} chapters ran on {', '.join(sorted(set(chosen.values())))}"


def main(words):
    """``check`` or ``built PROFILE``, with its finding or what is wrong in one line.

    Args:
        words: of the command line.

    Returns:
        0, 1 where something is wrong, or 2 for other words.
    """
    try:
        if words == ["check"]:
            print(check())
        elif len(words) == 2 and words[0] == "built":
            print(built(words[1]))
        else:
            print("gpu.py takes check, or built PROFILE", file=sys.stderr)
            return 2
    except (ValueError, RuntimeError) as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
