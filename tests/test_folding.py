"""Which code a page folds: what a cell calls decides, a tag overrules, and neighbours share a drawer."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from companion.press import chapters, folding

IMPORTS = "import pandas as pd\nimport seaborn as sns\nfrom scipy import stats\nfrom kdlib import intervals, logits\n" \
    "from kdlib.metrics import inefficiency\nfrom companion import claims, plots, prose, sweeps"


@pytest.mark.parametrize(
    ("source", "work"),
    [
        (IMPORTS, "imports"),
        ("import os\nlogits.effective_logits(1)", "imports"),
        ("def run(seed):\n    return logits.effective_logits(seed)", None),
        ("def half(x):\n    return x / 2", None),
        ("z = logits.effective_logits(1)", None),
        ("fit = stats.linregress(x, y)\ntable['slope'] = fit.slope", None),
        ("table = inefficiency.table(norms, sizes)", None),
        ("rows = sweeps.run_sweep(run, [{}], store=sweeps.store('a'), seeds=3)", "rows"),
        ("z = logits.effective_logits(1)\nclaims.record('one', z)", "verdicts"),
        ("def in_words(x):\n    return prose.number(x)", "numbers of the text"),
        ("def draw(axis, x):\n    axis.plot(x)", "drawing"),
        ("axes[0].legend()", "drawing"),
        ("colors = plots.shades([1])", "drawing"),
        ("band = intervals.mean_band(frame, 'n', 'risk')", "tables"),
        ("frame = pd.DataFrame(run(1))", "tables"),
        ("setting = {'n': 3}", "tables"),
        ("%time x\nsetting = 1", "tables"),
    ],
)
def test_a_cell_is_science_where_it_defines_or_computes_and_does_nothing_of_the_press(source, work):
    modules = folding.imported(IMPORTS)
    assert folding.press_work(source, modules) == work


def shown(cells):
    return [(cell.source.splitlines(), "hide-input" in cell.metadata.get("tags", [])) for cell in cells]


def test_folded_neighbours_share_a_drawer_until_something_is_shown():
    glued = new_output("display_data", {"text/plain": "1"}, metadata={"scrapbook": {"name": "x"}})
    verdict = new_output("display_data", {"text/html": "<p>"})
    made = folding.fold([
        new_code_cell("import os"),
        new_code_cell("a = 1", outputs=[glued]),
        new_code_cell("b = 2", outputs=[verdict]),
        new_code_cell("c = 3"),
        new_code_cell("def f():\n    return 1"),
        new_code_cell("d = 4"),
        new_markdown_cell("Text."),
        new_code_cell("e = 5"),
    ])
    first = ["import os", "", "a = 1", "", "b = 2"]
    lines = [first, ["c = 3"], ["def f():", "    return 1"], ["d = 4"], ["Text."], ["e = 5"]]
    assert shown(made) == [(one, one[0] not in ("def f():", "Text.")) for one in lines]
    assert made[0].outputs == [glued, verdict]
    assert made[0].metadata["mystnb"]["code_prompt_show"] == "Code: imports, tables (5 lines)"
    assert made[1].metadata["mystnb"]["code_prompt_hide"] == "Code: tables (1 line)"
    assert not any("kdlib_folded" in cell.metadata for cell in made)


def test_a_tag_overrules_what_the_cell_calls_and_figures_stay_as_they_are():
    cells = [
        new_code_cell("a = 1", metadata={"tags": ["show-input"]}),
        new_code_cell("def f():\n    return 1", metadata={"tags": ["hide-input"]}),
        new_code_cell("draw()", metadata={"tags": ["remove-input"]}),
    ]
    made = folding.fold(cells)
    assert [hidden for _, hidden in shown(made)] == [False, True, False]
    assert made[2].metadata["tags"] == ["remove-input"]


def test_of_no_chapter_more_than_half_of_the_cells_stay_open():
    for chapter in chapters.names():
        modules, works = {}, []
        for source in chapters.code_cells((chapters.book() / f"{chapter}.md").read_text(encoding="utf-8"))[1:]:
            modules |= folding.imported(source)
            works.append(folding.press_work(source, modules))
        assert works[0] == "imports" and works.count(None) <= len(works) / 2, f"{chapter}: {works}"
