"""Figures: one drawing for both themes, ids that never meet, colours that are the roles'."""

import io
import re

import matplotlib
import pandas
import pytest

from companion import plots
from companion.plots import verbs

matplotlib.use("agg")
import matplotlib.pyplot as plt


@pytest.fixture
def drawing():
    def draw(label="a"):
        plots.use_style()
        figure, axes = plt.subplots()
        axes.plot([0, 1], [0, 1], color=plots.COLORS["hard"], label=label)
        axes.plot([0, 1], [1, 0], color=plots.shades([1.0, 0.5, 0.0])[0.5])
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


def test_the_style_sheet_has_every_role_in_both_themes():
    from companion.press import chapters

    css = (chapters.book() / "_static" / "kdlib.css").read_text()
    for theme in ("light", "dark"):
        block = re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.S)[1]
        assert set(re.findall(r"--kd-(\w+):", block)) >= set(plots.COLORS)
    light = re.search(r'html\[data-theme="light"\] {(.*?)}', css, re.S)[1]
    assert all(f"--kd-{role}: {color};" in light for role, color in plots.COLORS.items())


def test_shades_run_from_one_role_to_the_other():
    shades = plots.shades([1, 2, 3])
    assert (shades[1], shades[3]) == (plots.COLORS["hard"], plots.COLORS["soft"])
    assert plots.shades([7]) == {7: plots.COLORS["soft"]}
    assert list(plots.shades([2, 1, 2])) == [2, 1]
    with pytest.raises(ValueError, match="a role is one of hard, soft.*got 'warm'"):
        plots.shades([1, 2], start="warm")


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
    assert axes[0].get_legend_handles_labels()[1] == ["ours (3, 2 of 3 seeds)"]
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
