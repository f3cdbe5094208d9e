"""The figure of flowing labels, opened in a browser: its outputs are Python's, and its sliders move it."""

import browsers
import numpy
import pytest
import torch

from kdlib import label_noise
from kdlib.papers.jeong_chung import blocks

SETTINGS = 'data-classes="4" data-samples="24" data-within="0.4" data-between="0.1" data-rounds="0" data-wrong="4" data-decay="0.001"'
pytestmark = pytest.mark.skipif(browsers.BROWSER is None, reason="no Chromium on this machine: the flowing labels are not tested")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    host = f'<div class="kd-label-flow" {SETTINGS}>This figure needs JavaScript.</div>'
    with browsers.opened() as page:
        page.goto(browsers.written(tmp_path_factory.mktemp("page"), host, "label_flow.js"))
        yield page


@pytest.mark.parametrize("t", [0, 1, 3])
def test_outputs_and_condition_agree_with_python(page, t):
    flow = page.evaluate(f"window.kdlib.labelFlow(4, 24, 0.4, 0.1, 0.5, 0.001, {t})")
    truth, given, C = blocks.balanced_labels(label_noise.symmetric(4, 0.5), 24)
    clusters = torch.zeros(4, dtype=torch.long)
    kept = blocks.factors(clusters, 24, within=0.4, between=0.1, weight_decay=0.001)
    want = blocks.mixture(C, given, truth, kept, t)
    assert [row["given"] for row in flow["rows"]] == given.tolist()
    assert numpy.allclose([row["values"] for row in flow["rows"]], want.numpy(), rtol=0, atol=1e-12)
    assert [row["right"] for row in flow["rows"]].count(True) == round(96 * blocks.accuracy(want, truth).item())
    assert flow["margin"] == pytest.approx(blocks.margin(C, clusters))
    if t:
        assert flow["threshold"] == pytest.approx(blocks.threshold(kept, t))


def test_rounds_put_every_sample_right(page):
    host, slider = page.locator("div.kd-label-flow"), page.locator("input[data-name=rounds]")
    assert host.get_attribute("data-right") == "48" and "48 of 96" in page.locator("svg").get_attribute("aria-label")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    assert host.get_attribute("data-right") == "96" and "After 5 rounds 96 of 96" in host.inner_text()
