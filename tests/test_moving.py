"""Figures that move: what the page is given, and sliders moved in a browser."""

import json
import shutil
from html import unescape
from pathlib import Path

import pandas
import pytest

from companion import moving

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SCRIPT = Path(__file__).resolve().parent.parent / "book" / "_static" / "sliders.js"
FRAME = pandas.DataFrame(
    [{"ρ": rho, "epoch": epoch, "n": n, "error": rho / n * epoch, "low": 0.9 * rho / n * epoch, "high": 1.1 * rho / n * epoch}
     for rho in (0.5, 0.9) for epoch in (255, 767, 1919) for n in (32, 128, 512)]
)
BOTH = pandas.concat([FRAME.assign(kind="soft"), FRAME.assign(kind="hard", error=2 * FRAME["error"])], ignore_index=True)


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


@pytest.fixture
def opened(shown, tmp_path):
    """Opens what was shown on a phone; at the end nothing may have been said, asked for or wider than the screen."""
    if BROWSER is None:
        pytest.skip("no Chromium on this machine: the sliders are not moved")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser, problems = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS), []
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or problems.append(request.url))

        def go():
            html = f'<!doctype html><meta charset="utf-8"><script src="{SCRIPT.as_uri()}"></script>{shown["html"]}'
            (tmp_path / "page.html").write_text(html, encoding="utf-8")
            page.goto((tmp_path / "page.html").as_uri())
            return page

        yield go
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        browser.close()
    assert not problems


def drawn(page, hue=""):
    return [float(value) for value in page.locator(f"polyline[data-hue='{hue}']").get_attribute("data-values").split(" ")]


def test_a_slider_chooses_the_rows_that_are_drawn(shown, opened):
    moving.sliders(FRAME, x="n", y="error", along=["ρ", "epoch"], low="low", high="high", logarithmic=("x",), start={"epoch": 767})
    page = opened()
    for keys, rho, epoch in (([], 0.5, 767), (["ArrowRight"], 0.9, 767)):
        for key in keys:
            page.locator("input[data-name='ρ']").press(key)
        part = FRAME[(FRAME["ρ"] == rho) & (FRAME["epoch"] == epoch)].sort_values("n")
        assert drawn(page) == pytest.approx(part["error"].tolist(), rel=1e-8)  # nine digits travel
        assert page.locator("polygon").count() == 1 and f"ρ {rho}, epoch {epoch}" in page.locator(".kd-drag-reading").inner_text()
    assert page.get_by_role("slider", name="epoch").get_attribute("aria-valuetext") == "767"


def test_each_hue_is_a_curve_in_the_color_of_its_role(shown, opened):
    moving.sliders(BOTH, x="n", y="error", along=["ρ", "epoch"], hue="kind", colors={"hard": "hard"}, logarithmic=("x", "y"))
    page = opened()
    for kind in ("soft", "hard"):
        part = BOTH[(BOTH["kind"] == kind) & (BOTH["ρ"] == 0.5) & (BOTH["epoch"] == 255)].sort_values("n")
        assert drawn(page, kind) == pytest.approx(part["error"].tolist(), rel=1e-8)
        assert page.locator(f"polyline[data-hue='{kind}']").get_attribute("stroke") == f"var(--kd-{kind})"


def test_settings_without_a_short_decimal_tiny_values_and_missing_ones_are_drawn(shown, opened):
    frame = FRAME.assign(ρ=FRAME["ρ"] / 3, error=1e-12 * FRAME["error"], low=1e-13, high=1e-9)
    frame.loc[1, ["error", "low", "high"]] = float("nan")  # as of a setting whose rows failed
    frame.loc[2, ["low", "high"]] = float("nan")  # as of a setting with one finished row
    band = dict(low="low", high="high", logarithmic=("x", "y"))
    moving.sliders(frame, x="n", y="error", along=["ρ", "epoch"], start={"ρ": frame["ρ"][0]}, **band)
    page = opened()
    assert drawn(page) == pytest.approx([frame["error"][0], frame["error"][2]], rel=1e-8, abs=0)
    assert len(page.locator("polygon").get_attribute("points").split(" ")) == 2
    moving.sliders(frame.assign(error=float("nan")), x="n", y="error", along=["ρ", "epoch"])
    assert "no value" in opened().locator(".kd-drag-reading").inner_text()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"y": "risk"}, "not there: .'risk'"),
        ({"along": []}, "at least one"),
        ({"frame": FRAME[1:].query("not (ρ == .9 and epoch == 255)")}, "5 of 6"),
        ({"frame": BOTH[(BOTH["kind"] == "soft") | (BOTH["ρ"] == 0.5)], "hue": "kind"}, "ρ, epoch, kind needs rows: 9 of 12"),
        ({"frame": BOTH}, "one row for each n and combination of ρ, epoch; 18 are repeated"),
        ({"along": ["ρ", "n"]}, "each column one use, got n, error, ρ, n"),
        ({"low": "low"}, "low and high go together"),
        ({"logarithmic": "xy"}, "logarithmic holds x, y or both; got .*'xy'"),
        ({"frame": BOTH, "hue": "kind", "colors": {"hard": "red"}}, "a role is one of hard, soft.*got 'red'"),
        ({"start": {"ρ": 0.7}}, "start of ρ must be one of .0.5, 0.9., got 0.7"),
        ({"logarithmic": ("y",), "frame": FRAME.assign(error=0.0)}, "error must be > 0"),
        ({"logarithmic": ("y",), "frame": FRAME.assign(low=-1.0), "low": "low", "high": "high"}, "low must be > 0 .* got -1"),
        ({"logarithmic": ("y",), "frame": FRAME.assign(high=0.0), "low": "low", "high": "high"}, "high must be > 0 .* got 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, rule):
    with pytest.raises(ValueError, match=rule):
        moving.sliders(**({"frame": FRAME, "x": "n", "y": "error", "along": ["ρ", "epoch"]} | change))
    with pytest.raises(ValueError, match="needs rows"):
        moving.figure("kd-toy", FRAME[:0])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_setting_that_no_browser_could_read_is_refused(shown, number):
    for setting in (number, [1.0, number], {"low": {"of": number}}):
        with pytest.raises(ValueError, match="not JSON compliant"):
            moving.figure("kd-toy", FRAME, setting=setting)
    assert not shown


def test_numbers_survive_the_way_into_the_page(shown):
    moving.sliders(FRAME, x="n", y="error", along=["epoch"] + ["ρ"])
    data = unescape(shown["html"].split('data-columns="')[1].split('"')[0])
    assert json.loads(data)["error"] == pytest.approx(FRAME["error"].tolist(), rel=1e-8)
