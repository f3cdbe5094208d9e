"""Every value that a parameters cell allows runs, and every other one is refused with one line before any work."""

import contextlib
import functools
import json
import os
import select
import subprocess
import sys
from pathlib import Path

import parameter_cases
import pytest
import refused_values
import rule_words
import torch

from companion.__main__ import main
from companion.press import chapters

TESTS = Path(__file__).resolve().parent
PATIENCE = 600  # seconds for one case
# What a machine may lack; the case is refused with these words.
LACKS = {"cuda": "device cuda needs an NVIDIA card", "mnist": "mnist: 4 of 4 files missing", "cifar10": "cifar10: 6 of 6 files missing"}


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        asked = metafunc.config.option
        cases = parameter_cases.of_book() if asked.cases == "all" else parameter_cases.drawn(asked.case_seed, int(asked.cases))
        metafunc.parametrize("case", cases, ids=[case.words for case in cases])


class Runner:
    """A process that runs cases, with a cluster of its own; another one after a failure."""

    def __init__(self, folder):
        self.folder = folder
        self.errors = open(folder / "errors", "w+")
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "companion.engine.cluster", "serve", "--", sys.executable, str(TESTS / "chapter_runner.py")]
        environment = os.environ | {
            "PYTHONPATH": str(TESTS.parent),
            "KDLIB_ROWS": str(self.folder / "rows"),
            "KDLIB_DATA": str(self.folder / "data"),  # so that every machine has the digits alone
            "KDLIB_WORKERS": "1",
            "OMP_NUM_THREADS": "1",
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)

    def problem_of(self, case):
        """What went wrong in a case; None where nothing did."""
        if self.process is None:
            self.start()
        with contextlib.suppress(BrokenPipeError):  # of a process that is dead: it has no answer either
            self.process.stdin.write(json.dumps(case._asdict()) + "\n")
            self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        answer = self.process.stdout.readline() if ready else ""
        if answer:
            return json.loads(answer)
        self.stop()
        self.errors.seek(0)
        return ("the process died" if ready else f"no answer within {PATIENCE} s") + f"\n{self.errors.read()[-2000:]}"

    def stop(self):
        if self.process is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
        self.process.stdout.close()
        self.process = None


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    running = Runner(tmp_path_factory.mktemp("cases"))
    yield running
    running.stop()
    running.errors.close()


def what_is_lacking(case):
    """The words with which a chapter refuses what this machine does not have, else None."""
    for value in case.values.values():
        if isinstance(value, str) and value in LACKS and not (value == "cuda" and torch.cuda.is_available()):
            return LACKS[value]
    return None


def test_a_value_that_is_allowed_runs(case, runner, request):
    problem = runner.problem_of(case)
    lacking = what_is_lacking(case)
    if lacking:
        assert problem and lacking in problem.splitlines()[0]
        return
    if problem:
        runner.stop()  # what comes next starts anew
    seed = request.config.option.case_seed
    assert not problem, f"kdlib run {case.words}\n(case seed {seed})\n{problem}"


@pytest.mark.parametrize("chapter", chapters.names())
def test_each_parameter_has_cases_and_they_are_allowed(chapter, monkeypatch):
    monkeypatch.setattr(chapters, "profile_values", functools.cache(chapters.profile_values))  # the file is read once
    cases = parameter_cases.of_chapter(chapter)
    for case in cases:
        given = {name: rule_words.as_text(value) for name, value in case.values.items()}
        assert chapters.check(chapter, given, parameter_cases.PROFILE) == case.values
    varied = {name for case in cases for name in case.values}
    assert set(chapters.parameters(chapter)) - varied <= set(parameter_cases.DEAR.get(chapter, []))


def test_what_is_drawn_depends_on_the_seed_alone():
    assert parameter_cases.drawn(3, 10) == parameter_cases.drawn(3, 10) != parameter_cases.drawn(4, 10)
    assert len({case.chapter for case in parameter_cases.drawn(3, 10)}) == 10


@pytest.mark.parametrize("chapter", chapters.names())
def test_a_value_that_is_not_allowed_is_refused_with_one_line(chapter, capsys):
    for name, texts in refused_values.refused(chapter).items():
        assert texts, f"{chapter}: nothing is refused as {name}"
        for text in texts:
            assert main(["run", chapter, "-p", name, text]) == 1, f"{name} {text} is not refused"
            error = capsys.readouterr().err
            assert error.startswith(f"kdlib: {name} must ") and "; got " in error and error.count("\n") == 1, error


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sizes": "32,65"}, "error_samples must be one of sizes (32, 65); got 128"),
        ({"error_samples": "65"}, "error_samples must be one of sizes (32, 64, 128); got 65"),
    ],
)
def test_a_rule_between_two_parameters_holds_whichever_changes(given, told):
    with pytest.raises(ValueError) as refused:
        chapters.check("04_imperfect_teacher", given, "smoke")
    assert str(refused.value) == told
    both = {"sizes": "32,65", "error_samples": "65"}
    assert chapters.check("04_imperfect_teacher", both, "smoke") == {"sizes": [32, 65], "error_samples": 65}


def test_a_pool_is_no_larger_than_the_samples():
    with pytest.raises(ValueError, match=r"^pools must be at most the largest of sizes \(99\); got 128$"):
        chapters.check("02_transfer_risk", {"sizes": "16,32,99"}, "smoke")
