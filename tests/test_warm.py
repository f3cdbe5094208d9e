"""A module run in a copy of the process that has loaded the libraries: as ``python -m`` runs it, and never with code of ours from before."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from companion.engine import warm
from processes import PATIENCE, alive, hears_interrupts, until

TELL = """
import json, os, sys
print("started", flush=True)
told = {
    "words": sys.argv[1:], "name": __name__, "folder": os.getcwd(), "path": sys.path, "read": sys.stdin.read(),
    "environment": dict(sorted(os.environ.items())),
}
print(json.dumps(told))
print("to the other one", file=sys.stderr)
sys.exit(7)
"""


def _started(folder, source, words=(), **options):
    (folder / "told.py").write_text(textwrap.dedent(source))
    return subprocess.Popen([*options.pop("python", warm.command()), "-m", "told", *words], cwd=folder, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_copy_does_what_python_does(tmp_path):
    words = ["one", "two words", "-p"]
    copy = _started(tmp_path, TELL, words)
    plain = _started(tmp_path, TELL, words, python=[sys.executable])
    assert copy.communicate("some text", PATIENCE) == plain.communicate("some text", PATIENCE)
    assert copy.returncode == plain.returncode == 7


def test_a_copy_has_loaded_the_libraries_and_nothing_of_ours(tmp_path):
    source = "import sys; print('torch' in sys.modules, 'kdlib' in sys.modules, 'companion' in sys.modules)"
    assert _started(tmp_path, source).communicate("", PATIENCE)[0].split() == ["True", "False", "False"]
    # The numbers of a library that reads this when it is loaded would be those of another setting.
    other = _started(tmp_path, source, env=os.environ | {"OMP_NUM_THREADS": "3"})
    assert other.communicate("", PATIENCE)[0].split()[0] == "False"


@pytest.mark.parametrize("address", ["", "/nowhere/warm 00", f"/nowhere/warm {warm._unchangeable()}"])
def test_without_the_process_a_module_runs_by_itself(tmp_path, address):
    alone = _started(tmp_path, "import sys; print('torch' in sys.modules); sys.exit(3)", env=os.environ | {warm.ADDRESS: address})
    assert alone.communicate("", PATIENCE)[0].split() == ["False"]
    assert alone.returncode == 3


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_reach_the_copy(tmp_path, number, status):
    copy = _started(tmp_path, "import time; print('started', flush=True); time.sleep(100)", preexec_fn=hears_interrupts)
    assert copy.stdout.readline() == "started\n"
    copy.send_signal(number)
    told = copy.communicate("", PATIENCE)[1]
    assert copy.returncode == status
    assert ("KeyboardInterrupt" in told) == (number == signal.SIGINT)


def test_a_signal_that_comes_at_once_reaches_the_copy_or_ends_its_client(tmp_path):
    for pause in (0.0, 0.05, 0.1, 0.2, 0.3):
        copy = _started(tmp_path, "import time; time.sleep(100)", preexec_fn=hears_interrupts)
        time.sleep(pause)
        copy.terminate()
        copy.communicate("", PATIENCE)
        assert copy.returncode in (143, -signal.SIGTERM)


def test_a_copy_ends_with_its_client(tmp_path):
    copy = _started(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(100)")
    number = int(copy.stdout.readline())
    copy.kill()
    copy.communicate()
    until(lambda: not alive(number), "the end of the copy")


def test_the_process_ends_with_its_block(tmp_path, monkeypatch):
    monkeypatch.delenv(warm.ADDRESS, raising=False)
    monkeypatch.setattr(warm, "LIBRARIES", ["wave", "no_library_of_this_name"])
    with warm.start() as variables:
        until(lambda: os.path.exists(variables[warm.ADDRESS].partition(" ")[0]), "the process that is copied")
        copy = _started(tmp_path, "import os, sys; print(os.getppid(), 'wave' in sys.modules)", env=os.environ | variables)
        parent, has_loaded = copy.communicate("", PATIENCE)[0].split()
        parent = int(parent)
        assert has_loaded == "True" and alive(parent) and parent != os.getpid()
    assert not alive(parent)


def test_what_libraries_set_when_they_are_loaded_makes_no_other_python():
    source = "import importlib; from companion.engine import warm; before = warm._unchangeable()\n"
    source += "for name in warm.LIBRARIES: importlib.import_module(name)\nassert warm._unchangeable() == before"
    assert subprocess.run([sys.executable, "-c", source]).returncode == 0
