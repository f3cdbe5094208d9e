"""Train and predict, nothing hidden: data are tensors, random numbers come from the caller's generator."""

import contextlib
import math
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
        ValueError: another name, or ``cuda`` where there is none: the message says whether torch or the card is
            missing. ``auto`` on a machine with a card and a torch without CUDA warns in one line and takes the CPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be one of auto, cpu, cuda, got {device!r}")
    if device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.version.cuda is None and _nvidia_card():
        lack = (f"this machine has an NVIDIA card, but torch {torch.__version__} is a build without CUDA: install a "
                "CUDA build of torch, or ask for device cpu")
    elif torch.version.cuda is None:
        lack = f"there is no NVIDIA card, and torch {torch.__version__} is a build without CUDA"
    else:
        lack = f"torch {torch.__version__} has CUDA, but finds no usable card or driver"
    if device == "cuda":
        raise ValueError(f"device cuda needs an NVIDIA card and a CUDA build of torch: {lack}")
    if _nvidia_card():
        warnings.warn(f"device auto takes the CPU: {lack}", stacklevel=2)
    return torch.device("cpu")


def _nvidia_card():
    return os.path.exists("/dev/nvidia0") or shutil.which("nvidia-smi") is not None


def has_bfloat16(device):
    """Whether bfloat16 is fast on this device: CPUs with avx512_bf16, amx_bf16 or Arm bf16, GPUs from Ampere on.

    Elsewhere torch emulates it, which is slower than float32; so autocast follows this and no setting.

    Args:
        device: a ``torch.device`` or its name.

    Returns:
        True or False.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    found = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch from 2.11 on
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def channel_moments(images):
    """Mean and standard deviation of each channel's grey values on the scale 0 … 1, over images and pixels.

    Args:
        images: uint8 tensor of shape ``(n, channels, h, w)``.

    Returns:
        Two float32 tensors of shape ``(channels,)``.

    Raises:
        ValueError: ``images`` is not uint8 with four dimensions.
    """
    _check_grey(images)
    levels = torch.stack([images[:, c].flatten().bincount(minlength=256) for c in range(images.shape[1])]).double()
    grey = torch.arange(256, dtype=torch.float64, device=images.device) / 255
    share = levels / levels.sum(dim=1, keepdim=True)
    mean = share @ grey
    return mean.float(), (share @ grey.square() - mean.square()).clamp(min=0).sqrt().float()


def standardise(images, mean, std):
    r"""Grey values 0 … 255 as floating-point inputs, :math:`(x / 255 - \mu_c) / s_c` in each channel c.

    Args:
        images: uint8 tensor of shape ``(n, channels, h, w)``.
        mean: means of the channels, shape ``(channels,)``: the training set's, also for a test set.
        std: standard deviations, likewise; a channel of one grey (0) is only centred.

    Returns:
        float32 tensor of the same shape, in ``channels_last`` memory order.

    Raises:
        ValueError: ``images`` is not uint8 with four dimensions.
    """
    _check_grey(images)
    x = images.to(torch.float32, memory_format=torch.channels_last).div_(255)
    return x.sub_(mean.view(1, -1, 1, 1)).div_(torch.where(std > 0, std, 1).view(1, -1, 1, 1))


def crop_and_flip(images, *, padding=4, generator):
    """Each image shifted by up to ``padding`` pixels each way and mirrored with probability ½, a batch at a time.

    Image i becomes the h × w window at a uniformly drawn corner of the image with ``padding`` zeros around it (zero is
    the mean grey of standardised images), left to right or right to left.

    Args:
        images: tensor of shape ``(n, channels, h, w)``.
        padding: largest shift in pixels, at least 0.
        generator: draws shifts and mirrors.

    Returns:
        New tensor of the same shape, in ``channels_last`` memory order.

    Raises:
        ValueError: ``padding`` is negative.

    Source: He et al. 2016 (Deep Residual Learning), Section 4.2.
    """
    if padding < 0:
        raise ValueError(f"padding must be at least 0, got {padding}")
    n, channels, h, w = images.shape
    draw = dict(generator=generator, device=generator.device)
    top = torch.randint(2 * padding + 1, (n,), **draw).to(images.device)
    left = torch.randint(2 * padding + 1, (n,), **draw).to(images.device)
    mirror = torch.randint(2, (n,), **draw).bool().to(images.device)
    # every window is a view of the padded batch, (n, 2p+1, 2p+1, h, w, channels): one gather copies the chosen ones
    frame = (0, 0, padding, padding, padding, padding)
    padded = torch.nn.functional.pad(images.permute(0, 2, 3, 1), frame).contiguous()
    s = padded.stride()
    windows = padded.as_strided((n, 2 * padding + 1, 2 * padding + 1, h, w, channels), (s[0], s[1], s[2], *s[1:]))
    chosen = windows[torch.arange(n, device=images.device), top, left]
    chosen = torch.where(mirror.view(n, 1, 1, 1), chosen.flip(2), chosen)
    return chosen.permute(0, 3, 1, 2)


def one_cycle(step, steps, *, warm_up=0.2):
    r"""Share of the peak learning rate at step t of S: a straight climb, then half a cosine down to zero.

    .. math:: (t + 1) / (w S) \text{ for } t + 1 \le w S, \qquad
              \tfrac12 (1 + \cos(\pi (t - w S) / (S - w S))) \text{ after}

    Args:
        step: t in 0 … S − 1.
        steps: S, at least 1.
        warm_up: share w of the steps that climb, in [0, 1); 0 is the plain cosine schedule.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: ``step`` or ``warm_up`` is out of range.

    Source: Loshchilov & Hutter 2017 (SGDR), Eq. 5, with a linear warm-up.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step must be in 0 … steps - 1 = {steps - 1}, got {step}")
    if not 0 <= warm_up < 1:
        raise ValueError(f"warm_up must be in [0, 1), got {warm_up}")
    climb = warm_up * steps
    if step + 1 <= climb:
        return (step + 1) / climb
    return 0.5 * (1 + math.cos(math.pi * max(step - climb, 0) / (steps - climb)))


def fit(model, inputs, targets, loss, *, steps, batch_size, learning_rate, weight_decay=5e-4, momentum=0.9, warm_up=0.2,
        augment=None, bfloat16=False, checkpoints=(), generator):
    """Stochastic gradient descent with Nesterov momentum and a one-cycle rate, in place on ``model``.

    Each pass draws a new order of the examples and goes through it in whole batches. ``targets`` are picked by the same
    indices as ``inputs``, so a teacher's logits stay with their examples whatever the order is. ``augment`` changes
    the inputs alone. On one thread of one machine the result is the same to the bit.

    Args:
        model: an ``nn.Module``; left in train mode.
        inputs: tensor of shape ``(n, …)`` on the model's device.
        targets: tuple of tensors whose first dimension is n.
        loss: ``loss(logits, *targets)`` → losses of shape ``(batch,)``.
        steps: number of updates.
        batch_size: examples an update; at most n are used.
        learning_rate: the peak of the cycle.
        weight_decay: L2 penalty on all parameters, as SGD's ``weight_decay``.
        momentum: Nesterov momentum, in (0, 1).
        warm_up: share of the steps in which the rate climbs.
        augment: ``augment(batch, generator=…)`` → batch, or None.
        bfloat16: run convolutions and matrix products in bfloat16 where :func:`has_bfloat16` (autocast); the weights
            keep their dtype. For networks with batch normalisation, not for float64 theory.
        checkpoints: steps after which a copy of the model's state is kept; 0 is the start.
        generator: draws the order and the augmentation.

    Returns:
        Dictionary from each step in ``checkpoints`` to the state after it.

    Raises:
        ValueError: a target has another length than ``inputs``; a checkpoint is beyond the last step; a loss is not
            finite, at the first step where it is seen.
    """
    n = len(inputs)
    if any(len(target) != n for target in targets):
        raise ValueError(f"each target must have {n} entries like inputs, got {[len(target) for target in targets]}")
    if any(not 0 <= step <= steps for step in checkpoints):
        raise ValueError(f"checkpoints must be in 0 … steps = {steps}, got {list(checkpoints)}")
    batch_size = min(batch_size, n)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=momentum, nesterov=True,
                                weight_decay=weight_decay, foreach=True)
    states = {0: _copy(model)} if 0 in checkpoints else {}
    order, start, worst = None, n, torch.zeros((), device=inputs.device)
    model.train()
    with _deterministic(inputs.device):
        for step in range(steps):
            if start + batch_size > n:
                order, start = torch.randperm(n, generator=generator, device=generator.device).to(inputs.device), 0
            index = order[start : start + batch_size]
            start += batch_size
            x = inputs[index] if augment is None else augment(inputs[index], generator=generator)
            with _autocast(inputs.device, bfloat16):
                logits = model(x)
            value = loss(logits, *(target[index] for target in targets)).mean()
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.param_groups[0]["lr"] = learning_rate * one_cycle(step, steps, warm_up=warm_up)
            optimizer.step()
            worst = torch.maximum(worst, value.detach())  # a NaN stays; looked at rarely, so that a GPU need not wait
            if (step + 1 in checkpoints or step + 1 == steps or step % 100 == 0) and not torch.isfinite(worst):
                raise ValueError(f"the loss must stay finite, got {worst.item()} by step {step}: learning_rate is "
                                 f"{learning_rate}")
            if step + 1 in checkpoints:
                states[step + 1] = _copy(model)
    return states


@torch.no_grad()
def predict(model, inputs, *, batch_size=500, bfloat16=False):
    """Outputs for all inputs, in evaluation mode, without gradients; the model's mode is put back afterwards.

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
    with _autocast(inputs.device, bfloat16), _deterministic(inputs.device):
        outputs = [model(batch) for batch in inputs.split(batch_size)]
    model.train(was_training)
    return torch.cat(outputs)


def _check_grey(images):
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 of shape (n, channels, h, w), got {images.dtype} of shape "
                         f"{tuple(images.shape)}")


def predict_each(model, states, inputs, *, batch_size=500, bfloat16=False):
    """:func:`predict` for each of a model's states, as :func:`fit` returns them; the model keeps the last.

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


def _autocast(device, wanted):
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted and has_bfloat16(device))


def _deterministic(device):
    """On CUDA, choose cuDNN's reproducible algorithms for this block only; the CPU's already are, on one thread."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def _copy(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
