"""Jupyter Book in a process of its own, which loads while something else is done."""

import errno
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager

from companion.press import chapters, interpreter

# What takes long to load comes first; then the process waits for its words.
PROGRAM = """
import json
import sys
import jupyter_book.sphinx
import myst_nb.sphinx_ext
import sphinx_book_theme
from jupyter_book.cli.main import main
words = sys.stdin.read()
if words:
    main(json.loads(words))
"""


class BuildFailed(chapters.Failed):
    """The pages could not be built; the message has a line for each thing wrong."""


@contextmanager
def started():
    """Jupyter Book's process, which loads, and ends with the block at the latest.

    Yields:
        The process that :func:`build` takes.
    """
    environment = os.environ | {
        "PYTHONPATH": interpreter.python_path(),
        "PYTHONWARNINGS": "ignore",
        "NO_COLOR": "1",
    }
    # Not from the current folder (-P), which may hold another checkout's packages.
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def build(process, source, out, flags, builder="html"):
    """Build the pages of a folder of sources.

    Args:
        process: what :func:`started` gave; it builds once.
        source: folder of the sources.
        out: folder in which Jupyter Book makes its own ``_build``.
        flags: further words of the command line.
        builder: ``html``, or ``singlehtml`` for one long page.

    Returns:
        The folder of the HTML.

    Raises:
        BuildFailed: what is wrong, a line each.
        OSError: the disk is full.
    """
    words = ["build", str(source), "--path-output", str(out), "-q"]
    words += ["--builder", builder, *flags]
    told, _ = process.communicate(json.dumps(words))
    if process.returncode:
        told = re.sub(r"\x1b\[[0-9;]*m", "", told)
        full = os.strerror(errno.ENOSPC)
        if full in told:
            raise OSError(errno.ENOSPC, full, str(out))
        lines = told.replace(f"{source.resolve()}/", "").splitlines()
        wrong = re.compile("WARNING|ERROR|Error|CRITICAL")
        because = [line for line in lines if wrong.search(line)]
        raise BuildFailed("\n".join(because or lines[-15:]))
    return out / "_build" / builder
