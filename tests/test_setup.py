"""The set-up: versions are written once, in a form that installs elsewhere, and what is missing is said in one line."""

import re
import subprocess
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

import bootstrap

ROOT = Path(__file__).resolve().parent.parent


def lock(text):
    """name -> version; raises for a line that could not be installed elsewhere or repeats a name."""
    versions = {}
    for line in text.splitlines():
        found = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.!]*)", line)
        if not found:
            raise ValueError(f"not 'name==public version': {line!r}")
        name = re.sub(r"[-_.]+", "-", found[1]).lower()
        if name in versions:
            raise ValueError(f"written twice: {name}")
        versions[name] = found[2]
    return versions


def test_the_lock_is_exact_and_installs_elsewhere():
    versions = lock((ROOT / "constraints.txt").read_text())
    assert "torch" in versions and "jupyter-book" in versions


@pytest.mark.parametrize(
    "line",
    ["torch==2.13.0+cpu", "torch @ file:///w.whl", "torch>=2", "--find-links x", "a==1\na==1", "a==1 --hash=sha256:00"],
)
def test_a_lock_that_only_works_here_is_rejected(line):
    with pytest.raises(ValueError):
        lock(line)


def test_the_environment_is_the_lock():
    versions = lock((ROOT / "constraints.txt").read_text())
    here = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version.partition("+")[0] for d in distributions()}
    differing = {name: (here[name], versions[name]) for name in versions.keys() & here.keys() if here[name] != versions[name]}
    assert not differing


def test_versions_are_written_once():
    versions = lock((ROOT / "constraints.txt").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    assert not [d for d in declared if "==" in d], "exact versions belong to constraints.txt alone"
    names = [re.split(r"[<>=\[ ]", d)[0].lower().replace("_", "-") for d in declared]
    assert set(names) <= versions.keys()
    for path in ("environment.yml", "CITATION.cff", ".github/workflows/book.yml", ".ci/run", "Makefile", "README.md"):
        text = (ROOT / path).read_text()
        twice = [name for name in versions if re.search(rf"(?<![\w-]){re.escape(name)}(\[.*\])?\s*(==|>=|~=)\s*\d", text)]
        assert not twice, f"{path} repeats the version of {twice}"
        assert project["version"] not in text, f"{path} repeats kdlib's version"


def test_a_python_that_is_too_old_is_told_in_one_line():
    line = bootstrap.check_python((3, 10))
    assert "3.11" in line and "3.10" in line and "\n" not in line
    assert bootstrap.check_python((3, 11)) is None
    assert bootstrap.check_python((3, 14)) is None


def test_a_full_disk_is_told_in_one_line():
    line = bootstrap.check_disk(10**9)
    assert "1.0 GB" in line and "\n" not in line
    assert bootstrap.check_disk(10**12) is None


def test_a_torch_without_cuda_beside_a_card_is_told_in_one_line():
    assert "CUDA" in bootstrap.check_cuda(True, False)
    assert bootstrap.check_cuda(True, True) is None
    assert bootstrap.check_cuda(False, False) is None


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["WARNING: Retrying (Retry(total=0, connect=None)) after", "ERROR: conflicting dependencies."], "a package index does not"),
        (["WARNING: Retrying (Retry(total=3, connect=None)) after", "ERROR: No matching distribution"], "No matching"),
        (["ERROR: Could not install", "OSError: [Errno 28] No space left on device"], "No space left on device"),
        (["Collecting torch"], "it says nothing"),
    ],
)
def test_a_failed_install_is_told_by_its_cause(lines, told):
    assert told in bootstrap.reason(lines)


def test_bootstrap_speaks_words_that_any_python_3_reads():
    compiled = compile((ROOT / "bootstrap.py").read_text(), "bootstrap.py", "exec", dont_inherit=True)
    assert compiled is not None
    assert not re.search(r"\bf[\"']|:=|match ", (ROOT / "bootstrap.py").read_text())


def test_the_repository_names_no_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        if name == "tests/test_setup.py" or not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_text(errors="ignore")
        assert not re.search(r"/work/|/opt/|/root/", text), f"{name} names a path of one machine"
        assert "../shared" not in text or name == ".ci/run", f"{name} reaches outside the repository"
