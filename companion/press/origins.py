"""What a cell rests on, followed back by name through the cells that ran before it."""

import ast
import functools
from typing import NamedTuple

OURS = "kdlib"
# In these, names that are given inside are not seen outside.
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# What is given in these may not have been given.
PERHAPS = (ast.If, ast.For, ast.While, ast.Try, ast.Match)


class _Cell(NamedTuple):
    """A cell, read once.

    Attributes:
        tree: its syntax tree.
        imported: names that its imports give.
        needs: names that it reads before it gives them itself.
        changes: names that it gives, or whose values it changes in place.
        settles: names to which it gives a value in any case.
        rooms: names of our modules that it imports, with the modules.
        parts: pairs of a name and an attribute of it.
    """

    tree: ast.Module
    imported: set
    needs: set
    changes: set
    settles: set
    rooms: dict
    parts: set


def cells_behind(code_cells):
    """The last cell and the cells that made what it reads.

    A cell makes a name by giving it a value or by changing that value in place, as
    ``frame["x"] = ...`` and ``points.append(...)`` do. A name that a cell gives anew is
    not sought before that cell.

    Args:
        code_cells: the sources of a notebook's code cells up to the one in question.

    Returns:
        The syntax trees of these cells, the last one first.
    """
    return [cell.tree for cell in _behind(code_cells)]


def functions_behind(code_cells):
    """The functions of our package that the last cell rests on.

    Args:
        code_cells: the sources of a notebook's code cells up to the one in question.

    Returns:
        A sorted list of ``package.room.function``; constants are left out.
    """
    rooms = {}
    for source in code_cells:
        rooms |= _read(source).rooms
    functions = set()
    for cell in _behind(code_cells):
        for name, part in cell.parts:
            if name in rooms and not part.isupper():
                functions.add(f"{rooms[name]}.{part}")
    return sorted(functions)


def rests_on_store(code_cells, name):
    """Whether the last cell rests on the rows of a store.

    Args:
        code_cells: the sources of a notebook's code cells up to the one in question.
        name: the store's name, as in ``sweeps.store("name")``.

    Returns:
        True also where a cell behind it computes a store's name.
    """
    for tree in cells_behind(code_cells):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            if not ast.unparse(node.func).endswith("sweeps.store"):
                continue
            argument = node.args[0]
            if not isinstance(argument, ast.Constant) or argument.value == name:
                return True
    return False


def _behind(code_cells):
    """The last cell and those that made what it reads, as :class:`_Cell`."""
    cells = [_read(source) for source in code_cells]
    imported = set().union(*[cell.imported for cell in cells])
    behind = [cells[-1]]
    wanted = cells[-1].needs - imported
    for cell in reversed(cells[:-1]):
        if cell.changes & wanted:
            behind.append(cell)
            wanted = (wanted - cell.settles) | (cell.needs - imported)
    return behind


# A page asks for what lies behind each of its figures, and its cells are the same.
@functools.lru_cache(maxsize=1024)
def _read(source):
    """A cell's source as :class:`_Cell`."""
    tree = ast.parse(python(source))
    imported = _imported(tree)
    rooms = _rooms(tree)
    parts = _parts(tree)
    return _Cell(
        tree, imported, _needs(tree), _changes(tree), _settles(tree), rooms, parts
    )


def python(source):
    """A cell's source without the lines that only IPython reads."""
    lines = source.splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def _is_ours(module):
    return module is not None and module.partition(".")[0] == OURS


def _rooms(tree):
    """Our modules that a cell imports, by the names that it gives them."""
    rooms = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _is_ours(node.module):
            for alias in node.names:
                rooms[alias.name] = f"{node.module}.{alias.name}"
    return rooms


def _parts(tree):
    """The pairs (name, attribute) that a cell reads as ``name.attribute``."""
    parts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            parts.add((node.value.id, node.attr))
    return parts


def _imported(tree):
    """The names that imports give."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                names.add(alias.asname or alias.name.partition(".")[0])
    return names


def _needs(tree):
    """The names that a cell reads before it gives them itself."""
    needed = set()
    given = set()
    for statement in tree.body:
        needed |= _reads(statement) - given
        given |= _settled(statement)
    return needed


def _changes(tree):
    """The names that a cell gives, or whose values it changes in place."""
    names = set()
    for statement in tree.body:
        names |= _given(statement) | _changed_in_place(statement)
    return names


def _settles(tree):
    """The names to which a cell gives a value in any case."""
    names = set()
    for statement in tree.body:
        names |= _settled(statement)
    return names


def _settled(statement):
    return set() if isinstance(statement, PERHAPS) else _given(statement)


def _reads(node):
    """The names that a piece of code takes from outside it."""
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    names = set()
    for child in ast.iter_child_nodes(node):
        names |= _reads(child)
    if isinstance(node, ast.AugAssign):
        names |= _base(node.target)
    if isinstance(node, FUNCTIONS):
        names -= _stored(node) | {argument.arg for argument in _arguments(node)}
    elif isinstance(node, COMPREHENSIONS):
        names -= _stored(node)
    elif isinstance(node, ast.For):
        names -= _stored(node.target)
    return names


def _arguments(function):
    return [node for node in ast.walk(function) if isinstance(node, ast.arg)]


def _stored(node):
    """The names that any part of a piece of code gives."""
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def _given(node):
    """The names that a statement gives in its own scope."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Lambda, *COMPREHENSIONS)):
        return set()
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    names = set()
    for child in ast.iter_child_nodes(node):
        names |= _given(child)
    return names


def _changed_in_place(statement):
    """The names whose values a statement changes: parts are given, methods called."""
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, (ast.Subscript, ast.Attribute)):
            if not isinstance(node.ctx, ast.Load):
                names |= _base(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if isinstance(node.value.func, ast.Attribute):
                names |= _base(node.value.func)
    return names


def _base(node):
    """The name at the beginning of ``name.part[i].other``."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
