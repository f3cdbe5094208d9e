"""One run of Section 3 beside explicit solves, its inequalities, and the rows that two chapters share."""

import inspect
import math

import pytest
import torch

import references
from companion.press import chapters
from kdlib import kernels, logits, models
from kdlib.papers.ji_zhu import synthetic, transfer

CHAPTERS = ("02_transfer_risk", "02b_angles")
SETTING = dict(soft_ratios=[1.0, 0.5], temperature=10.0, sizes=[8, 32], pools=[16], test_points=400, betas=[1.4, 1.55],
               teacher_modes=60, teacher_amplitude=3.0)


@pytest.fixture(scope="module")
def run():
    return transfer.risk_and_angles(3, **SETTING)


def test_a_run_agrees_with_explicit_solves(run):
    draw = torch.Generator().manual_seed(3)
    x, initial, _ = synthetic.draw_student(432, generator=draw)
    z_t = synthetic.GaussianMixture(60, amplitude=3.0, generator=draw)(x)
    K = kernels.ntk(x, depth=2)
    for row, rho in enumerate(SETTING["soft_ratios"]):
        z = logits.effective_logits(z_t, z_t > 0, soft_ratio=rho, temperature=10.0)
        change = z - initial
        norm = lambda n, change=change: (change[:n] @ torch.linalg.solve(K[:n, :n], change[:n])).sqrt()  # noqa: E731
        for column, n in enumerate(SETTING["sizes"]):
            output = K[32:, :n] @ torch.linalg.solve(K[:n, :n], change[:n]) + initial[32:]
            assert run["risk"][row, column] == pytest.approx(((output > 0) != (z[32:] > 0)).double().mean().item())
            assert math.cos(run["direction"][row, 1, column]) == pytest.approx((norm(n) / norm(432)).item(), rel=1e-8)
        assert run["norm"][row].tolist() == pytest.approx([norm(16).item(), norm(432).item()], rel=1e-9)
        for column, pool in enumerate((16, 432)):  # each pool's oracle less the zero function, by its own logits
            solved = torch.linalg.solve(K[:pool, :pool], z[:pool])
            cosine = (K[32:, :pool] @ solved).abs() / (z[:pool] @ solved).sqrt() / K.diagonal()[32:].sqrt()
            angles = cosine.clamp(max=1).acos()
            expected = [(angles > beta).double().mean().item() for beta in SETTING["betas"]]
            assert run["p"][row, column].tolist() == pytest.approx(expected)
        assert run["grows"][row] == 0
        assert run["nearest"][row].item() == pytest.approx(angles.min().item(), rel=1e-9)


def test_theorem_1_s_bound_comes_from_the_angles_of_its_sample_size(run):
    """Bound, angle, and the first sizes at which it says something, from explicit solves with the zero function."""
    draw = torch.Generator().manual_seed(3)
    x, initial, _ = synthetic.draw_student(432, generator=draw)
    z_t = synthetic.GaussianMixture(60, amplitude=3.0, generator=draw)(x)
    K = kernels.ntk(x, depth=2)
    for row, rho in enumerate(SETTING["soft_ratios"]):
        z = logits.effective_logits(z_t, z_t > 0, soft_ratio=rho, temperature=10.0)
        oracle = torch.linalg.solve(K, z)  # less the zero function: the change from -initial to z - initial
        length = (z @ oracle).sqrt()
        to_oracle = (z[32:].abs() / length / K.diagonal()[32:].sqrt()).clamp(max=1).acos()

        def angle(n, z=z, oracle=oracle, length=length):
            student = torch.zeros(432).double()  # dual coefficients of student less zero function
            student[:n] = torch.linalg.solve(K[:n, :n], (z - initial)[:n])
            student += torch.linalg.solve(K, initial)
            cosine = (student @ K @ oracle).abs() / length / (student @ K @ student).sqrt()
            return cosine.clamp(max=1).acos()

        for column, n in enumerate(SETTING["sizes"]):
            bound = (to_oracle > math.pi / 2 - angle(n)).double().mean().item()
            assert run["angle"][row, column].item() == pytest.approx(angle(n).item(), rel=1e-6)
            assert run["bound"][row, column].item() == pytest.approx(bound, abs=1e-12)
        for name, most in (("says", 1.0), ("halves", 0.5)):
            first = run[name][row].item()  # the bound is below from this size on, and was not one sample before
            for n, below in ((first - 1, False), (first, True)):
                share = (to_oracle > math.pi / 2 - angle(n)).double().mean().item()
                assert (share < most) == below, (name, n, share)


def test_theorem_1_holds_in_a_pool_that_ends_soon():
    """Near the pool's end the bound says something: with few test points after n = 400, and not at n = 8."""
    run = transfer.risk_and_angles(3, **SETTING | {"sizes": [8, 400], "test_points": 16, "teacher_modes": 5})
    assert (run["risk"] <= run["bound"]).all()
    assert run["bound"][0, 1] < 1 and run["bound"][0, 0] == 1
    assert run["risk"][0, 0] > 0  # n = 8 errs, so that a bound of another n would be broken


def test_a_stopped_oracle_agrees_with_every_eigenvector_of_its_samples():
    times = [3.0, 3000.0]
    setting = dict(temperature=10.0, sizes=[8, 32], samples=90, betas=[1.4, 1.55], teacher_modes=60, teacher_amplitude=3.0)
    run = transfer.stopped_oracles(4, soft_ratios=[1.0, 0.5], times=times, **setting)
    draw = torch.Generator().manual_seed(4)
    x, _, _ = synthetic.draw_student(32, generator=draw)
    teacher, fresh = synthetic.GaussianMixture(60, amplitude=3.0, generator=draw), synthetic.inputs(90, generator=draw)
    K, cross, gram = kernels.ntk(x, depth=2), kernels.ntk(x, fresh, depth=2), kernels.ntk(fresh, depth=2)
    for row, rho in enumerate((1.0, 0.5)):
        mix = dict(soft_ratio=rho, temperature=10.0)
        z, target = (logits.effective_logits(teacher(p), teacher(p) > 0, **mix) for p in (x, fresh))
        duals = references.flow_by_eigenvectors(gram, target, times)
        for column, a in enumerate(duals.T):
            norm = (a @ gram @ a).sqrt()
            assert run["norm"][row, column].item() == pytest.approx(norm.item(), rel=1e-8)
            cosines = (cross @ a).abs() / norm / K.diagonal().sqrt()
            expected = [(cosines.clamp(max=1).acos() > beta).double().mean().item() for beta in (1.4, 1.55)]
            assert run["p"][row, column].tolist() == pytest.approx(expected)
            for k, n in enumerate((8, 32)):
                student = torch.linalg.solve(K[:n, :n], z[:n])
                cosine = student @ (cross @ a)[:n] / norm / (z[:n] @ student).sqrt()
                assert run["direction"][row, column, k].item() == pytest.approx(math.acos(abs(cosine)), rel=1e-7)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch itself, at its first jvp
def test_online_sgd_takes_the_steps_of_its_formula_on_fresh_samples():
    setting = dict(soft_ratio=0.7, temperature=3.0, teacher_modes=5, teacher_amplitude=3.0)
    run = transfer.online_sgd(2, width=6, steps=9, batch=4, rate=0.05, marks=3, depth=1, **setting)
    draw = torch.Generator().manual_seed(2)
    teacher = synthetic.GaussianMixture(5, amplitude=3.0, generator=draw)
    network = models.NTKMLP(2, 6, depth=1, generator=draw)
    change, norms = 0.0, []
    for _ in range(9):
        x = synthetic.inputs(4, generator=draw)
        z_t = teacher(x)
        z = logits.effective_logits(z_t, z_t > 0, soft_ratio=0.7, temperature=3.0)
        phi = references.features(network, x.float())
        change = change - 0.05 * phi.T @ (network(x.float()).detach() + phi @ (0 * phi[0] + change) - z.float()) / 4
        norms.append(change.norm().item())
    assert run["seen"].tolist() == [4, 12, 36]  # after 9^0, 9^(1/2) and 9 steps of 4 samples
    assert run["norm"].tolist() == pytest.approx([norms[0], norms[2], norms[8]], rel=1e-5)


def test_chapters_02_and_02b_ask_for_the_same_rows():
    first, second = (chapters.parameters(name) for name in CHAPTERS)
    shared = set(first) & set(second)
    assert shared >= set(inspect.signature(transfer.setting).parameters) | {"seeds"}
    for profile in chapters.profiles():
        values = []
        for name, parameters in zip(CHAPTERS, (first, second), strict=True):
            given = chapters.profile_values(name, profile)
            values.append({key: given.get(key, parameters[key].default) for key in shared})
        assert values[0] == values[1], profile
