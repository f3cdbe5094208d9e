"""Where things lie: the variables that name places, the book, and a wheel that has none."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path))
    assert places.book() == tmp_path
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="KDLIB_BOOK must name the book's folder; got .*none"):
        places.book()


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


def test_the_command_of_the_wheel_needs_a_book_and_says_so_in_one_line(wheel, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KDLIB_")}
    environment["PYTHONPATH"] = str(wheel)
    where = subprocess.run(
        [sys.executable, "-c", "import companion.__main__ as c; print(c.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(wheel))
    command = [sys.executable, "-m", "companion", "list"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("kdlib: ") and "KDLIB_BOOK" in done.stderr and done.stderr.count("\n") == 1
    environment["KDLIB_BOOK"] = str(ROOT / "book")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "01_effective_logits" in done.stdout.splitlines()
