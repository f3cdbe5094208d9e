"""Stochastic gradient descent and its relatives on tensors."""

import math

import torch

from kdlib.training import prediction


def one_cycle(step, steps, *, warm_up=0.2):
    r"""Share of the peak learning rate at step t of S.

    It is a straight climb, then half a cosine down to zero.

    .. math:: (t + 1) / (w S) \text{ for } t + 1 \le w S, \qquad
              \tfrac12 (1 + \cos(\pi (t - w S) / (S - w S))) \text{ after}

    Args:
        step: t in 0 … S − 1.
        steps: S, at least 1.
        warm_up: share w of the steps that climb, in [0, 1); 0 is the plain cosine
            schedule.

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
    """Stochastic gradient descent with Nesterov momentum, in place.

    The learning rate is that of :func:`one_cycle`. Each pass draws a new order of the
    examples and goes through it in whole batches. ``targets`` are picked by the same
    indices as ``inputs``, so a teacher's logits stay with their examples whatever the
    order is. ``augment`` changes the inputs alone. On one thread of one machine the
    result is the same to the bit.

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
        bfloat16: run convolutions and matrix products in bfloat16 where
            ``devices.has_bfloat16`` (autocast); the weights keep their dtype. For
            networks with batch normalisation, not for float64 theory.
        checkpoints: steps after which a copy of the model's state is kept; 0 is the
            start.
        generator: draws the order and the augmentation.

    Returns:
        Dictionary from each step in ``checkpoints`` to the state after it.

    Raises:
        ValueError: a target has another length than ``inputs``; a checkpoint is beyond
            the last step; a loss is not finite, at the first step where it is seen.
    """
    _check_lengths(inputs, targets)
    if any(not 0 <= step <= steps for step in checkpoints):
        raise ValueError(
            f"checkpoints must be in 0 … steps = {steps}, got {list(checkpoints)}"
        )
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=learning_rate,
        momentum=momentum,
        nesterov=True,
        weight_decay=weight_decay,
        foreach=True,
    )
    batches = _batches(inputs, min(batch_size, len(inputs)), generator)
    states = {0: _copy(model)} if 0 in checkpoints else {}
    worst = torch.zeros((), device=inputs.device)
    model.train()
    with prediction.deterministic(inputs.device):
        for step in range(steps):
            index = next(batches)
            x = inputs[index]
            if augment is not None:
                x = augment(x, generator=generator)
            rate = learning_rate * one_cycle(step, steps, warm_up=warm_up)
            optimizer.param_groups[0]["lr"] = rate
            value = _update(model, optimizer, loss, x, targets, index, bfloat16)
            # A NaN stays in the maximum; it is looked at rarely, so that a GPU need not
            # wait for it.
            worst = torch.maximum(worst, value)
            done = step + 1
            if done in checkpoints or done == steps or step % 100 == 0:
                _check_finite(worst, f"by step {step}", learning_rate)
            if done in checkpoints:
                states[done] = _copy(model)
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
    """Adam with an L2 penalty until the held-out error no longer falls.

    It stops after ``patience`` passes without a smaller error, and the state of the
    best pass is kept.

    Args:
        model: an ``nn.Module`` for c classes; left in evaluation mode at the state of
            its best pass.
        inputs: tensor of shape ``(n, …)`` on the model's device.
        targets: tuple of tensors whose first dimension is n.
        loss: ``loss(logits, *targets)`` → losses of shape ``(batch,)``.
        held_out: inputs ``(k, …)`` and labels ``(k,)`` that choose the pass, the
            earliest where two are alike.
        epochs: passes at most.
        patience: passes without a smaller held-out error after which it stops, at
            least 1.
        batch_size: examples an update, in whole batches of a new order each pass; at
            most n are used.
        learning_rate: Adam's.
        weight_decay: factor of the L2 penalty's gradient, added before Adam's scaling
            (not AdamW).
        bfloat16: as in :func:`fit`.
        generator: draws the order.

    Returns:
        The held-out error after each pass that was run, as a list.

    Raises:
        ValueError: a target has another length than ``inputs``, patience or epochs are
            below 1, or a loss is not finite.

    Source: Kingma & Ba 2015; the stopping rule is that of Mandal, Lin & Srikant 2025,
    Fig. 1, with patience 20 of 100.
    """
    _check_lengths(inputs, targets)
    if min(epochs, patience) < 1:
        raise ValueError(
            f"epochs and patience must be at least 1, got {epochs} and {patience}"
        )
    n = len(inputs)
    batch_size = min(batch_size, n)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=learning_rate, weight_decay=weight_decay, foreach=True
    )
    points, labels = held_out
    errors = []
    best_state = None
    while len(errors) < epochs and _passes_since_best(errors) < patience:
        model.train()
        order = _order(inputs, generator)
        with prediction.deterministic(inputs.device):
            for index in order[: n - n % batch_size].split(batch_size):
                value = _update(
                    model, optimizer, loss, inputs[index], targets, index, bfloat16
                )
        _check_finite(value, f"in pass {len(errors) + 1}", learning_rate)
        logits = prediction.predict(model, points, bfloat16=bfloat16)
        wrong = logits.argmax(1) != labels
        error = wrong.double().mean().item()
        if error < min(errors, default=math.inf):
            best_state = _copy(model)
        errors.append(error)
    model.load_state_dict(best_state)
    model.eval()
    return errors


def train_to_the_end(network, inputs, targets, *, rate, steps, momentum=0.8):
    """Gradient descent with momentum on the squared error of all samples, in place.

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
        loss = 0.5 * (network(inputs) - targets).square().sum()
        loss.backward()
        optimiser.step()
    return (network(inputs) - targets).abs().max().item()


def _check_lengths(inputs, targets):
    """Raise ValueError where a target has another length than the inputs."""
    lengths = [len(target) for target in targets]
    if any(length != len(inputs) for length in lengths):
        raise ValueError(
            f"each target must have {len(inputs)} entries like inputs, got {lengths}"
        )


def _check_finite(value, when, learning_rate):
    """Raise ValueError where a loss is not finite."""
    if not torch.isfinite(value):
        raise ValueError(
            f"the loss must stay finite, got {value.item()} {when}: learning_rate is "
            f"{learning_rate}"
        )


def _order(inputs, generator):
    """A new order of the inputs, drawn on the generator's device."""
    order = torch.randperm(len(inputs), generator=generator, device=generator.device)
    return order.to(inputs.device)


def _batches(inputs, batch_size, generator):
    """Indices of whole batches for ever; each pass draws its order when it begins."""
    while True:
        order = _order(inputs, generator)
        for start in range(0, len(inputs) - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def _update(model, optimizer, loss, x, targets, index, bfloat16):
    """One step of the optimizer; the mean loss of the batch before it, detached."""
    with prediction.autocast(x.device, bfloat16):
        logits = model(x)
    value = loss(logits, *(target[index] for target in targets)).mean()
    optimizer.zero_grad(set_to_none=True)
    value.backward()
    optimizer.step()
    return value.detach()


def _passes_since_best(errors):
    """Number of passes after the first one with the smallest error; 0 before any."""
    if not errors:
        return 0
    return len(errors) - 1 - errors.index(min(errors))


def _copy(model):
    """A copy of the model's state that further training does not change."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
