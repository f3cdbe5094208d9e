"""Two-layer networks for several seeds and losses, trained in one stack."""

import torch

from kdlib import devices, self_distillation
from kdlib.models import StackedMLP
from kdlib.papers.dong import mechanism, pictures


def learn(network, x, given, losses, points, *, seeds, epochs, batch_size, rate, kept):
    """Train a stack by stochastic gradient descent with momentum 0.9, in place.

    Each seed has its own order of the images, and picks a version of each image anew
    each time it is seen.

    Args:
        network: :class:`kdlib.models.StackedMLP`.
        x: inputs ``(S, versions, n, d)``.
        given: labels as rows of probabilities, ``(S, K, n, c)``.
        losses: K names of ``self_distillation.LOSSES``.
        points: more inputs ``(S, t, d)``, on which the networks are only asked.
        seeds: S, of the orders.
        epochs: passes over the images, in whole batches of a new order.
        batch_size: images an update, at most n.
        rate: learning rate.
        kept: growing epochs after which logits are kept; 0 is the start.

    Returns:
        Logits ``(S, K, k, n + t, c)`` of the images and the points after each of the k
        kept epochs.

    Raises:
        ValueError: a loss is not finite at the end of an epoch.

    Source: Dong et al. 2019, self-distillation, with the losses of ``LOSSES``.
    """
    n = x.shape[2]
    size = min(batch_size, n)
    draws = [torch.Generator().manual_seed(2**32 + seed) for seed in seeds]
    rows = torch.arange(len(seeds), device=x.device)[:, None]
    optimiser = torch.optim.SGD(
        network.parameters(), lr=rate, momentum=0.9, nesterov=True, foreach=True
    )
    answers = []
    remember = [self_distillation.LOSSES[loss].is_last for loss in losses]
    places = [k for k, remembers in enumerate(remember) if remembers]
    for epoch in range(epochs + 1):
        if epoch in kept:
            asked = torch.cat([x[:, 0], points], dim=1)
            answers.append(network.ask(asked))
            last = answers[-1][:, places, :n]
        elif places:
            last = network.ask(x[:, 0], places)
        if epoch == epochs:
            break
        order = torch.stack([torch.randperm(n, generator=draw) for draw in draws])
        version = [torch.randint(x.shape[1], (n,), generator=draw) for draw in draws]
        version = torch.stack(version).to(x.device)
        for index in order.to(x.device)[:, : n - n % size].split(size, dim=1):
            logits = network(x[rows, version[rows, index], index])
            total = 0.0
            for k, loss in enumerate(losses):
                total = total + self_distillation.refining_loss(
                    logits[:, k],
                    given[rows, k, index],
                    loss=loss,
                    last=last[rows, places.index(k), index] if remember[k] else None,
                    epoch=epoch + 1,
                    epochs=epochs,
                )
            optimiser.zero_grad()
            total.mean(1).sum().backward()
            optimiser.step()
        if not total.isfinite().all():
            raise ValueError(
                f"the loss must stay finite, got another one in epoch {epoch + 1}: "
                f"rate is {rate}"
            )
    return torch.stack(answers, dim=2)


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
    """Accuracies and refined labels along the training of all losses of all seeds.

    Args:
        seeds: of images, noise, starts and orders.
        kind: of the noise, see ``pictures.draw``.
        rate: its nominal rate.
        losses: K names of ``self_distillation.LOSSES``, ``plain`` the first.
        n: training images.
        held_out: images that are held out, their labels as noisy.
        n_test: test images.
        components: principal components of the inputs.
        shift: pixels by which training images are shifted at most.
        width: neurons.
        epochs: passes.
        batch_size: images an update.
        learning_rate: of stochastic gradient descent with momentum 0.9.
        students: whether two more networks a seed learn from the softmax of the plain
            network's logits: where its held-out accuracy is best, and at its end.
        device: where to compute.
        data: see ``pictures.draw``.

    Returns:
        For each seed what ``mechanism.measures`` returns; and ``early_student`` and
        ``late_student``, the test accuracies of the two students at their end, where
        they are asked for.

    Source: Dong et al. 2019; all settings are ours.
    """
    device = devices.pick_device(device)
    options = {"n": n, "held_out": held_out, "n_test": n_test, "shift": shift}
    options |= {"kind": kind, "rate": rate, "components": components}
    tasks = [pictures.draw(seed, data, device=device, **options) for seed in seeds]
    x = torch.stack([task.x for task in tasks])
    points = [torch.cat([task.held_x, task.test_x]) for task in tasks]
    points = torch.stack(points)
    given = torch.stack([pictures.one_hot(task.given).float() for task in tasks])
    given = given[:, None].expand(-1, len(losses), -1, -1)
    sizes = {"inputs": x.shape[-1], "width": width, "device": device}
    way = {"seeds": seeds, "epochs": epochs, "batch_size": batch_size}
    way |= {"rate": learning_rate}
    network = StackedMLP(seeds, kinds=len(losses), **sizes)
    kept = mechanism.kept_epochs(epochs)
    answers = learn(network, x, given, losses, points, kept=kept, **way)
    rows = []
    for task, answer in zip(tasks, answers):
        rows.append(mechanism.measures(answer, task, losses, epochs))
    if not students:
        return rows
    best = [row["held"][0].argmax() for row in rows]
    plain = answers[:, 0, :, : x.shape[2]].softmax(-1)
    early = torch.stack([of_seed[place] for of_seed, place in zip(plain, best)])
    teachers = torch.stack([early, plain[:, -1]], dim=1)
    network = StackedMLP(seeds, kinds=2, **sizes)
    ends = learn(network, x, teachers, ["plain"] * 2, points, kept=[epochs], **way)
    for row, task, end in zip(rows, tasks, ends[:, :, 0]):
        right = end[:, -len(task.test_y) :].argmax(-1) == task.test_y
        early, late = right.double().mean(1).tolist()
        row |= {"early_student": early, "late_student": late}
    return rows
