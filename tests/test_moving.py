"""Figures that move: what the page is given, and sliders moved in a browser."""

import json
import shutil
from html import unescape
from pathlib import Path

import pandas
import pytest

from kdlib import moving

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SCRIPT = Path(__file__).resolve().parent.parent / "book" / "_static" / "sliders.js"
FRAME = pandas.DataFrame(
    [{"ρ": rho, "epoch": epoch, "n": n, "error": rho / n * epoch, "low": 0.9 * rho / n * epoch, "high": 1.1 * rho / n * epoch}
     for rho in (0.5, 0.9) for epoch in (255, 767, 1919) for n in (32, 128, 512)]
)


@pytest.fixture
def shown(monkeypatch):
    made = {}
    monkeypatch.setattr(moving, "display", lambda data, raw, metadata: made.update(html=data["text/html"], **metadata["text/html"]))
    return made


def test_a_moving_figure_carries_its_rows_and_its_settings(shown):
    moving.figure("kd-toy", FRAME[["n", "error"]], rho=0.5, name='a "quoted" name')
    assert shown["kdlib"]["rows"]["rows"].splitlines()[0] == "n,error" and shown["kdlib"]["rows"]["rows"].count("\n") == 19
    assert '<div class="kd-toy" data-rho="0.5" data-name="a &quot;quoted&quot; name">' in shown["html"]
    assert shown["html"].startswith('<div class="kd-figure kd-moving" role="group">')


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the sliders are not moved")
def test_a_slider_chooses_the_rows_that_are_drawn(shown, tmp_path):
    from playwright.sync_api import sync_playwright

    moving.sliders(FRAME, x="n", y="error", along=["ρ", "epoch"], low="low", high="high", logarithmic=("x",), start={"epoch": 767})
    (tmp_path / "page.html").write_text(f'<!doctype html><meta charset="utf-8"><script src="{SCRIPT.as_uri()}"></script>{shown["html"]}')
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page, problems = browser.new_page(viewport={"width": 360, "height": 740}), []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((tmp_path / "page.html").as_uri())
        for keys, rho, epoch in (([], 0.5, 767), (["ArrowRight"], 0.9, 767)):
            for key in keys:
                page.locator("input[data-name='ρ']").press(key)
            drawn = page.locator("polyline").get_attribute("data-values").split(" ")
            part = FRAME[(FRAME["ρ"] == rho) & (FRAME["epoch"] == epoch)].sort_values("n")
            assert [float(value) for value in drawn] == pytest.approx(part["error"].tolist(), abs=1e-9)
            assert page.locator("polygon").count() == 1 and f"ρ {rho}, epoch {epoch}" in page.locator(".kd-drag-reading").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        browser.close()
    assert not problems


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"y": "risk"}, "not there: .'risk'"),
        ({"along": []}, "at least one"),
        ({"frame": FRAME[1:].query("not (ρ == .9 and epoch == 255)")}, "5 of 6"),
        ({"start": {"ρ": 0.7}}, "start of ρ must be one of .0.5, 0.9., got 0.7"),
        ({"logarithmic": ("y",), "frame": FRAME.assign(error=0.0)}, "error must be > 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, rule):
    with pytest.raises(ValueError, match=rule):
        moving.sliders(**({"frame": FRAME, "x": "n", "y": "error", "along": ["ρ", "epoch"]} | change))
    with pytest.raises(ValueError, match="needs rows"):
        moving.figure("kd-toy", FRAME[:0])


def test_numbers_survive_the_way_into_the_page(shown):
    moving.sliders(FRAME, x="n", y="error", along=["epoch"] + ["ρ"])
    data = unescape(shown["html"].split('data-columns="')[1].split('"')[0])
    assert json.loads(data)["error"] == pytest.approx(FRAME["error"].tolist(), abs=1e-9)
