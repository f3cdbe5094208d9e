"""The cells of a chapter that come to some of its sweeps, run as a script."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from companion.engine import rowprocess
from companion.press import chapters, execution, files, origins

# How a cell names the store of its rows.
STORE = re.compile(r'store\("(\w+)"\)')


def script_of(chapter, profile, stores):
    """The cells of a chapter that come to some sweeps, and nothing that draws.

    Args:
        chapter: full name of the chapter.
        profile: whose values its parameters have.
        stores: names of the stores of the sweeps.

    Returns:
        The text of a Python script.
    """
    cells = _code_cells(chapter)
    places = []
    for place, (source, _) in enumerate(cells):
        if any(f'store("{store}")' in source for store in stores):
            places.append(place + (0 if "run_sweep" in source else 1))
    return _script(chapter, profile, cells, places)


def scripts_of_sweeps(chapter, profile):
    """A script for each sweep of a chapter: the cells that come to it.

    Args:
        chapter: full name of the chapter.
        profile: whose values its parameters have.

    Returns:
        List of ``(store, text)`` in the chapter's order; the store is the sweep's.
    """
    cells = _code_cells(chapter)
    scripts = []
    for place, (source, _) in enumerate(cells):
        if "run_sweep(" in source:
            text = _script(chapter, profile, cells, [place])
            scripts.append((STORE.findall(text)[-1], text))
    return scripts


def _code_cells(chapter):
    """The source of each code cell, and whether it holds the parameters."""
    cells = []
    for cell in execution.notebook(chapter).cells:
        if cell.cell_type == "code":
            tags = cell.metadata.get("tags", [])
            cells.append((origins.python(cell.source), "parameters" in tags))
    return cells


def _script(chapter, profile, cells, places):
    """The text of the cells that some cells rest on."""
    sources = [source for source, _ in cells]
    wanted = set()
    for place in places:
        for tree in origins.cells_behind(sources[: place + 1]):
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
        script = Path(scratch) / f"{chapter}.py"
        files.write_whole(script, script_of(chapter, profile, stores))
        return _answers(scratch, script, profile, built, variable, content, left)


def plan(names, profile, built):
    """Lets the sweeps of chapters tell what they would ask for, in one process.

    Args:
        names: full names of the chapters.
        profile: whose values their parameters have.
        built: folder of the executed chapters, whose rows are there.

    Returns:
        Dict from chapter to a list of dicts, see :mod:`companion.engine.planned`.

    Raises:
        companion.press.chapters.Failed: it failed; the message is its last line.
    """
    with tempfile.TemporaryDirectory() as scratch:
        given = []
        for name in names:
            for store, text in scripts_of_sweeps(name, profile):
                path = Path(scratch) / f"{len(given)}.py"
                files.write_whole(path, text)
                given.append([name, store, str(path)])
        run = Path(scratch) / f"{profile}.py"
        lines = ["from companion.engine import planned", f"planned.run({given!r})"]
        files.write_whole(run, "\n".join(lines) + "\n")
        told = _answers(scratch, run, profile, built, "KDLIB_PLAN", None, None)
    of_chapters = {name: [] for name in names}
    for line in told:
        of_chapters[line["chapter"]].append(line)
    return of_chapters


def _answers(scratch, script, profile, built, variable, content, seconds):
    """The lines that the sweeps of a script write beside the file of a variable."""
    asked = Path(scratch) / "asked"
    files.write_whole(asked, json.dumps(content))
    environment = rowprocess.environment() | {
        "KDLIB_BOOK": str(chapters.book().resolve()),
        "KDLIB_PROFILE": profile,
        "KDLIB_ROWS": str(Path(built).resolve() / "rows"),
        variable: str(asked),
        "MPLBACKEND": "agg",
    }
    _run([sys.executable, str(script)], environment, scratch, seconds)
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
