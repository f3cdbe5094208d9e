"""Figures that move: what the page is given, and sliders moved in a browser."""

import json
from html import unescape

import browsers
import matplotlib.pyplot as plt
import pandas
import pytest

from companion import moving, plots
from companion.moving import place

FRAME = pandas.DataFrame(
    [{"ρ": rho, "epoch": epoch, "n": n, "error": rho / n * epoch, "low": 0.9 * rho / n * epoch, "high": 1.1 * rho / n * epoch}
     for rho in (0.5, 0.9) for epoch in (255, 767, 1919) for n in (32, 128, 512)]
)
BOTH = pandas.concat([FRAME.assign(kind="soft"), FRAME.assign(kind="hard", error=2 * FRAME["error"])], ignore_index=True)


@pytest.fixture
def shown(monkeypatch):
    made = {}
    monkeypatch.setattr(place, "display", lambda data, raw, metadata: made.update(html=data["text/html"], **metadata["text/html"]))
    return made


def line():
    """A figure of one line, drawn with a verb that keeps its rows."""
    still, axis = plt.subplots()
    plots.curve(axis, FRAME, "n", "error", color=plots.COLORS["soft"])
    return still


def test_a_moving_figure_carries_its_rows_its_settings_and_a_still_one(shown):
    moving.figure("kd-toy", FRAME[["n", "error"]], still=line(), rho=0.5, name='a "quoted" name')
    assert shown["kdlib"]["rows"]["rows"].splitlines()[0] == "n,error" and shown["kdlib"]["rows"]["rows"].count("\n") == 19
    assert '<div class="kd-toy" data-rho="0.5" data-name="a &quot;quoted&quot; name"><div class="kd-still" aria-hidden="true"><svg' in shown["html"]
    assert shown["html"].startswith('<div class="kd-figure kd-moving" role="group">') and "var(--kd-soft" in shown["html"]
    assert not plt.get_fignums() and not plots.take_rows(), "the still figure is shown once, and its rows are not the next figure's"


@pytest.fixture(scope="module")
def phone():
    if browsers.BROWSER is None:
        pytest.skip("no Chromium on this machine: the sliders are not moved")
    with browsers.opened() as page:
        yield page


@pytest.fixture
def opened(shown, phone, tmp_path):
    """Opens what was shown on a phone."""

    def go():
        phone.goto(browsers.written(tmp_path, shown["html"], "sliders.js"))
        return phone

    yield go
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


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
        assert page.locator("polygon").count() == 1 and f"ρ {rho}, epoch {epoch}" in page.locator(".kd-reading").inner_text()
    assert page.get_by_role("slider", name="epoch").get_attribute("aria-valuetext") == "767"


def test_a_ghost_stays_where_it_is_and_the_reading_tells_both_values(shown, opened):
    moving.sliders(FRAME, x="n", y="error", along=["ρ", "epoch"], logarithmic=("x",), ghost={"ρ": 0.9}, at=128)
    page = opened()
    at = FRAME[FRAME["n"] == 128].set_index(["ρ", "epoch"])["error"]
    for key, epoch in (("Home", 255), ("ArrowRight", 767)):
        page.locator("input[data-name='epoch']").press(key)
        ghost = FRAME[(FRAME["ρ"] == 0.9) & (FRAME["epoch"] == epoch)].sort_values("n")
        values = page.locator("polyline[data-ghost]").get_attribute("data-ghost").split(" ")
        assert [float(value) for value in values] == pytest.approx(ghost["error"].tolist(), rel=1e-8)
        told = f"ρ 0.5, epoch {epoch}: error {at[0.5, epoch]:.3g} at n 128; {at[0.9, epoch]:.3g} with ρ 0.9."
        assert page.locator(".kd-reading").inner_text() == f"At {told}"
    assert "ρ 0.9" in page.locator(".kd-legend").inner_text()


def test_curves_that_coincide_are_both_visible_and_each_is_named(shown, opened):
    twins = pandas.concat([FRAME.assign(kind="soft"), FRAME.assign(kind="hard")], ignore_index=True)
    moving.sliders(twins, x="n", y="error", along=["ρ", "epoch"], hue="kind", colors={"hard": "hard"})
    page = opened()
    below, above = (page.locator(f"polyline[data-hue='{kind}']") for kind in ("soft", "hard"))
    assert float(below.get_attribute("stroke-width")) > float(above.get_attribute("stroke-width"))
    assert below.get_attribute("stroke-dasharray") == "" and above.get_attribute("stroke-dasharray")
    assert "0.249 (soft), 0.249 (hard)" in page.locator(".kd-reading").inner_text()  # 0.5 / 512 * 255


@pytest.mark.parametrize("logarithmic", [(), ("x", "y")])
@pytest.mark.parametrize("most", [700, 8192, 3_000_000])
def test_the_numbers_of_an_axis_do_not_touch_on_a_phone(shown, opened, most, logarithmic):
    frame = FRAME.assign(n=FRAME["n"].map({32: 32, 128: 300, 512: most}))
    moving.sliders(frame, x="n", y="error", along=["ρ", "epoch"], logarithmic=logarithmic)
    rows = "rows => rows.map(row => row.getBoundingClientRect()).map(box => [box.left, box.right, box.top])"
    boxes = opened().locator(".kd-axes text").evaluate_all(rows)
    numbers = sorted(box for box in boxes if box[2] == max(boxes, key=lambda one: sum(one[2] == other[2] for other in boxes))[2])
    assert len(numbers) >= 2 and all(one[1] + 4 < other[0] for one, other in zip(numbers, numbers[1:], strict=False))


def test_without_scripts_the_still_figure_is_seen(shown, phone, tmp_path):
    moving.sliders(BOTH, x="n", y="error", along=["ρ", "epoch"], hue="kind", colors={"hard": "hard"})
    page = phone.context.browser.new_page(java_script_enabled=False)
    page.goto(browsers.written(tmp_path, shown["html"], "sliders.js"))
    box = page.locator(".kd-still svg").first.bounding_box()
    assert box["width"] > 300 and box["height"] > 150
    page.close()


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
    assert "no value" in opened().locator(".kd-reading").inner_text()


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
        ({"ghost": {"n": 32}}, "ghost of n must be one of None, got 32"),
        ({"at": 33}, "at of n must be one of .32, 128, 512., got 33"),
        ({"logarithmic": ("y",), "frame": FRAME.assign(error=0.0)}, "error must be > 0"),
        ({"logarithmic": ("y",), "frame": FRAME.assign(low=-1.0), "low": "low", "high": "high"}, "low must be > 0 .* got -1"),
        ({"logarithmic": ("y",), "frame": FRAME.assign(high=0.0), "low": "low", "high": "high"}, "high must be > 0 .* got 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, rule):
    with pytest.raises(ValueError, match=rule):
        moving.sliders(**({"frame": FRAME, "x": "n", "y": "error", "along": ["ρ", "epoch"]} | change))
    with pytest.raises(ValueError, match="needs rows"):
        moving.figure("kd-toy", FRAME[:0], still=None)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_setting_that_no_browser_could_read_is_refused(shown, number):
    for setting in (number, [1.0, number], {"low": {"of": number}}):
        with pytest.raises(ValueError, match="not JSON compliant"):
            moving.figure("kd-toy", FRAME, still=None, setting=setting)
    assert not shown


def test_numbers_survive_the_way_into_the_page(shown):
    moving.sliders(FRAME, x="n", y="error", along=["epoch"] + ["ρ"])
    data = unescape(shown["html"].split('data-columns="')[1].split('"')[0])
    assert json.loads(data)["error"] == pytest.approx(FRAME["error"].tolist(), rel=1e-8)
