"""The lock: exact versions that install anywhere, and all that any Python and build of torch takes, followed offline."""

import functools
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import lock as script

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.11", "3.12", "3.13")
BUILDS = ("cpu", "cuda")


def lock(text):
    """name -> version; raises for a line that could not be installed elsewhere or repeats a name."""
    versions = {}
    for line in text.splitlines():
        found = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.!]*)", line)
        if not found:
            raise ValueError(f"not 'name==public version': {line!r}")
        name = canonicalize_name(found[1])
        if name in versions:
            raise ValueError(f"written twice: {name}")
        versions[name] = found[2]
    return versions


PINS = lock((ROOT / "constraints.txt").read_text())


INSTALLED = {canonicalize_name(one.name): one for one in importlib.metadata.distributions()}
NOTED = script.needs()


@functools.cache
def needs(name, build):
    """The requirements of a package: as installed, or as noted for what not every environment has."""
    noted = NOTED.get(f"{name}=={PINS.get(name)}")
    if name in INSTALLED and not (build == "cuda" and noted is not None):
        noted = INSTALLED[name].requires or []
    assert noted is not None, f"{name} is neither installed nor in tools/needs.json: python3 tools/lock.py --write"
    return [Requirement(line) for line in noted]


@functools.cache
def reached(python, build):
    """name -> the requirements that lead to it, from the project with its extras book, features and test."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "os_name": "posix",
                   "platform_system": "Linux", "platform_machine": "x86_64", "implementation_name": "cpython",
                   "platform_python_implementation": "CPython"}  # fmt: skip
    extras = PROJECT["optional-dependencies"]
    waiting = [Requirement(line) for line in (*PROJECT["dependencies"], *extras["book"], *extras["features"], *extras["test"])]
    asked = {}
    done = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        asked.setdefault(name, []).append(requirement)
        for extra in {"", *requirement.extras} - {extra for known, extra in done if known == name}:
            done.add((name, extra))
            for needed in needs(name, build):
                if needed.marker is None or needed.marker.evaluate(environment | {"extra": extra}):
                    waiting.append(needed)
    return asked


def test_the_lock_is_exact_and_installs_elsewhere():
    assert "torch" in PINS and "jupyter-book" in PINS
    assert {script.plain(name): version for name, version in script.pins().items()} == PINS


@pytest.mark.parametrize(
    "line",
    ["torch==2.13.0+cpu", "torch @ file:///w.whl", "torch>=2", "--find-links x", "a==1\na==1", "a==1 --hash=sha256:00"],
)
def test_a_lock_that_only_works_here_is_rejected(line):
    with pytest.raises(ValueError):
        lock(line)


def test_the_environment_is_the_lock():
    versions = {name: one.version.partition("+")[0] for name, one in INSTALLED.items()}
    assert {name: versions[name] for name in PINS.keys() & versions.keys()} == {
        name: PINS[name] for name in PINS.keys() & versions.keys()
    }


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("python", PYTHONS)
def test_all_that_a_python_and_a_build_of_torch_take_is_in_the_lock(python, build):
    for name, requirements in reached(python, build).items():
        assert name in PINS, f"Python {python}, {build}: {name} has no exact version in constraints.txt"
        for requirement in requirements:
            assert requirement.specifier.contains(Version(PINS[name]), prereleases=True), f"{name}=={PINS[name]}: {requirement}"


def test_nothing_else_is_in_the_lock():
    taken = set()
    for python in PYTHONS:
        taken |= reached(python, "cpu").keys() | reached(python, "cuda").keys()
    assert PINS.keys() - taken == set()


def test_the_walk_reaches_what_one_python_and_one_build_have_alone():
    assert "aiohttp" in reached("3.12", "cpu") and "aiohttp" not in reached("3.13", "cpu")
    assert any(name.startswith("nvidia-") for name in reached("3.13", "cuda"))


def test_what_is_noted_of_packages_is_true_where_they_are_installed():
    for package, noted in NOTED.items():
        name, _, version = package.partition("==")
        assert PINS.get(name) == version, f"tools/needs.json tells of {package}, which is not in the lock"
        if name in INSTALLED and name != "torch":
            assert sorted(INSTALLED[name].requires or []) == noted


# ---------------------------------------------------------------- the script that asks pip


FOUND = {"torch==2.13.0": ["filelock", "triton==3.7.1"], "filelock==4.2.11": []}


@pytest.mark.parametrize(
    ("pinned", "noted", "told"),
    [
        ({"torch": "2.13.0", "filelock": "4.2.11"}, {}, []),
        ({"torch": "2.13.0", "filelock": "4.2.11"}, FOUND, []),
        ({"torch": "2.13.0"}, {}, ["filelock==4.2.11 is not in constraints.txt"]),
        ({"torch": "2.13.0", "filelock": "4.2.10"}, {}, ["filelock==4.2.11 is not in constraints.txt"]),
        (
            {"torch": "2.13.0", "filelock": "4.2.11"},
            {"torch==2.13.0": ["filelock"]},
            ["torch==2.13.0 needs something else than needs.json says"],
        ),
    ],
)
def test_the_script_says_what_the_lock_lacks(pinned, noted, told):
    assert script.problems(FOUND, pinned, noted) == told


def test_a_build_of_a_local_version_may_need_something_else():
    name, asked = script.package({"name": "Torch", "version": "2.13.0+cpu", "requires_dist": ["filelock"]})
    assert (name, asked) == ("torch==2.13.0", None)
    assert script.package({"name": "x_y", "version": "1"}) == ("x-y==1", [])
    assert script.problems({name: asked}, {"torch": "2.13.0"}, FOUND) == []


def test_the_script_fails_where_pip_resolves_nothing(monkeypatch, capsys):
    monkeypatch.setattr(script.subprocess, "call", lambda *words, **more: 1)
    assert script.main([]) == 1
    assert capsys.readouterr().err == "lock: pip could not resolve the lock\n"


def test_the_script_notes_what_this_environment_has_not(monkeypatch, tmp_path):
    monkeypatch.setattr(script, "NEEDS", tmp_path / "needs.json")
    monkeypatch.setattr(script, "pins", lambda: {"torch": "2.13.0", "numpy": "2.4.6", "triton": "3.7.1", "yarl": "1.2"})
    monkeypatch.setattr(script.subprocess, "check_output", lambda *words, **more: "torch numpy pip\n")
    script.NEEDS.write_text('{"yarl==1.2": ["idna"], "yarl==1.1": []}')
    script.write({"torch==2.13.0": ["triton"], "numpy==2.4.6": [], "triton==3.7.1": [], "aiohttp==3.1": []})
    script.write({"torch==2.13.0": None})
    assert script.needs() == {"torch==2.13.0": ["triton"], "triton==3.7.1": [], "yarl==1.2": ["idna"]}
