"""What the command line writes, to a reader that is gone and to a disk that is full; in which order it works."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest

from companion import __main__ as command_line
from companion import claims
from companion.press import execution, jupyterbook, provenance, site

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def unread(monkeypatch):
    """Standard output whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream, monkeypatch.context() as inside:
        inside.setattr(sys, "stdout", stream)
        yield


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("text", ["", "short", "long " * 100_000])
def test_a_reader_that_is_gone_changes_no_status(capsys, monkeypatch, text, status):
    """A verdict that got worse is told whoever reads."""
    monkeypatch.setattr(claims, "report", lambda *words: (text, status))
    with unread(monkeypatch):
        assert command_line.main(["claims"]) == status
        assert command_line.main(["list"]) == 0
    assert capsys.readouterr().err == ""


def test_the_reader_of_a_help_text_may_be_gone(capsys, monkeypatch):
    with pytest.raises(SystemExit) as ended, unread(monkeypatch):
        command_line.main(["--help"])
    assert ended.value.code == 0 and capsys.readouterr().err == ""


def test_another_pipe_that_breaks_is_an_error(monkeypatch, capsys):
    def break_a_pipe(words):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(command_line, "list_chapters", break_a_pipe)
    assert command_line.main(["list"]) == 1
    assert capsys.readouterr().err == "kdlib: [Errno 32] Broken pipe\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_where_nothing_can_be_written_is_named(monkeypatch, capsys):
    with open("/dev/full", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert command_line.main(["list"]) == 1
    assert capsys.readouterr().err == "kdlib: standard output: No space left on device\n"


def test_a_list_that_is_read_in_part_ends_well():
    command = [sys.executable, "-m", "companion", "list"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_jupyter_book_loads_while_the_chapter_is_executed(tmp_path, monkeypatch, capsys):
    steps = []

    @contextlib.contextmanager
    def started():
        steps.append("loads")
        yield "the process"
        steps.append("ends")

    def execute(chapter, *words, **options):
        steps.append("executed")
        return tmp_path / f"{chapter}.ipynb"

    monkeypatch.setattr(jupyterbook, "started", started)
    monkeypatch.setattr(execution, "execute", execute)
    monkeypatch.setattr(site, "build_page", lambda executed, out, chapter, process: steps.append((chapter, process)))
    monkeypatch.setattr("nbformat.read", lambda *_, **__: type("Executed", (), {"metadata": {"kdlib": {}}, "cells": []}))
    monkeypatch.setattr(claims, "collect", lambda executed: [])
    assert command_line.main(["run", "1b", "--out", str(tmp_path)]) == 0
    assert steps == ["loads", "executed", ("01b_one_dimension", "the process"), "ends"]
    assert f"{tmp_path}/html/01b_one_dimension.html" in capsys.readouterr().out


def test_a_command_that_needs_no_torch_does_not_load_it():
    """Loading torch takes longer than a list does."""
    told = "import sys; from companion import __main__; from companion.press import site; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_device_is_looked_up_while_the_chapter_is_executed(tmp_path, monkeypatch):
    begun = threading.Event()

    def device(wanted):
        assert begun.wait(60), "the chapter waits for the device"
        return f"the card for {wanted}"

    def run_cells(*words):
        begun.set()
        return nbformat.v4.new_notebook()

    monkeypatch.setattr(provenance, "device", device)
    monkeypatch.setattr(execution, "_run_cells", run_cells)
    path = execution.execute("01b_one_dimension", tmp_path)
    assert nbformat.read(path, as_version=4).metadata["kdlib"]["device"] == "the card for auto"


def test_a_card_that_is_not_there_is_told_before_any_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(execution, "_run_cells", lambda *words: pytest.fail("work has begun"))
    assert command_line.main(["run", "1b", "-p", "device", "cuda", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("kdlib: device cuda needs an NVIDIA card") and told.count("\n") == 1
