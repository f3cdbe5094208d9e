"""`make book` on a toy book of two chapters: what is executed again, what is not, and what survives a failure or a kill."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = """---
jupytext:
  formats: md:myst
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Chapter {number}

The answer is {{glue:text}}`answer`.

```{{code-cell}}
:tags: [parameters]
seeds = 3  # independent runs; in [1, 10]
```

```{{code-cell}}
from myst_nb import glue
from kdlib.toy import ANSWER
{code}
glue("answer", ANSWER * {number}, display=False)
```
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the repository whose book is two chapters that take no time."""
    root = tmp_path_factory.mktemp("repository")
    for name in ("Makefile", "constraints.txt", "_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for package in ("kdlib", "companion"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("_static", "_ext"):
        shutil.copytree(ROOT / "book" / folder, root / "book" / folder)
    (root / "kdlib" / "toy.py").write_text("ANSWER = 42\n")
    (root / "book" / "claims.yml").write_text("[]\n")
    (root / "book" / "index.md").write_text("# Toy book\n")
    shutil.copy(ROOT / "book" / "references.bib", root / "book")
    chapters = "[{file: book/01_first}, {file: book/02_second}]"
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nparts:\n  - chapters: {chapters}\n")
    for number, name in ((1, "01_first"), (2, "02_second")):
        write(root, name, number, "")
    return root


def write(root, name, number, code):
    (root / "book" / f"{name}.md").write_text(CHAPTER.format(number=number, code=code))


def make_book(root, wait=True):
    environment = os.environ | {"PYTHONPATH": str(root), "KDLIB_DATA": str(root / "data")}
    environment = {key: value for key, value in environment.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    process = subprocess.Popen(
        ["make", "book", "PROFILE=laptop", f"PYTHON={sys.executable}"],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    if not wait:
        return process
    text = process.communicate(timeout=300)[0]
    return process.returncode, sorted(set(re.findall(r"executed .*/(\w+)\.ipynb", text))), text


def shown(root):
    html = root / "_build" / "laptop" / "html"
    found = [re.search(r"The answer is <[^>]*>(.+?)</span>", (html / f"{n}.html").read_text()) for n in ("01_first", "02_second")]
    return [found[0][1], found[1][1]]


def test_the_way_of_a_book(repository):
    status, executed, text = make_book(repository)
    assert status == 0, text
    assert executed == ["01_first", "02_second"] and shown(repository) == ["42", "84"]

    before = (repository / "_build/laptop/html/index.html").stat().st_mtime_ns
    status, executed, text = make_book(repository)
    assert (status, executed) == (0, []), text
    assert (repository / "_build/laptop/html/index.html").stat().st_mtime_ns == before, "nothing changed, nothing is built"

    write(repository, "02_second", 3, "")
    status, executed, text = make_book(repository)
    assert (status, executed) == (0, ["02_second"]), text
    assert shown(repository) == ["42", "126"]

    write(repository, "02_second", 3, "raise RuntimeError('the sky\\n fell')")
    (repository / "kdlib" / "toy.py").write_text("ANSWER = 43\n")
    status, executed, text = make_book(repository)
    assert status != 0 and executed == ["01_first"], "a changed package executes all, a failure stops none but its own"
    told = next(line for line in text.splitlines() if "RuntimeError" in line)
    assert "02_second, code cell 2 (from myst_nb import glue): RuntimeError: the sky" in told
    assert shown(repository) == ["42", "126"], "the last good pages are left alone"

    write(repository, "01_first", 10, "")
    write(repository, "02_second", 3, "import time, pathlib; pathlib.Path('" + str(repository) + "/asleep').touch(); time.sleep(600)")
    process = make_book(repository, wait=False)
    deadline = time.monotonic() + 120
    done = repository / "_build/laptop/book/01_first.ipynb"
    started = done.stat().st_mtime_ns
    while not ((repository / "asleep").exists() and done.stat().st_mtime_ns > started):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.kill()  # make alone: what it began ends too, and is not in the way of the next build
    process.wait()
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)
    process.communicate()
    assert shown(repository) == ["42", "126"]
    write(repository, "02_second", 3, "")
    status, executed, text = make_book(repository)
    assert (status, executed) == (0, ["02_second"]), "what had finished before the kill is not executed again: " + text
    assert shown(repository) == ["430", "129"]
