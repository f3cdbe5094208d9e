"""The cells of a chapter that come to some of its sweeps, run as a script."""

import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from companion.engine import rowprocess
from companion.press import chapters, execution, files, origins


def script_of(chapter, profile, stores):
    """The cells of a chapter that come to some sweeps, and nothing that draws.

    Args:
        chapter: full name of the chapter.
        profile: whose values its parameters have.
        stores: names of the stores of the sweeps.

    Returns:
        The text of a Python script.
    """
    cells = []
    for cell in execution.notebook(chapter).cells:
        if cell.cell_type == "code":
            tags = cell.metadata.get("tags", [])
            cells.append((origins.python(cell.source), "parameters" in tags))
    sources = [source for source, _ in cells]
    wanted = set()
    for place, source in enumerate(sources):
        if any(f'store("{store}")' in source for store in stores):
            last = place + (0 if "run_sweep" in source else 1)
            for tree in origins.cells_behind(sources[: last + 1]):
                wanted.add(ast.dump(tree))
    parts = []
    for source, is_parameters in cells:
        if is_parameters:
            parts.append(source)
            for name, value in chapters.profile_values(chapter, profile).items():
                parts.append(f"{name} = {value!r}")
        elif _is_import(source) or ast.dump(ast.parse(source)) in wanted:
            parts.append(source)
    return "\n".join(parts) + "\n"


def _is_import(source):
    return any(
        isinstance(node, (ast.Import, ast.ImportFrom))
        for node in ast.parse(source).body
    )


def run_chapter(chapter, profile, stores, built, *, variable, content, ends=None):
    """Runs the cells of some sweeps of a chapter, which answer in lines.

    Args:
        chapter: full name of the chapter.
        profile: whose values its parameters have.
        stores: names of the stores of the sweeps.
        built: folder of the executed chapters, whose rows may be used on the way.
        variable: of the environment, which tells the sweeps what to do.
        content: of the file that it names, as JSON.
        ends: moment of ``time.monotonic`` at which it is stopped, or None.

    Returns:
        List of dicts that the sweeps wrote.

    Raises:
        companion.press.chapters.Failed: it failed; the message is its last line.
    """
    left = None if ends is None else ends - time.monotonic()
    if left is not None and left <= 0:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        asked = Path(scratch) / "asked"
        files.write_whole(asked, json.dumps(content))
        script = Path(scratch) / f"{chapter}.py"
        files.write_whole(script, script_of(chapter, profile, stores))
        environment = rowprocess.environment() | {
            "KDLIB_BOOK": str(chapters.book().resolve()),
            "KDLIB_PROFILE": profile,
            "KDLIB_ROWS": str(Path(built).resolve() / "rows"),
            variable: str(asked),
            "MPLBACKEND": "agg",
        }
        _run([sys.executable, str(script)], environment, scratch, left)
        answers = Path(f"{asked}.lines")
        if not answers.exists():
            return []
        lines = answers.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def _run(command, environment, folder, seconds):
    """Runs a script for some seconds; what it has started ends with it."""
    running = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, said = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        return
    if running.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise chapters.Failed(f"{Path(command[-1]).stem}: {' '.join(last)}")
