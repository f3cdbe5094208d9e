"""Which code of a page is its science, and which only asks, tidies, records or draws.

The science stays open. The rest is folded into drawers that open without a script, one
for cells that follow each other.
"""

import ast
from collections import Counter

from companion.press import origins

# A chapter may overrule the rule for a cell by one of these tags.
OPEN, FOLDED = "show-input", "hide-input"
# What a cell does that calls one of these modules, in the order in which it counts.
PRESS = {
    "matplotlib": "drawing",
    "seaborn": "drawing",
    "companion.plots": "drawing",
    "companion.moving": "drawing",
    "companion.claims": "verdicts",
    "companion.prose": "numbers of the text",
    "companion.sweeps": "rows",
}
# A method of these names draws too.
CANVASES = ("axis", "axes", "figure")
IMPORTS, TABLES = "imports", "tables"
# Modules that do what the chapter is about; these of our package only summarise.
SCIENCE = ("kdlib", "scipy")
SUMMARIES = ("kdlib.intervals", "kdlib.published", "kdlib.devices", "kdlib.places")


def fold(cells):
    """Fold the code of a page's cells that is not its science.

    Args:
        cells: the cells of a dressed page (``nbformat.NotebookNode``).

    Returns:
        The same cells in their order; folded ones that follow each other with nothing
        shown between them are one cell.
    """
    modules = {}
    made = []
    for cell in cells:
        if cell.cell_type != "code" or "remove-input" in _tags(cell):
            made.append(cell)
            continue
        modules |= imported(cell.source)
        tags = _tags(cell)
        work = TABLES if FOLDED in tags else press_work(cell.source, modules)
        if work is None or OPEN in tags:
            made.append(cell)
        elif made and _takes_more(made[-1]):
            _join(made[-1], cell, work)
        else:
            cell.metadata["tags"] = [*tags, FOLDED]
            cell.metadata["kdlib_folded"] = [work]
            made.append(cell)
    for cell in made:
        _name(cell)
    return made


def press_work(source, modules):
    """What a cell does that is no science of its chapter.

    Args:
        source: the cell's source.
        modules: names that the cell or cells before it import, with their modules.

    Returns:
        ``imports``, ``drawing``, ``verdicts``, ``numbers of the text``,
        ``rows`` or ``tables``; None where the cell is science: it defines a function,
        or calls one of the science's modules, and does nothing of these.
    """
    tree = ast.parse(origins.python(source))
    if any(isinstance(line, (ast.Import, ast.ImportFrom)) for line in tree.body):
        return IMPORTS
    called = _called(tree, modules)
    for module, work in PRESS.items():
        if any(_is_under(one, module) for one in called):
            return work
    if any(isinstance(line, ast.FunctionDef) for line in tree.body):
        return None
    for one in called:
        is_science = any(_is_under(one, module) for module in SCIENCE)
        if is_science and not any(_is_under(one, module) for module in SUMMARIES):
            return None
    return TABLES


def _called(tree, modules):
    """The full names of what a syntax tree calls, as far as imports tell."""
    called = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, _, rest = _dotted(node.func).partition(".")
        if name in modules:
            called.append(f"{modules[name]}.{rest}")
        elif rest and name.startswith(CANVASES):
            called.append(f"matplotlib.{rest}")
    return called


def _dotted(node):
    """``a.b`` of an expression that reads so, past the places in its brackets."""
    parts = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def imported(source):
    """The names that a cell's imports give, with the modules behind them."""
    modules = {}
    for node in ast.walk(ast.parse(origins.python(source))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return modules


def _is_under(name, module):
    return name == module or name.startswith(f"{module}.")


def _tags(cell):
    return cell.metadata.get("tags", [])


def _takes_more(cell):
    """Whether the next folded cell may join: this one is folded and shows nothing."""
    return "kdlib_folded" in cell.metadata and not _shows(cell)


def _shows(cell):
    """Whether a reader sees an output of the cell; glued values are not seen there."""
    return any("scrapbook" not in one.get("metadata", {}) for one in cell.outputs)


def _join(cell, other, work):
    """Put a cell behind a folded one."""
    cell.source = f"{cell.source.rstrip()}\n\n{other.source}"
    cell.outputs = [*cell.outputs, *other.outputs]
    cell.metadata["kdlib_folded"].append(work)


def _name(cell):
    """Write on a folded cell what is in it and how long it is."""
    works = cell.metadata.pop("kdlib_folded", None)
    if works is None:
        return
    count = len(cell.source.splitlines())
    lines = "1 line" if count == 1 else f"{count} lines"
    told = f"Code: {', '.join(Counter(works))} ({lines})"
    prompts = {"code_prompt_show": told, "code_prompt_hide": told}
    cell.metadata["mystnb"] = {**cell.metadata.get("mystnb", {}), **prompts}
