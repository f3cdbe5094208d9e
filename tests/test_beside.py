"""The pages beside the papers: their outlines, what a strict build refuses, and panels that are taken from figures."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion import claims, plots
from companion.claims.file import PAPERS
from companion.plots import verbs
from companion.press import wording
from companion.press.beside import checks, heads, outline, page, thumbnails

matplotlib.use("agg")
import matplotlib.pyplot as plt

PAPER = "dong_2019"
RULE = {"kind": "band", "value": {"a": 1.5, "b": 2}, "absolute": 0.1}


def test_every_paper_has_an_outline_in_which_each_of_its_claims_stands_once(tmp_path):
    assert outline.papers() == list(PAPERS)
    assert checks.problems(tmp_path) == []


@pytest.fixture(scope="module")
def html():
    """A figure of two panels that share an axis; each has a curve of ours and one of the paper's."""
    plots.use_style()
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
    for axis in axes:
        axis.plot([0, 1], [0, 7], color=plots.COLORS["soft"], label="ours")
        plots.paper(axis, [[0, 1], [1, 0]], label="paper, soft", color=plots.COLORS["soft"])
    axes[0].set(ylabel="height", title="first")
    axes[1].set(xlabel="breadth", title="second")
    axes[1].legend()
    made = plots.figure_html(figure)
    verbs.take_rows()  # or the next figure of these tests would offer them
    plt.close(figure)
    return made


def parts(svg):
    root = ElementTree.fromstring(svg)
    texts = [text for text in root.itertext() if text.strip()]
    curves = [path for path in root.iter("path") if "stroke: var(--kd-soft" in path.get("style", "")]
    return root, texts, [float(one) for one in root.get("viewBox").split()], curves


def test_a_panel_is_cut_out_with_the_labels_that_it_shares(html):
    root, texts, box, curves = parts(thumbnails.drawing(html, "An <alt>.", panel=2))
    assert {"second", "breadth", "height", "ours"} <= set(texts) and not {"first", "paper, soft"} & set(texts)
    assert "6" in texts and len(curves) == 2, "the panel's curve and its legend's, with its neighbour's numbers"
    assert 230 < box[2] < 330 and root.get("aria-label") == "An <alt>."
    assert parts(thumbnails.drawing(html, ""))[2][3] > 1.7 * box[3], "without a number all panels are shown"


def test_the_papers_half_has_the_same_frame_and_its_curve_alone(html):
    _, ours, one_box, ours_curves = parts(thumbnails.drawing(html, "", panel=1))
    _, theirs, other_box, theirs_curves = parts(thumbnails.drawing(html, "", panel=1, keep="theirs"))
    assert [*theirs, "ours"] == ours and other_box[:3] == one_box[:3], "but for the legend"
    assert [len(curves) for curves in (ours_curves, theirs_curves)] == [1 + 1, 1], "a line and its mark in the legend; a line"
    assert ours_curves[0].get("d") != theirs_curves[0].get("d")
    _, all_texts, _, all_curves = parts(thumbnails.drawing(html, "", panel=1, keep="all"))
    assert len(all_curves) >= 3 and {"ours", "first"} <= set(all_texts)


def test_ids_of_two_panels_never_meet_and_each_that_is_referred_to_is_there(html):
    drawn = [thumbnails.drawing(html, "", panel=panel, keep=keep) for panel in (1, 2) for keep in ("ours", "theirs")]
    ids = [re.findall(r'\bid="([^"]+)"', svg) for svg in drawn]
    assert len(set(sum(ids, []))) == len(sum(ids, [])) > 8
    for own, svg in zip(ids, drawn, strict=True):
        assert set(re.findall(r"#(kdb[^\")]+)", svg)) == set(own)


def test_a_figure_without_such_a_panel_or_without_the_paper_gives_nothing(html):
    assert thumbnails.drawing(html, "", panel=3) is None
    assert thumbnails.drawing(html.replace("paper_", "line2d_"), "", panel=1, keep="theirs") is None
    assert thumbnails.drawing('<div class="kd-figure kd-moving"></div>', "") is None


def test_a_panel_with_a_name_at_its_axis_and_no_numbers_takes_the_numbers_alone():
    figure, axes = plt.subplots(1, 2, sharey=True)
    axes[0].plot([0, 1], [0, 7])
    axes[0].set_ylabel("height")
    axes[1].set_ylabel("height too")
    svg = thumbnails.drawing(plots.figure_html(figure), "", panel=2)
    plt.close(figure)
    assert {"height too", "6"} <= set(parts(svg)[1]) and "height" not in parts(svg)[1]


@pytest.fixture
def book(tmp_path, monkeypatch, html):
    """Writes a toy book with an outline, and returns it with the folder of its one executed chapter."""
    named = [{"id": name, "paper": PAPER, "place": "Fig. 1", "statement": f"It is <{name}>.", "quantity": "a number", "rule": RULE,
              "chapter": "01_toy"} for name in ("one", "two")]  # fmt: skip
    (tmp_path / "claims.yml").write_text(yaml.safe_dump(named))
    (tmp_path / "01_toy.md").write_text("# Toy\n")
    (tmp_path / "beside").mkdir()
    bib = "@misc{key, author={A. B. Cee}, title={On it}, year={2019}, note={arXiv:1910.01255}}"
    (tmp_path / "references.bib").write_text(bib)
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path))
    made = {**claims.read()[0], "verdict": "reproduced", "estimate": {"a": 1.46}, "interval": {"a": [1.41, 1.52]}, "note": "", "figure": None}
    shown = new_output("display_data", {"text/html": "<p>"}, metadata={"kdlib": {"claim": made}})
    said = {"name": "fig-01-toy", "text": "It falls.", "holds": True, "said": "It falls by <3>."}
    told = new_output("display_data", {"text/plain": ""}, metadata={"kdlib": {"statement": said}})
    about = {"mystnb": {"figure": {"name": "fig-01-toy", "caption": "It."}, "image": {"alt": "A line."}}}
    drawn = new_output("display_data", {"text/html": html})
    cells = [new_markdown_cell("# Toy"), new_code_cell("x", outputs=[shown, told]), new_code_cell("y", outputs=[drawn], metadata=about)]
    record = {"kdlib": {"profile": "laptop", "changed": []}}
    nbformat.write(new_notebook(cells=cells, metadata=record), tmp_path / "01_toy.ipynb")

    def write(*entries):
        told = {"reference": "key", "says": "It says so.", "sections": [{"title": "1 Start", "entries": list(entries)}]}
        (tmp_path / "beside" / f"{PAPER}.yml").write_text(yaml.safe_dump(told))
        return tmp_path

    return write


FIRST = {"item": "Fig. 1", "shows": "A fall.", "chapter": "01_toy", "claims": ["one"], "figure": "fig-01-toy", "panel": 1, "drawn": True,
         "found": [{"said": "fig-01-toy"}]}  # fmt: skip
SECOND = {"item": "Theorem 1", "shows": "A bound.", "chapter": "01_toy", "claims": ["two"], "formula": "a < b", "no_pair": "It is plain.",
          "found": [{"why": "two"}, {"theorem": "It is so."}]}  # fmt: skip


@pytest.mark.parametrize(
    ("first", "line"),
    [
        ({"claims": []}, "dong_2019: one belongs to 0 entries, not to 1"),
        ({"claims": ["one", "two"]}, "dong_2019: two belongs to 2 entries, not to 1"),
        ({"claims": ["one", "three"]}, "dong_2019: no claim of this paper: three"),
        ({"drawn": False}, "dong_2019, Fig. 1: has a pair, or a reason why there is none (no_pair); not both"),
        ({"no_pair": "So."}, "dong_2019, Fig. 1: has a pair, or a reason why there is none (no_pair); not both"),
        ({"chapter": "02_gone"}, "dong_2019, Fig. 1: no chapter: 02_gone"),
        ({"figure": "fig-01-gone"}, "dong_2019, Fig. 1: 01_toy has no figure fig-01-gone"),
        ({"panel": 3}, "dong_2019, Fig. 1: fig-01-toy, panel 3: draws nothing that is ours"),
        ({"found": []}, "dong_2019, Fig. 1: has claims, and no sentence on what was found"),
        ({"found": [{"said": "nothing"}]}, "dong_2019, Fig. 1: 01_toy says nothing of nothing"),
        ({"numbers": ["two"]}, "dong_2019, Fig. 1: numbers of no claim of its own: two"),
        ({"item": "Theorem 1"}, "dong_2019: two entries at beside-dong-2019-theorem-1"),
        ({"pannel": 1}, "dong_2019, Fig. 1: pannel: missing, or not a field"),
    ],
)
def test_a_fault_of_an_outline_is_one_line_of_a_strict_build(book, first, line):
    assert checks.problems(book(FIRST, SECOND)) == []
    assert f"beside/{line}" in checks.problems(book(FIRST | first, SECOND))


def test_a_run_of_the_tests_may_lack_a_panel_and_a_sentence(book):
    folder = book(FIRST | {"panel": 3, "found": [{"said": "nothing"}]}, SECOND)
    assert len(checks.problems(folder)) == 3
    path = folder / "01_toy.ipynb"
    path.write_text(path.read_text().replace('"laptop"', '"smoke"'))
    assert checks.problems(folder) == []
    assert "Our figure has no such panel in this run." in page.markdown(PAPER, folder)


def test_why_there_is_no_pair_compares_nothing_that_a_run_could_change():
    for paper in PAPERS:
        for entry in outline.entries(paper):
            assert wording.comparing(entry.get("no_pair", "")) == [], (paper, entry["item"])


def test_a_page_has_reference_counts_places_pairs_findings_and_cards(book):
    text = page.markdown(PAPER, book(FIRST, SECOND | {"numbers": ["two"]} | {"no_pair": ""}))
    assert '<a href="https://arxiv.org/abs/1910.01255">arXiv:1910.01255</a>' in text
    assert "Of the 2 claims that stand in the paper as written, 1 hold here, 0 do not, 0 are undecided, and 1 could not" in text
    assert '<a href="#beside-dong-2019-fig-1">Fig. 1</a>' in text and "(beside-dong-2019-fig-1)=\n### Fig. 1" in text
    assert text.count("<svg") == 2 and text.count('<a href="01_toy.html#fig-01-toy">') == 2
    assert "What we find.</strong> It falls by &lt;3&gt;." in text and "**What we find.** It is so." in text and "It is <" not in text
    assert text.count('class="kd-claim ') == 2 and 'href="ledger.html#paper=dong_2019&amp;verdict=reproduced"' in text
    assert '<th scope="row">a</th><td>1.5</td><td>—</td>' in text, "a claim that was not run has no number of ours"


def test_the_numbers_of_a_claim_stand_beside_the_papers(book):
    text = page.markdown(PAPER, book(FIRST | {"numbers": ["one"]}, SECOND))
    assert '<th scope="row">a</th><td>1.5</td><td>1.46 (1.41 to 1.52)</td>' in text
    assert '<th scope="row">b</th><td>2</td><td>—</td>' in text


def test_a_chapter_that_was_not_executed_leaves_words_and_no_link(book):
    folder = book(FIRST, SECOND)
    (folder / "01_toy.ipynb").unlink()
    text = page.markdown(PAPER, folder)
    assert checks.problems(folder) == [] and "<svg" not in text and "01_toy.html" not in text


def test_a_bar_has_a_part_for_each_verdict_the_good_ones_first():
    bar = claims.verdict_bar(["not reproduced", "reproduced", "fitted", "reproduced"])
    assert re.findall(r'kd-verdict--([\w-]+)" style="flex-grow:(\d)"', bar) == [("reproduced", "2"), ("fitted", "1"), ("not-reproduced", "1")]
    assert 'aria-label="Verdicts: 2 reproduced, 1 fitted, 1 not reproduced"' in bar and claims.verdict_bar([]) == ""


def test_a_reference_is_read_from_the_bibliography():
    assert "Guangda Ji and Zhanxing Zhu" in heads.reference("ji2020knowledge")
    assert (Path(outline.__file__).name, len(outline.entries("ji_zhu_2020")) > 20) == ("outline.py", True)
