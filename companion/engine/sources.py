"""The syntax behind functions and classes: whose source counts, and what it is now.

A file of ours may have changed since this process imported it, while a row's own fresh
process will import what is on disk. So definitions of ours are read from disk.
"""

import ast
import functools
import importlib
import inspect
import sys
import sysconfig
import textwrap
import time
import types
from pathlib import Path

OURS = ("kdlib", "companion")  # packages that every worker has installed
NOTEBOOK = "__main__"
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Fields of a syntax tree that change no result.
NO_MEANING = {"ctx", "kind", "type_comment", "type_ignores"}
PATHS = ("stdlib", "platstdlib", "purelib", "platlib")
INSTALLED = {Path(sysconfig.get_path(kind)).resolve() for kind in PATHS}
# Names of folders of packages: an environment may see those of another one too.
PACKAGE_FOLDERS = {"site-packages", "dist-packages"}
# A file that has changed since may not be what this process has imported.
STARTED = time.time_ns() - 5 * 10**9


@functools.cache
def package_folder(package):
    """The folder from which this process imports a package."""
    return Path(importlib.import_module(package).__file__).parent


def is_ours(name):
    """Whether a module or definition (``module:name``) belongs to our packages."""
    return name.partition(":")[0].partition(".")[0] in OURS


def is_source(module):
    """Whether a module's source counts: it is no installed package's."""
    if not module:
        return False
    if module == NOTEBOOK or is_ours(module):
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not file.endswith(".py"):
        return False
    return not _is_installed(file)


@functools.lru_cache(maxsize=4096)
def _is_installed(file):
    folders = Path(file).resolve().parents
    names = {folder.name for folder in folders}
    return not (INSTALLED.isdisjoint(folders) and PACKAGE_FOLDERS.isdisjoint(names))


def syntax(node):
    """Nested lists of a syntax tree without positions, docstrings and empty fields.

    Args:
        node: an ``ast.AST``, a list of them, or a field's plain value.

    Returns:
        Lists and texts; equal for all Pythons, which differ in what they leave empty.
    """
    if isinstance(node, list):
        return [syntax(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if _has_docstring(node):
        fields["body"] = fields["body"][1:]
    described = [type(node).__name__]
    for name, value in fields.items():
        if name not in NO_MEANING and value is not None and value != []:
            described.append([name, syntax(value)])
    return described


def source(definition):
    """The syntax of a function or class.

    Args:
        definition: a function or class, whose module is a source.

    Returns:
        Nested lists as from :func:`syntax`; of a function's compiled form where it was
        typed at a prompt, or its file has changed and is none of ours.
    """
    try:
        node = _node(definition)
    except (OSError, SyntaxError, TypeError, LookupError):
        if isinstance(definition, types.FunctionType):
            return _compiled(definition.__code__)
        # A named tuple that a call has made has fields and no text.
        return [definition.__qualname__, list(getattr(definition, "_fields", ()))]
    is_read = isinstance(definition, types.FunctionType)
    if is_read and not is_ours(definition.__module__):
        if not _is_unchanged(definition, node):
            return _compiled(definition.__code__)
    return _syntax_of(node)


@functools.lru_cache(maxsize=4096)
def _syntax_of(node):
    """The syntax of a tree, once for each: those of a file are kept with it."""
    return syntax(node)


def on_disk(definition):
    """A definition of ours as its file has it now; any other as it is."""
    module = sys.modules.get(definition.__module__)
    if module is None or module_on_disk(module) is module:
        return definition
    current = module_on_disk(module)
    for part in definition.__qualname__.split("."):
        current = getattr(current, part, None)
    return definition if current is None else inspect.unwrap(current)


def module_on_disk(module):
    """The module, or where its file has changed since, what the file defines now."""
    path = getattr(module, "__file__", None)
    if not is_ours(module.__name__) or path is None:
        return module
    changed_at = Path(path).stat().st_mtime_ns
    if changed_at <= STARTED:
        return module
    return _read_module(module.__name__, path, changed_at)


@functools.lru_cache(maxsize=256)
def _read_module(name, path, _changed_at):
    """What an import would give now, without replacing what has been imported."""
    module = types.ModuleType(name)
    module.__file__ = path
    module.__package__ = sys.modules[name].__package__
    exec(compile(Path(path).read_bytes(), path, "exec"), module.__dict__)
    return module


def _has_docstring(node):
    if not isinstance(node, (ast.Module, *DEFINITIONS)):
        return False
    return ast.get_docstring(node, clean=False) is not None


def _node(definition):
    """The syntax tree of a definition."""
    if is_ours(definition.__module__) and "<" not in definition.__qualname__:
        path = Path(sys.modules[definition.__module__].__file__)
        nodes = _nodes_of_file(path, path.stat().st_mtime_ns)
        return nodes[definition.__qualname__]
    return ast.parse(textwrap.dedent(inspect.getsource(definition))).body[0]


@functools.lru_cache(maxsize=256)
def _nodes_of_file(path, _changed_at):
    """The definitions of a file by their qualified names."""
    return dict(_nodes(ast.parse(path.read_bytes()).body, ""))


def _nodes(body, prefix):
    for node in body:
        if isinstance(node, DEFINITIONS):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _nodes(node.body, f"{prefix}{node.name}.")


def _is_unchanged(function, node):
    """Whether a function's source on disk is still what it was compiled from."""
    code = function.__code__
    is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    if code.co_freevars or not is_function:
        return True
    # A call of what the same file or cell imports is compiled to other instructions.
    lines, _ = inspect.findsource(function)
    for part in _codes("".join(lines)):
        if part.co_name == code.co_name and _compiled(part) == _compiled(code):
            return True
    return False


@functools.lru_cache(maxsize=64)
def _codes(text):
    """The code of all functions of a text; none where it cannot be compiled."""
    try:
        waiting = [compile(text, "", "exec", dont_inherit=True)]
    except SyntaxError:
        return []
    found = []
    while waiting:
        parts = [part for part in waiting.pop().co_consts if hasattr(part, "co_consts")]
        found += parts
        waiting += parts
    return found


def _compiled(code):
    constants = []
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            constants.append(_compiled(value))
        elif isinstance(value, frozenset):
            constants.append(sorted(map(repr, value)))
        else:
            constants.append(repr(value))
    names = [list(code.co_names), list(code.co_varnames)]
    return [code.co_code.hex(), constants, *names]
