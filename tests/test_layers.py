"""Who may import whom: one table of rooms, and every import of both packages against it."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("kdlib", "companion")
FACES = ("kdlib", "companion", "kdlib.kernels", "kdlib.models", "kdlib.training", "kdlib.metrics",
         "kdlib.linearized", "kdlib.self_distillation", "companion.claims")

# What the modules under a name may import of both packages, beside what lies under that name itself. The longest name
# that fits a module counts; a name ends at a dot.
GROUND = "kdlib.places kdlib.devices kdlib.memory kdlib.pixels kdlib.curves kdlib.published kdlib.intervals kdlib.losses"
GROUND += " kdlib.roots kdlib.pairs"
SCIENCE = f"{GROUND} kdlib.logits kdlib.datasets kdlib.linearized kdlib.kernels kdlib.models kdlib.training"
SCIENCE += " kdlib.metrics kdlib.label_noise kdlib.self_distillation"
MAY_IMPORT = {
    **dict.fromkeys(GROUND.split(), ""),
    "kdlib": "",
    "kdlib.models": "",
    "kdlib.kernels": "",
    "kdlib.roots": "kdlib.pairs",
    "kdlib.logits": "kdlib.roots",
    "kdlib.datasets": "kdlib.places",
    "kdlib.label_noise": "kdlib.datasets",
    "kdlib.downloads": "kdlib.datasets kdlib.places",
    "kdlib.linearized": "kdlib.kernels kdlib.memory",
    "kdlib.training": "kdlib.devices",
    "kdlib.metrics": "kdlib.curves kdlib.intervals",
    "kdlib.self_distillation": "kdlib.kernels kdlib.losses",
    "kdlib.papers": "",
    "kdlib.papers.ji_zhu": SCIENCE,
    "kdlib.papers.mandal": SCIENCE,
    "kdlib.papers.dong": SCIENCE,
    "kdlib.papers.jeong_chung": SCIENCE,
    "kdlib.papers.zhou": SCIENCE,
    "companion": "",
    "companion.prose": "",
    "companion.markup": "",
    "companion.terminal": "",
    "companion.plots": "",
    "companion.moving": "companion.plots companion.markup",
    "companion.engine": "kdlib.places",
    "companion.sweeps": "companion.engine kdlib.places",
    "companion.claims": "companion.markup companion.prose kdlib.published kdlib.curves kdlib.intervals kdlib.places",
    "companion.press": "companion.claims companion.terminal companion.markup companion.plots companion.prose"
    " companion.engine.cluster companion.engine.codekeys companion.engine.measured companion.engine.recorded companion.engine.rows companion.engine.rowprocess"
    " companion.engine.sources companion.engine.variables companion.engine.verified companion.engine.warm kdlib.places kdlib.devices",
    "companion.__main__": "companion.press companion.claims companion.terminal companion.engine.variables kdlib.places"
    " kdlib.downloads",
}


def under(module, rooms):
    """The longest of the rooms that a module lies in; None if it lies in none."""
    fitting = [room for room in rooms if module == room or module.startswith(f"{room}.")]
    return max(fitting, key=len, default=None)


def modules(root):
    """Dotted name -> file of every module of both packages under a root."""
    paths = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    names = {path: ".".join(path.relative_to(root).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def imports(module, path, known):
    """The modules of both packages that a file imports anywhere, each by its own name."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            named = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names]
        else:
            continue
        yield from (name for name in named if name.partition(".")[0] in PACKAGES)


def violations(root):
    """Every import that the table does not allow, as ``importer -> imported``."""
    known = modules(root)
    wrong = []
    for module, path in known.items():
        room = under(module, MAY_IMPORT)
        if module in FACES and path.name == "__init__.py":
            allowed = [module]
        else:
            allowed = [room, *MAY_IMPORT[room].split()] if room not in PACKAGES else [module]
        for imported in imports(module, path, known):
            if under(imported, allowed) is None:
                wrong.append(f"{module} -> {imported}")
    return wrong


def test_every_import_is_one_that_the_table_allows():
    assert violations(ROOT) == []


def test_every_module_has_a_room_in_the_table():
    homeless = [name for name in modules(ROOT) if under(name, MAY_IMPORT) in PACKAGES and name not in FACES]
    assert homeless == []


PLANTED = [
    ("kdlib/losses.py", "from companion import sweeps", "companion.sweeps"),
    ("kdlib/curves.py", "import kdlib.logits", "kdlib.logits"),
    ("kdlib/kernels/tiles.py", "def f():\n    from kdlib import models", "kdlib.models"),
    ("kdlib/papers/mandal/tasks.py", "from ..ji_zhu import synthetic", "kdlib.papers.ji_zhu.synthetic"),
    ("companion/claims/ledger.py", "from companion.sweeps import grid", "companion.sweeps"),
    ("companion/press/pages.py", "from kdlib import datasets", "kdlib.datasets"),
    ("companion/engine/rows.py", "from companion import plots", "companion.plots"),
    ("kdlib/models/vgg.py", "from kdlib.kernels import ntk", "kdlib.kernels"),
]


@pytest.mark.parametrize(("file", "line", "imported"), PLANTED)
def test_a_planted_import_is_found(tmp_path, file, line, imported):
    for path in modules(ROOT).values():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / file).write_text((tmp_path / file).read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    importer = file.removesuffix(".py").replace("/", ".")
    assert violations(tmp_path) == [f"{importer} -> {imported}"]
