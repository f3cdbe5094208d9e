"""The student at every sample size, against explicit solves, closed forms, wide networks and SGD."""

import pytest
import torch

import references
from kdlib import kernels, linearized, logits, losses, memory, models
from kdlib.linearized import LinearizedStudent
from kdlib.linearized import student as students


def task(n, t=7, k=2, d=2, seed=0):
    """A Gram matrix with its test kernel, and targets: a Laplacian kernel, whose condition number stays below 1e3."""
    generator = torch.Generator().manual_seed(seed)
    x = 5 * torch.randn(n + t, d, generator=generator, dtype=torch.float64)
    kernel = torch.exp(-torch.cdist(x, x))
    return kernel[:n, :n].clone(), kernel[n:, :n].clone(), torch.randn(n, k, generator=generator, dtype=torch.float64)


def test_every_size_agrees_with_an_explicit_solve():
    gram, cross, z = task(n=700)  # more test points than one block would hide nothing; more samples than one does
    student = LinearizedStudent(gram)
    norms, inner, outputs = student.weight_norms(z), student.inner(z[:, 0], z[:, 1]), student.predict(cross, z)
    for n in (1, 2, 31, 512, 513, 700):
        head, part = gram[:n, :n], z[:n]
        close = dict(rtol=1e-10, atol=1e-10)  # eps times the condition number is 1e-13; a wrong sample would be 1e-3
        torch.testing.assert_close(norms[n - 1], references.weight_norm(head, part), **close)
        torch.testing.assert_close(inner[n - 1], part[:, 0] @ torch.linalg.solve(head, part[:, 1]), **close)
        torch.testing.assert_close(outputs[n - 1], references.student_outputs(cross[:, :n], head, part), **close)


def test_chosen_sizes_and_blocks_of_test_points_change_nothing(monkeypatch):
    gram, cross, z = task(n=60, t=23)
    student = LinearizedStudent(gram)
    every = student.predict(cross, z)
    monkeypatch.setattr(students, "BLOCK", 5)
    close = dict(rtol=1e-12, atol=1e-12)  # the order of the sums
    torch.testing.assert_close(student.predict(cross, z), every, **close)
    torch.testing.assert_close(student.predict(cross, z, sizes=[1, 8, 60]), every[[0, 7, 59]], **close)
    torch.testing.assert_close(student.predict(cross, z[:, 0], sizes=torch.tensor([9])), every[8:9, :, 0], **close)
    assert student.predict(cross[:0], z, sizes=[3]).shape == (1, 0, 2)


def test_a_student_fits_its_own_samples_and_no_others():
    gram, _, z = task(n=40)
    outputs = LinearizedStudent(gram).predict(gram, z, sizes=[25])[0]
    torch.testing.assert_close(outputs[:25], z[:25], rtol=1e-10, atol=1e-10)
    assert (outputs[25:] - z[25:]).abs().min() > 1e-4


def test_brownian_kernel_has_a_closed_form():
    # min(s, t): the weights' norm is that of the slope of the interpolating line, which is flat after the last sample
    times = torch.arange(1.0, 9, dtype=torch.float64) ** 2
    z = torch.sin(times)
    student = LinearizedStudent(torch.minimum(times[:, None], times))
    steps, rises = times.diff(prepend=times.new_zeros(1)), z.diff(prepend=z.new_zeros(1))
    close = dict(rtol=1e-12, atol=1e-12)  # a dozen operations
    torch.testing.assert_close(student.weight_norms(z), (rises**2 / steps).cumsum(0).sqrt(), **close)
    torch.testing.assert_close(student.whiten(z), rises / steps.sqrt(), **close)
    middle, after = student.predict(torch.minimum(torch.tensor([[6.5], [90.0]]).double(), times), z, sizes=[5])[0]
    torch.testing.assert_close(middle, (z[1] + z[2]) / 2, **close)
    torch.testing.assert_close(after, z[4], **close)


def test_norms_never_fall_and_are_inner_products():
    gram, _, z = task(n=300, k=3)
    student = LinearizedStudent(gram)
    norms = student.weight_norms(z)
    assert (norms.diff(dim=0) >= 0).all()
    torch.testing.assert_close(student.inner(z, z), norms**2, rtol=1e-12, atol=0)
    torch.testing.assert_close(student.inner(z[:, 0], z), student.inner(z, z[:, 0]), rtol=1e-12, atol=0)
    torch.testing.assert_close(student.inner(z[:, :1], z[:, 1:2])[:, 0], student.inner(z[:, 0], z[:, 1]), rtol=0, atol=0)


def test_arithmetic_is_float64_and_in_place_is_the_same_student():
    gram, cross, z = task(n=50)
    student = LinearizedStudent(gram)
    single = LinearizedStudent(gram.float()).weight_norms(z.float())
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, student.weight_norms(z), rtol=1e-5, atol=0)  # the inputs' rounding, 6e-8, grown
    assert student.predict(cross.float(), z.float(), sizes=[50]).dtype == torch.float64
    overwritten = gram.clone()
    within = LinearizedStudent(overwritten, in_place=True)
    assert within.factor.data_ptr() == overwritten.data_ptr()
    assert torch.equal(within.weight_norms(z), student.weight_norms(z))


def test_wide_networks_trained_to_the_end_come_to_the_student():
    # Kernel and features of a finite network are off by O(m^-1/2), so that is how the outputs must approach.
    inputs = torch.tensor([[2.0, 0.0], [-1.0, 2.0], [-1.0, -2.0], [0.0, 4.0]], dtype=torch.float64)
    points = torch.tensor([[1.0, 1.0], [-2.0, 0.5], [0.5, -1.5], [3.0, 3.0]], dtype=torch.float64)
    targets = torch.tensor([1.0, -0.5, 0.5, -1.0], dtype=torch.float64)
    student = LinearizedStudent(kernels.ntk(inputs, depth=1))
    cross, widths, errors = kernels.ntk(points, inputs, depth=1), torch.tensor([64.0, 256, 1024]), []
    for width in widths.int().tolist():
        networks = [models.NTKMLP(2, width, depth=1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
                    for seed in range(100)]
        before, after = references.train_to_the_end(networks, inputs, targets, points, steps=120, rate=0.1, momentum=0.8)
        torch.testing.assert_close(after[:, :4], targets.expand(100, 4), rtol=0, atol=1e-4)  # they are at the end
        changes = student.predict(cross, targets[:, None] - before[:, :4].T, sizes=[4])[0].T
        errors.append((after - before)[:, 4:].sub(changes).abs().median())  # the mean has heavy tails
    x, y = widths.double().log() - widths.double().log().mean(), torch.stack(errors).log()
    assert -0.6 < y @ x / (x @ x) < -0.4  # theory -1/2; 400 errors know a width's median to 8 %, the slope to .03


def test_the_linearised_network_trained_by_sgd_is_the_student():
    # The authors' way: minibatch SGD on Eq. 2. Each sample's loss is least at its effective logit, so SGD comes to rest.
    generator = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(10, 2, generator=generator, dtype=torch.float64)
    model = models.NTKMLP(2, 32, depth=2, generator=generator, dtype=torch.float64)
    phi, start = references.features(model, x), model(x).detach()
    teacher = 2 * torch.sin(x[:, 0])
    labels = (teacher + 0.3 > 0).long()  # the teacher is wrong on some
    mix = dict(soft_ratio=0.7, temperature=2.0)
    change = references.linear_student_by_sgd(
        phi[:6], start[:6], lambda z, i: losses.distillation_loss(z, teacher[i], labels[i], **mix),
        steps=3000, batch=2, rate=1.0, generator=generator)
    student = LinearizedStudent(phi[:8] @ phi[:8].T)  # knows two more samples than SGD saw
    targets = (logits.effective_logits(teacher, labels, **mix) - start)[:8]
    close = dict(rtol=1e-6, atol=1e-6)  # SGD is within 1e-8 after 3000 steps; six samples instead of eight are off by .1
    torch.testing.assert_close(student.weight_norms(targets)[5], change.norm(), **close)
    torch.testing.assert_close(student.predict(phi @ phi[:8].T, targets, [6])[0], phi @ change, **close)


def test_duplicate_inputs_are_named():
    gram, _, _ = task(n=20)
    gram[:, 13], gram[13] = gram[:, 4], gram[4]
    gram[13, 13] = gram[13, 4] = gram[4, 13] = gram[4, 4]
    with pytest.raises(ValueError, match="4 and 13"):
        LinearizedStudent(gram)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    assert linearized.memory_needed(1000) == 8 * (1000**2 + 512 * 1000 + 3 * 1000)
    double = linearized.memory_needed(1000, in_place=False, targets=2, test_points=10, sizes=5)
    assert double == 8 * (2 * 1000**2 + 512 * 1000 + 6 * 1000 + 10 * 1000 + 5 * 10 * 2)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        linearized.memory_needed(0)
    line = r"n = 10,000,000 samples needs 7\d{5}.\d GiB, but .* free on cpu; n = [\d,]+ would fit"
    with pytest.raises(MemoryError, match=line):
        linearized.memory_needed(10**7)
    gram, cross, z = task(n=30)
    student = LinearizedStudent(gram)
    monkeypatch.setattr(memory, "free", lambda device: 8 * 30 * 7 * 2 - 1)
    with pytest.raises(MemoryError, match="outputs at 30 sizes, 7 test points, 2 targets needs .* GiB"):
        student.predict(cross, z)
    with pytest.raises(MemoryError, match="copy of a Gram matrix of n = 30 needs"):
        LinearizedStudent(gram)
    LinearizedStudent(gram, in_place=True)
    monkeypatch.setattr(memory, "free", lambda device: 10**6)
    fits = int(str(pytest.raises(MemoryError, linearized.memory_needed, 1000).value).split("n = ")[-1].split()[0])
    assert linearized.memory_needed(fits) <= 10**6
    with pytest.raises(MemoryError):
        linearized.memory_needed(fits + 1)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda s, c, z: s.weight_norms(z[:9]), r"n = 10, got \(9, 2\)"),
        (lambda s, c, z: s.weight_norms(z[:, :, None]), r"got \(10, 2, 1\)"),
        (lambda s, c, z: s.inner(z, z[:, :1].expand(10, 3)), "same number of targets, got 2 and 3"),
        (lambda s, c, z: s.predict(c[:, :9], z), r"\(t, n\) with n = 10, got \(7, 9\)"),
        (lambda s, c, z: s.predict(c, z, [0, 3]), r"1 … 10, got \[0, 3\]"),
        (lambda s, c, z: s.predict(c, z, [3, 3]), "grow"),
        (lambda s, c, z: s.predict(c, z, [3, 11]), "grow"),
    ],
)
def test_what_does_not_fit_is_refused(call, rule):
    gram, cross, z = task(n=10)
    with pytest.raises(ValueError, match=rule):
        call(LinearizedStudent(gram), cross, z)


def test_outputs_on_later_samples_of_the_pool_need_no_kernel_and_no_second_solve():
    K, _, z = task(40)
    student = LinearizedStudent(K)
    v = student.whiten(z)
    for n in (1, 17, 30):
        expected = K[30:, :n] @ torch.linalg.solve(K[:n, :n], z[:n])
        torch.testing.assert_close(student.predict_later(v, 30, n), expected, rtol=1e-9, atol=1e-10)  # condition 1e3
    torch.testing.assert_close(student.predict_later(v, 0, 40), z, rtol=1e-10, atol=1e-10)  # seen: its own targets
    for start, n in ((40, 3), (-1, 3), (0, 0), (0, 41)):
        with pytest.raises(ValueError, match="start must be in 0 … 39 and size in 1 … 40"):
            student.predict_later(v, start, n)
