"""The plane of two gradients, opened in a browser: it counts like Python, and its slider moves it."""

import json

import browsers
import pytest
import torch

pytestmark = pytest.mark.skipif(browsers.BROWSER is None, reason="no Chromium on this machine: the plane of gradients is not tested")

draw = torch.Generator().manual_seed(0)
A, B = -torch.rand(3, 40, generator=draw), 3 * torch.rand(3, 40, generator=draw) - 1
MARKED = (B.abs() > A.abs()).sum(1).tolist()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    data = f"data-epochs='[1, 2, 24]' data-a='{json.dumps(A.tolist())}' data-b='{json.dumps(B.tolist())}'"
    host = f'<div class="kd-gradient-plane" {data}>This figure needs JavaScript.</div>'
    with browsers.opened() as page:
        page.goto(browsers.written(tmp_path_factory.mktemp("page"), host, "gradient_plane.js"))
        yield page


def test_the_slider_goes_through_the_epochs_and_counts(page):
    host, slider = page.locator("div.kd-gradient-plane"), page.locator("input[data-name=epoch]")
    slider.focus()
    for place, epoch in enumerate([1, 2, 24]):
        assert host.get_attribute("data-marked") == str(MARKED[place])
        label = page.locator("svg").get_attribute("aria-label")
        assert f"After {epoch} epochs {MARKED[place]} of 40 samples" in label and label == page.locator("p").text_content()
        fills = page.locator("circle").evaluate_all("nodes => nodes.map((node) => node.getAttribute('fill'))")
        assert len(fills) == 40 and fills.count("var(--kd-soft)") == MARKED[place]
        slider.press("ArrowRight")


def test_every_point_lies_in_the_picture(page):
    inside = page.evaluate(
        """() => { const svg = document.querySelector("svg"), box = svg.viewBox.baseVal;
        return [...svg.querySelectorAll("circle")].every((one) => one.cx.baseVal.value >= 40 && one.cx.baseVal.value <= box.width &&
            one.cy.baseVal.value >= 0 && one.cy.baseVal.value <= box.height - 30); }"""
    )
    assert inside
