"""A disk that is full: the error names the file, what was there stays, and nothing is left behind."""

import contextlib
import resource
import shutil
from pathlib import Path

import nbformat
import pytest

from companion import __main__ as command_line
from companion.press import execution, files, jupyterbook, site

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
# Title

```{code-cell}
:tags: [parameters]
seeds = 3  # independent runs; in [1, 10]
```

```{code-cell}
print("x" * 400_000)
```
"""
SIZES = {"_static/a.css": 1000, "_static/fonts/b.svg": 2000, "_ext/c.py": 3000, "references.bib": 4000, "index.md": 5000, "notes.md": 6000}


@contextlib.contextmanager
def no_file_above(size):
    """Inside, a write that would make a file larger fails, as on a full disk: the system's own error, which names no file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book whose files are larger and larger, in the order in which a build copies them."""
    folder = tmp_path / "repository" / "book"
    for name, size in SIZES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * size)
    shutil.copy(ROOT / "_config.yml", folder.parent)
    contents = "format: jb-book\nroot: book/index\nparts:\n  - chapters: [{file: book/notes}]\n"
    (folder.parent / "_toc.yml").write_text(contents)
    (folder / "01_first.md").write_text(CHAPTER)
    (folder / "claims.yml").write_text("[]\n")
    monkeypatch.setenv("KDLIB_BOOK", str(folder))
    monkeypatch.setenv("KDLIB_DATA", str(tmp_path / "data"))
    return folder


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A folder with pages of before, in which no new ones come to be."""
    (tmp_path / "build" / "html").mkdir(parents=True)
    (tmp_path / "build" / "html" / "index.html").write_text("the last good page")
    monkeypatch.setattr(jupyterbook, "started", contextlib.nullcontext)
    monkeypatch.setattr(jupyterbook, "build", lambda *words: pytest.fail("all was written"))
    return tmp_path / "build"


def test_a_file_that_cannot_be_written_is_named_and_the_old_one_stays(tmp_path):
    path = tmp_path / "page"
    files.write_whole(path, "old")
    for contents in ("new " * 100, b"new " * 100):
        with no_file_above(100), pytest.raises(OSError) as told:
            files.write_whole(path, contents)
        assert told.value.filename == str(path)
    assert everything(tmp_path) == {path: b"old"}
    with pytest.raises(FileNotFoundError) as told, files.named(path):
        (tmp_path / "another").read_text()
    assert told.value.filename == str(tmp_path / "another"), "an error that names a file is left as it is"


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_a_source_of_pages_that_does_not_fit_is_named_and_all_go(book, built, name, size):
    before = everything(built)
    with no_file_above(size - 1), pytest.raises(OSError) as told:
        site.build(built / "none", built / "html", chapter_names=[])
    assert told.value.filename == str(built / "html-source" / name) and told.value.strerror
    assert everything(built) == before and not (built / "html-source").exists()


def test_pages_that_do_not_fit_are_told_in_one_line_and_go(book, built, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setenv("KDLIB_BOOK", str(book))
    monkeypatch.setattr(jupyterbook, "PROGRAM", "import sys; sys.stdin.read(); sys.exit('OSError: [Errno 28] No space left on device')")
    before = everything(built)
    arguments = {"executed": built / "none", "out": built / "html", "chapter_names": []}
    monkeypatch.setattr(command_line, "list_chapters", lambda words: site.build(**arguments))
    assert command_line.main(["list"]) == 1
    assert capsys.readouterr().err == f"kdlib: {built / 'html-new'}: No space left on device\n"
    assert everything(built) == before and not (built / "html-source").exists()


def test_an_executed_notebook_that_does_not_fit_is_named_and_the_old_one_stays(book, tmp_path, monkeypatch):
    cells = [nbformat.v4.new_markdown_cell("x" * 10_000)]
    monkeypatch.setattr(execution, "_run_cells", lambda *words: nbformat.v4.new_notebook(cells=cells))
    path = execution.execute("01_first", tmp_path / "out")
    before = everything(tmp_path / "out")
    with no_file_above(5000), pytest.raises(OSError) as told:
        execution.execute("01_first", tmp_path / "out")
    assert told.value.filename == str(path) and everything(tmp_path / "out") == before


def test_what_a_chapter_prints_and_does_not_fit_is_told_with_the_file(book, tmp_path):
    with no_file_above(200_000), pytest.raises(OSError) as told:
        execution.execute("01_first", tmp_path / "out")
    assert told.value.filename.endswith("out.ipynb")
    assert everything(tmp_path / "out") == {}
