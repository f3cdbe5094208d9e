"""Experiments that a page computes itself, in workers of a browser: their numbers are those of kdlib."""

import json
import math

import browsers
import pytest
import torch
import torch.nn.functional as F

from companion import markup
from kdlib import (
    kernels,
    linearized,
    logits,
    metrics,
    models,
    self_distillation,
    training,
)
from kdlib.metrics import inefficiency
from kdlib.papers.jeong_chung import blocks, partial

pytestmark = pytest.mark.skipif(browsers.BROWSER is None, reason="no Chromium on this machine: the experiments are not tested")
SCRIPTS = ("effective_logits.js", "gram.js", "four_neurons.js", "kernel_student.js", "label_rounds.js")

draw = torch.Generator().manual_seed(0)


def numbers(*shape):
    return torch.randn(*shape, generator=draw, dtype=torch.float64)


# Two classes in the plane, and networks of four and six neurons from two starts.
MOONS, FRESH = numbers(60, 2), numbers(40, 2)
LABELS = (MOONS[:, 0] + numbers(60) > 0).long()
SOFT = torch.sigmoid(2 * MOONS[:, 0])
GRID = torch.linspace(-2, 2, 9, dtype=torch.float64)
PLANE = torch.cartesian_prod(GRID, GRID)
CENTRE = torch.tensor([0.5, 0.25], dtype=torch.float64)
STARTS = {m: [{"signs": [1, -1, 1][: m // 2], "rows": numbers(m // 2, 3).tolist()} for _ in range(2)] for m in (4, 6)}
NEURONS = {
    "chosen": "soft", "points": MOONS.tolist(), "labels": LABELS.tolist(), "soft": SOFT.tolist(), "fresh": FRESH.tolist(),
    "sides": (FRESH[:, 0] > 0).long().tolist(), "grid": {"first": GRID.tolist(), "second": GRID.tolist()}, "teacher": PLANE[:, 0].tolist(),
    "starts": STARTS, "centre": CENTRE.tolist(), "step": 20.0, "radius": None, "stops": [0, 30, 300], "neurons": 4, "updates": 300, "first": 0,
}  # fmt: skip

# A pool of 300 samples and 60 test points, two of which nearly coincide.
POOL, INITIAL, TEACHER = 5 * numbers(360, 2), numbers(360), 4 * numbers(360)
POOL[7] = POOL[3] + 1e-5
SIZES = inefficiency.authors_sizes(10, 300)
DRAW = {"points": POOL.tolist(), "initial": INITIAL.tolist(), "teacher": TEACHER.tolist()}
OTHER = {"points": POOL.flip(0).tolist(), "initial": INITIAL.tolist(), "teacher": (-TEACHER).tolist()}
STUDENT = {
    "draws": [OTHER, DRAW], "samples": 300, "depth": 2,
    "sizes": SIZES.tolist(), "together": 10, "rho": 0.5, "temperature": 10,
}  # fmt: skip

CHANCES = torch.rand(5 * 12, 2, generator=draw, dtype=torch.float64)
ROUNDS = {"noise": 0.5, "classes": 4, "decay": 1e-3, "rounds": 6, "samples": 12, "within": 0.4, "between": 0.1, "chances": CHANCES.tolist()}


def place(kind, settings):
    data = {f"data_{name}": value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    return markup.element("div", "This figure needs JavaScript.", class_=kind, **data)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    body = "".join([place("kd-four-neurons", NEURONS), place("kd-kernel-student", STUDENT), place("kd-label-rounds", ROUNDS)])
    with browsers.opened() as page:
        page.goto(browsers.written(tmp_path_factory.mktemp("page"), body, *SCRIPTS))
        page.wait_for_function("document.querySelectorAll('.kd-reading').length === 3")
        yield page


def moved(page, kind, name, key):
    """Presses a key on a control, and returns the figure's place when its reading has changed."""
    host = page.locator(f".{kind}")
    page.wait_for_function(f"document.querySelector('.{kind} .kd-reading').textContent !== ''")
    before = host.locator(".kd-reading").text_content()
    host.locator(f"input[data-name='{name}']").first.press(key)
    page.wait_for_function("([kind, old]) => document.querySelector(`.${kind} .kd-reading`).textContent !== old", arg=[kind, before])
    assert host.locator("svg[role=img]").get_attribute("aria-label") == host.locator(".kd-reading").text_content()
    return host


def values(host, number=0):
    return [float(value) for value in host.locator("polyline[data-values]").nth(number).get_attribute("data-values").split(" ")]


# ---------------------------------------------------------------- four neurons


def lifted(points):
    return F.normalize(F.pad(points - CENTRE, (0, 1), value=1.0), dim=1)


def network(width, start):
    """The network of a start as the page has it: half of its neurons are handed over."""
    net = models.TwoLayerReLU(3, width, generator=torch.Generator(), dtype=torch.float64)
    signs = torch.tensor(STARTS[width][start]["signs"], dtype=torch.float64)
    net.start = torch.tensor(STARTS[width][start]["rows"], dtype=torch.float64).repeat(2, 1)
    net.signs = torch.cat([signs, -signs])
    net.hidden.data = net.start.clone()
    return net


def trained(width, start, targets, radius=math.inf, steps=300):
    net = network(width, start)
    training.projected_gradient_descent([net], lifted(MOONS), targets.double(), step=20.0, radius=radius, steps=steps)
    return net


@pytest.mark.parametrize("radius", [math.inf, 1.0])
@pytest.mark.parametrize("width", [4, 6])
def test_descent_in_the_page_is_that_of_python(page, width, radius):
    net = network(width, 1)
    task = {"signs": net.signs.tolist(), "start": net.start.tolist()}
    how = {"step": 20.0, "radius": None if math.isinf(radius) else radius, "updates": 300}
    call = "([net, x, p, how]) => window.kdlib.descend(net, x, p, how)"
    got = page.evaluate(call, [task, lifted(MOONS).tolist(), SOFT.tolist(), how])
    want = trained(width, 1, SOFT, radius).hidden.detach()
    # 300 updates amplify the rounding of the first one
    torch.testing.assert_close(torch.tensor(got, dtype=torch.float64), want, rtol=1e-7, atol=1e-9)


def test_the_reader_chooses_labels_neurons_and_start(page):
    host = page.locator(".kd-four-neurons")
    for name, key, width, start, targets in ((None, None, 4, 0, SOFT), ("neurons", "ArrowRight", 6, 0, SOFT),
                                             ("start", "ArrowRight", 6, 1, SOFT), ("labels", "ArrowRight", 6, 1, LABELS)):  # fmt: skip
        if name:
            moved(page, "kd-four-neurons", name, key)
        net = trained(width, start, targets)
        told = {name: float(host.get_attribute(f"data-{name}")) for name in ("trained", "unseen", "away")}
        with torch.no_grad():
            right = [((net(lifted(x)) > 0) == y).double().mean().item() for x, y in ((MOONS, LABELS > 0), (FRESH, FRESH[:, 0] > 0))]
            away = ((net(lifted(PLANE)) > 0) != (PLANE[:, 0] > 0)).double().mean().item()
        assert list(told.values()) == pytest.approx([*right, away], abs=1e-12)
    assert host.locator("path[data-labels=hard]").get_attribute("stroke-width") == "3"


def test_the_line_between_two_decisions_is_where_the_output_is_zero(page):
    across, upward = [0, 1, 2], [0, 1]
    heights = [x - 0.75 + 0.5 * y for x in across for y in upward]
    call = "([values, first, second]) => window.kdlib.contour(values, { first, second }, (x) => x, (y) => y)"
    assert page.evaluate(call, [heights, across, upward]) == "M0.75,0L0.25,1"
    level = page.evaluate(call, [[-1, 1, -1, 1, -1, 1], across, upward])  # one line through two cells
    assert level in ("M0,0.5L1,0.5L2,0.5", "M2,0.5L1,0.5L0,0.5")
    island = page.evaluate(call, [[-1, -1, -1, -1, 1, -1, -1, -1, -1], [0, 1, 2], [0, 1, 2]])
    assert island.count("M") == 1 and island.count("L") == 4 and island[1:].split("L")[0] == island.split("L")[-1]


# ---------------------------------------------------------------- a kernel student at every size


def student_of(rho, temperature):
    """Norms and risks of the student of every size, by kdlib."""
    z = logits.effective_logits(TEACHER, TEACHER > 0, soft_ratio=rho, temperature=temperature)
    student = linearized.LinearizedStudent(kernels.ntk(POOL, depth=2))
    v = student.whiten(z - INITIAL)
    risks = [metrics.transfer_risk(student.predict_later(v, 300, n) + INITIAL[300:], z[300:]) for n in range(1, 301)]
    return v.square().cumsum(0).sqrt()[:300], risks


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_kernel_of_the_page_is_that_of_python(page, depth):
    points = torch.cat([POOL[:40], torch.zeros(1, 2, dtype=torch.float64), -POOL[:2]])
    got = page.evaluate("([x, depth]) => [...window.kdlib.gram.tangentKernel(x, depth)]", [points.tolist(), depth])
    torch.testing.assert_close(torch.tensor(got, dtype=torch.float64).view(43, 43), kernels.ntk(points, depth=depth), rtol=1e-12, atol=1e-13)


def test_norms_at_every_size_are_those_of_python(page):
    task = {"draw": 1, "pool": DRAW, "depth": 2, "samples": 300, "targets": [TEACHER.tolist()]}
    (got,) = page.evaluate("task => window.kdlib.kernelStudents(task, {})", task)
    norms, risks = student_of(1.0, 10.0)
    assert got["norms"] == pytest.approx(norms.tolist(), rel=1e-7)  # the two points that nearly coincide take digits
    assert got["risks"] == risks


def test_the_reader_moves_draw_soft_ratio_and_temperature(page):
    moved(page, "kd-kernel-student", "draw", "ArrowRight")
    moved(page, "kd-kernel-student", "rho", "ArrowRight")
    host = moved(page, "kd-kernel-student", "temperature", "ArrowLeft")
    x, log_T = (float(host.locator(f"input[data-name={name}]").input_value()) for name in ("rho", "temperature"))
    norms, risks = student_of(1 / (1 + math.exp(-x)), 10**log_T)
    assert values(host, 0) == risks
    assert values(host, 1) == pytest.approx(inefficiency.slopes(norms[None, SIZES - 1], SIZES).values.tolist(), rel=1e-6, abs=1e-9)


# ---------------------------------------------------------------- labels averaged round by round


def rounds_of(classes, rate, decay):
    """Shares of right samples by kdlib, with the labels that the page draws."""
    truth = torch.arange(classes).repeat_interleave(12)
    wrong = (truth + 1 + (CHANCES[: len(truth), 1] * (classes - 1)).long()) % classes
    given = torch.where(CHANCES[: len(truth), 0] < rate, wrong, truth)
    G = blocks.gram(torch.zeros(classes, dtype=torch.long), 12, within=0.4, between=0.1)
    outputs = self_distillation.label_averaging(G, F.one_hot(given, classes), rounds=list(range(7)), weight_decay=decay)
    two = partial.partial_labels(outputs[1], [0.5, 0.5])
    student = self_distillation.label_averaging(G, two, rounds=1, weight_decay=decay)
    return blocks.accuracy(outputs, truth).tolist(), blocks.accuracy(student, truth).item()


@pytest.mark.parametrize("classes", [3, 4, 5])
@pytest.mark.parametrize(("rate", "decay"), [(0.0, 1e-3), (0.3, 1e-4), (0.5, 1e-3), (0.6, 1e-2)])
def test_shares_of_right_samples_are_those_of_python(page, classes, rate, decay):
    call = """([classes, rate, decay, { chances, ...fixed }]) => window.kdlib.labelRounds({ ...fixed, classes, decay,
        ...window.kdlib.drawnLabels(classes, fixed.samples, rate, chances) })"""
    got = page.evaluate(call, [classes, rate, decay, ROUNDS])
    shares, student = rounds_of(classes, rate, decay)
    assert got["accuracies"] == pytest.approx(shares, abs=1e-12) and got["partial"] == pytest.approx(student, abs=1e-12)


def test_the_reader_moves_noise_classes_and_decay(page):
    for name, key, setting in (("noise", "ArrowLeft", (4, 0.45, 1e-3)), ("classes", "ArrowRight", (5, 0.45, 1e-3)),
                               ("decay", "ArrowLeft", (5, 0.45, 10**-3.25))):  # fmt: skip
        host = moved(page, "kd-label-rounds", name, key)
        shares, student = rounds_of(*setting)
        assert values(host) == pytest.approx(shares, abs=1e-12)
        assert float(host.locator("line[data-value]").get_attribute("data-value")) == pytest.approx(student, abs=1e-12)
