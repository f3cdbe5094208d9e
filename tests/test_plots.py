"""Figures: one drawing for both themes, ids that never meet, colours that are the roles'."""

import io
import itertools
import re

import matplotlib
import numpy as np
import pandas
import pytest

from companion import plots
from companion.plots import colors, verbs
from companion.press import chapters

matplotlib.use("agg")
import matplotlib.pyplot as plt


@pytest.fixture
def drawing():
    def draw(label="a"):
        plots.use_style()
        figure, axes = plt.subplots()
        axes.plot([0, 1], [0, 1], color=plots.COLORS["hard"], label=label)
        axes.plot([0, 1], [1, 0], color=plots.shades([1.0, 0.9, 0.5, 0.0])[0.9])
        axes.legend()
        html = plots.figure_html(figure)
        plt.close(figure)
        return html

    return draw


def test_every_colour_is_the_style_sheets(drawing):
    html = drawing()
    assert f"var(--kd-hard, {plots.COLORS['hard']})" in html
    bare = re.sub(r"var\(--kd-\w+, #[0-9a-f]{6}\)", "", html)
    assert not re.search(r"(?:fill|stroke): #(?!ffffff)[0-9a-f]{6}", bare), "a colour that would not follow the theme"
    assert "color-mix(in srgb, " in bare
    assert "<style" not in html, "a style inside one drawing would change the whole page"


def test_two_drawings_share_no_id_and_one_drawing_is_the_same_again(drawing):
    ids = [set(re.findall(r'\bid="([^"]+)"', drawing(label))) for label in "ab"]
    assert ids[0] and not ids[0] & ids[1]
    assert drawing("a") == drawing("a")
    for target in re.findall(r'(?:url\(#|href="#)([^")]+)', drawing("a")):
        assert target in ids[0]


def theme_colors(theme):
    """Name -> colour of one theme of the style sheet."""
    css = (chapters.book() / "_static" / "kdlib.css").read_text(encoding="utf-8")
    block = re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.S)[1]
    return dict(re.findall(r"--kd-(\w+): (#\w+);", block))


def test_the_style_sheet_has_every_role_and_stop_in_both_themes():
    names = plots.COLORS | colors.STOPS
    assert set(theme_colors("dark")) >= set(names)
    assert names.items() <= theme_colors("light").items()


def test_shades_run_from_one_role_to_the_other():
    shades = plots.shades([1, 2, 3])
    assert list(shades.values()) == [colors.STOPS[name] for name in ("orange", "violet", "cool")]
    assert plots.shades([7]) == {7: colors.STOPS["cool"]}
    assert list(plots.shades([2, 1, 2])) == [2, 1]
    with pytest.raises(ValueError, match="a ramp leads soft to hard, .*got 'warm' to 'soft'"):
        plots.shades([1, 2], start="warm")


def test_a_papers_curve_has_the_colour_of_the_value_that_its_legend_rounds():
    shades = plots.shades([1.0, 0.9599, 0.5])
    assert plots.partner(shades, "0.960") == shades[0.9599]
    assert plots.partner(shades, 0.7) == plots.COLORS["paper"]


# Machado, Oliveira and Fernandes (2009), full severity, on linear light.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
PAGES = {"light": "#ffffff", "dark": "#14181e"}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def light(color):
    values = np.array(matplotlib.colors.to_rgb(color))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    dark, bright = sorted(TO_XYZ[1] @ light(color) for color in (one, other))
    return (bright + 0.05) / (dark + 0.05)


def lab(color, blindness="none"):
    seen = np.clip(np.array(BLINDNESS[blindness]) @ light(color), 0, 1)
    f = np.cbrt(TO_XYZ @ seen / [0.95047, 1, 1.08883])  # no colour of ours is near black's linear part
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", PAGES)
def test_roles_are_seen_on_the_page_by_the_colour_blind_and_in_grey(theme):
    shown = theme_colors(theme)
    for name in set(plots.COLORS) - {"grid"}:
        assert contrast(shown[name], PAGES[theme]) >= 3, name
    for one, other in itertools.combinations(("hard", "soft", "teacher", "ink"), 2):
        for blindness in BLINDNESS:
            apart = np.linalg.norm(lab(shown[one], blindness) - lab(shown[other], blindness))
            assert apart > 12, (one, other, blindness, apart)
        assert abs(lab(shown[one])[0] - lab(shown[other])[0]) > 6, (one, other, "in grey")


@pytest.mark.parametrize("theme", PAGES)
@pytest.mark.parametrize("ends", [("soft", "hard"), ("soft", "teacher")])
def test_a_ramp_grows_lighter_all_the_way_on_both_pages(theme, ends):
    shown = theme_colors(theme)
    stops = [matplotlib.colors.to_rgb(shown[name]) for name in colors.RAMPS[ends]]
    ways = np.linspace(0, 2, 9)
    ramp = np.column_stack([np.interp(ways, [0, 1, 2], part) for part in zip(*stops, strict=True)])
    assert all(contrast(color, PAGES[theme]) >= 3 for color in ramp)
    for blindness in BLINDNESS:
        lightness = np.array([lab(color, blindness)[0] for color in ramp])
        assert np.diff(lightness).min() > 1, (blindness, lightness)
        assert np.ptp(lightness) > 25, (blindness, lightness)


def test_a_figure_offers_exactly_what_its_verbs_drew_with_units_and_once():
    figure, axes = plt.subplots(1, 2, sharey=True)
    band = pandas.DataFrame({"n": [10, 20], "mean": [0.2, 0.1], "low": [-0.1, 0.0], "high": [0.3, 0.2], "k": [3, 2], "K": 3})
    band["seeds"] = ["3", "2 of 3"]
    left_over = band.copy()  # a frame that the cell names and does not draw
    for axis, title in zip(axes, ("soft", "hard"), strict=True):
        plots.band(axis, band, "n", color=plots.COLORS["soft"], label="ours", floor=1e-3)
        axis.set(xlabel="samples n", title=title)
    axes[0].set_ylabel("error, %")
    plots.paper(axes[0], [[10, 3.0], [20, 4.0]])
    plots.rows(angles=pandas.DataFrame({"angle, rad": [0.5]}))
    assert axes[0].get_legend_handles_labels()[1] == ["ours (3, 2 of 3 seeds)", "paper"]
    assert axes[0].collections[0].get_paths()[0].vertices[:, 1].min() == 1e-3  # the floor of the band
    tables = {name: pandas.read_csv(io.StringIO(text)) for name, text in verbs.take_rows().items()}
    assert set(tables) == {"error-against-samples-n", "angles"} and len(left_over) == 2
    drawn = tables["error-against-samples-n"]
    assert len(drawn) == 2 + 2 + 2 and list(drawn["panel"].unique()) == ["soft", "hard"]
    assert list(drawn["curve"].unique()) == ["ours (3, 2 of 3 seeds)", "paper"]
    assert {"samples n", "mean of error, %", "low of error, %", "error, %"} <= set(drawn.columns)
    assert drawn["low of error, %"].min() == -0.1  # what was measured, not where the drawing ends
    assert verbs.take_rows() == {}


@pytest.mark.parametrize(
    ("frame", "told"),
    [(pandas.DataFrame({"a": []}), "and drawn has none"), (pandas.DataFrame({"a": [[1, 2]]}), "column 'a' holds arrays")],
)
def test_rows_that_cannot_be_offered_are_refused(frame, told):
    with pytest.raises(ValueError, match=told):
        plots.rows(drawn=frame)
