"""One run of Section 5 beside explicit solves."""

import pytest
import torch

from kdlib import kernels, logits
from kdlib.papers.ji_zhu import correction, synthetic


def test_a_run_agrees_with_explicit_solves():
    setting = dict(soft_ratios=[1.0, 0.5], temperature=10.0, epochs=[63, 1023], sizes=[8, 32], test_points=30, teacher_modes=5,
                   teacher_amplitude=2.0, teacher_samples=40, teacher_scale=5.0)
    run = correction.errors_and_gains(5, **setting)
    draw = torch.Generator().manual_seed(5)
    x, initial, _ = synthetic.draw_student(62, generator=draw)
    truth, shown = synthetic.GaussianMixture(5, amplitude=2.0, generator=draw), synthetic.inputs(40, generator=draw)
    teacher = synthetic.WideTeacher(shown, (truth(shown) > 0).double(), [63, 1023], scale=5.0)(x)
    K, right = kernels.ntk(x, depth=2), truth(x) > 0
    solve = lambda a, b, n: a[:n] @ torch.linalg.solve(K[:n, :n], b[:n])  # noqa: E731
    g = truth(x) - initial
    signs = 2.0 * right - 1
    for k, n in enumerate((8, 32)):
        output = K[32:, :n] @ torch.linalg.solve(K[:n, :n], (signs - initial)[:n]) + initial[32:]
        assert run["hard_error"][k].item() == pytest.approx(((output > 0) != right[32:]).double().mean().item())
    for i, z_t in enumerate(teacher.T):
        t, h = z_t - initial, logits.correction_logits(z_t, right, temperature=10.0)
        assert run["teacher_error"][i].item() == pytest.approx(((z_t > 0) != right)[32:].double().mean().item())
        for k, n in enumerate((8, 32)):
            bracket = solve(g, h, n) - solve(g, t, n) / solve(t, t, n) * solve(t, h, n)
            assert run["projection"][i, k].item() == pytest.approx(bracket.item(), rel=1e-7)
            for r, rho in enumerate((1.0, 0.5)):
                z = logits.effective_logits(z_t, right, soft_ratio=rho, temperature=10.0)
                output = K[32:, :n] @ torch.linalg.solve(K[:n, :n], (z - initial)[:n]) + initial[32:]
                cosine = solve(g, z - initial, n) / (solve(g, g, 62) * solve(z - initial, z - initial, n)).sqrt()
                assert run["error"][i, r, k].item() == pytest.approx(((output > 0) != right[32:]).double().mean().item())
                assert run["cosine"][i, r, k].item() == pytest.approx(cosine.item(), rel=1e-7)
        mistaken = (z_t > 0) != right
        assert mistaken.any()  # else nothing below is tested
        for r, rho in enumerate((1.0, 0.5)):
            z = logits.effective_logits(z_t, right, soft_ratio=rho, temperature=10.0)
            share = ((z > 0) == right)[mistaken].double().mean().item()
            assert run["corrected"][i, r].item() == pytest.approx(share)
        assert run["corrected"][i].tolist() == [0, 1]  # soft labels alone correct nothing; 1/2 <= T / (1 + T) all
