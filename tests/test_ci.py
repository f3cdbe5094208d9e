"""CI on GitHub, as far as it can be tried here: the workflows' text, and each job of the script that they call."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
import torch
import yaml

from kdlib import datasets, devices, downloads
from tools import ci, data, gpu

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
JOBS = {f"{file}: {name}": job for file, workflow in WORKFLOWS.items() for name, job in workflow["jobs"].items()}
STEPS = [(name, step) for name, job in JOBS.items() for step in job["steps"]]
# The first version of each action whose own action.yml says node24 (or, for one that is made of steps, all of whose do).
NODE24 = {"checkout": 5, "setup-python": 6, "cache": 5, "upload-artifact": 6, "upload-pages-artifact": 5, "deploy-pages": 5}


def steps_of(name):
    return JOBS[name]["steps"]


def used(steps, action):
    return [step["with"] | {"if": step.get("if")} for step in steps if step.get("uses", "").startswith(f"actions/{action}@")]


# ---------------------------------------------------------------- what the workflows say


@pytest.mark.parametrize("name", JOBS)
def test_every_job_has_a_limit_and_a_concurrency_group_of_its_own(name):
    job = JOBS[name]
    assert 0 < job["timeout-minutes"] <= 1440
    short = name.partition(": ")[2]
    assert job["concurrency"]["group"].startswith(short), "a group that two jobs share makes one wait for the other"
    assert "cancel-in-progress" in job["concurrency"]
    for key in job.get("strategy", {}).get("matrix", {}):
        assert f"matrix.{key}" in job["concurrency"]["group"], "the jobs of a matrix would end each other"


def test_no_group_holds_a_whole_workflow_and_no_job_may_write():
    for workflow in WORKFLOWS.values():
        assert "concurrency" not in workflow and workflow["permissions"] == {"contents": "read"}


def test_nothing_that_runs_on_main_or_at_the_papers_sizes_is_interrupted():
    for name in ("tests", "cpu", "cuda-smoke"):
        assert "github.ref != 'refs/heads/main'" in JOBS[f"book: {name}"]["concurrency"]["cancel-in-progress"]
    assert JOBS["book: cuda-paper"]["concurrency"]["cancel-in-progress"] is False
    assert "cuda" not in str(JOBS["book: publish"]["needs"]), "pages do not wait for the GPU runner"


def test_no_line_that_a_shell_reads_is_put_together_by_github():
    assert [step["run"] for _, step in STEPS if "${{" in step.get("run", "")] == []


def test_the_script_s_jobs_are_those_that_the_workflows_call():
    lines = [step["run"] for _, step in STEPS if "run" in step]
    called = [line.removeprefix("python3 tools/ci.py ") for line in lines if line.startswith("python3 tools/ci.py ")]
    assert set(called) == set(ci.JOBS)
    others = [line for line in lines if not line.startswith("python3 tools/ci.py ")]
    assert all(line.startswith("echo ") for line in others), f"what CI does is in the script, which is tested: {others}"


def test_actions_are_of_the_current_runtime():
    for _, step in STEPS:
        if "uses" in step:
            action, _, version = step["uses"].removeprefix("actions/").partition("@v")
            assert int(version) >= NODE24[action.partition("/")[0]], step["uses"]


def test_every_python_that_the_package_allows_runs_the_tests():
    pythons = JOBS["book: tests"]["strategy"]["matrix"]["python"]
    pythons = pythons + [step["python-version"] for step in used(steps_of("book: cpu"), "setup-python")]
    assert sorted(pythons) == ["3.11", "3.12", "3.13"]
    assert JOBS["weekly: lock"]["strategy"]["matrix"]["python"] == sorted(pythons)
    assert WORKFLOWS["weekly"][True]["schedule"], "YAML reads the word on as true"


@pytest.mark.parametrize("name", ["book: cuda-smoke", "book: cuda-paper"])
def test_a_second_attempt_finds_the_rows_of_the_first_and_keeps_its_own(name):
    (restored,) = used(steps_of(name), "cache/restore")
    (saved,) = used(steps_of(name), "cache/save")
    assert saved["if"] == "always()" and saved["path"] == restored["path"]
    assert "github.run_id" in saved["key"] and "github.run_attempt" in saved["key"], "a key is written once"
    assert saved["key"].startswith(restored["restore-keys"]) and "${{" not in restored["restore-keys"]


def test_data_are_kept_only_when_complete_and_have_a_limit_after_which_digits_serve():
    steps = steps_of("book: cpu")
    (restored,) = used(steps, "cache/restore")
    (saved,) = used(steps, "cache/save")
    assert saved["key"] == restored["key"] and saved["path"] == restored["path"] == "~/.cache/kdlib"
    assert "steps.data.outputs.complete == 'true'" in saved["if"] and not used(steps, "cache")
    runs = [step.get("run") for step in steps]
    (step,) = [step for step in steps if step.get("id") == "data"]
    assert step["run"] == "python3 tools/ci.py data" and step["continue-on-error"] is True
    assert step["timeout-minutes"] <= 15 < JOBS["book: cpu"]["timeout-minutes"] / 2
    assert runs.index(step["run"]) < runs.index("python3 tools/ci.py book")


def test_code_of_a_fork_never_runs_on_the_gpu_runner():
    for name, job in JOBS.items():
        if "self-hosted" in job["runs-on"]:
            assert "!github.event.repository.fork" in job["if"] and "HAS_GPU_RUNNER" in job["if"], name
            assert "pull_request" in job["if"] or "inputs.paper" in job["if"], name


# ---------------------------------------------------------------- what the script does


FAILING = [(job, place) for job, commands in ci.JOBS.items() for place in range(len(commands) + 1)]


@pytest.mark.parametrize(("job", "place"), FAILING)
def test_a_job_ends_with_its_first_command_that_fails(monkeypatch, capsys, job, place):
    ran = []

    def call(command):
        ran.append(command)
        return 3 if len(ran) == place + 1 else 0

    monkeypatch.setattr(subprocess, "call", call)
    commands = ci.JOBS[job]
    fails = place < len(commands)
    assert ci.main([job]) == (3 if fails else 0)
    assert ran == commands[: place + 1]
    said = capsys.readouterr().out
    assert ("::error::" in said) is fails
    if fails:
        assert f"::error::{' '.join(commands[place])} ended with status 3" in said


@pytest.mark.parametrize("words", [[], ["cuda"], ["test", "book"]])
def test_another_job_is_refused_in_one_line(capsys, words):
    assert ci.main(words) == 2
    said = capsys.readouterr().out
    assert "a job is one of test, data" in said and said.count("\n") == 1


@pytest.mark.parametrize("job", ["cuda-smoke", "cuda-paper"])
def test_a_gpu_job_runs_from_its_first_command_to_its_last_without_a_gpu(tmp_path, job):
    """Every command is a program that writes down its words, so the whole job is tried as its runner calls it."""
    for name in ("make", ".venv/bin/python"):
        program = tmp_path / "bin" / name if name == "make" else tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> "{tmp_path}/said"\n')
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "tools" / "ci.py"), job]
    assert subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True).returncode == 0
    said = (tmp_path / "said").read_text().splitlines()
    profile = job.partition("-")[2]
    assert said[:2] == ["make .venv/ready", ".venv/bin/python tools/gpu.py check"], "the GPU is checked before any work"
    assert said[-2:] == [f"make book PROFILE={profile}", f".venv/bin/python tools/gpu.py built {profile}"]


def test_the_commands_are_those_of_this_repository():
    targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.M))
    for command in itertools.chain.from_iterable(ci.JOBS.values()):
        if command[0] == "make":
            assert command[1] in targets
        for word in command[1:]:
            assert not word.endswith(".py") or (ROOT / word).is_file()
        profiles = [word.partition("=")[2] for word in command if word.startswith("PROFILE=")]
        assert all((ROOT / "book" / "profiles" / f"{profile}.yml").is_file() for profile in profiles)


# ---------------------------------------------------------------- whether the image sets are complete


@pytest.mark.parametrize("lacking", [None, *downloads.SOURCES])
def test_data_are_complete_when_every_file_of_every_set_is_right(monkeypatch, tmp_path, capsys, lacking):
    def check(name):
        return {f"{name}/file": "its 3 bytes have md5 0"} if name == lacking else {}

    outputs = tmp_path / "outputs"
    monkeypatch.setattr(datasets, "check", check)
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    assert data.main() == int(lacking is not None)
    assert outputs.exists() is (lacking is None)
    if lacking is None:
        assert outputs.read_text() == "complete=true\n"
    else:
        assert capsys.readouterr().out == f"{lacking}/file: its 3 bytes have md5 0\n"


def test_an_empty_folder_is_not_complete(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KDLIB_DATA", str(tmp_path))
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    assert data.main() == 1
    files = sum(len(datasets.MD5[name]) for name in downloads.SOURCES)
    assert capsys.readouterr().out.count(": missing\n") == files


# ---------------------------------------------------------------- whether the GPU is used


@pytest.mark.parametrize(
    ("card", "built_for", "told"),
    [(True, None, "is a build without CUDA"), (True, "13.0", "no usable card or driver"), (False, None, "no NVIDIA card")],
)
def test_a_job_without_a_usable_gpu_fails_and_says_what_is_missing(monkeypatch, capsys, card, built_for, told):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.setattr(devices, "_nvidia_card", lambda: card)
    monkeypatch.setattr(gpu.sweeps, "run_sweep", None)
    assert gpu.main(["check"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and told in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("where", "error", "told"),
    [
        ("cuda", 1e-12, None),
        ("cpu", 0.0, "a row that asked for cuda was computed on cpu"),
        ("cuda", 0.5, "within 1e-9, got a difference of 0.5"),
        ("cuda", float("nan"), "within 1e-9, got a difference of nan"),
    ],
)
def test_a_row_that_is_not_the_card_s_fails_the_job(monkeypatch, capsys, where, error, told):
    def run_sweep(run, settings, *, store, seeds):
        assert (run, settings, seeds) == (gpu.row, [{"device": "cuda"}], 1) and not store.exists()
        table = pandas.DataFrame([{"device": "cuda", "where": where, "error": error}])
        table.attrs["machines"] = ["A card"]
        return table

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu.sweeps, "run_sweep", run_sweep)
    assert gpu.main(["check"]) == int(told is not None)
    said = capsys.readouterr()
    if told is None:
        assert said.out == "a row was computed on cuda: A card\n"
    else:
        assert told in said.err and said.err.count("\n") == 1


def write_notebook(folder, name, asked, device):
    parameters = {} if asked is None else {"device": asked}
    record = {"parameters": parameters, "device": device}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ipynb").write_text(json.dumps({"metadata": {"kdlib": record}}))


@pytest.mark.parametrize(
    ("chapters", "told"),
    [
        ([("01_a", "auto", "A card"), ("02_b", "cuda", "A card"), ("03_c", "cpu", "cpu"), ("04_d", None, "cpu")], None),
        ([("01_a", "auto", "A card"), ("02_b", "auto", "cpu"), ("03_c", "auto", "cpu")], "on the CPU: 02_b, 03_c"),
        ([("01_a", "cpu", "cpu")], "no executed chapter of _build/smoke takes a device"),
        ([], "no executed chapter of _build/smoke takes a device"),
    ],
)
def test_a_build_whose_chapters_fell_back_to_the_cpu_fails_the_job(monkeypatch, tmp_path, capsys, chapters, told):
    monkeypatch.chdir(tmp_path)
    for name, asked, device in chapters:
        write_notebook(tmp_path / "_build" / "smoke" / "book", name, asked, device)
    assert gpu.main(["built", "smoke"]) == int(told is not None)
    said = capsys.readouterr()
    if told is None:
        assert said.out == "2 chapters ran on A card\n"
    else:
        assert told in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["built"], ["check", "now"], ["chekc"]])
def test_other_words_make_no_gpu_check(words):
    assert gpu.main(words) == 2
