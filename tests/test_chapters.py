"""Chapters: their parameters cells are read, given values are checked before any work, and twins hold the same contents."""

import errno
import json
import re
import socket

import jupytext
import nbformat
import pytest

from companion.__main__ import main
from companion.press import (
    chapters,
    execution,
    files,
    provenance,
    repository,
    twins,
)

CELL = """
```{code-cell}
:tags: [parameters]
ratios = [1.0, 0.5]  # soft ratios; each in (0, 1]; 1 to 3 values
seeds = 3  # independent runs; in [1, 100]
temperature = 5.0  # temperature T; in (0, inf)
device = "auto"  # where to compute; one of auto, cpu, cuda
plain = True  # draw it plainly
widths = [2, 8]  # neurons; each even; each in [2, 64]
stops = [1, 1]  # passes of two networks; 2 values
sizes = [8, 16]  # sample sizes; growing
```
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    (tmp_path / "profiles").mkdir()
    for name in ("01_first", "02_second", "05a_third"):
        (tmp_path / f"{name}.md").write_text("# Title\n" + CELL)
    (tmp_path / "claims.yml").write_text("[]\n")
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("given", ["1", "01", "01_first", "first", "01_first.md", 1])
def test_a_chapter_goes_by_number_or_name(book, given):
    assert chapters.find(given) == "01_first"


@pytest.mark.parametrize("given", ["3", "nothing", "", "_"])
def test_an_unknown_chapter_is_told_what_there_is(book, given):
    with pytest.raises(ValueError, match="01_first, 02_second, 05a_third; got"):
        chapters.find(given)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ratios", "1.0,0.5", [1.0, 0.5]),
        ("ratios", "[0.25]", [0.25]),
        ("ratios", [1, 0.5], [1.0, 0.5]),
        ("seeds", "7", 7),
        ("seeds", 7.0, 7),
        ("temperature", "1e3", 1000.0),
        ("device", "cpu", "cpu"),
        ("stops", "2,2", [2, 2]),
        ("plain", "False", False),
    ],
)
def test_values_take_the_types_of_the_parameters_cell(book, name, text, value):
    checked = chapters.check("01_first", {name: text})[name]
    assert checked == value and type(checked) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("ratio", "1", "has no parameter 'ratio'; it has ratios, seeds"),
        ("ratios", "0", r"ratios must be in \(0, 1\]; got 0.0"),
        ("ratios", "1.5", r"ratios must be in \(0, 1\]; got 1.5"),
        ("ratios", "nan", r"ratios must be in \(0, 1\]; got nan"),
        ("ratios", "a,b", "ratios must be a list of numbers; got 'a'"),
        ("ratios", "1,.5,.2,.1", "ratios must have 1 to 3 different values; got 1.0, 0.5, 0.2, 0.1"),
        ("ratios", "1,1", "ratios must have 1 to 3 different values; got 1.0, 1.0"),
        ("ratios", "", "ratios must have 1 to 3 different values; got none"),
        ("stops", "1,2,3", "stops must have 2 values; got 1, 2, 3"),
        ("sizes", "8,8", "sizes must be growing; got 8, 8"),
        ("seeds", "2.5", "seeds must be a whole number; got '2.5'"),
        ("seeds", True, "seeds must be a whole number; got True"),
        ("widths", "4,7", "widths must be even; got 7"),
        ("seeds", "0", r"seeds must be in \[1, 100\]; got 0"),
        ("temperature", "hot", "temperature must be a number; got 'hot'"),
        ("temperature", "inf", r"temperature must be in \(0, inf\); got inf"),
        ("device", "tpu", "device must be one of auto, cpu, cuda; got tpu"),
        ("plain", "1", "plain must be true or false; got '1'"),
    ],
)
def test_bad_input_stops_before_any_work_with_one_line(book, name, text, told, capsys):
    with pytest.raises(ValueError, match=told):
        chapters.check("01_first", {name: text})
    if isinstance(text, str):
        assert main(["run", "01", "-p", name, text]) == 1
        error = capsys.readouterr().err
        assert re.search(told, error) and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run 01 -p seeds 2 -p seeds 3", "each parameter is given once; got seeds more than once"),
        ("run 77", "a chapter is one of"),
        ("run 01 --profile huge", "a profile is one of laptop; got 'huge'"),
        ("claims --profile huge", "a profile is one of laptop; got 'huge'"),
        ("html --profile huge", "a profile is one of laptop; got 'huge'"),
        ("execute 77", "a chapter is one of"),
    ],
)
def test_a_command_that_cannot_be_done_says_so_in_one_line(book, words, told, capsys):
    assert main(words.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("kdlib: ") and told in error and error.count("\n") == 1


def chapter_of(book, *cells):
    head = "---\nkernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n"
    cells = "".join(f"\n```{{code-cell}}\n{cell}\n```\n" for cell in cells)
    (book / "01_first.md").write_text(head + "# Title\n" + CELL + cells)


def test_a_cell_that_fails_is_told_in_one_line_by_its_own_number(book, tmp_path, capsys):
    chapter_of(book, "\nx = 1 / (seeds - 7)")
    for words in ("", "-p temperature 4"):  # with other parameters papermill puts a cell in, which is none of the chapter's
        values = f"run 01 -p seeds 7 {words} --quiet --out {tmp_path / 'out'}"
        assert main(values.split()) == 1
        error = capsys.readouterr().err
        assert "01_first, code cell 2 (x = 1 / (seeds - 7)): ZeroDivisionError: division by zero" in error
        assert error.count("\n") == 1
    failed = tmp_path / "out" / "failed" / "01_first.ipynb"
    assert failed.exists()
    execution.execute("01_first", tmp_path / "out", values={"seeds": 8})
    assert not failed.exists(), "what failed once is mended"


def test_a_kernel_that_dies_is_told_in_one_line_with_the_cell(book, tmp_path, capfd):
    chapter_of(book, "import os", "os.kill(os.getpid(), 9)  # as the system does when memory ends", "x = 1")
    assert main(["run", "01", "--quiet", "--out", str(tmp_path / "out")]) == 1
    error = capfd.readouterr().err
    assert "01_first, code cell 3 (os.kill(os.getpid(), 9)" in error and "Kernel died, mostly for lack of memory" in error
    assert error.count("\n") == 1


def test_kernels_that_start_together_share_no_port(book, tmp_path, monkeypatch, capfd):
    """Another process may take a port between its choice and the start of the kernel: here one always has."""
    chapter_of(book, "x = 1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("jupyter_client.connect.LocalPortCache.find_available_port", lambda *_: port)
        assert execution.execute("01_first", tmp_path / "out").exists()
    assert capfd.readouterr().err == ""


def test_a_folder_with_a_name_too_long_for_a_socket_serves_too(book, tmp_path, monkeypatch):
    chapter_of(book, "x = 1")
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert execution.execute("01_first", tmp_path / "out").exists()


def test_a_file_that_cannot_be_written_is_named_and_leaves_no_piece(tmp_path, monkeypatch, capsys):
    path = tmp_path / "page.ipynb"
    path.write_text("old")
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    monkeypatch.setattr("companion.__main__.list_chapters", lambda words: files.write_whole(path, "new"))
    assert main(["list"]) == 1
    assert capsys.readouterr().err == f"kdlib: {path}: No space left on device\n"
    assert [file.name for file in tmp_path.iterdir()] == ["page.ipynb"] and path.read_text() == "old"


def test_a_profile_is_checked_like_the_command_line(book):
    (book / "profiles" / "tiny.yml").write_text("01_first: {seeds: 2}\n02_second: {seeds: 0}\n")
    assert chapters.profiles() == ["laptop", "tiny"]
    assert chapters.profile_values("01_first", "tiny") == {"seeds": 2}
    assert chapters.profile_values("05a_third", "tiny") == {}
    with pytest.raises(ValueError, match="seeds must be in"):
        chapters.profile_values("02_second", "tiny")
    with pytest.raises(ValueError, match="a profile is one of laptop, tiny; got 'huge'"):
        chapters.profile_values("01_first", "huge")


@pytest.mark.parametrize("name", chapters.names())
def test_the_chapters_of_the_book_declare_parameters_that_can_be_checked(name):
    for parameter in chapters.parameters(name).values():
        assert parameter.meaning and parameter.rules, f"{parameter.name} needs a meaning and a rule"
        assert chapters.check(name, {parameter.name: parameter.default}) == {parameter.name: parameter.default}
    for profile in chapters.profiles():
        chapters.profile_values(name, profile)


@pytest.mark.parametrize("name", chapters.names())
def test_a_twin_holds_the_contents_of_its_text_and_no_output(name):
    text = jupytext.read(chapters.book() / f"{name}.md")
    twin = nbformat.read(chapters.book() / "notebooks" / f"{name}.ipynb", as_version=4)
    nbformat.validate(twin)
    assert [(c.cell_type, c.source, c.metadata) for c in twin.cells if c.id != "fetch"] == [
        (c.cell_type, c.source, c.metadata) for c in text.cells
    ]
    assert not any(c.get("outputs") or c.get("execution_count") for c in twin.cells)
    assert nbformat.writes(twin) == nbformat.writes(twins.twin(name))


def test_a_twin_that_colab_may_open_fetches_the_book_there_and_nowhere_else(monkeypatch):
    name = chapters.names()[0]
    assert twins.twin(name) == execution.notebook(name) or repository.address()
    monkeypatch.setattr(repository, "address", lambda: "https://git.example/a/b")
    title, fetch, parameters = twins.twin(name).cells[:3]
    assert title.source.startswith("# ") and parameters.metadata["tags"] == ["parameters"]
    condition, *lines = fetch.source.splitlines()[2:]
    assert condition.startswith('if "google.colab" in sys.modules:') and all(line.startswith("    ") for line in lines)
    assert "git clone --quiet --depth 1 https://git.example/a/b " in lines[0]


SWEEPS = [
    {"store": "a", "asked": 3, "found": {"one": 2.0, "two": 0.0}, "failed": [], "source": None},
    {
        "store": "b",
        "asked": 40,
        "found": {"one": 2.0, "two": 5.0, "three": 1.25},
        "failed": [{"setting": {"width": "8"}, "seed": 3, "error": "ValueError: no"}],
        "source": {"name": "mnist", "checksum": "abc"},
    },
]


def test_a_record_says_what_the_sweeps_of_its_run_told(tmp_path):
    path = tmp_path / "sweeps"
    told = provenance.from_sweeps(path)
    assert [told[name] for name in ("rows_seconds", "lost", "data")] == [0, [], None]
    path.write_text("".join(json.dumps(sweep) + "\n" for sweep in [*SWEEPS, SWEEPS[1]]))
    told = provenance.from_sweeps(path)
    assert told["rows_seconds"] == 3.25, "a row that this run made and found later is none that was there before"
    assert told["lost"] == [{name: SWEEPS[1][name] for name in ("store", "asked", "failed")}]
    assert told["data"] == {"name": "mnist", "checksum": "abc"}
    other = SWEEPS[1] | {"source": {"name": "digits", "checksum": "def"}, "failed": []}
    path.write_text("".join(json.dumps(sweep) + "\n" for sweep in [SWEEPS[1], other]))
    assert provenance.from_sweeps(path)["data"] == {"name": "mnist and digits", "checksum": "abc and def"}


def test_a_run_that_lost_rows_says_so_on_the_terminal(book, tmp_path, capsys, monkeypatch):
    lost = {"store": "b", "asked": 40, "failed": SWEEPS[1]["failed"]}
    chapter_of(book, f"import json, os\nwith open(os.environ['KDLIB_SWEEPS'], 'a') as file:\n    json.dump({SWEEPS[1]!r}, file)")
    monkeypatch.setattr("companion.press.site.build_page", lambda *words, **options: None)
    assert main(["run", "01", "--quiet", "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["lost"] == [lost]
    assert capsys.readouterr().err == "kdlib: 1 of 40 rows of b failed; the first, width=8, seed=3: ValueError: no\n"
