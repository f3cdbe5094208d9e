"""What all rows of a sweep have in common, and what is sent to the workers for it."""

import importlib
import sys

from companion.engine import codekeys, prepared, rowprocess

# The definition by which a row asks its device whether it multiplies in bfloat16. It is
# followed by its name, as all definitions are: a sweep that never asks loads no torch.
ASKS_DEVICE = "kdlib.devices:has_bfloat16"


def sweep_record(code, data, source, batched):
    """What all rows of a sweep have in common, as it is written into the store.

    Args:
        code: :class:`companion.engine.codekeys.Code` of the row function.
        data: dict of arrays and tensors, :class:`companion.engine.prepared.Prepared`,
            or None.
        source: the image set behind them, or None: it is told and is no part of a key.
        batched: whether seeds are computed together.

    Returns:
        dict of plain values; ``sweep`` is its digest.
    """
    common = {
        "code": code.digest,
        "constants": code.constants,
        "definitions": code.definitions,
        "data": prepared.digest_of(data),
        "batched": batched,
        "dtype": _default_dtype(),
        "versions": rowprocess.versions(),
    }
    named = source and {"name": source.name, "checksum": source.checksum}
    return {"sweep": codekeys.digest(common), "source": named, **common}


def row_identity(sweep, setting, seed):
    """By what a recorded row is found on any machine: setting, seed, code, data and
    dtype.

    Args:
        sweep: of :func:`sweep_record`.
        setting: dict; its device does not count.
        seed: an int.

    Returns:
        A digest.
    """
    common = [sweep[name] for name in ("code", "constants", "data", "batched", "dtype")]
    return codekeys.digest([common, _described(setting), seed])


def row_key(sweep, device, setting, seed, arithmetic=None):
    """The key of one row: of its sweep, device type, setting and seed, and of its
    arithmetic where that is the device's choice.

    Args:
        sweep: of :func:`sweep_record`.
        device: type of the device.
        setting: dict.
        seed: an int.
        arithmetic: of :func:`arithmetic`.

    Returns:
        A digest.
    """
    parts = [sweep["sweep"], device, _described(setting), seed]
    if arithmetic is not None:
        parts.append(arithmetic)
    return codekeys.digest(parts)


def _described(setting):
    """The values of a setting without its device, as lists and texts."""
    names = sorted(setting.keys() - {"device"})
    return [[name, codekeys.describe(setting[name], name)] for name in names]


def arithmetic(code, device):
    """In which numbers rows multiply, where they ask their device for it.

    Args:
        code: :class:`companion.engine.codekeys.Code` of the row function.
        device: type of the device.

    Returns:
        As :func:`device_arithmetic`; None for rows that never ask.
    """
    return device_arithmetic(device) if ASKS_DEVICE in code.definitions else None


def device_arithmetic(device):
    """In which numbers a device of this machine multiplies where it has the choice.

    Args:
        device: its type.

    Returns:
        ``bfloat16`` or ``float32``.

    Raises:
        ValueError: it is a card, and this machine has none that it could ask.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device cuda needs an NVIDIA card on the machine that asks for rows: they "
            "may multiply in bfloat16, and their keys say whether they do"
        )
    module, _, name = ASKS_DEVICE.partition(":")
    has_bfloat16 = getattr(importlib.import_module(module), name)
    return "bfloat16" if has_bfloat16(device) else "float32"


def _default_dtype():
    torch = sys.modules.get("torch")
    if torch is None:
        return "float32"
    return str(torch.get_default_dtype()).removeprefix("torch.")


def device_type(setting):
    """The type of the device that a row runs on: of the setting's, else the CPU."""
    device = "cpu"
    for name, value in setting.items():
        if name == "device" or type(value).__name__ == "device":
            device = str(value)
    if device == "auto":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return device.partition(":")[0]


def pickled(run, others):
    """The function as this process has it, as bytes.

    Args:
        run: the row function.
        others: names of modules that a worker may not have; theirs travel by value.

    Returns:
        bytes.
    """
    import cloudpickle

    modules = [sys.modules[name] for name in others]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(run)
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def shipped(data):
    """Data as arrays, each with whether it was a tensor; None without data."""
    if data is None:
        return None
    if hasattr(data, "described"):
        data = data.values()
    arrays = {}
    for name, value in data.items():
        if hasattr(value, "detach"):
            arrays[name] = (value.detach().cpu().contiguous().numpy(), True)
        else:
            arrays[name] = (value, False)
    return arrays
