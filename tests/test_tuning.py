"""Rounds and mixing weights from held-out outputs: the closed form against chains that really leave a sample out."""
import pytest
import torch

import references
from kdlib import self_distillation

DECAY = 0.02


def problem(N=14):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(N, 4, generator=generator, dtype=torch.float64)
    targets = torch.eye(3, dtype=torch.float64)[torch.randint(3, (N,), generator=generator)]
    return features, targets


def test_held_out_outputs_are_those_of_chains_without_the_sample():
    features, targets = problem()
    outputs = self_distillation.held_out_outputs(features, targets, rounds=4, weight_decay=DECAY, generalised=False)
    for i in range(len(features)):
        want = references.chain_without(features, targets, i, rounds=4, weight_decay=DECAY)
        torch.testing.assert_close(outputs[:, i], want, rtol=0, atol=1e-12)  # outputs of order 1 in float64


def test_generalised_numbers_are_means_and_equal_where_samples_are_alike():
    features = torch.eye(5, dtype=torch.float64)  # every sample has the same leverage
    _, targets = problem(5)
    outputs = [self_distillation.held_out_outputs(features, targets, rounds=3, weight_decay=DECAY, generalised=choice)
               for choice in (True, False)]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-13)


def test_new_outputs_are_those_of_label_averaging_on_the_samples_themselves():
    features, targets = problem()
    outputs = self_distillation.new_outputs(features, targets, features, rounds=3, weight_decay=DECAY)
    want = self_distillation.label_averaging(features @ features.T, targets, rounds=[1, 2, 3], weight_decay=DECAY)
    torch.testing.assert_close(outputs, want, rtol=0, atol=1e-12)


def test_no_direction_of_the_features_is_too_small_to_count():
    features, targets = problem()
    small = features * torch.tensor([1.0, 0.1, 0.01, 0.001], dtype=torch.float64)  # variances down to a millionth
    way = {"rounds": 3, "weight_decay": 1e-9}
    outputs = self_distillation.new_outputs(small, targets, small, **way)
    want = self_distillation.label_averaging(small @ small.T, targets, rounds=[1, 2, 3], weight_decay=1e-9)
    torch.testing.assert_close(outputs, want, rtol=0, atol=1e-7)  # 1e-16 of rounding over 14 x 3 x 1e-9
    held_out = self_distillation.held_out_outputs(small, targets, **way)
    torch.testing.assert_close(held_out, self_distillation.held_out_outputs(features, targets, **way), rtol=0, atol=0.01)


def test_the_mixing_weight_is_the_best_of_many_and_has_the_sign_of_the_slope():
    generator = torch.Generator().manual_seed(0)
    features, new = torch.randn(2, 40, 12, generator=generator, dtype=torch.float64)
    given, targets = (torch.eye(3, dtype=torch.float64)[(x[:, :3] + 0.5 * noise).argmax(dim=1)]
                      for x, noise in ((features, torch.randn(40, 3, generator=generator, dtype=torch.float64)), (new, 0)))
    signs = set()
    for decay in (1e-4, 1.0):
        once, twice = self_distillation.new_outputs(features, given, new, rounds=2, weight_decay=decay)
        weight = self_distillation.mixing_weight(once, twice, targets)
        risks = [((1 - xi) * once + xi * twice - targets).square().sum().item() for xi in (weight, weight - 0.1, weight + 0.1)]
        assert risks[0] < min(risks[1:])
        more = self_distillation.new_outputs(features, given, new, rounds=1, weight_decay=1.001 * decay)[0]
        lowers = (more - targets).square().sum() < (once - targets).square().sum()
        assert (weight > 0) == lowers.item()
        signs.add(weight > 0)
    assert signs == {True, False}


@pytest.mark.parametrize(("change", "message"), [({"rounds": 0}, "rounds must be at least 1, got 0"),
                                                 ({"weight_decay": 0}, "weight_decay must be > 0, got 0")])
def test_a_guard_names_its_rule(change, message):
    with pytest.raises(ValueError, match=message):
        self_distillation.held_out_outputs(*problem(), **{"rounds": 2, "weight_decay": DECAY} | change)
