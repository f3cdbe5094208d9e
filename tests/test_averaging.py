"""Label averaging: the closed form against rounds solved one by one, and its guards."""
import pytest
import torch

import references
from kdlib import self_distillation


def problem(N=40, K=3, levels=2):
    """A Gram matrix without full rank, and labels of several noise levels."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(N, N // 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(K, (levels, N), generator=generator)
    return features @ features.T, torch.nn.functional.one_hot(labels, K).double()


def test_all_rounds_and_levels_from_one_factor_are_those_solved_one_by_one():
    gram, labels = problem()
    outputs = self_distillation.label_averaging(gram, labels, rounds=[0, 1, 5], weight_decay=0.01)
    assert outputs.shape == (3, 2, 40, 3)
    for place, t in enumerate((0, 1, 5)):
        for level in range(2):
            want = references.rounds_one_by_one(gram, labels[level], rounds=t, weight_decay=0.01)
            torch.testing.assert_close(outputs[place, level], want, rtol=0, atol=1e-12)  # outputs of order 1 in float64
    alone = self_distillation.label_averaging(gram, labels[1], rounds=5, weight_decay=0.01)
    torch.testing.assert_close(alone, outputs[2, 1], rtol=0, atol=1e-14)


def test_one_round_solves_the_linearised_stationarity():
    gram, labels = problem()
    N, K, decay = 40, 3, 0.02
    P = self_distillation.label_averaging(gram, labels[0], rounds=1, weight_decay=decay)
    W_features = gram @ (labels[0] - P) / (N * decay)  # logits W x of the stationary W
    torch.testing.assert_close(P, (1 + W_features) / K, rtol=0, atol=1e-12)


GRAM, LABELS = problem()
REFUSED = {
    r"gram must have shape \(n, n\)": (GRAM[1:], LABELS, 1, 0.1),
    "gram must be symmetric": (GRAM.triu(), LABELS, 1, 0.1),
    "gram must have a positive diagonal": (-GRAM, LABELS, 1, 0.1),
    "must have the sum 1, got 2": (GRAM, 2 * LABELS, 1, 0.1),
    "rounds must be integers >= 0, got -1": (GRAM, LABELS, -1, 0.1),
    r"rounds must be integers >= 0, got \[0.5\]": (GRAM, LABELS, [0.5], 0.1),
    "weight_decay must be > 0, got 0": (GRAM, LABELS, 1, 0),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_guard_names_its_rule(message):
    gram, labels, rounds, decay = REFUSED[message]
    with pytest.raises(ValueError, match=message):
        self_distillation.label_averaging(gram, labels, rounds=rounds, weight_decay=decay)
