"""The cells of a chapter that come to some of its sweeps, run as a script."""

import ast
import os
import signal
import subprocess
from pathlib import Path

from companion.press import chapters, execution, origins


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


def run(command, environment, folder, seconds):
    """Runs a script for some seconds; what it has started ends with it.

    Args:
        command: list of words.
        environment: variables of its process.
        folder: in which it runs.
        seconds: that it may take, or None.

    Raises:
        companion.press.chapters.Failed: it failed; the message is its last line.
    """
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
