"""Rounds of self-distillation and the partial-label student on real features."""

import time

import torch
import torch.nn.functional as F

from kdlib import devices, label_noise
from kdlib.papers.jeong_chung import probe
from kdlib.papers.jeong_chung.partial import partial_labels

HALVES = (0.5, 0.5)


def corruption(kind, rate, clusters):
    """The matrix of a kind of noise.

    Args:
        kind: ``symmetric``, ``asymmetric`` or ``superclass``.
        rate: η, in [0, 1].
        clusters: ``(c,)``, the superclass of each class.

    Returns:
        C, ``(c, c)``.

    Source: Jeong & Chung 2025, Section 5 and Appendix C.
    """
    if kind == "superclass":
        return label_noise.superclass(clusters, rate)
    make = {
        "symmetric": label_noise.symmetric,
        "asymmetric": label_noise.asymmetric,
    }
    return make[kind](len(clusters), rate)


def given_labels(seeds, kind, rate, data, n_train):
    """Labels of the first training samples for each seed.

    Args:
        seeds: of the generators of the noise.
        kind: of noise; see :func:`corruption`; or the name of labels in ``data``, such
            as those that people gave, which are the same for every seed.
        rate: η.
        data: dict with ``train_labels``, ``(n,)``, and ``clusters``, ``(c,)``.
        n_train: how many.

    Returns:
        ``(b, n_train)``, one row a seed.
    """
    labels = data["train_labels"][:n_train]
    if kind in data:
        return data[kind][:n_train].expand(len(seeds), -1)
    C = corruption(kind, rate, data["clusters"])
    rows = []
    for seed in seeds:
        draw = torch.Generator().manual_seed(seed)
        rows.append(label_noise.draw(labels, C, generator=draw))
    return torch.stack(rows)


def accuracies(seeds, kind, rate, weight_decay, rounds, n_train, device, data):
    """Test accuracy of the teacher, the later rounds and the partial-label students.

    The teacher is round 1. Every probe is trained to the end, so that its last
    checkpoint is the only one. A later round starts from the weights of the one before:
    the loss has one minimum, whatever the start. The partial-label student has the
    teacher's two largest outputs as its targets, one half each, and the cross-entropy
    or the generalised one; with the latter it starts from the teacher's weights. The
    tolerance of the gradient is small enough: four settings, trained by the descent of
    ``probe.descend``, came to the same accuracies within .12 points of a seed and .03
    in the mean; draws of the labels differ by .2 to 2.

    Args:
        seeds: of the noise.
        kind: of noise; see :func:`given_labels`.
        rate: η.
        weight_decay: λ.
        rounds: the largest number of rounds.
        n_train: samples.
        device: where to compute.
        data: dict with ``train``, ``(n, d)``, ``test``, ``(k, d)``, both labels and
            ``clusters``.

    Returns:
        A dict for each seed: the measured rate of the noise, the accuracies in percent
        by round, those of the two partial-label students, the share of test samples
        whose class is among the two largest outputs of the teacher and of the student
        with the cross-entropy, and the seconds that all seeds took together, for the
        teacher, all later rounds, and each student.

    Source: Jeong & Chung 2025, Section 5, Figs. 2, 6, 7 and 8.
    """
    where = devices.pick_device(device)
    train = probe.principal(data["train"][:n_train].to(where))
    features = train[0]
    test = data["test"].to(where) @ train[1]
    truth = data["test_labels"].to(where)
    given = given_labels(seeds, kind, rate, data, n_train)
    targets = F.one_hot(given.T, len(data["clusters"])).float().to(where)
    decay = {"weight_decay": weight_decay}
    start = time.perf_counter()
    teacher = probe.train(features, targets, **decay)
    teacher_seconds = time.perf_counter() - start
    by_round = [_percent(test, teacher, truth)]
    weights = teacher
    start = time.perf_counter()
    for _ in range(1, rounds):
        soft = probe.outputs(features, weights)
        weights = probe.train(features, soft, **decay, start=weights)
        by_round.append(_percent(test, weights, truth))
    later_seconds = time.perf_counter() - start
    start = time.perf_counter()
    halves = partial_labels(probe.outputs(features, teacher), HALVES)
    student = probe.train(features, halves, **decay, start=teacher)
    partial_seconds = time.perf_counter() - start
    other = {"loss": "generalised", "tolerance": 1e-3}
    start = time.perf_counter()
    generalised = probe.train(features, halves, **decay, **other, start=teacher)
    generalised_seconds = time.perf_counter() - start
    students = [_percent(test, one, truth) for one in (student, generalised)]
    two = [_percent(test, one, truth, largest=2) for one in (teacher, student)]
    rows = []
    for place, labels in enumerate(given):
        true_labels = data["train_labels"][:n_train]
        row = {"measured": label_noise.measured_rate(labels, true_labels)}
        row["accuracies"] = [accuracy[place].item() for accuracy in by_round]
        row["partial"] = students[0][place].item()
        row["generalised"] = students[1][place].item()
        row["teacher_two"] = two[0][place].item()
        row["partial_two"] = two[1][place].item()
        row["teacher_seconds"] = teacher_seconds
        row["later_seconds"] = later_seconds
        row["partial_seconds"] = partial_seconds
        row["generalised_seconds"] = generalised_seconds
        rows.append(row)
    return rows


def best_on_test(seeds, kind, rate, weight_decay, rounds, n_train, device, data):
    """Accuracy by round where the test set chooses each checkpoint: a leak.

    Every tenth step of the descent from W = 0 is a checkpoint. The one with the best
    test accuracy is reported, and its outputs are the targets of the next round. The
    authors choose among their epochs in this way.

    Args:
        seeds: of the noise.
        kind: of noise.
        rate: η.
        weight_decay: λ.
        rounds: the largest number of rounds.
        n_train: samples.
        device: where to compute.
        data: as in :func:`accuracies`.

    Returns:
        A dict for each seed with the accuracies in percent by round.

    Source: Jeong & Chung 2025, their code (``train_linear.py``).
    """
    where = devices.pick_device(device)
    features, turn = probe.principal(data["train"][:n_train].to(where))
    test = data["test"].to(where) @ turn
    truth = data["test_labels"].to(where)
    given = given_labels(seeds, kind, rate, data, n_train)
    targets = F.one_hot(given.T, len(data["clusters"])).float().to(where)
    by_round = []
    for _ in range(rounds):
        best = torch.full((len(seeds),), -1.0, dtype=torch.float64, device=where)
        chosen = features.new_zeros(features.shape[1], *targets.shape[1:])

        def keep_better(weights, best=best, chosen=chosen):
            reached = _percent(test, weights, truth)
            better = reached > best
            best[better] = reached[better]
            chosen[:, better] = weights[:, better]

        probe.descend(features, targets, weight_decay=weight_decay, look=keep_better)
        by_round.append(best)
        targets = probe.outputs(features, chosen)
    return [{"accuracies": row} for row in torch.stack(by_round, dim=1).tolist()]


def _percent(features, weights, truth, largest=1):
    """Percent of samples with their class among a probe's largest outputs, ``(b,)``."""
    outputs = torch.tensordot(features, weights, 1)
    chosen = outputs.topk(largest, dim=2).indices
    return 100 * (chosen == truth[:, None, None]).any(dim=2).double().mean(dim=0)
