"""What the command line writes: to a reader that is gone, and to a disk that is full."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from companion import __main__ as command_line
from companion import claims

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def unread(monkeypatch):
    """Standard output whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield


@pytest.mark.parametrize("status", [0, 1])
def test_a_reader_that_is_gone_changes_no_status(unread, capsys, monkeypatch, status):
    """A verdict that got worse is told whoever reads; short texts and long ones."""
    for text in ("", "short", "long " * 100_000):
        monkeypatch.setattr(claims, "report", lambda *words, text=text: (text, status))
        assert command_line.main(["claims"]) == status
    assert command_line.main(["list"]) == 0
    assert capsys.readouterr().err == ""


def test_the_reader_of_a_help_text_may_be_gone(unread, capsys):
    with pytest.raises(SystemExit) as ended:
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
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
