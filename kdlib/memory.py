"""What a device has left: asked before a large tensor is made, not found out after."""

import os
import re
from pathlib import Path

import torch

GROUP = Path("/sys/fs/cgroup")
MACHINE = Path("/proc/meminfo")


def require(size, device, what, hint=""):
    """Refuse what does not fit.

    Args:
        size: bytes that are needed.
        device: a ``torch.device`` or its name.
        what: what needs them, for the message.
        hint: what the message ends with.

    Raises:
        MemoryError: fewer bytes are free on the device.
    """
    left = free(device)
    if size > left:
        raise MemoryError(
            f"{what} needs {size / 2**30:.1f} GiB, but {left / 2**30:.1f} GiB are free "
            f"on {device}{hint}"
        )


def free(device):
    """Bytes that can be allocated on a device.

    Args:
        device: a ``torch.device`` or its name.

    Returns:
        What the machine has left, or a container's limit where that is lower.
    """
    if torch.device(device).type == "cuda":
        left, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(
            device
        )
        return left + cached
    left = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if MACHINE.exists():
        told = MACHINE.read_text(encoding="utf-8")
        left = 1024 * int(re.search(r"MemAvailable:\s+(\d+)", told)[1])
    return min(left, _left_of_container(left))


def _left_of_container(otherwise):
    """What a container's limit leaves, its caches not counted as used."""
    limit = GROUP / "memory.max"
    if not limit.exists() or limit.read_text(encoding="utf-8").strip() == "max":
        return otherwise
    told = (GROUP / "memory.stat").read_text(encoding="utf-8")
    used = int(re.search(r"^anon (\d+)", told, re.MULTILINE)[1])
    return int(limit.read_text(encoding="utf-8")) - used
