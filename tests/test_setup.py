"""The set-up: versions are written once, in a form that installs elsewhere, and what is missing is said in one line."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import torch

import bootstrap
from tools import lock

ROOT = Path(__file__).resolve().parent.parent


def test_versions_are_written_once():
    versions = lock.pins()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    assert not [d for d in declared if "==" in d], "exact versions belong to constraints.txt alone"
    names = [re.split(r"[<>=\[ ]", d)[0].lower().replace("_", "-") for d in declared]
    assert set(names) <= versions.keys()
    paths = ["environment.yml", "CITATION.cff", ".ci/run", "Makefile", "README.md", "tools/ci.py"]
    workflows = (ROOT / ".github" / "workflows").glob("*.yml")
    for path in [*(ROOT / path for path in paths), *workflows]:
        text = path.read_text()
        twice = [name for name in versions if re.search(rf"(?<![\w-]){re.escape(name)}(\[.*\])?\s*(==|>=|~=)\s*\d", text)]
        assert not twice, f"{path} repeats the version of {twice}"
        assert project["version"] not in text, f"{path} repeats kdlib's version"


def test_a_python_that_is_too_old_is_told_in_one_line():
    line = bootstrap.check_python((3, 10))
    assert "3.11" in line and "3.10" in line and "\n" not in line
    assert bootstrap.check_python((3, 11)) is None
    assert bootstrap.check_python((3, 14)) is None


@pytest.mark.parametrize("has_card", [False, True])
def test_a_full_disk_is_told_in_one_line(has_card):
    needed = bootstrap.NEEDED_GB["cuda" if has_card else "cpu"]
    line = bootstrap.check_disk(has_card, needed * 10**9 - 10**8)
    assert f"needs {needed} GB of disk and {needed - 0.1:.1f} GB are free" in line and "\n" not in line
    assert bootstrap.check_disk(has_card, needed * 10**9) is None


def test_a_disk_too_small_for_the_cuda_build_is_told_where_pip_takes_it_without_a_card():
    assert bootstrap.NEEDED_GB["cpu"] < 5 < bootstrap.NEEDED_GB["cuda"]
    line = bootstrap.warn_of_disk("linux", 5 * 10**9)
    assert "CUDA build" in line and "5.0 GB are free" in line and "\n" not in line
    assert bootstrap.warn_of_disk("darwin", 5 * 10**9) is None
    assert bootstrap.warn_of_disk("linux", 10**12) is None


@pytest.mark.parametrize(
    ("has_card", "usable", "built_for", "told"),
    [
        (True, False, None, "a build without CUDA"),
        (True, False, "13.0", "a build for CUDA 13.0, cannot use it: the driver is too old"),
        (True, True, "13.0", None),
        (False, False, None, None),
        (False, False, "13.0", None),
    ],
)
def test_a_card_that_torch_cannot_use_is_told_in_one_line(has_card, usable, built_for, told):
    line = bootstrap.check_cuda(has_card, usable, built_for)
    if told is None:
        assert line is None
    else:
        assert told in line and "\n" not in line


def test_what_bootstrap_asks_torch_is_what_it_says_of_cuda(capsys):
    exec(bootstrap.ASK_TORCH, {})
    assert json.loads(capsys.readouterr().out) == [torch.cuda.is_available(), torch.version.cuda]


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
