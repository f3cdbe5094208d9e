"""From an executed chapter to its page: what is shown, what is hidden, and what a strict build refuses."""

import copy
import json
import re
import shutil

import nbformat
import pytest
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
    new_raw_cell,
)

from companion.press import (
    booksources,
    chapters,
    execution,
    jupyterbook,
    origins,
    pages,
    records,
    site,
)

PARAMETERS = """:tags: [parameters]
ratios = [1.0, 0.5]  # soft ratios; each in (0, 1]
seeds = 3  # independent runs; in [1, 100]
"""
FIGURE = {"figure": {"name": "fig-01-toy", "caption": "It falls."}, "image": {"alt": "A line that falls from 3 to 1."}}
RECORD = {
    "chapter": "01_toy",
    "profile": "smoke",
    "parameters": {"ratios": [0.9], "seeds": 2},
    "changed": ["ratios"],
    "device": "cpu",
    "seeds": 2,
    "data": None,
    "versions": {"torch": "9.9"},
    "commit": "abc1234",
    "seconds": 1.25,
}


@pytest.fixture
def executed(tmp_path, monkeypatch):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "smoke.yml").write_text("01_toy: {seeds: 2}\n")
    (tmp_path / "profiles" / "paper.yml").write_text("01_toy: {seeds: 20}\n")
    (tmp_path / "claims.yml").write_text("[]\n")
    (tmp_path / "01_toy.md").write_text("# Toy\n\n```{code-cell}\n" + PARAMETERS + "```\n")
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path))
    html = '<div class="kd-figure"><svg role="img"></svg></div>'
    rows = {"text/html": {"kdlib": {"rows": {"risk": "n,risk\n1,3\n2,1\n"}}}}
    figure = new_code_cell("draw(risk)", metadata={"mystnb": copy.deepcopy(FIGURE)})
    figure.outputs = [new_output("display_data", {"text/html": html}, metadata=rows)]
    return new_notebook(
        cells=[
            new_markdown_cell("# Toy\n\nSource: nowhere."),
            new_code_cell("ratios = [1.0, 0.5]", metadata={"tags": ["parameters"]}),
            new_code_cell("ratios = [0.9]", metadata={"tags": ["injected-parameters"]}),
            new_code_cell("unused = metrics.margin(1)"),
            new_code_cell("z = logits.effective_logits(1)\nrisk = metrics.transfer_risk(z)"),
            figure,
        ],
        metadata={"kdlib": copy.deepcopy(RECORD)},
    )


def test_the_page_shows_one_card_a_head_line_and_a_drawer(executed):
    page, problems = pages.dress(executed)
    assert problems == []
    text = "\n".join(cell.source for cell in page.cells)
    assert "**smoke** profile, cpu, 2 seeds, 1 s, commit `abc1234`." in text
    assert "`seeds` 2 (the paper profile: 20)" in text
    sources = [cell.source for cell in page.cells if cell.cell_type == "code"]
    assert "ratios = [0.9]" not in sources and "ratios = [1.0, 0.5]" not in sources
    assert text.count("kd-card") == 1 and "Parameters: 1 changed" in text
    row = re.search(r'<tr class="kd-changed">.*?</tr>', text)[0]
    assert ">ratios<" in row and "<td>1.0, 0.5</td><td>0.9</td><td>changed</td>" in row
    assert "<td>3</td><td>2</td><td>smoke profile</td>" in text
    figure, drawer = page.cells[-3], page.cells[-2].source
    assert '<a download="fig-01-toy-risk.csv" href="files/01_toy/fig-01-toy-risk.csv">risk.csv</a>, 2 rows' in drawer
    assert "draw(risk)" in drawer and "torch 9.9" in drawer
    assert "remove-input" in figure.metadata["tags"]
    assert "A line that falls from 3 to 1.\"" in figure.outputs[0].data["text/html"]
    assert executed.cells[0].source.endswith("nowhere."), "the executed notebook itself stays as it is"


def test_no_text_of_a_run_becomes_markup(executed):
    """A cell, a table, a card of the machine and a parameter may be called anything: a page shows it as text."""
    record, (*_, figure) = executed.metadata["kdlib"], executed.cells
    record["device"] = "cuda <i card>"
    record["data"] = {"name": "<i data>", "checksum": "<i sum>"}
    record["parameters"]["seeds"] = "<i seeds>"
    figure.source += '  # "</code></pre><i cell>"'
    figure.outputs[0].metadata["text/html"]["kdlib"]["rows"] = {"<i rows>": "n\n1\n"}
    page, _ = pages.dress(executed)
    text = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
    assert "<i " not in text and text.count("</pre>") == 2  # the cell and the citation
    for name in ("card", "data", "sum", "seeds", "cell", "rows"):
        assert f"&lt;i {name}&gt;" in text


def test_where_a_run_was_is_no_difference_to_the_paper(executed, tmp_path):
    (tmp_path / "01_toy.md").write_text("# Toy\n\n```{code-cell}\n" + PARAMETERS + 'device = "auto"  # where; one of auto, cuda\n```\n')
    (tmp_path / "profiles" / "paper.yml").write_text("01_toy: {seeds: 20, device: cuda}\n")
    executed.metadata["kdlib"]["parameters"]["device"] = "auto"
    line = records.head_line(executed.metadata["kdlib"])
    assert "Not at the paper's size: `seeds` 2 (the paper profile: 20)." in line


def test_a_drawer_counts_rows_and_not_lines(executed):
    executed.cells[-1].outputs[0].metadata["text/html"]["kdlib"]["rows"] = {"a": 'n,word\n1,"two\nlines"\n2,one\n', "b": "n\n"}
    drawer = pages.dress(executed)[0].cells[-2].source
    assert "a.csv</a>, 2 rows" in drawer and "b.csv</a>, 0 rows" in drawer


def test_the_head_line_tells_the_seconds_of_rows_that_were_there_before(executed):
    executed.metadata["kdlib"]["rows_seconds"] = 340.4
    text = "\n".join(cell.source for cell in pages.dress(executed)[0].cells)
    assert "2 seeds, 1 s and 340 s for rows computed before, commit" in text  # the head line
    assert "seeds 2, 1.25 s and 340 s for rows computed before, commit" in text  # the drawer


def test_a_drawer_links_the_functions_of_the_cells_before_its_own(executed):
    executed.cells.insert(3, new_code_cell("from kdlib import logits, metrics"))
    drawer = pages.dress(executed)[0].cells[-2].source
    assert re.findall(r'href="api.html#([\w.]+)"', drawer) == ["kdlib.logits.effective_logits", "kdlib.metrics.transfer_risk"]


def test_a_drawer_names_the_functions_that_its_figure_rests_on_and_no_other():
    cells = ["from kdlib import logits, losses, metrics", "a = logits.effective_logits(1)", "rows = a",
             "b = metrics.margin(a) + rows.sum() + losses.RATE", "c = losses.distillation_loss(2)", "draw(b)"]
    assert origins.functions_behind(cells) == ["kdlib.logits.effective_logits", "kdlib.metrics.margin"]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda cell: cell.metadata["mystnb"]["figure"].pop("name"), "has no name"),
        (lambda cell: cell.metadata["mystnb"]["figure"].pop("caption"), "has no caption"),
        (lambda cell: cell.metadata["mystnb"].pop("image"), "has no alt text"),
        (lambda cell: cell.outputs[0].pop("metadata"), "plots knows of no rows"),
    ],
)
def test_a_figure_that_is_not_complete_is_a_problem(executed, spoil, told):
    spoil(executed.cells[-1])
    executed.cells[-1].outputs[0].setdefault("metadata", {})
    _, problems = pages.dress(executed)
    assert len(problems) == 1 and told in problems[0] and "01_toy" in problems[0]


@pytest.mark.parametrize(
    "text",
    ["<figure>", "text\n<svg width=1>", "<IMG src=a.png>", "![](a.png)", "```{figure} a.png\n```", ":::{figure-md} a\n:::",
     "```{glue:figure} a\n```", "<object data=a.svg>", "<div class='kd-effective-logits' data-rho=1></div>",
     '<div data-x="1" class="wide kd-sliders"></div>', "<script>draw()</script>", "```{raw} html\n<p>\n```"],
)
@pytest.mark.parametrize("kind", [new_markdown_cell, new_raw_cell])
def test_a_picture_in_the_text_is_a_problem(executed, text, kind):
    executed.cells.insert(1, kind(text))
    _, problems = pages.dress(executed)
    assert len(problems) == 1 and problems[0].startswith("01_toy: ") and "draw it in a code cell" in problems[0]


@pytest.mark.parametrize(
    "data",
    [{"image/png": "aGk="}, {"image/svg+xml": "<svg/>"}, {"text/html": "<img src=a.png>"}, {"text/markdown": "![](a.png)"},
     {"text/html": '<div class="kd-sliders"></div>'}, {"application/javascript": "draw()"}, {"text/plain": "a", "image/png": "aGk="}],
)
def test_a_picture_that_a_cell_shows_past_the_books_style_is_a_problem(executed, data):
    executed.cells.append(new_code_cell("show()", outputs=[new_output("display_data", data)]))
    _, problems = pages.dress(executed)
    assert len(problems) == 1 and problems[0].startswith("01_toy, cell 'show()': ") and "without the rows" in problems[0]


def test_a_place_in_which_a_script_draws_is_known_as_a_picture():
    scripts = [path.read_text(encoding="utf-8") for path in (chapters.book() / "_static").glob("*.js")]
    places = {name for text in scripts for name in re.findall(r'\bmount\("([\w-]+)"', text)}
    assert {"kd-effective-logits", "kd-sliders", "kd-four-neurons"} <= places
    assert all(pages.PICTURE.search(f'<div class="{name}">') for name in places)


def test_the_word_that_a_record_returns_is_not_shown_below_its_card(executed):
    results = [nbformat.v4.new_output("execute_result", {"text/plain": text}, execution_count=1) for text in ("'undecided'", "'kept'")]
    executed.cells.insert(2, nbformat.v4.new_code_cell("x", outputs=results))
    page, _ = pages.dress(executed)
    shown = [output["data"].get("text/plain") for cell in page.cells for output in cell.get("outputs", []) if "data" in output]
    assert "'kept'" in shown and "'undecided'" not in shown


def test_a_figure_without_a_drawing_is_a_problem(executed):
    executed.cells[-1].outputs = []
    _, problems = pages.dress(executed)
    assert problems == ["01_toy, fig-01-toy: its cell drew nothing that plots.use_style() knows of"]


def test_an_alt_text_may_hold_any_letter(executed):
    executed.metadata["kdlib"]["changed"] = []
    executed.cells[-1].metadata["mystnb"]["image"]["alt"] = r'The share \sigma of "hard" labels, \1.'
    page, _ = pages.dress(executed)
    assert r'aria-label="The share \sigma of &quot;hard&quot; labels, \1."' in page.cells[-3].outputs[0].data["text/html"]


def test_a_moving_figure_is_named_as_a_group_whose_parts_can_be_reached(executed):
    executed.metadata["kdlib"]["changed"] = []
    executed.cells[-1].outputs[0].data["text/html"] = '<div class="kd-figure kd-moving" role="group"><div></div></div>'
    page, problems = pages.dress(executed)
    assert problems == []
    assert 'role="group" aria-label="A line that falls from 3 to 1."' in page.cells[-3].outputs[0].data["text/html"]


def test_a_claim_not_recorded_or_recorded_twice_is_a_problem(executed, tmp_path):
    rule = "rule: {kind: sign, sign: positive}, chapter: 01_toy"
    (tmp_path / "claims.yml").write_text(
        f"- {{id: one, paper: ji_zhu_2020, place: here, statement: It is so., quantity: a number, {rule}}}\n"
        f"- {{id: two, paper: ji_zhu_2020, place: here, statement: It is so., quantity: a number, {rule}}}\n"
    )
    from companion import claims

    made = {**claims.read()[0], "verdict": "reproduced", "estimate": 1.0, "interval": None, "note": "", "figure": None}
    for _ in range(2):
        shown = new_output("display_data", {"text/html": "<p>"}, metadata={"kdlib": {"claim": made}})
        executed.cells[-1].outputs.append(shown)
    page, problems = pages.dress(executed)
    assert problems == ["01_toy, claim recorded 2 times: one", "01_toy, claim not recorded: two"]
    assert [len(cell.outputs) for cell in page.cells if cell.get("id", "").startswith("beside")] == [2]


def test_every_room_of_a_drawer_is_on_the_api_page_of_its_package():
    root = chapters.book().parent
    texts = {name: (chapters.book() / f"{name}.md").read_text(encoding="utf-8") for name in ("api", "api_companion")}
    assert "automodule:: companion" not in texts["api"] and "automodule:: kdlib" not in texts["api_companion"]
    text = "".join(texts.values())
    files = [path for package in ("kdlib", "companion") for path in (root / package).rglob("*.py")]
    rooms = {".".join(path.relative_to(root).with_suffix("").parts) for path in files}
    rooms = {room for room in rooms if not room.endswith(("__init__", "__main__"))}
    told = set(re.findall(r"automodule:: ([\w.]+)", text))
    faces = {room for room in told if (root / room.replace(".", "/")).is_dir()}
    behind = {room for room in rooms if room.rpartition(".")[0] in faces}  # documented by the face of their folder
    assert told - faces <= rooms <= told | behind


@pytest.mark.parametrize(
    ("cells", "reaches"),
    [
        (['rows = f(sweeps.store("a"))', "frame = tidy(rows)", "draw(frame)"], True),
        (['rows = f(sweeps.store("b"))', "frame = tidy(rows)", "draw(frame)"], False),
        (["rows = f(sweeps.store(name))", "draw(rows)"], True),
        (['rows = f(sweeps.store("a"))', "rows = 1", "draw(rows)"], False),
        (['rows = f(sweeps.store("a"))', "rows = g()\ndraw(rows)"], False),
        (['rows = f(sweeps.store("a"))', "draw(rows)\nrows = g()"], True),
        (['rows = f(sweeps.store("a"))', "rows = rows + 1", "draw(rows)"], True),
        (['rows = f(sweeps.store("a"))', "if rows:\n    rows = 1", "draw(rows)"], True),
        (['new = f(sweeps.store("a"))', "frame = g()", 'frame["new"] = new', "draw(frame)"], True),
        (['new = f(sweeps.store("a"))', "all = []", "for row in new:\n    all.append(row)", "draw(all)"], True),
        (['axis = f(sweeps.store("a"))', "for axis in axes:\n    draw(axis)"], False),
        (['row = f(sweeps.store("a"))', "draw([row for row in others])"], False),
        (['rows = f(sweeps.store("a"))', "def g(x):\n    return rows[x]", "draw(g(1))"], True),
        (['x = f(sweeps.store("a"))', "def g(x):\n    return x", "draw(g(1))"], False),
        (['total = f(sweeps.store("a"))', "total += 1", "draw(total)"], True),
        (["from companion import sweeps", 'sweeps.run_sweep(1, store=sweeps.store("a"))', "sweeps.grid()"], False),
        (["%time x", 'rows = f(sweeps.store("a"))\n!ls', "draw(rows)"], True),
    ],
)
def test_a_cell_rests_on_the_stores_behind_the_names_that_it_reads(cells, reaches):
    assert origins.rests_on_store(cells, "a") == reaches


@pytest.mark.parametrize("block", ["if ready:", "for one in many:", "while ready:", "try:", "match one:\n  case 1:"])
def test_what_a_block_may_leave_out_does_not_hide_what_was_there_before(block):
    end = "\nfinally:\n    pass" if block == "try:" else ""
    cells = ['rows = f(sweeps.store("a"))', f"{block}\n    rows = 1{end}", "draw(rows)"]
    assert origins.rests_on_store(cells, "a")


LOST = {
    "store": "01_rows",
    "asked": 40,
    "failed": [{"setting": {"width": "8"}, "seed": seed, "error": "ValueError: <no> *way*"} for seed in (3, 4, 7)],
}


def test_a_page_says_which_rows_failed_and_at_what_they_are_missing(executed):
    executed.metadata["kdlib"]["lost"] = [LOST]
    executed.cells[4].source = 'risk = sweeps.run_sweep(f, store=sweeps.store("01_rows"))'
    glued = new_output("display_data", {"text/plain": "3"}, metadata={"scrapbook": {"name": "risk"}})
    executed.cells.append(new_code_cell('glue("risk", risk)', outputs=[glued]))
    executed.cells.append(new_code_cell('glue("other", unused)', outputs=[copy.deepcopy(glued)]))
    page, problems = pages.dress(executed)
    failed = "3 of 40 rows of 01_rows failed"
    (problem,) = problems
    assert problem.startswith(f"01_toy: {failed}; the first, width=8, seed=3: ValueError: <no> *way*")
    assert "KDLIB_RETRY=1 kdlib execute 01_toy --profile smoke" in problem
    head = page.cells[0].source
    assert head.index("kd-head") < head.index(failed) < head.index("Source: nowhere.")
    assert "ValueError: &lt;no&gt; *way*" in head
    notes = [cell.source for cell in page.cells if cell.id.startswith("lost-")]
    assert len(notes) == 2 and all(failed in note for note in notes)
    assert "are not in this figure." in notes[0] and "the numbers that the text takes from here." in notes[1]
    executed.metadata["kdlib"]["lost"] = [LOST | {"store": "01_others"}]
    page, problems = pages.dress(executed)
    assert len(problems) == 1 and not [cell for cell in page.cells if cell.id.startswith("lost-")]


def test_a_figure_that_rests_on_two_stores_says_what_each_lost(executed):
    executed.metadata["kdlib"]["lost"] = [LOST, LOST | {"store": "01_others"}]
    executed.cells[4].source = 'risk = f(sweeps.store("01_rows"), sweeps.store("01_others"))'
    page, _ = pages.dress(executed)
    notes = [cell.source for cell in page.cells if cell.id.startswith("lost-")]
    assert [store in note for store, note in zip(["01_rows", "01_others"], notes, strict=True)] == [True, True]


def test_sweeps_that_share_a_store_are_told_together(executed):
    executed.metadata["kdlib"]["lost"] = [LOST, LOST | {"asked": 30, "failed": LOST["failed"][:1]}]
    (line,) = records.lost_lines(executed.metadata["kdlib"])
    assert line.startswith("4 of 70 rows of 01_rows failed; the first, width=8, seed=3: ")


def test_a_row_that_fails_in_a_real_chapter_is_told_on_its_page_and_stops_the_build(tmp_path, monkeypatch):
    """One of chapter 01b's rows fails at the smoke profile."""
    name = "01b_one_dimension"
    shutil.copytree(chapters.book(), tmp_path / "book")
    for file in ("_config.yml", "_toc.yml"):
        shutil.copy(chapters.book().parent / file, tmp_path)
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path / "book"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "book" / f"{name}.md"
    text = path.read_text(encoding="utf-8")
    planted = r'\1    if seed == 1:\n        raise ArithmeticError("planted")\n'
    text, times = re.subn(r"^(def \w+\(seed\b[^)]*\):\n)", planted, text, flags=re.M)
    assert times == 1
    path.write_text(text, encoding="utf-8")
    done = execution.execute(name, tmp_path / "executed", profile="smoke")
    executed = nbformat.read(done, as_version=4)
    (sweep,) = executed.metadata["kdlib"]["lost"]
    assert (sweep["asked"], sweep["failed"][0]["seed"]) == (2, 1)
    page, problems = pages.dress(executed)
    failed = f"1 of 2 rows of {sweep['store']} failed"
    assert failed in page.cells[0].source and "ArithmeticError: planted" in page.cells[0].source
    notes = [i for i, cell in enumerate(page.cells) if cell.id.startswith("lost-") and failed in cell.source]
    figures = [i for i in notes if "not in this figure" in page.cells[i].source]
    verdicts = [i for i in notes if "these verdicts" in page.cells[i].source]
    assert figures and verdicts
    drawers = [i for i, cell in enumerate(page.cells) if cell.id.startswith("drawer-")]
    assert len(figures) < len(drawers), "the figure on label smoothing rests on no row"
    with pytest.raises(site.BuildFailed, match=f"{failed}.*ArithmeticError: planted"):
        site.build(tmp_path / "executed", tmp_path / "html", chapter_names=[name])
    assert not (tmp_path / "html").exists()


def test_a_build_takes_its_configuration_and_contents_from_inside_the_books_folder(tmp_path, monkeypatch):
    config = {
        "title": "A book/ of words",
        "sphinx": {"config": {"html_static_path": ["book/_static"], "html_theme_options": {"announcement": "!", "kept": 2}}},
        "parse": {"enable": ["book/x", 3, None]},
    }
    made = booksources.configuration(config)
    assert made["title"] == "A book/ of words" and made["parse"] == {"enable": ["x", 3, None]}
    assert made["sphinx"]["config"] == {"html_static_path": ["_static"], "html_theme_options": {"kept": 2}, "html_extra_path": ["taken"]}
    assert config["sphinx"]["config"]["html_static_path"] == ["book/_static"], "what was read stays as it is"
    parts = [
        {"caption": "One", "chapters": [{"file": "book/01_a"}, {"file": "book/notes", "title": "Notes"}]},
        {"caption": "Two", "chapters": [{"file": "book/02_b"}]},
    ]
    (tmp_path / "book").mkdir()
    for name in ("claims.yml", "01_a.md"):
        (tmp_path / "book" / name).touch()
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path / "book"))
    (tmp_path / "_toc.yml").write_text(json.dumps({"format": "jb-book", "root": "book/index", "parts": parts}))
    made = booksources.contents_of_a_book(["01_a"])
    kept = [{"file": "01_a"}, {"file": "notes", "title": "Notes"}]
    assert made == {"format": "jb-book", "root": "index", "parts": [{"caption": "One", "chapters": kept}]}
    assert len(booksources.contents_of_a_book([])["parts"]) == 1


def test_a_chapters_own_page_stands_beside_the_pages_that_every_chapter_needs(executed, tmp_path):
    assert booksources.contents_of_a_page("01_toy") == {"format": "jb-book", "root": "01_toy"}
    (tmp_path / "ledger.md").write_text("# Ledger\n")
    (tmp_path / "api.md").write_text("# API\n")
    made = booksources.contents_of_a_page("01_toy")
    assert made == {"format": "jb-book", "root": "01_toy", "parts": [{"chapters": [{"file": "ledger"}]}]}


def test_a_chapters_own_page_has_no_link_to_a_page_that_is_not_built(executed, tmp_path, monkeypatch):
    """A link in a page built alone stays where its page and place are there; else its words stay."""
    kept = [
        '<a href="01_toy.html">x</a>', '<a href="ledger.html#chapter=01_toy">x</a>', '<a class="b" href="ledger.html">x</a>',
        '<a href="#here">x</a>', '<a href="#">x</a>', '<a href="https://a.example/api.html">x</a>',
        '<a download="api.html" href="data:text/csv;base64,YQ==">x</a>', '<link href="api.html">',
    ]
    cut = {
        '<a href="api.html#kdlib.f"><code>f</code></a>': "<code>f</code>",
        '<a class="b" href="02_other.html" title="c">two\nlines</a>': "two\nlines",
        '<a href="py-modindex.html">modules</a>': "modules",
        '<a class="b"\nhref="#02_other"><span>y</span></a>': "<span>y</span>",
    }
    source = tmp_path / "html-source"

    def build(process, source, new, flags):
        html = new / "_build" / "html"
        html.mkdir(parents=True)
        (html / "01_toy.html").write_text('<p id="here">' + "|".join([*kept, *cut, *kept]))
        (html / "ledger.html").write_text("|".join(cut))
        return html

    monkeypatch.setattr(jupyterbook, "build", build)
    monkeypatch.setattr(booksources, "gather", lambda executed, source, contents: ["a figure that is not complete"])
    site.build_page(tmp_path, tmp_path / "html", "01_toy", process=None)
    assert (tmp_path / "html" / "01_toy.html").read_text() == '<p id="here">' + "|".join([*kept, *cut.values(), *kept])
    assert (tmp_path / "html" / "ledger.html").read_text() == "|".join(cut.values())
    assert not source.exists() and not (tmp_path / "html-new").exists()


def test_pages_of_before_come_back_after_a_build_that_ended_between_its_two_renames(tmp_path, monkeypatch):
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "01_toy.html").write_text("the last good page")
    monkeypatch.setattr(jupyterbook, "build", lambda process, source, new, flags: new / "nothing")
    monkeypatch.setattr(booksources, "gather", lambda executed, source, contents: [])
    with pytest.raises(FileNotFoundError):
        site.build_page(tmp_path, tmp_path / "html", "01_toy", process=None)
    assert not (tmp_path / "html").exists()
    site.recover(tmp_path / "html")
    assert (tmp_path / "html" / "01_toy.html").read_text() == "the last good page"


@pytest.mark.parametrize("stops", [True, False])
def test_jupyter_book_is_loaded_while_a_chapter_is_executed_and_ends_with_it(monkeypatch, stops):
    """The process is at work before it is told what to build; told nothing, it ends."""
    waiting = 'import sys; print("loaded", flush=True); sys.exit(len(sys.stdin.read()))'
    monkeypatch.setattr(jupyterbook, "PROGRAM", waiting)
    try:
        with jupyterbook.started() as process:
            assert process.stdout.readline() == "loaded\n"
            if stops:
                raise ArithmeticError("the chapter")
            process.stdin.close()
            assert process.wait(timeout=60) == 0
    except ArithmeticError:
        assert stops
    assert process.returncode == (-9 if stops else 0)
