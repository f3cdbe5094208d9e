"""One process at a time: who comes second waits, says for whom, and goes on when the first has ended, however it ended."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from companion import __main__ as command_line
from companion.press import execution, files, jupyterbook, locks, site

ROOT = Path(__file__).resolve().parent.parent


def holder(path, *command):
    """A process that holds a lock while it is the command."""
    words = [sys.executable, "-m", "companion.press.locks", str(path), *command]
    return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_second_waits_and_names_the_first_even_if_that_is_killed(tmp_path):
    path = tmp_path / "build" / "lock"
    first = holder(path, "sh", "-c", "echo ready; exec cat")
    assert first.stdout.readline() == "ready\n"
    second = holder(path, "echo", "done")
    assert second.stderr.readline() == f"kdlib: waiting for process {first.pid}, which holds {path}\n"
    assert second.poll() is None
    first.kill()
    first.communicate()
    out, error = second.communicate(timeout=20)
    assert (out, error, second.returncode) == ("done\n", "", 0)


def test_who_waits_for_nobodys_sake_ends(tmp_path):
    path = tmp_path / "lock"
    with locks.held(path):
        words = f"{sys.executable} -m companion.press.locks {path} touch {tmp_path}/built & echo $!; exec cat"
        parent = subprocess.Popen(["sh", "-c", words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        waiting = int(parent.stdout.readline())
        assert "waiting for process" in parent.stderr.readline()
        parent.kill()
        assert parent.communicate(timeout=20)[1] == "", "both have closed their ends"
    with pytest.raises(ProcessLookupError):
        for _ in range(200):
            os.kill(waiting, 0)
            time.sleep(0.02)
    assert not (tmp_path / "built").exists()


def test_who_waits_for_a_lock_that_is_removed_takes_the_new_one(tmp_path):
    path = tmp_path / "build" / "lock"
    with locks.held(path):
        second = holder(path, "sh", "-c", "echo ready; exec cat")
        assert "waiting for process" in second.stderr.readline()
        shutil.rmtree(path.parent)
    assert second.stdout.readline() == "ready\n"
    third = holder(path, "echo", "done")
    assert f"waiting for process {second.pid}" in third.stderr.readline(), "the two are not at work together"
    second.communicate(timeout=20)
    assert third.communicate(timeout=20)[0] == "done\n"


@pytest.mark.parametrize("name", ["smoke/lock", "smoke/html.lock", "smoke/record.lock", "trials/short/lock"])
def test_make_clean_is_refused_while_a_build_is_at_work(tmp_path, name):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for package in ("kdlib", "companion"):
        (tmp_path / package).symlink_to(ROOT / package)
    command = ["make", "clean", f"PYTHON={sys.executable}"]
    subprocess.run(command, cwd=tmp_path, check=True)  # nothing is there
    path = tmp_path / "_build" / name
    (tmp_path / "_build" / "another").mkdir(parents=True)
    with locks.held(path):
        refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert refused.returncode and path.exists() and (tmp_path / "_build" / "another").exists()
        told, _ = refused.stderr.splitlines()  # and a line of make
        assert told.startswith(f"kdlib: process {os.getpid()} holds _build/{name}: ")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).stderr == b""
    assert not (tmp_path / "_build").exists()


def together(command, count=3):
    """Run a function several times at once; what each raised, or None."""
    raised = []

    def one():
        try:
            command()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return raised


@pytest.mark.parametrize("words", ["html", "run 01 --quiet"])
def test_a_command_given_twice_at_once_is_done_one_after_the_other(words, tmp_path, monkeypatch):
    inside, most = [], []

    def work(*_, **__):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        inside.pop()
        return tmp_path

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "PAUSE", 0.01)
    monkeypatch.setattr(site, "build", work)
    monkeypatch.setattr(site, "build_page", work)
    monkeypatch.setattr(jupyterbook, "started", contextlib.nullcontext)
    monkeypatch.setattr(execution, "execute", work)
    monkeypatch.setattr("nbformat.read", lambda *_, **__: type("Executed", (), {"metadata": {"kdlib": {}}, "cells": []}))
    monkeypatch.setattr("companion.claims.collect", lambda executed: [])
    statuses = []
    assert together(lambda: statuses.append(command_line.main(words.split()))) == []
    assert statuses == [0, 0, 0] and len(most) >= 3 and max(most) == 1


def test_a_lock_that_cannot_be_made_is_named(tmp_path, capsys, monkeypatch):
    (tmp_path / "out").write_text("a file")
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["run", "01", "--out", "out/x"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("kdlib: out/x: ") and error.count("\n") == 1


def test_a_file_system_without_locks_keeps_nobody_waiting(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refused)
    with locks.held(tmp_path / "lock"), locks.held(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_file_that_two_write_at_once_is_the_one_or_the_other(tmp_path):
    """Twins of chapters are written by builds of two profiles."""
    code = "import sys\nfrom pathlib import Path\nfrom companion.press import files\nfor _ in range(300):\n    files.write_whole(Path(sys.argv[1]), sys.argv[2] * 50000)"
    path = tmp_path / "twin"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), letter], cwd=ROOT, stderr=subprocess.PIPE) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_text())
    assert [writer.communicate()[1] for writer in writers] == [b"", b""]
    assert seen <= {"a" * 50000, "b" * 50000} and [one.name for one in tmp_path.iterdir()] == ["twin"]
    files.write_whole(path, b"bytes")
    assert path.read_bytes() == b"bytes"
