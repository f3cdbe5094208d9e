"""A row's key follows names: what an edit of a file does to the rows of real chapters."""

import json
import shutil
import subprocess
import sys
import textwrap

from companion.press import chapters

ROOT = chapters.book().parent
CHAPTERS = [name for name in chapters.names() if name[:2] in ("02", "03", "04")]
# Prints the key of every row function of a chapter, before and after each edit of a copy of both packages.
SCRIPT = """
import ast, hashlib, json, sys
from pathlib import Path
from companion.engine import codekeys
from companion.press import chapters

def row_functions(chapter):
    cells = chapters.code_cells((Path(sys.argv[1]) / "book" / f"{chapter}.md").read_text())
    nodes = [node for cell in cells for node in ast.parse(cell).body]
    kept = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef))]
    space = {"__name__": "__main__"}
    exec(compile(ast.Module(kept, []), "cells", "exec"), space)
    calls = [node for node in ast.walk(ast.Module(nodes, [])) if isinstance(node, ast.Call)]
    calls = [call for call in calls if ast.unparse(call.func) == "sweeps.run_sweep"]
    return {ast.unparse(call.args[0]): eval(ast.unparse(call.args[0]), space) for call in calls}

def keys():
    found = {}
    for chapter, functions in rows.items():
        for name, function in functions.items():
            code = codekeys.code_of(function)
            found[f"{chapter} {name}"] = codekeys.digest([code.digest, code.constants])
    return found

rows = {chapter: row_functions(chapter) for chapter in sys.argv[2:]}
print(json.dumps(keys()), flush=True)
for line in sys.stdin:
    file, old, new = json.loads(line)
    path = Path(codekeys.__file__).parents[2] / file
    text = path.read_text()
    assert old in text, (file, old)
    path.write_text(text.replace(old, new, 1))
    print(json.dumps(keys()), flush=True)
    path.write_text(text)
"""
HARMLESS = {
    "a new network": ("kdlib/models/vgg.py", "\nclass VGG", "\ndef another(x):\n    return x + 1\n\n\nclass VGG"),
    "a new metric": ("kdlib/metrics/risk.py", "\ndef transfer_risk", "\ndef another(x):\n    return x\n\n\ndef transfer_risk"),
    "a new name in a face": ("kdlib/metrics/__init__.py", "\n__all__", "\nNEW = 1\n\n__all__"),
    "how pages are dressed": ("companion/press/pages.py", "import ", "import this_is_not_there\nimport "),
    "a plot": ("companion/plots/verbs.py", "import ", "import this_is_not_there\nimport "),
    "a docstring": ("kdlib/kernels/tiles.py", '"""The arithmetic of', '"""Arithmetic of'),
    "a comment": ("kdlib/linearized.py", "\nimport ", "\n# why\nimport "),
}
HARMFUL = {
    "a formula of the kernel": ("kdlib/kernels/layers.py", "sigma_b**2 + (sigma_w", "sigma_b**2 + 1e-9 + (sigma_w"),
    "a constant": ("kdlib/kernels/factor.py", "BLOCK = 384", "BLOCK = 385"),
}
UNTOUCHED = {"a formula of the kernel": [], "a constant": ["02b_angles transfer.online_sgd"]}  # it factors nothing


def ask(folder, chapters_asked, edits):
    """Dicts of keys: as things are, then after each edit alone."""
    for package in ("kdlib", "companion"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(ROOT), *chapters_asked]
    lines = "".join(json.dumps(edit) + "\n" for edit in edits)
    done = subprocess.run(command, input=lines, cwd=folder, capture_output=True, text=True, timeout=300,
                          env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder)})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_only_what_a_row_reaches_makes_it_stale(tmp_path):
    before, *after = ask(tmp_path, CHAPTERS, [*HARMLESS.values(), *HARMFUL.values()])
    assert {name.partition(" ")[0] for name in before} == set(CHAPTERS)
    for what, now in zip(HARMLESS, after[: len(HARMLESS)], strict=True):
        assert now == before, what
    for what, now in zip(HARMFUL, after[len(HARMLESS) :], strict=True):
        assert [name for name in before if now[name] == before[name]] == UNTOUCHED[what], what
