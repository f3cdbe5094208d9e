"""Stochastic gradient descent and its relatives on tensors, and prediction in evaluation mode."""

import contextlib
import math

import torch

from kdlib import devices


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


def fit(
    model,
    inputs,
    targets,
    loss,
    *,
    steps,
    batch_size,
    learning_rate,
    weight_decay=5e-4,
    momentum=0.9,
    warm_up=0.2,
    augment=None,
    bfloat16=False,
    checkpoints=(),
    generator,
):
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
        bfloat16: run convolutions and matrix products in bfloat16 where ``devices.has_bfloat16`` (autocast); the weights
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
        raise ValueError(
            f"each target must have {n} entries like inputs, got {[len(target) for target in targets]}"
        )
    if any(not 0 <= step <= steps for step in checkpoints):
        raise ValueError(
            f"checkpoints must be in 0 … steps = {steps}, got {list(checkpoints)}"
        )
    batch_size = min(batch_size, n)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=learning_rate,
        momentum=momentum,
        nesterov=True,
        weight_decay=weight_decay,
        foreach=True,
    )
    states = {0: _copy(model)} if 0 in checkpoints else {}
    order, start, worst = None, n, torch.zeros((), device=inputs.device)
    model.train()
    with _deterministic(inputs.device):
        for step in range(steps):
            if start + batch_size > n:
                order, start = (
                    torch.randperm(n, generator=generator, device=generator.device).to(
                        inputs.device
                    ),
                    0,
                )
            index = order[start : start + batch_size]
            start += batch_size
            x = (
                inputs[index]
                if augment is None
                else augment(inputs[index], generator=generator)
            )
            with _autocast(inputs.device, bfloat16):
                logits = model(x)
            value = loss(logits, *(target[index] for target in targets)).mean()
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.param_groups[0]["lr"] = learning_rate * one_cycle(
                step, steps, warm_up=warm_up
            )
            optimizer.step()
            worst = torch.maximum(
                worst, value.detach()
            )  # a NaN stays; looked at rarely, so that a GPU need not wait
            if (
                step + 1 in checkpoints or step + 1 == steps or step % 100 == 0
            ) and not torch.isfinite(worst):
                raise ValueError(
                    f"the loss must stay finite, got {worst.item()} by step {step}: learning_rate is "
                    f"{learning_rate}"
                )
            if step + 1 in checkpoints:
                states[step + 1] = _copy(model)
    return states


def fit_patiently(
    model,
    inputs,
    targets,
    loss,
    held_out,
    *,
    epochs,
    patience,
    batch_size,
    learning_rate,
    weight_decay=0.0,
    bfloat16=False,
    generator,
):
    """Adam with an L2 penalty until the held-out error has not fallen for ``patience`` passes; the best pass is kept.

    Args:
        model: an ``nn.Module`` for c classes; left in evaluation mode at the state of its best pass.
        inputs: tensor of shape ``(n, …)`` on the model's device.
        targets: tuple of tensors whose first dimension is n.
        loss: ``loss(logits, *targets)`` → losses of shape ``(batch,)``.
        held_out: inputs ``(k, …)`` and labels ``(k,)`` that choose the pass, the earliest where two are alike.
        epochs: passes at most.
        patience: passes without a smaller held-out error after which it stops, at least 1.
        batch_size: examples an update, in whole batches of a new order each pass; at most n are used.
        learning_rate: Adam's.
        weight_decay: factor of the L2 penalty's gradient, added before Adam's scaling (not AdamW).
        bfloat16: as in :func:`fit`.
        generator: draws the order.

    Returns:
        The held-out error after each pass that was run, as a list.

    Raises:
        ValueError: a target has another length than ``inputs``, patience or epochs are below 1, or a loss is not finite.

    Source: Kingma & Ba 2015; the stopping rule is that of Mandal, Lin & Srikant 2025, Fig. 1, with patience 20 of 100.
    """
    n = len(inputs)
    if any(len(target) != n for target in targets):
        raise ValueError(
            f"each target must have {n} entries like inputs, got {[len(target) for target in targets]}"
        )
    if min(epochs, patience) < 1:
        raise ValueError(
            f"epochs and patience must be at least 1, got {epochs} and {patience}"
        )
    batch_size = min(batch_size, n)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=learning_rate, weight_decay=weight_decay, foreach=True
    )
    errors, best = [], None
    while len(errors) < epochs and (
        not errors or len(errors) - 1 - errors.index(min(errors)) < patience
    ):
        model.train()
        order = torch.randperm(n, generator=generator, device=generator.device).to(
            inputs.device
        )
        with _deterministic(inputs.device):
            for index in order[: n - n % batch_size].split(batch_size):
                with _autocast(inputs.device, bfloat16):
                    logits = model(inputs[index])
                value = loss(logits, *(target[index] for target in targets)).mean()
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()
        if not torch.isfinite(value):
            raise ValueError(
                f"the loss must stay finite, got {value.item()} in pass {len(errors) + 1}: learning_rate is "
                f"{learning_rate}"
            )
        wrong = predict(model, held_out[0], bfloat16=bfloat16).argmax(1) != held_out[1]
        errors.append(wrong.double().mean().item())
        if errors[-1] < min(errors[:-1], default=math.inf):
            best = _copy(model)
    model.load_state_dict(best)
    model.eval()
    return errors


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
    return torch.autocast(
        device.type,
        dtype=torch.bfloat16,
        enabled=wanted and devices.has_bfloat16(device),
    )


def _deterministic(device):
    """On CUDA, choose cuDNN's reproducible algorithms for this block only; the CPU's already are, on one thread."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def _copy(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def train_to_the_end(network, inputs, targets, *, rate, steps, momentum=0.8):
    """Gradient descent with momentum on the squared error of all samples, in place; returns the last error.

    Args:
        network: a module with one output a sample.
        inputs: ``(n, d)``.
        targets: ``(n,)``.
        rate: learning rate, > 0.
        steps: number of steps.
        momentum: in [0, 1).

    Returns:
        Largest absolute error on the samples at the end, a float.

    Source: Ji & Zhu 2020, Section 2, a converged student.
    """
    optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=momentum)
    for _ in range(steps):
        optimiser.zero_grad()
        (0.5 * (network(inputs) - targets).square().sum()).backward()
        optimiser.step()
    return (network(inputs) - targets).abs().max().item()
