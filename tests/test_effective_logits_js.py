"""The figure whose reader drags rho and T, opened in a browser and compared with Python's values."""

import browsers
import numpy
import pytest
import torch

from kdlib import logits

pytestmark = pytest.mark.skipif(browsers.BROWSER is None, reason="no Chromium on this machine: the dragged figure is not tested")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    host = '<div class="kd-effective-logits" data-rho="0.9" data-temperature="5">This figure needs JavaScript.</div>'
    with browsers.opened() as page:
        page.goto(browsers.written(tmp_path_factory.mktemp("page"), host, "effective_logits.js"))
        yield page


def effective(zt, labels, soft_ratio, temperature):
    zt = torch.tensor(zt, dtype=torch.float64)
    return logits.effective_logits(zt, torch.tensor(labels), soft_ratio=soft_ratio, temperature=temperature).numpy()


def test_values_agree_with_python(page):
    drawn = numpy.linspace(-15, 15, 31).tolist()
    extreme = [-1e4, -800.0, -1e-9, 1e-300, 2e-5, 60.0, 1e4]
    for zt, rhos, bound in (
        (drawn, (0.001, 0.0978, 0.5, 0.9, 0.9999, 1.0), 1e-12),  # Newton's stop and roundings, times up to 2T of them
        (drawn + extreme, (1e-300, 1e-10, 0.3, 1 - 1e-12), 1e-9),
    ):
        for rho in rhos:
            for T in (0.05, 0.5, 1.0, 5.0, 100.0):
                cases = [[z, y, rho, T] for y in (0, 1) for z in zt]
                got = numpy.array(page.evaluate("cases => cases.map(c => window.kdlib.effectiveLogit(...c))", cases))
                expected = effective([c[0] for c in cases], [c[1] for c in cases], rho, T)
                assert (abs(got - expected) <= bound * (1 + abs(expected))).all(), (rho, T)


def test_correction_agrees_with_python(page):
    zt = numpy.linspace(-30, 30, 13)
    for T in (0.2, 1.0, 10.0):
        for y in (0, 1):
            call = "([z, y, T]) => z.map(zt => window.kdlib.correctionLogit(zt, y, T))"
            got = page.evaluate(call, [zt.tolist(), y, T])
            expected = logits.correction_logits(torch.tensor(zt), torch.tensor(y), temperature=T)
            # exp multiplies the rounding of its argument, of up to 180 here
            torch.testing.assert_close(torch.tensor(got, dtype=torch.float64), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("case, rule", [
    ("(0, 1, 0, 1)", "rho must be in"), ("(0, 1, 1.5, 1)", "rho must be in"), ("(0, 2, 0.5, 1)", "y must be 0 or 1"),
    ("(0, 1, 0.5, 0)", "T must be above 0"), ("(0, 1, NaN, 1)", "rho must be in"),
])
def test_guards(page, case, rule):
    call = f"window.kdlib.effectiveLogit{case}"
    got = page.evaluate(f"() => {{ try {{ {call} }} catch (error) {{ return error.message }} }}")
    assert got.startswith(rule)


def drawn(page):
    """The four branches as drawn, the setting they are drawn for, and what the reader is told."""
    return page.evaluate("""() => {
        const host = document.querySelector(".kd-effective-logits");
        const paths = [...host.querySelectorAll("path[data-teacher]")];
        const branches = paths.map(p => [p.dataset.teacher, Number(p.dataset.side), p.getAttribute("d")]);
        const reading = host.querySelector(".kd-reading").textContent;
        return { rho: Number(host.dataset.rho), T: Number(host.dataset.temperature), branches, reading };
    }""")


def check(state):
    assert sorted(tuple(b[:2]) for b in state["branches"]) == [("right", -1), ("right", 1), ("wrong", -1), ("wrong", 1)]
    for teacher, side, path in state["branches"]:
        zt, z = numpy.array([point.split(",") for point in path.removeprefix("M").split("L")], dtype=float).T
        assert abs(zt).max() == 15 and len(zt) > 100 and (zt * side >= 0).all()
        label = int((side > 0) == (teacher == "right"))
        expected = effective(zt.tolist(), [label] * len(zt), state["rho"], state["T"])
        assert abs(z - expected).max() <= 6e-6  # drawn with five decimals


def test_dragging_moves_both_branches_and_they_stay_right(page):
    before = drawn(page)
    assert (before["rho"], before["T"]) == pytest.approx((0.9, 5.0), rel=1e-14) and "0.900" in before["reading"]
    check(before)
    for slider, name in (("soft ratio", "rho"), ("temperature", "T")):
        box = page.get_by_role("slider", name=slider).bounding_box()
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.6 * box["width"], middle)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.25 * box["width"], middle, steps=5)
        page.mouse.up()
        after = drawn(page)
        check(after)
        assert after[name] < before[name] and after["reading"] != before["reading"]
        assert all(old[2] != new[2] for old, new in zip(before["branches"], after["branches"], strict=True))
        before = after


def test_the_keyboard_reaches_both_ends(page):
    for slider, name, least, most in (("soft ratio", "rho", 1e-3, 1.0), ("temperature", "T", 0.05, 100.0)):
        page.get_by_role("slider", name=slider).focus()
        for key, end in (("Home", least), ("End", most)):
            page.keyboard.press(key)
            state = drawn(page)
            assert state[name] == pytest.approx(end, rel=0.1 if end == 1e-3 else 0.02)  # the slider's last step
            check(state)
        page.keyboard.press("ArrowLeft")
        assert drawn(page)[name] < most
    assert page.get_by_role("slider", name="soft ratio").get_attribute("aria-valuetext") == "0.9999"


def test_it_fits_a_phone_and_draws_again_when_the_page_gets_wider(page):
    wide = "() => [document.documentElement.scrollWidth, innerWidth]"
    scroll, inner = page.evaluate(wide)
    assert scroll <= inner == 360
    box = lambda: page.locator(".kd-drawing").get_attribute("viewBox")  # noqa: E731
    small = box()
    page.set_viewport_size({"width": 900, "height": 740})
    page.wait_for_function("old => document.querySelector('.kd-drawing').getAttribute('viewBox') !== old", arg=small)
    check(drawn(page))
    assert "needs JavaScript" not in page.locator("body").text_content()
