"""A figure on every screen: the drawing for a phone, names at the ends of curves, numbers on logarithmic axes."""

import re
import shutil

import matplotlib
import numpy as np
import pytest

from companion import plots
from companion.plots import labels, narrow
from companion.press import chapters

matplotlib.use("agg")
import matplotlib.pyplot as plt

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def html():
    """Three panels that share an axis, with a legend beside them and names at the ends of curves."""
    plots.use_style()
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3), sharey=True)
    n = np.array([1e-6, 1e-3, 1.0])
    for axis, title in zip(axes, ("first", "second", "third"), strict=True):
        for name in ("alpha", "beta", "gamma", "delta"):
            axis.plot(n, n, label=name)
        axis.set(xscale="log", xlabel="samples", title=title)
    axes[0].set_ylabel("height")
    axes[1].legend()
    plots.label_lines(axes[2])
    made = plots.figure_html(figure)
    plt.close(figure)
    return made


def test_on_a_phone_panels_stand_under_each_other_with_their_own_labels(html):
    wide, key, small = re.findall(r"<svg.*?</svg>", html, re.S)
    classes = ["kd-wide", "kd-narrow kd-key", "kd-narrow"]
    assert [re.search('class="([^"]+)"', svg)[1] for svg in (wide, key, small)] == classes
    assert html.count("role=") == 1, "two drawings, read once"
    sizes = [float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1]) for svg in (wide, small)]
    assert sizes == [72 * narrow.COLUMN, pytest.approx(72 * narrow.PHONE)]
    assert wide.count(">height<") == 1 and small.count(">height<") == 3
    assert wide.count(">0.4<") == 1 and small.count(">0.4<") == 3
    assert wide.count(">alpha<") == 2 and (key.count(">alpha<"), small.count(">alpha<")) == (1, 1), "a curve's end stays named"
    titles = [small.index(f">{title}<") for title in ("first", "second", "third")]
    heights = [float(re.search(r'y="([\d.]+)"', small[place - 200 : place])[1]) for place in titles]
    assert heights == sorted(heights) and heights[0] < heights[2] - 200


def test_numbers_on_logarithmic_axes_are_plain(html):
    assert html.count(">10⁻⁶<") == 6 and "10^" not in html and "mathdefault" not in html


def test_names_at_the_ends_of_curves_keep_clear_of_each_other_and_in_order():
    figure, axis = plt.subplots()
    for name, height in {"low": 0.1, "high": 0.1003, "middle": 0.1002, "far": 5.0, "lost": np.nan}.items():
        axis.plot([0, 1], [height, height], label=name)
    axis.plot([], [], label="paper")
    plots.label_lines(axis, title="heights")
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    (ends,) = [artist for artist in axis.artists if isinstance(artist, labels._EndLabels)]
    texts = [text for text, _ in ends._texts(renderer)]
    assert [text.get_text() for text in texts] == ["low", "middle", "high", "far", "heights"]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert all(above.y0 > below.y0 + 8 and not above.overlaps(below) for below, above in zip(boxes, boxes[1:], strict=False))
    assert all(axis.bbox.x1 < box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["paper"]
    plt.close(figure)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium in the environment")
def test_no_letter_is_smaller_than_eleven_pixels_on_any_screen(html, tmp_path):
    from playwright.sync_api import sync_playwright

    css = (chapters.book() / "_static" / "kdlib.css").read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    page.write_text(f'<html data-theme="light"><meta charset="utf-8"><style>body {{margin: 0}} {css}</style>{html}', encoding="utf-8")
    letters = """() => [...document.querySelectorAll("svg text")].filter((text) => text.getBoundingClientRect().width)
      .map((text) => { const to = text.getScreenCTM(); return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(to.c, to.d); })"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        tab = browser.new_page()
        for width in (312, 480, 626, 627, 688, 1200):
            tab.set_viewport_size({"width": width, "height": 800})
            tab.goto(page.as_uri())
            shown = tab.evaluate("() => [...document.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect().width)")
            assert [size > 0 for size in shown] == ([False, True, True] if width <= 626 else [True, False, False]), width
            assert max(shown) <= width and min(tab.evaluate(letters)) >= 11, width
        browser.close()
