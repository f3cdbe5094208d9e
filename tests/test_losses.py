"""The distillation loss: its sums, its end points, its gradient, its guards."""

import pytest
import torch
import torch.nn.functional as F

import references
from kdlib import losses

EXACT = dict(rtol=1e-12, atol=1e-12)  # float64 sums of ten terms; a wrong term is of order 0.1
MIXES = [(ratio, T) for ratio in (0.0, 0.3, 1.0) for T in (0.5, 1.0, 4.0)]


def logits(n=20, c=None, seed=0):
    g = torch.Generator().manual_seed(seed)
    shape = (n,) if c is None else (n, c)
    zs, zt = (3 * torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(2))
    return zs, zt, torch.randint(c or 2, (n,), generator=g)


@pytest.mark.parametrize("c", [None, 2, 10])
@pytest.mark.parametrize("soft_ratio, temperature", MIXES)
def test_agrees_with_its_sums(c, soft_ratio, temperature):
    zs, zt, y = logits(c=c)
    mix = dict(soft_ratio=soft_ratio, temperature=temperature)
    got = losses.distillation_loss(zs, zt, y, **mix)
    torch.testing.assert_close(got, references.distillation_loss(zs, zt, y, **mix), **EXACT)


@pytest.mark.parametrize("soft_ratio, temperature", MIXES)
def test_two_classes_are_one_logit_against_zero(soft_ratio, temperature):
    zs, zt, y = logits()
    mix = dict(soft_ratio=soft_ratio, temperature=temperature)
    pairs = [torch.stack([torch.zeros_like(z), z], dim=1) for z in (zs, zt)]
    torch.testing.assert_close(losses.distillation_loss(zs, zt, y, **mix),
                               losses.distillation_loss(*pairs, y, **mix), **EXACT)


def test_the_gradient_is_equation_3_without_a_factor_T_squared():
    zs, zt, y = logits()
    zs.requires_grad_()
    rho, T = 0.7, 4.0
    (got,) = torch.autograd.grad(losses.distillation_loss(zs, zt, y, soft_ratio=rho, temperature=T).sum(), zs)
    eq3 = rho / T * (torch.sigmoid(zs / T) - torch.sigmoid(zt / T)) + (1 - rho) * (torch.sigmoid(zs) - y)
    torch.testing.assert_close(got, eq3.detach(), **EXACT)


def test_hard_labels_alone_ignore_the_teacher_and_soft_ones_alone_the_labels():
    zs, zt, y = logits(c=10)
    mixed = losses.distillation_loss(zs, zt, y, soft_ratio=0, temperature=3.0)
    torch.testing.assert_close(mixed, F.cross_entropy(zs, y, reduction="none"), rtol=0, atol=0)
    soft = [losses.distillation_loss(zs, zt, labels, soft_ratio=1, temperature=3.0) for labels in (y, 9 - y)]
    torch.testing.assert_close(*soft, rtol=0, atol=0)


@pytest.mark.parametrize("c", [None, 10])
def test_stays_finite_where_probabilities_vanish(c):
    zs, zt, y = logits(c=c)
    loss = losses.distillation_loss(1e4 * zs, -1e4 * zt, y, soft_ratio=0.5, temperature=1.0)
    assert torch.isfinite(loss).all() and (loss >= 0).all()


@pytest.mark.parametrize(
    "change, rule",
    [
        (dict(teacher_logits=torch.zeros(3)), r"share one shape, .* got \(4,\) and \(3,\)"),
        (dict(student_logits=torch.zeros(4, 2, 2), teacher_logits=torch.zeros(4, 2, 2)), "share one shape"),
        (dict(labels=torch.zeros(5)), r"labels must have shape \(4,\), got \(5,\)"),
        (dict(labels=torch.zeros(4, 1)), r"labels must have shape \(4,\), got \(4, 1\)"),
        (dict(labels=torch.tensor([1, -1, 1, -1])), "labels must be 0 or 1, got -1"),
        (dict(student_logits=torch.zeros(4, 3), teacher_logits=torch.zeros(4, 3), labels=torch.tensor([0, 1, 2, 3])),
         r"labels must be integers in 0 … 2, got torch.int64 from 0 to 3"),
        (dict(student_logits=torch.zeros(4, 3), teacher_logits=torch.zeros(4, 3)), "labels must be integers"),
        (dict(soft_ratio=1.1), r"soft_ratio must be in \[0, 1\], got 1.1"),
        (dict(soft_ratio=float("nan")), "soft_ratio must be in"),
        (dict(temperature=0.0), "temperature must be > 0, got 0.0"),
    ],
)
def test_guards(change, rule):
    good = dict(student_logits=torch.zeros(4), teacher_logits=torch.zeros(4), labels=torch.zeros(4), soft_ratio=0.5,
                temperature=1.0)
    losses.distillation_loss(**good)
    with pytest.raises(ValueError, match=rule):
        losses.distillation_loss(**(good | change))
