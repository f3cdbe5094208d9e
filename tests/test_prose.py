"""What the text says of numbers: it follows the run, and typed words that compare are found."""

import json
import math

import nbformat
import numpy
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from companion import prose
from companion.press import chapters, pages, wording

ROWS = "falling = [3.0, 2.0, 1.0]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5541, "5,541"), (numpy.int64(12), "12"), (0.0412, "0.041"), (13720.0, "14,000"), (2.04e9, "2.0 × 10⁹"), (1.5e-10, "1.5 × 10⁻¹⁰"),
        (92.7, "93"), (1.0, "1.0"), (-0.98, "-0.98"), (0.0, "0"), (9.96, "10"), (torch.tensor(0.25), "0.25"), (math.inf, "inf"),
        (0.00012, "0.00012"), (0.00009, "9.0 × 10⁻⁵"),
    ],
)  # fmt: skip
def test_a_number_in_the_text(value, text):
    assert prose.number(value) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((4.3, 2.8, 5.8), "4.3 (2.8 to 5.8)"), ((92.71, 92.5, 92.9), "92.7 (92.5 to 92.9)"), ((0.95, 0.92, 0.98), "0.95 (0.92 to 0.98)"),
        ((14492.0, 9000.0, 20000.0), "14,000 (9,000 to 20,000)"), ((-0.4, -1.1, 0.2), "-0.4 (-1.1 to 0.2)"),
        ((-0.2, -4.0, 3.8), "0 (-4 to 4)"), ((0.12, 0.019, 0.22), "0.12 (0.02 to 0.22)"),
        ((-0.5, -0.96, -0.04), "-0.50 (-0.96 to -0.04)"),
        ((2, 2, 2), "2"), ((0.5, math.nan, math.nan), "0.50"), ((0.5, 0.1, math.inf), "0.50"),
    ],
)  # fmt: skip
def test_an_interval_decides_how_many_digits_there_are(given, text):
    assert prose.interval(*given) == text


def run(cells):
    """Cells as a kernel would execute them: a notebook with the statements that they made."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    notebook = new_notebook()
    try:
        for source in cells:
            with capture_output() as captured:
                shell.run_cell(source).raise_error()
            cell = new_code_cell(source)
            for output in captured.outputs:
                cell.outputs.append(nbformat.v4.new_output("display_data", data=output.data, metadata=output.metadata))
            notebook.cells.append(cell)
    finally:
        InteractiveShell.clear_instance()
    return json.loads(json.dumps(notebook))


def saying(rows):
    return run(
        [
            "from companion import prose",
            rows,
            'prose.say("fig-01-a", "The risk falls.", holds=falling[0] > falling[-1], otherwise="The risk does not fall.")',
            'prose.say("trend", f"It ends at {prose.number(falling[-1])}.", holds=[falling[-1] < 2, falling[0] > 2])',
        ]
    )


def test_the_words_follow_a_run_whose_trend_is_reversed():
    said = prose.statements(saying(ROWS))
    assert [one["said"] for one in said] == ["The risk falls.", "It ends at 1.0."]
    assert prose.said_of("fig-01-a", said) == "The risk falls." and prose.unsaid(said) == []

    reversed_run = prose.statements(saying("falling = [1.0, 2.0, 3.0]"))
    assert [one["said"] for one in reversed_run] == ["The risk does not fall.", ""]
    assert [one["holds"] for one in reversed_run] == [False, False]
    (line,) = prose.unsaid(reversed_run)
    assert line.startswith("trend: ") and "'It ends at 3.0.'" in line


@pytest.mark.parametrize("holds", [1.0, None, "yes", [], [True, 1]])
def test_a_condition_is_a_truth_value(holds):
    with pytest.raises(ValueError, match="^x: holds must be true or false"):
        prose.say("x", "Words.", holds=holds)


@pytest.mark.parametrize(("holds", "said"), [([True, True], "Yes."), ([True, False], "No."), ([False, True], "No."), (numpy.True_, "Yes.")])
def test_several_conditions_must_all_hold(monkeypatch, holds, said):
    kept = []
    monkeypatch.setattr(prose, "_keep", kept.append)
    prose.say("fig-01-a", "Yes.", holds=holds, otherwise="No.")
    assert prose.said_of("fig-01-a", kept) == said


def test_a_caption_and_its_alternative_text_end_with_what_the_run_has_shown(monkeypatch):
    figure = {"mystnb": {"figure": {"name": "fig-01-a", "caption": "Risk by size.\n"}, "image": {"alt": "A curve."}}}
    cells = [new_code_cell("draw()", metadata=figure), *nbformat.from_dict(saying("falling = [1, 2, 3]"))["cells"]]
    pages._say_what_figures_show(cells, prose.statements({"cells": cells}))
    assert cells[0].metadata["mystnb"]["figure"]["caption"] == "Risk by size. The risk does not fall."
    assert cells[0].metadata["mystnb"]["image"]["alt"] == "A curve. The risk does not fall."


@pytest.mark.parametrize(
    ("profile", "changed", "stops"), [("laptop", [], True), ("paper", [], True), ("smoke", [], False), ("laptop", ["seeds"], False)]
)
def test_a_sentence_without_another_stops_the_build_of_a_profile(profile, changed, stops):
    record = {"chapter": "01_first", "profile": profile, "changed": changed}
    found = pages._unsaid_problems(record, prose.statements(saying("falling = [1, 2, 3]")))
    assert found == ([f"01_first, {prose.unsaid(prose.statements(saying('falling = [1, 2, 3]')))[0]}"] if stops else [])


# ---------------------------------------------------------------- typed words

TEXT = """---
jupytext: {}
---
# Which is larger?

A curve falls (paper Fig. 1), see {eq}`more`. It is `max` of two. *Does it grow?* More of $a < b$ is
better, as [the best chapter](x) says.

```{code-cell}
---
mystnb:
  figure:
    name: fig-01
    caption: |
      Ours lies below. Theirs rises.
  image:
    alt: Two lines.
---
prose.glue(word=f"{x} is the same as before")
prose.say("a", "It falls.", holds=True)
prose.say("b", "It falls.", holds=y[0] > y[1])
```

| risk | error |
| --- | --- |
| lower | 1 |
"""


def test_typed_words_that_compare_are_found_wherever_they_stand():
    assert wording.comparing(TEXT) == [
        "Theirs rises.", "A curve falls (paper Fig. 1), see ….", "More of … is better, as the best chapter says.", "lower | 1 |",
        "is the same as before",
    ]  # fmt: skip
    assert wording.unconditional(TEXT) == ["'a'"]


def test_a_truth_that_nobody_types_any_more_or_of_no_kind_is_told(monkeypatch):
    truths = {"It falls...": "definition", "A curve...": "paper", "More of...": "fact", "Theirs rises.": "paper",
              "lower | 1 |": "method", "is the same as before": "method"}  # fmt: skip
    monkeypatch.setattr(wording, "truths", lambda page: truths)
    found = wording.problems("page", TEXT)
    assert [line for line in found if "reads nothing" in line] == ["page: the condition of 'a' reads nothing of the run"]
    assert any("no sentence of the page any more: It falls..." in line for line in found)
    assert any("a truth is one of definition, theorem, paper, method; got 'fact'" in line for line in found)
    assert len(found) == 3
    truths.pop("Theirs rises.")
    assert "page: 'rises' is typed, and nothing checks: Theirs rises." in wording.problems("page", TEXT)


def test_every_typed_sentence_of_the_book_that_compares_is_a_general_truth():
    pages_of_book = sorted(chapters.book().glob("*.md"))
    found = [line for path in pages_of_book for line in wording.problems(path.stem, path.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)
    truths = chapters.book() / "truths"
    assert {path.stem for path in truths.glob("*")} <= {path.stem for path in pages_of_book}
