"""The rounds and the mixing weight that held-out outputs choose, and the best ones on a
test set, for the linearised probe."""

import torch.nn.functional as F

from kdlib.papers.jeong_chung import rounds as noisy
from kdlib.self_distillation import tuning


def choices(seed, kind, rate, weight_decay, rounds, n_train, data):
    """Risks by round and of mixed targets, estimated without a test set and on one.

    The risk is the mean square of outputs minus the probabilities of the label that a
    sample of its class is given, so that the test set has no noise of its own. The
    estimate from held-out outputs has the given labels in their place, and is larger by
    the variance of the labels.

    Args:
        seed: of the noise.
        kind: of noise, one with a corruption matrix.
        rate: η.
        weight_decay: λ.
        rounds: the largest number of rounds, at least 2.
        n_train: samples.
        data: dict as in :func:`kdlib.papers.jeong_chung.rounds.accuracies`.

    Returns:
        dict: ``estimates``, ``risks`` and ``accuracies`` (percent) by round; ``weight``
        and ``best_weight`` of the own outputs among the targets; ``mixed`` and
        ``best_mixed``, the risks with these; and ``gained``, by how much a weight
        decay that is a thousandth larger lowers the risk of one round.

    Source: Wu, Yang & Sun 2026; Dang, Patil & Rinaldo 2026.
    """
    C = noisy.corruption(kind, rate, data["clusters"])
    given = noisy.given_labels([seed], kind, rate, data, n_train)[0]
    targets = F.one_hot(given, len(C)).double()
    train = data["train"][:n_train]
    asked = {"rounds": rounds, "weight_decay": weight_decay}
    held_out = tuning.held_out_outputs(train, targets, **asked)
    outputs = tuning.new_outputs(train, targets, data["test"], **asked)
    truth = data["test_labels"]
    expected = C[truth]
    weight = tuning.mixing_weight(held_out[0], held_out[1], targets)
    best_weight = tuning.mixing_weight(outputs[0], outputs[1], expected)
    mixed = _mixed(outputs, weight)
    best_mixed = _mixed(outputs, best_weight)
    nearby = {"rounds": 1, "weight_decay": 1.001 * weight_decay}
    moved = tuning.new_outputs(train, targets, data["test"], **nearby)
    right = (outputs.argmax(dim=2) == truth).double().mean(dim=1)
    return {
        "estimates": _risk(held_out, targets),
        "risks": _risk(outputs, expected),
        "accuracies": 100 * right,
        "weight": weight,
        "best_weight": best_weight,
        "mixed": _risk(mixed, expected).item(),
        "best_mixed": _risk(best_mixed, expected).item(),
        "gained": (_risk(outputs[0], expected) - _risk(moved[0], expected)).item(),
    }


def _mixed(outputs, weight):
    """Outputs of a student whose targets mix labels and own outputs."""
    return (1 - weight) * outputs[0] + weight * outputs[1]


def _risk(outputs, expected):
    """Mean squared distance over samples, ``(…)``."""
    return (outputs - expected).square().sum(dim=-1).mean(dim=-1)
