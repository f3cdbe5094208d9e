"""Softmax probes trained on block correlations, beside the linearised theory."""

import torch
import torch.nn.functional as F

from kdlib import devices, label_noise, self_distillation
from kdlib.papers.jeong_chung import blocks, probe
from kdlib.papers.jeong_chung.partial import partial_labels

HALVES = (0.5, 0.5)


def drawn_rounds(
    seeds, classes, samples, within, between, weight_decay, rate, rounds, device
):
    """Accuracy on the training samples by round, of the trained and the linear probe.

    Labels are drawn with symmetric noise, as the authors' solver does; the correlations
    are the blocks themselves, to whose entries the solver adds noise of 0.05.

    Args:
        seeds: of the labels.
        classes: K.
        samples: n of a class.
        within: c.
        between: d.
        weight_decay: λ.
        rate: η.
        rounds: the largest number of rounds.
        device: where to compute.

    Returns:
        A dict for each seed: ``softmax`` and ``linear``, shares of right samples by
        round, and the measured rate of the noise.

    Source: Jeong & Chung 2025, their code (``numerical_solving.py``).
    """
    where = devices.pick_device(device)
    clusters = torch.zeros(classes, dtype=torch.long)
    gram = blocks.gram(clusters, samples, within=within, between=between).to(where)
    truth = torch.arange(classes).repeat_interleave(samples)
    C = label_noise.symmetric(classes, rate)
    given = []
    for seed in seeds:
        draw = torch.Generator().manual_seed(seed)
        given.append(label_noise.draw(truth, C, generator=draw))
    labels = F.one_hot(torch.stack(given), classes).double().to(where)
    averaged = self_distillation.label_averaging(
        gram, labels, rounds=list(range(1, rounds + 1)), weight_decay=weight_decay
    )
    truth = truth.to(where)
    linear = blocks.accuracy(averaged, truth).T
    softmax = _by_round(gram, labels, truth, weight_decay, rounds)
    rows = []
    for place, noisy in enumerate(given):
        measured = label_noise.measured_rate(noisy, truth.cpu())
        row = {"softmax": softmax[place], "linear": linear[place]}
        rows.append(row | {"measured": measured})
    return rows


def balanced_rounds(
    seed, classes, samples, within, between, weight_decay, rates, rounds, device
):
    """Accuracy by round of the trained probe on balanced labels, and of its students.

    The noise is symmetric. A student has the teacher's top two labels, one half each,
    and one training with the cross-entropy or the generalised one.

    Args:
        seed: names the row; nothing is drawn.
        classes: K.
        samples: n of a class.
        within: c.
        between: d.
        weight_decay: λ.
        rates: η of several label sets.
        rounds: the largest number of rounds.
        device: where to compute.

    Returns:
        dict: ``softmax``, shares of right samples ``(rates, rounds)``;
        ``cross-entropy`` and ``generalised`` of the students, ``(rates,)``.

    Source: Jeong & Chung 2025, Theorem 4.1 and Section 5.
    """
    where = devices.pick_device(device)
    clusters = torch.zeros(classes, dtype=torch.long)
    gram = blocks.gram(clusters, samples, within=within, between=between).to(where)
    given = []
    for rate in rates:
        C = label_noise.symmetric(classes, rate)
        truth, noisy, _ = blocks.balanced_labels(C, samples)
        given.append(noisy)
    truth = truth.to(where)
    labels = F.one_hot(torch.stack(given), classes).double().to(where)
    shares = _by_round(gram, labels, truth, weight_decay, rounds)
    features = _features(gram)
    teacher = probe.train(features, labels.transpose(0, 1), weight_decay=weight_decay)
    halves = partial_labels(probe.outputs(features, teacher), HALVES)
    row = {"softmax": shares}
    for loss in ("cross-entropy", "generalised"):
        student = probe.train(
            features, halves, weight_decay=weight_decay, loss=loss, start=teacher
        )
        outputs = probe.outputs(features, student).transpose(0, 1)
        row[loss] = blocks.accuracy(outputs, truth)
    return row


def _by_round(gram, labels, truth, weight_decay, rounds):
    """Shares of right samples of trained probes, ``(label sets, rounds)``."""
    features = _features(gram)
    targets = labels.transpose(0, 1)
    weights = None
    shares = []
    for _ in range(rounds):
        weights = probe.train(
            features, targets, weight_decay=weight_decay, start=weights
        )
        targets = probe.outputs(features, weights)
        shares.append(blocks.accuracy(targets.transpose(0, 1), truth))
    return torch.stack(shares, dim=1)


def _features(gram):
    """Features with this Gram matrix, their columns orthogonal."""
    eigenvalues, V = torch.linalg.eigh(gram)
    return V * eigenvalues.clamp(min=0).sqrt()
