"""A chapter runs in this Python with these packages, whatever the environment holds beside them."""

import json
import os
import sys
import types
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import nbformat
import pytest

import companion
import kdlib
from companion.engine import sources
from companion.press import chapters, execution, interpreter, provenance

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
import companion, kdlib, sys
print(sys.executable, companion.__file__, kdlib.__file__, sep="\\n")
```
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "01_first.md").write_text(CHAPTER)
    (folder / "claims.yml").write_text("[]\n")
    monkeypatch.setenv("KDLIB_BOOK", str(folder))
    return folder


@pytest.fixture
def other(tmp_path):
    """Another checkout, whose packages say so when they are imported."""
    for package in sources.OURS:
        folder = tmp_path / "other" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('this is the other checkout')\n")
    return tmp_path / "other"


def test_a_chapter_meets_these_packages_and_this_python_only(book, other, tmp_path, monkeypatch):
    """The other checkout lies in the current folder, on PYTHONPATH, in IPython's own start, and behind the name of the kernel."""
    monkeypatch.chdir(other)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", str(other)]))
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["/bin/false", "{connection_file}"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    startup = tmp_path / "ipython" / "profile_default" / "startup" / "00_mine.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(f"import sys\nsys.path.insert(0, {str(other)!r})\n")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    executed = nbformat.read(execution.execute("01_first", tmp_path / "out"), as_version=4)

    told = executed.cells[-1].outputs[0].text.split()
    assert told == [sys.executable, companion.__file__, kdlib.__file__]
    assert os.environ["PYTHONPATH"].startswith("."), "this process's own environment is as it was"


FRONT = "import sys\nsys.path.insert(0, {other!r})\n"
FINDER = """
import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "companion":
            return importlib.util.spec_from_file_location(name, {other!r} + "/companion/__init__.py")
sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize(("planted", "met"), [(FRONT, "kdlib"), (FINDER, "companion")])
def test_an_environment_that_puts_another_checkout_first_is_refused_in_one_line(book, other, tmp_path, monkeypatch, planted, met):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(planted.format(other=str(other)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setattr(execution, "_run_cells", lambda *words: pytest.fail("the chapter was executed"))
    with pytest.raises(chapters.Failed) as told:
        execution.execute("01_first", tmp_path / "out")
    own = ROOT / met / "__init__.py"
    assert f"import {met} from {other / met / '__init__.py'}" in str(told.value) and str(own) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_python_that_cannot_be_asked_is_told_in_one_line(book, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os\nos._exit(3)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(chapters.Failed, match="cannot be asked for packages") as told:
        interpreter.check(tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("before", ["", ":", "/a", "/a:/b:/a", "rel::/a", f"/a:{ROOT}"])
def test_the_path_has_these_packages_first_and_the_others_once(before, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", before)
    first, *rest = interpreter.python_path().split(os.pathsep)
    assert first == str(ROOT)
    assert all(os.path.isabs(folder) for folder in rest) and len(set(rest)) == len(rest) and first not in rest
    assert set(rest) == {str(tmp_path / folder) for folder in before.split(":") if folder} - {str(ROOT)}


@pytest.mark.parametrize("folder", ["/usr/lib/python3/dist-packages", "/a/lib/python3.12/site-packages", str(Path(pytest.__file__).parent.parent)])
def test_installed_packages_stay_behind_the_standard_library(folder, monkeypatch):
    monkeypatch.setattr(sources, "package_folder", lambda package: Path(folder, package))
    monkeypatch.setenv("PYTHONPATH", "/a")
    assert interpreter.python_path() == "/a"


@pytest.mark.parametrize(
    ("file", "is_source"),
    [
        (pytest.__file__, False),
        ("/usr/lib/python3/dist-packages/torch/__init__.py", False),
        ("/usr/conda/lib/python3.12/site-packages/torch/nn/functional.py", False),
        ("/home/me/lib/site.py", True),
        ("/home/me/packages/mine.py", True),
    ],
)
def test_what_an_environment_has_from_another_one_is_installed_too(file, is_source, monkeypatch):
    """As torch of a CUDA image is in an environment with the system's packages."""
    monkeypatch.setitem(sys.modules, "planted", types.SimpleNamespace(__file__=file))
    assert sources.is_source("planted") == is_source


@pytest.mark.parametrize(
    ("beside", "environment", "version"),
    [
        ('[project]\nname = "kdlib"\nversion = "1.2.3"\n', "9.9.9", "1.2.3"),
        ('[project]\nname = "kdlib"\nversion = "1.2.3"\n', None, "1.2.3"),
        ('[project]\nname = "another"\nversion = "1.2.3"\n', "9.9.9", "9.9.9"),
        ("[tool.x]\n", "9.9.9", "9.9.9"),
        (None, "9.9.9", "9.9.9"),
        (None, None, "unknown"),
    ],
)
def test_the_version_is_the_checkouts_own_before_that_of_the_environment(beside, environment, version, tmp_path, monkeypatch):
    def known(name):
        if environment is None:
            raise PackageNotFoundError(name)
        return environment

    if beside is not None:
        (tmp_path / "pyproject.toml").write_text(beside)
    monkeypatch.setattr(sources, "package_folder", lambda package: tmp_path / package)
    monkeypatch.setattr(provenance, "version", known)
    assert provenance.own_version() == version
