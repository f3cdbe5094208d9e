"""Which device a chapter's ``device`` parameter means, and what it is good at."""

import os
import shutil
import warnings

import torch


def pick_device(device="auto"):
    """The device that a chapter's ``device`` parameter means.

    ``auto`` is CUDA where this torch can use it and the CPU otherwise.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        A ``torch.device``.

    Raises:
        ValueError: another name, or ``cuda`` where there is none: the message says
            whether torch or the card is missing.

    Warns:
        UserWarning: ``auto`` takes the CPU on a machine with a card, because torch is
            without CUDA or finds no driver.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be one of auto, cpu, cuda, got {device!r}")
    if device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    lack = _what_is_missing()
    if device == "cuda":
        raise ValueError(
            f"device cuda needs an NVIDIA card and a CUDA build of torch: {lack}"
        )
    if _nvidia_card():
        warnings.warn(f"device auto takes the CPU: {lack}", stacklevel=2)
    return torch.device("cpu")


def _what_is_missing():
    """Why torch has no CUDA here, in words."""
    version = torch.__version__
    if torch.version.cuda is not None:
        return f"torch {version} has CUDA, but finds no usable card or driver"
    if _nvidia_card():
        return (
            f"this machine has an NVIDIA card, but torch {version} is a build without "
            "CUDA: install a CUDA build of torch, or ask for device cpu"
        )
    return f"there is no NVIDIA card, and torch {version} is a build without CUDA"


def _nvidia_card():
    """Whether the machine has an NVIDIA card."""
    return os.path.exists("/dev/nvidia0") or shutil.which("nvidia-smi") is not None


def has_bfloat16(device):
    """Whether bfloat16 is fast on this device.

    It is on CPUs with avx512_bf16, amx_bf16 or Arm bf16 and on GPUs from Ampere on.
    Elsewhere torch emulates it, which is slower than float32; so autocast follows this
    and no setting.

    Args:
        device: a ``torch.device`` or its name.

    Returns:
        True or False.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Not every torch from 2.11 on has get_capabilities.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
