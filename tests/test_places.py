"""Where things lie: the variables that name places, the book, and a wheel that has none."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from companion.press import extra
from kdlib import places

ROOT = Path(__file__).resolve().parent.parent


def test_every_variable_that_the_packages_read_is_listed_with_its_meaning():
    used = set()
    for package in ("kdlib", "companion"):
        for path in (ROOT / package).rglob("*.py"):
            if path != Path(places.__file__).resolve():
                used |= set(re.findall(r"KDLIB_\w+", path.read_text(encoding="utf-8")))
    used |= set(re.findall(r'environ\.get\("(KDLIB_\w+)"', Path(places.__file__).read_text(encoding="utf-8")))
    assert used == set(places.VARIABLES)
    assert all(places.VARIABLES.values())


def test_the_book_is_the_one_that_is_named_or_lies_beside_the_packages_or_here(tmp_path, monkeypatch):
    monkeypatch.delenv("KDLIB_BOOK", raising=False)
    assert places.book() == ROOT / "book"
    installed = tmp_path / "site-packages" / "kdlib" / "places.py"
    (tmp_path / "site-packages" / "book").mkdir(parents=True)  # another's package of that name is no book
    monkeypatch.setattr(places, "__file__", str(installed))
    here = tmp_path / "here"
    (here / "book").mkdir(parents=True)
    monkeypatch.chdir(here)
    with pytest.raises(ValueError, match="let KDLIB_BOOK name that folder") as told:
        places.book()
    assert "\n" not in str(told.value)
    (here / "book" / "claims.yml").touch()
    assert places.book() == here / "book"
    (here / "book" / "claims.yml").rename(here / "_toc.yml")
    assert places.book() == here / "book"
    for name in ("claims.yml", "01_first.md"):
        folder = tmp_path / name.partition(".")[0]
        monkeypatch.setenv("KDLIB_BOOK", str(folder))
        for make in (None, folder.mkdir, (folder / "index.md").touch):
            if make:
                make()
            with pytest.raises(ValueError, match=f"KDLIB_BOOK must name the book's folder, .*; got {folder}"):
                places.book()
        (folder / name).touch()
        assert places.book() == folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The unpacked wheel of both packages, built from a copy of the repository."""
    root = tmp_path_factory.mktemp("wheel")
    source = root / "source"
    for package in ("kdlib", "companion"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(root / "dist"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (root / "dist").glob("kdlib-*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(root / "unpacked")
    return root / "unpacked"


def test_the_wheel_holds_both_packages_and_the_papers_curves(wheel):
    def files(root):
        paths = [path for package in ("kdlib", "companion") for path in (root / package).rglob("*")]
        return {str(path.relative_to(root)) for path in paths if path.suffix in (".py", ".json")}

    assert files(wheel) == files(ROOT) and "kdlib/papers/ji_zhu_2020.json" in files(wheel)


# Calls every command of the package with each of the books, and prints what came of it. Modules named by the first word
# are hidden, as where the extra is not installed.
TRY_ALL = """
import contextlib, importlib.machinery, io, json, os, sys

class Hide(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in hidden else super().find_spec(name, path, target)

hidden, books = map(json.loads, sys.argv[1:])
sys.meta_path = [Hide if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path]
from companion import __main__ as command

def words(parser):
    needed = [action.dest for action in parser._actions if action.required and not action.option_strings]
    return [{"chapter": "01", "name": "fig-01-curve"}.get(name, name) for name in needed]

(commands,) = [action for action in command._parser()._actions if action.choices]
results = []
for book in books:
    os.environ.pop("KDLIB_BOOK", None)
    if book:
        os.environ["KDLIB_BOOK"] = book
    for name, parser in commands.choices.items():
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = command.main([name, *words(parser)])
        results.append([book, name, status, out.getvalue(), err.getvalue()])
print(json.dumps([command.__file__, results]))
"""
BOOK_MODULES = list(extra.MODULES.values())


@pytest.fixture(scope="module")
def tried(wheel, tmp_path_factory):
    """What came of each command of the wheel, without the extra: {book: {command: (status, output, error)}}."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "empty").mkdir()
    (folder / "book").symlink_to(ROOT / "book")
    (folder / "here").mkdir()
    books = {"": None, **{name: str(folder / name) for name in ("none", "empty", "book")}}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KDLIB_")}
    environment["PYTHONPATH"] = str(wheel)
    command = [sys.executable, "-P", "-c", TRY_ALL, json.dumps(BOOK_MODULES), json.dumps(list(books.values()))]
    done = subprocess.run(command, cwd=folder / "here", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    file, results = json.loads(done.stdout)
    assert file.startswith(str(wheel))
    assert list((folder / "here").iterdir()) == [], "nothing is begun without a book or the extra"
    found = {name: {} for name in books}
    for book, name, *said in results:
        found[Path(book or "").name][name] = tuple(said)
    return found


def test_every_command_of_the_wheel_needs_a_book_and_says_so_in_one_line(tried):
    for book in ("", "none", "empty"):
        assert {"run", "list", "claims", "trials", "figure"} <= tried[book].keys()
        for name, (status, out, err) in tried[book].items():
            assert (status, out, err.count("\n")) == (1, "", 1), (book, name, out, err)
            assert err.startswith("kdlib: ") and "KDLIB_BOOK" in err and f"/{book or 'here'}\n" in err


def test_commands_that_execute_or_print_need_the_extra_and_say_so_in_one_line(tried):
    without = {}
    for name, (status, out, err) in tried["book"].items():
        if "pip install" in err:
            assert (status, out, err.count("\n")) == (1, "", 1), (name, err)
            assert "pip install 'kdlib[book]'" in err and "no beautifulsoup4, jupyter-book, jupytext, " in err
        else:
            without[name] = (status, out, err)
    assert without.keys() == {"list", "claims", "figure"}
    assert without["list"][0] == 0 and "01_effective_logits\n" in without["list"][1]
    assert without["claims"][0] == 0 and "No chapter has been executed" in without["claims"][1]
    status, _, err = without["figure"]
    assert status == 1 and err.count("\n") == 1 and "01_effective_logits.ipynb: No such file" in err


@pytest.mark.parametrize("hidden", BOOK_MODULES)
def test_a_module_of_the_extra_that_is_missing_is_named(monkeypatch, hidden):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == hidden else find_spec(name))
    (package,) = [name for name, module in extra.MODULES.items() if module == hidden]
    with pytest.raises(ValueError, match=rf"needs the extra book, .*; here is no {package}$"):
        extra.check()


def test_the_modules_of_the_extra_are_those_that_the_project_declares():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [re.split("[<>=]", one)[0] for one in project["optional-dependencies"]["book"]]
    assert list(extra.MODULES) == declared
    extra.check()


def test_the_wheel_says_its_licence_in_the_words_of_the_standard(wheel):
    (metadata,) = wheel.glob("kdlib-*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    assert "\nLicense-Expression: MIT\n" in text and "\nLicense: " not in text
    assert (metadata.parent / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_what_a_wheel_is_built_in_is_ignored():
    asked = ["git", "check-ignore", "build/lib", "kdlib.egg-info/PKG-INFO"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == asked[2:]
