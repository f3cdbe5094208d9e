"""What a page asks for by name: findings, counts, the ledger, parameters, from the executed chapters of a toy book."""

import re

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion import claims
from companion.press import chapters, generated

CELL = "# {}\n\n```{{code-cell}}\n:tags: [parameters]\nseeds = {}  # independent runs; in [1, 100]\n```\n"
CHAPTERS = {"01_first": "First", "02_second": "Second", "03_third": "Third"}
VERDICTS = {"one": "reproduced", "two": "not reproduced", "three": "not reproduced", "four": "undecided"}
HOMES = {"one": "01_first", "two": "01_first", "three": "02_second", "four": "02_second", "five": "03_third"}


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Returns what a page gets in the place of one name; two of three chapters have been executed."""
    book, executed = tmp_path / "book", tmp_path / "executed"
    book.mkdir()
    executed.mkdir()
    rule = {"kind": "sign", "sign": "positive"}
    listed = [{"id": name, "paper": "dong_2019", "place": "Sec. 1", "statement": f"It is <{name}>.", "quantity": "a number",
               "rule": rule, "chapter": chapter} for name, chapter in HOMES.items()]  # fmt: skip
    (book / "claims.yml").write_text(yaml.safe_dump(listed))
    for number, (name, title) in enumerate(CHAPTERS.items(), 1):
        (book / f"{name}.md").write_text(CELL.format(title, number))
    monkeypatch.setenv("KDLIB_BOOK", str(book))
    for name in ("01_first", "02_second"):
        outputs = []
        for claim in claims.read():
            if claim["chapter"] == name:
                made = claim | {"verdict": VERDICTS[claim["id"]], "estimate": 1.0, "interval": None, "note": "", "figure": None}
                outputs.append(new_output("display_data", {"text/html": "<p>"}, metadata={"kdlib": {"claim": made}}))
        if name == "01_first":
            outputs.append(new_output("display_data", {"text/plain": "'It grows.'"}, metadata={"scrapbook": {"name": "finding"}}))
        said = {"name": "surprise", "text": "It <falls>.", "holds": True, "said": "It <falls>."}
        outputs.append(new_output("display_data", {"text/plain": ""}, metadata={"kdlib": {"statement": said}}))
        shown = {"figure": {"name": f"fig-{name[:2]}-curve"}, "image": {"alt": "A \"curve\"."}}
        axes = '<g id="figure_1"><g id="axes_1"><g id="patch_1"><path d="M 0 0 L 9 9"/></g></g></g>'
        html = f'<div class="kd-figure" role="img"><svg viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg">{axes}</svg></div>'
        drawn = new_code_cell("y", metadata={"mystnb": shown}, outputs=[new_output("display_data", {"text/html": html})])
        cells = [new_markdown_cell(f"# {CHAPTERS[name]}\n\nSource."), new_code_cell("x", outputs=outputs), drawn]
        nbformat.write(new_notebook(cells=cells), executed / f"{name}.ipynb")
    return lambda name: generated.filled(f"Before.\n<!-- kdlib: {name} -->\nAfter.", executed)


def test_findings_are_those_of_the_chapters_that_were_executed_with_what_does_not_hold(ask):
    text = ask("findings")
    assert text.startswith("Before.\n- **[1. First](01_first)**. It grows.\n- **[2. Second](02_second)**. No finding")
    assert "Third" not in text and text.endswith("\nAfter.")
    assert "2 claims are not reproduced" in text


def test_counts_have_a_row_for_each_paper_and_one_for_all(ask):
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th>(.*?)</tr>', ask("counts"))
    heads = re.findall(r'<th scope="col">([^<]*)</th>', ask("counts"))[1:]
    counted = {name: dict(zip(heads, re.findall("<td>(.*?)</td>", row), strict=True)) for name, row in rows}
    assert list(counted) == ["Dong et al. 2019", "all"]
    counts = {"reproduced": "1", "not reproduced": "2", "undecided": "1", "not run here": "1", "claims": "5"}
    assert counted["all"] == counted["Dong et al. 2019"] == counts


def test_the_ledger_has_every_claim_and_its_statement_as_text(ask):
    text = ask("ledger")
    assert [text.count(f"It is &lt;{name}&gt;.") for name in HOMES] == [1] * 5 and "It is <" not in text


def test_parameters_are_those_of_every_chapter_executed_or_not(ask):
    tables = ask("parameters").split("<details")[1:]
    assert len(tables) == 3
    for number, (table, name) in enumerate(zip(tables, CHAPTERS, strict=True), 1):
        assert f"<summary>{name}</summary>" in table
        assert f"<code>seeds</code></th><td>{number}</td><td>in [1, 100]</td><td>independent runs</td>" in table


def test_a_drawing_has_its_alternative_text_and_leads_to_its_place(ask):
    text = ask("drawing 02_second fig-02-curve")
    assert 'role="img" aria-label="A &quot;curve&quot;."' in text and 'href="02_second.html#fig-02-curve"' in text
    with pytest.raises(chapters.Failed, match="02_second: has no figure fig-02-bar"):
        ask("drawing 02_second fig-02-bar")
    assert ask("drawing 03_third fig-03-curve") == "Before.\n\nAfter.", "a chapter that is left out"


def test_surprises_are_sentences_of_executed_chapters_beside_their_pictures(ask, tmp_path):
    listed = [{"chapter": name, "figure": f"fig-{name[:2]}-curve", "panel": 1, "title": "A <bound>"} for name in CHAPTERS]
    (tmp_path / "book" / "landing.yml").write_text(yaml.safe_dump(listed))
    text = ask("surprises")
    assert text.count("<h3>A &lt;bound&gt;</h3><p>It &lt;falls&gt;.</p><figure") == 2
    listed[1]["panel"] = 2
    (tmp_path / "book" / "landing.yml").write_text(yaml.safe_dump(listed))
    with pytest.raises(chapters.Failed, match="02_second: fig-02-curve has no panel 2"):
        ask("surprises")


def test_the_bar_has_a_part_for_each_verdict_as_wide_as_its_claims_are_many(ask):
    text = ask("verdicts")
    parts = dict(re.findall(r'<i class="kd-verdict--([\w-]+)" style="flex-grow:(\d+)"', text))
    assert parts == {"reproduced": "1", "undecided": "1", "not-reproduced": "2", "not-run-here": "1"}
    assert 'aria-label="Verdicts: 1 reproduced, 1 undecided, 2 not reproduced, 1 not run here"' in text
    assert 'href="ledger.html#verdict=not+reproduced">not reproduced</a></th><td>2</td><td>The measured value lies outside' in text


def test_what_nobody_knows_is_no_silent_gap(ask):
    with pytest.raises(KeyError, match="findinsg"):
        ask("findinsg")
