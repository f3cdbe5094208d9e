"""Outputs of networks in evaluation mode, and the settings of a forward pass."""

import contextlib

import torch

from kdlib import devices


@torch.no_grad()
def predict(model, inputs, *, batch_size=500, bfloat16=False):
    """Outputs for all inputs, in evaluation mode, without gradients.

    The model's mode is put back afterwards.

    Args:
        model: an ``nn.Module``.
        inputs: tensor of shape ``(n, …)`` on the model's device; nothing is augmented.
        batch_size: inputs at a time.
        bfloat16: as in :func:`fit`.

    Returns:
        Tensor whose first dimension is n, on the model's device.
    """
    was_training = model.training
    model.eval()
    with autocast(inputs.device, bfloat16), deterministic(inputs.device):
        outputs = [model(batch) for batch in inputs.split(batch_size)]
    model.train(was_training)
    return torch.cat(outputs)


def predict_each(model, states, inputs, *, batch_size=500, bfloat16=False):
    """:func:`predict` for each of a model's states, as :func:`fit` returns them.

    The model keeps the last state.

    Args:
        model: an ``nn.Module``.
        states: s state dictionaries of the model.
        inputs: tensor of shape ``(n, …)`` on the model's device.
        batch_size: inputs at a time.
        bfloat16: as in :func:`fit`.

    Returns:
        Tensor of shape ``(s, n, …)``.
    """
    outputs = []
    for state in states:
        model.load_state_dict(state)
        outputs.append(predict(model, inputs, batch_size=batch_size, bfloat16=bfloat16))
    return torch.stack(outputs)


def autocast(device, wanted):
    """Products in bfloat16 within a ``with`` block, if wanted and if it is fast there.

    Args:
        device: a ``torch.device``.
        wanted: whether bfloat16 is asked for.

    Returns:
        A context manager.
    """
    enabled = wanted and devices.has_bfloat16(device)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def deterministic(device):
    """cuDNN's reproducible algorithms within a ``with`` block, on CUDA.

    The algorithms of the CPU already are reproducible, on one thread.

    Args:
        device: a ``torch.device``.

    Returns:
        A context manager.
    """
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
