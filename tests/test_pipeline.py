"""`make book` on a toy book of two chapters: what is executed again, what is not, and what survives a failure or a kill.

The environment has what the book needs, but knows nothing of these packages: what it finds by their names is another checkout.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from time import monotonic, sleep

import pytest

ROOT = Path(__file__).resolve().parent.parent
STARTED = []
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
    for folder in ("_static", "_ext", "_templates"):
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


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with all that this one has, but for these packages."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root / "env", symlinks=True)
    needed = root / "needed"
    needed.mkdir()
    for folder in map(Path, sys.path):
        for path in folder.glob("*") if folder.name in ("site-packages", "dist-packages") else ():
            if "kdlib" not in path.name and not (needed / path.name).exists():
                (needed / path.name).symlink_to(path)
    for package in ("kdlib", "companion"):
        (root / "other" / package).mkdir(parents=True)
        (root / "other" / package / "__init__.py").write_text("raise RuntimeError('this is another checkout')\n")
    site = next((root / "env").glob("lib/python3*/site-packages"))
    (site / "others.pth").write_text(f"{needed}\n{root / 'other'}\n")
    return root / "env" / "bin" / "python"


@pytest.fixture(scope="module", autouse=True)
def no_build_outlives_its_test():
    """A build whose make is killed ends with all that it began."""
    yield
    for process in STARTED:
        process.kill()


def write(root, name, number, code):
    (root / "book" / f"{name}.md").write_text(CHAPTER.format(number=number, code=code))


def make_book(root, python, wait=True):
    ours = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    process = subprocess.Popen(
        ["make", "book", "PROFILE=laptop", f"PYTHON={python}"],
        cwd=root,
        env=environment | {"KDLIB_DATA": str(root / "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    STARTED.append(process)
    if not wait:
        return process
    return outcome(process)


def outcome(process):
    """A build's status, the chapters that it executed, and what it said."""
    text = process.communicate(timeout=300)[0]
    return process.returncode, sorted(re.findall(r"executed .*/(\w+)\.ipynb", text)), text


def shown(root):
    html = root / "_build" / "laptop" / "html"
    found = [re.search(r"The answer is <[^>]*>(.+?)</span>", (html / f"{n}.html").read_text()) for n in ("01_first", "02_second")]
    return [found[0][1], found[1][1]]


def asleep(root):
    """Code of a chapter that says when it is executed, and waits for a word to go on."""
    for name in ("asleep", "awake"):
        (root / name).unlink(missing_ok=True)
    said = f"import pathlib, time; folder = pathlib.Path({str(root)!r}); (folder / 'asleep').touch()"
    return f"{said}\nwhile not (folder / 'awake').exists():\n    time.sleep(0.05)"


def wait_for(condition, process):
    deadline = monotonic() + 300
    while not condition():
        if process.poll() is not None or monotonic() > deadline:
            process.kill()
            pytest.fail(process.communicate()[0])
        sleep(0.05)


def test_the_way_of_a_book(repository, python):
    status, executed, text = make_book(repository, python)
    assert status == 0, text
    assert executed == ["01_first", "02_second"] and shown(repository) == ["42", "84"]
    record = json.loads((repository / "_build/laptop/book/01_first.ipynb").read_text())["metadata"]["kdlib"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert record["versions"]["kdlib"] == project["version"], "the environment knows none"

    before = (repository / "_build/laptop/html/index.html").stat().st_mtime_ns
    status, executed, text = make_book(repository, python)
    assert (status, executed) == (0, []), text
    assert (repository / "_build/laptop/html/index.html").stat().st_mtime_ns == before, "nothing changed, nothing is built"

    # The text is another one before the first build has ended, and a second one starts.
    write(repository, "02_second", 3, asleep(repository))
    first = make_book(repository, python, wait=False)
    wait_for((repository / "asleep").exists, first)
    write(repository, "02_second", 4, "")
    second = make_book(repository, python, wait=False)
    assert re.fullmatch(r"kdlib: waiting for process \d+, which holds _build/laptop/lock\n", second.stdout.readline())
    (repository / "awake").touch()
    assert outcome(first)[:2] == (0, ["02_second"])
    status, executed, text = outcome(second)
    assert (status, executed) == (0, ["02_second"]), text
    assert shown(repository) == ["42", "168"], "no page stays that is of a text of before"

    write(repository, "02_second", 3, "raise RuntimeError('the sky\\n fell')")
    (repository / "kdlib" / "toy.py").write_text("ANSWER = 43\n")
    status, executed, text = make_book(repository, python)
    assert status != 0 and executed == ["01_first"], "a changed package executes all, a failure stops none but its own"
    told = next(line for line in text.splitlines() if "RuntimeError" in line)
    assert "02_second, code cell 2 (from myst_nb import glue): RuntimeError: the sky" in told
    assert shown(repository) == ["42", "168"], "the last good pages are left alone"

    write(repository, "01_first", 10, "")
    write(repository, "02_second", 3, asleep(repository))
    done = repository / "_build/laptop/book/01_first.ipynb"
    started = done.stat().st_mtime_ns
    first = make_book(repository, python, wait=False)
    wait_for(lambda: (repository / "asleep").exists() and done.stat().st_mtime_ns > started, first)
    write(repository, "02_second", 3, "")
    second = make_book(repository, python, wait=False)
    assert "waiting for process" in second.stdout.readline()
    assert shown(repository) == ["42", "168"]
    first.kill()  # make alone: what it began ends too, and the next build goes on
    first.wait()
    with pytest.raises(ProcessLookupError):
        for _ in range(1000):
            os.killpg(first.pid, 0)
            sleep(0.05)
    first.communicate()
    status, executed, text = outcome(second)
    assert (status, executed) == (0, ["02_second"]), "what had finished before the kill is not executed again: " + text
    assert shown(repository) == ["430", "129"]
