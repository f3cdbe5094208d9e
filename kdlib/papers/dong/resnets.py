"""Residual networks that refine their labels: one network at a time."""

import torch

from kdlib import devices, models, pixels, self_distillation, training
from kdlib.papers.dong import mechanism, pictures


def curves(
    seeds,
    *,
    kind,
    rate,
    losses,
    n,
    held_out,
    n_test,
    components,
    shift,
    width,
    epochs,
    batch_size,
    learning_rate,
    students,
    device,
    data,
):
    """What ``stack.curves`` returns, of residual networks with eight layers.

    Args:
        seeds: of images, noise, starts and orders.
        kind: of the noise, see ``pictures.draw``.
        rate: its nominal rate.
        losses: K names of ``self_distillation.LOSSES``, ``plain`` the first.
        n: training images.
        held_out: images that are held out, their labels as noisy.
        n_test: test images.
        components: principal components that say which images are neighbours.
        shift: padding of ``pixels.crop_and_flip``; 0 is no augmentation.
        width: channels of the first stage.
        epochs: passes.
        batch_size: images an update.
        learning_rate: peak of ``training.one_cycle``.
        students: as in ``stack.curves``.
        device: where to compute.
        data: see ``pictures.draw``.

    Returns:
        A list of dicts, one a seed.

    Source: Dong et al. 2019; all settings are ours.
    """
    device = devices.pick_device(device)
    options = {"kind": kind, "rate": rate, "n": n, "held_out": held_out}
    options |= {"n_test": n_test, "components": components, "device": device}
    way = {"width": width, "epochs": epochs, "batch_size": batch_size}
    way |= {"learning_rate": learning_rate, "shift": shift}
    rows = []
    for seed in seeds:
        task = pictures.draw(seed, data, **options)
        x, points = _inputs(task, data, n_test, device)
        given = pictures.one_hot(task.given).float()
        answers = []
        for loss in losses:
            answers.append(learn(seed, x, given, points, loss=loss, **way))
        row = mechanism.measures(torch.stack(answers), task, losses, epochs)
        if students:
            plain = answers[0][:, : len(given)].softmax(-1)
            teachers = {"early": plain[row["held"][0].argmax()], "late": plain[-1]}
            for name, teacher in teachers.items():
                end = learn(seed, x, teacher, points, loss="plain", **way)[-1]
                right = end[-len(task.test_y) :].argmax(-1) == task.test_y
                row[f"{name}_student"] = right.double().mean().item()
        rows.append(row)
    return rows


def learn(
    seed,
    x,
    given,
    points,
    *,
    loss,
    width,
    epochs,
    batch_size,
    learning_rate,
    shift,
    depth=8,
):
    """Train one residual network, and keep its logits along the way.

    The first convolution has stride 2 for images of more than 16 pixels a side, which
    is four times the images a second.

    Args:
        seed: of its start, the order and the augmentation.
        x: standardised training images ``(n, channels, h, w)``.
        given: labels as rows of probabilities, ``(n, c)``.
        points: more images, on which the network is only asked.
        loss: a name of ``self_distillation.LOSSES``.
        width: channels of the first stage.
        epochs: passes over the images, in whole batches of a new order.
        batch_size: images an update, at most n.
        learning_rate: peak of ``training.one_cycle``.
        shift: padding of ``pixels.crop_and_flip``; 0 is no augmentation.
        depth: layers.

    Returns:
        Logits ``(k, n + t, c)`` after the epochs of ``mechanism.kept_epochs``.

    Source: Dong et al. 2019, self-distillation, with the losses of ``LOSSES``.
    """
    n = len(x)
    size = min(batch_size, n)
    draw = torch.Generator(x.device).manual_seed(seed)
    stride = 2 if x.shape[-1] > 16 else 1
    network = models.ResNet(
        depth, channels=x.shape[1], width=width, stem_stride=stride, generator=draw
    )
    optimiser = torch.optim.SGD(
        network.parameters(), lr=learning_rate, momentum=0.9, nesterov=True
    )
    steps = epochs * (n // size)
    step = 0
    kept = mechanism.kept_epochs(epochs)
    needs_last = self_distillation.LOSSES[loss].is_last
    answers = []
    last = None
    for epoch in range(epochs + 1):
        if epoch in kept or needs_last:
            last = training.predict(network, x, bfloat16=True).float()
        if epoch in kept:
            asked = training.predict(network, points, bfloat16=True).float()
            answers.append(torch.cat([last, asked]))
        if epoch == epochs:
            break
        order = torch.randperm(n, generator=draw, device=x.device)
        for index in order[: n - n % size].split(size):
            batch = x[index]
            if shift:
                batch = pixels.crop_and_flip(batch, padding=shift, generator=draw)
            rate = learning_rate * training.one_cycle(step, steps)
            optimiser.param_groups[0]["lr"] = rate
            with training.prediction.autocast(x.device, True):
                outputs = network(batch).float()
            value = self_distillation.refining_loss(
                outputs,
                given[index],
                loss=loss,
                last=last[index] if needs_last else None,
                epoch=epoch + 1,
                epochs=epochs,
            )
            optimiser.zero_grad()
            value.mean().backward()
            optimiser.step()
            step += 1
    return torch.stack(answers)


def _inputs(task, data, n_test, device):
    """Standardised training images, and held-out and test images behind each other."""
    train = data["train_images"][task.chosen].to(device)
    held = data["train_images"][task.held_chosen].to(device)
    tests = data["test_images"][:n_test].to(device)
    moments = pixels.channel_moments(train)
    points = torch.cat([held, tests])
    return pixels.standardise(train, *moments), pixels.standardise(points, *moments)
