"""One run of Section 3 beside explicit solves, and its inequalities."""

import math

import pytest
import torch

from kdlib import kernels, logits
from kdlib.papers.ji_zhu import synthetic, transfer

SETTING = dict(soft_ratios=[1.0, 0.5], temperature=10.0, sizes=[8, 32], pools=[16], test_points=400, betas=[1.4, 1.55],
               teacher_modes=60, teacher_samples=64, teacher_epoch=255)


@pytest.fixture(scope="module")
def found():
    return transfer.risk_and_angles(3, **SETTING)


def test_a_run_agrees_with_explicit_solves(found):
    draw = torch.Generator().manual_seed(3)
    x, initial, _ = synthetic.draw_student(432, generator=draw)
    truth, shown = synthetic.GaussianMixture(60, generator=draw), synthetic.inputs(64, generator=draw)
    z_t = synthetic.WideTeacher(shown, (truth(shown) > 0).double(), [255])(x)[:, 0]
    K = kernels.ntk(x, depth=2)
    for row, rho in enumerate(SETTING["soft_ratios"]):
        z = logits.effective_logits(z_t, z_t > 0, soft_ratio=rho, temperature=10.0)
        change = z - initial
        norm = lambda n, change=change: (change[:n] @ torch.linalg.solve(K[:n, :n], change[:n])).sqrt()  # noqa: E731
        for column, n in enumerate(SETTING["sizes"]):
            output = K[32:, :n] @ torch.linalg.solve(K[:n, :n], change[:n]) + initial[32:]
            assert found["risk"][row, column] == pytest.approx(((output > 0) != (z[32:] > 0)).double().mean().item())
            assert math.cos(found["direction"][row, 1, column]) == pytest.approx((norm(n) / norm(432)).item(), rel=1e-8)
        assert found["norm"][row].tolist() == pytest.approx([norm(16).item(), norm(432).item()], rel=1e-9)
        for column, pool in enumerate((16, 432)):  # each pool's oracle less the zero function, by its own logits
            solved = torch.linalg.solve(K[:pool, :pool], z[:pool])
            cosine = (K[32:, :pool] @ solved).abs() / (z[:pool] @ solved).sqrt() / K.diagonal()[32:].sqrt()
            angles = cosine.clamp(max=1).acos()
            expected = [(angles > beta).double().mean().item() for beta in SETTING["betas"]]
            assert found["p"][row, column].tolist() == pytest.approx(expected)
        assert found["nearest"][row].item() == pytest.approx(angles.min().item(), rel=1e-9)


def test_theorem_1_holds_and_says_more_with_more_samples(found):
    assert (found["risk"] <= found["bound"]).all() and (found["bound"] <= 1).all()
    assert (found["says"] <= found["halves"]).all() and (found["halves"] <= 432).all()
    assert (found["grows"] == 0).all()
