"""A row's key follows names: what an edit of a file does to the rows of real chapters."""

import copy
import importlib.util
import json
import math
import shutil
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy
import pytest
import torch

from companion.engine import codekeys
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
    "a comment": ("kdlib/linearized/student.py", "\nimport ", "\n# why\nimport "),
}
HARMFUL = {
    "a formula of the kernel": ("kdlib/kernels/layers.py", "sigma_b**2 + (sigma_w", "sigma_b**2 + 1e-9 + (sigma_w"),
    "a constant": ("kdlib/kernels/factor.py", "BLOCK = 384", "BLOCK = 385"),
}
UNTOUCHED = {"a formula of the kernel": ["02b_angles transfer.online_sgd"], "a constant": ["02b_angles transfer.online_sgd"]}  # it factors nothing


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


@pytest.fixture
def key(tmp_path, monkeypatch):
    """Returns the key of ``run`` of a module with a given text: each is a file of its own, and all have one name."""

    def of(text):
        path = tmp_path / str(len(list(tmp_path.iterdir()))) / "typed.py"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("typed", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "typed", module)
        spec.loader.exec_module(module)
        code = codekeys.code_of(module.run)
        return codekeys.digest([code.digest, code.constants])

    return of


# What a module reads and does with a value, and where that value stands in it.
READ = "\ndef run(seed):\n    return "
WAYS = {
    "a global": "A = {}" + READ + "A",
    "a default": "A = {}\ndef run(seed, a=A):\n    return a",
    "a default after others": "A = {}\ndef run(seed, b=0, a=A):\n    return a",
    "a default of what is called": "A = {}\ndef f(a=A):\n    return a" + READ + "f()",
    "a keyword's default": "A = {}\ndef run(seed, *, a=A):\n    return a",
    "in a function inside": "A = {}\ndef run(seed):\n    def f():\n        return A\n    return f",
    "in a function inside that": "A = {}\ndef run(seed):\n    def f():\n        return lambda: A\n    return f",
    "in a module that is read whole": "import sys\nA = {}\ndef f():\n    return A\nme = sys.modules[__name__]" + READ + "vars(me)",
    "in a module that is imported inside": "A = {}\ndef f():\n    return A\ndef run(seed):\n    import typed\n    return typed",
    "of one of two that a place has made": (
        "def make(a):\n    def f():\n        return a\n    return f\nf = make({})\ng = make(7)" + READ + "f() + g()"
    ),
    "of an enclosing function": "def make(a):\n    def run(seed):\n        return a\n    return run\nrun = make({})",
    "in a method": "A = {}\nclass C:\n    def f(self):\n        return A" + READ + "C()",
    "in a method of a base": "class B:\n    def f(self):\n        return {}\nclass C(B):\n    pass" + READ + "C()",
    "in a base of a base": "class A:\n    a = {}\nclass B(A):\n    pass\nclass C(B):\n    pass" + READ + "C()",
    "in a second base": "class A:\n    pass\nclass B:\n    a = {}\nclass C(A, B):\n    pass" + READ + "C()",
    "in a property": "A = {}\nclass C:\n    @property\n    def f(self):\n        return A" + READ + "C()",
    "in a property's setter": (
        "A = {}\nclass C:\n    @property\n    def f(self):\n        return 1\n    @f.setter\n    def f(self, x):\n"
        "        self.x = A" + READ + "C()"
    ),
    "in a class's method": "A = {}\nclass C:\n    @classmethod\n    def f(cls):\n        return A" + READ + "C.f()",
    "in a static method": "A = {}\nclass C:\n    @staticmethod\n    def f():\n        return A" + READ + "C.f()",
    "an attribute of a class": "A = {}\nclass C:\n    a = A" + READ + "C()",
    "bound by a partial": "import functools\nf = functools.partial(print, {})" + READ + "f()",
    "bound by name": "import functools\nf = functools.partial(print, end={})" + READ + "f()",
    "of a bound method": "class C(list):\n    def f(self):\n        return self[0]\nf = C([{}]).f" + READ + "f()",
    "of a builtin one": "f = [{}].count" + READ + "f(1)",
    "what a decorator was told": (
        "import functools\ndef told(a):\n    def around(f):\n        @functools.wraps(f)\n        def g():\n"
        "            return f() + a\n        return g\n    return around\n@told({})\ndef f():\n    return 1" + READ + "f()"
    ),
    "in what a decorator has made": (
        "import functools\nA = {}\ndef around(f):\n    @functools.wraps(f)\n    def g():\n        return f()\n    return g\n"
        "@around\ndef f():\n    return A" + READ + "f()"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_changes_with_a_value_whichever_way_the_run_comes_to_it(key, way):
    one, again, other = (key(WAYS[way].format(value)) for value in ("10", "10", "11"))
    assert one == again != other


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("A = {0, 8}" + READ + "A", "A = {8, 0}" + READ + "A"),  # both fall on one place of the table: the first is first
        ("A = 1\nB = 2" + READ + "A", "A = 1\nB = 3" + READ + "A"),
        ("A = 1" + READ + "A", '"""Text."""\nA = 1  # why\n\n\ndef f():\n    return A' + READ + '(\n        A)'),
        ("class C:\n    a = 1" + READ + "C", 'class C:\n    """Text."""\n\n    a = 1' + READ + "C"),
    ],
)
def test_a_key_stays_where_nothing_is_another_result(key, text, other):
    assert key(text) == key(other)


@pytest.mark.parametrize(
    ("was", "now"),
    [("seed + 1", "seed + 2"), ("math.sin(seed)", "math.cos(seed)"), ("seed + 1", "1 + seed"), ("(lambda: 1)()", "(lambda: 2)()")],
)
def test_a_function_whose_file_has_changed_since_is_not_taken_for_what_the_file_says_now(tmp_path, monkeypatch, was, now):
    path = tmp_path / "typed.py"
    functions = []
    for text in (was, now):
        path.write_text(f"import math\ndef run(seed):\n    return {text}\n", encoding="utf-8")
        module = types.ModuleType("typed")
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, "typed", module)
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
        functions.append(module.run)
    old, new = (codekeys.code_of(function).digest for function in functions)
    assert old != new


def typed(text):
    """A function without a file, as one that was typed at a prompt."""
    scope = {"__name__": "__main__", "math": math}
    exec(text, scope)
    return scope["run"]


def test_functions_without_a_file_are_known_by_all_that_they_do():
    texts = [
        f"def run(seed, *, a=1, b=2):\n    return {text}"
        for text in ("math.sin(a)", "math.cos(a)", "a - b", "b - a", "a - 1", "a - 2", "a in {1, 2}", "a in {1, 3}")
    ]
    texts += ["def run(seed, *, b=2, a=1):\n    return a - b"]  # the same steps on places that have other names
    texts += [f"def run(seed):\n    def f():\n        return math.{name}(1)\n    return f" for name in ("sin", "cos")]
    digests = [codekeys.code_of(typed(text)).digest for text in texts]
    assert len(set(digests)) == len(texts)
    assert digests == [codekeys.code_of(typed(text)).digest for text in texts]


def arrays():
    """Arrays and tensors whose bytes are all zero, of several types and shapes of two and four bytes by the element."""
    for shape in ((2,), (1, 2), (2, 1), (4,)):
        for dtype in ("bool", "int16", "int32", "float16", "float32", "int64", "float64", "complex64"):
            yield numpy.zeros(shape, dtype)
            yield torch.zeros(shape, dtype=getattr(torch, dtype))


def networks():
    """Networks that differ in one thing: a weight, what stands inside, or which part is trained."""
    for rate in (0.25, 0.5):
        for parts in ((), (1,), (0, 1)):
            network = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Dropout(rate))
            for part in parts:
                network[part].eval()
            for weight in (0.0, 1.0):
                with torch.no_grad():
                    network[0].weight.fill_(weight)
                    network[0].bias.fill_(1.0)
                yield copy.deepcopy(network)


def plain():
    """Values of Python that are easily taken for each other."""
    yield from (0, 0.0, -0.0, False, None, "", "0", b"0", (), [], {}, set(), 1, 1.0, True, math.nan, math.inf, 1j)
    yield from ({"a": 1}, {"b": 1}, {"a": 2}, {1: "a"}, {"a": 1, "b": 1}, {"a": {"b": 1}}, [1, 2], [2, 1], [[1], 2], (1, 2), {1, 2})
    yield from (range(2), range(1, 2), slice(2), slice(1, 2), ..., numpy.float32(1), numpy.float64(1), numpy.dtype("int8"))
    yield from (torch.float32, torch.device("cpu"), Path("0"), math, math.sin, math.cos)


@pytest.mark.parametrize("values", [plain, arrays, networks])
def test_values_have_one_description_exactly_where_they_are_equal(values):
    described = [json.dumps(codekeys.describe(value, "value")) for value in values()]
    assert len(set(described)) == len(described)
    assert described == [json.dumps(codekeys.describe(value, "value")) for value in values()]
