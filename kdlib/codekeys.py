"""What a computed row depends on, as short texts: the syntax of the code that makes it, and the bytes of its data.

Two rows with the same key are the same number. A changed formula changes the key; a changed docstring, comment or
line break does not.
"""

import ast
import dis
import functools
import hashlib
import inspect
import json
import sys
import sysconfig
import textwrap
import types
from pathlib import Path, PurePath

_ROOM = Path(__file__).resolve().parent
_SYSTEM = {Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
_NO_MEANING = {"ctx", "kind", "type_comment", "type_ignores"}  # fields of a syntax tree that change no result


def digest(description):
    """32 hexadecimal digits over the JSON text of ``description`` (lists, dicts, texts and numbers)."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def code_of(run):
    """The digest of a function with everything it reaches, and the digests of the ``kdlib`` modules among that.

    Reached are: the functions, classes and constants that ``run`` reads as globals or from an enclosing function, in
    the notebook or in any module that is not an installed package, and what these read in turn; and each module of
    ``kdlib`` that they name, as a whole, with the ``kdlib`` modules that it imports.

    Args:
        run: a function.

    Returns:
        ``(digest, modules, others)``: a text, a dict from the name of each reached module to the digest of its syntax
        tree, and the names of those reached modules that are neither ``kdlib``'s nor the notebook.

    Raises:
        ValueError: if a global that ``run`` reads has a type whose value cannot enter a key.
    """
    modules, seen = {}, set()
    tree = _code(run, None, seen, modules)
    others = {*modules, *(item.__module__ for item in seen)} - {"__main__"}
    return digest([tree, modules]), modules, sorted(name for name in others if name.partition(".")[0] != "kdlib")


def data_of(data):
    """One digest over names, types, shapes and bytes of a dict of arrays and tensors; None for None."""
    return None if data is None else digest(_describe(data, "data", set(), {}))


def value_of(value, name):
    """A JSON-able description of a setting's value that is equal exactly where the values are equal."""
    return _describe(value, name, set(), {})


def module_digest(name):
    """The digest of one ``kdlib`` module's syntax tree as it is on disk; None if there is no such module."""
    path = _module_path(name)
    return None if path is None else digest(_file_tree(path, path.stat().st_mtime_ns)[0])


def source_stamp():
    """One digest over the bytes of all files of ``kdlib``: a process that imported other bytes is out of date."""
    return digest([[path.name, path.read_text()] for path in sorted(_ROOM.glob("*.py"))])


def _module_path(name):
    if name.partition(".")[0] == "kdlib":
        path = _ROOM.joinpath(*name.split(".")[1:])
        return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or not file.endswith(".py") or not _SYSTEM.isdisjoint(Path(file).resolve().parents):
        return None  # built in or installed: its version is in the key
    return Path(file)


@functools.lru_cache(maxsize=256)
def _file_tree(path, _changed_at):
    tree = ast.parse(path.read_bytes())
    return _tree(tree), tuple(sorted(_imports(tree)))


def _tree(node):
    """Nested lists of a syntax tree without positions, docstrings and empty fields (these differ between Pythons)."""
    if isinstance(node, list):
        return [_tree(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node, False) is not None:
        fields["body"] = fields["body"][1:]
    kept = [(k, v) for k, v in fields.items() if k not in _NO_MEANING and v is not None and v != []]
    return [type(node).__name__, *([name, _tree(value)] for name, value in kept)]


def _imports(tree):
    """Names of modules that a syntax tree may import, each also as ``package.name`` for ``from package import name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "kdlib" + (f".{node.module}" if node.module else "") if node.level else node.module
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _add_module(name, modules):
    path = _module_path(name)
    if path is None or name in modules:
        return
    tree, imported = _file_tree(path, path.stat().st_mtime_ns)
    modules[name] = digest(tree)
    for other in imported:
        _add_module(other, modules)


def _function(function, seen, modules):
    function = inspect.unwrap(function)
    if function in seen:
        return function.__qualname__
    seen.add(function)
    code = function.__code__
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        for name in _imports(tree):
            _add_module(name, modules)
        source = _tree(tree)
    except (OSError, SyntaxError):  # typed at a prompt, or a lambda inside an expression: the compiled form instead
        source = _compiled(code)
    loads, attributes = _names(code)
    values = {name: function.__globals__[name] for name in loads if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        values[name] = cell.cell_contents
    values["defaults"] = [list(function.__defaults__ or ()), dict(function.__kwdefaults__ or {})]
    if any(isinstance(value, types.ModuleType) and value.__name__ == "kdlib" for value in values.values()):
        for attribute in attributes:
            _add_module(f"kdlib.{attribute}", modules)
    return [source, [[name, _describe(values[name], name, seen, modules)] for name in sorted(values)]]


def _names(code):
    """Global names that a code object reads, nested functions included, and the attributes that it looks up."""
    steps = list(dis.get_instructions(code))
    loads = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    attributes = {step.argval for step in steps if step.opname in ("LOAD_ATTR", "LOAD_METHOD")}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            inner_loads, inner_attributes = _names(inner)
            loads |= inner_loads
            attributes |= inner_attributes
    return loads, attributes


def _compiled(code):
    consts = [_compiled(c) if isinstance(c, types.CodeType) else sorted(map(repr, c)) if isinstance(c, frozenset) else repr(c)
              for c in code.co_consts]
    return [code.co_code.hex(), consts, list(code.co_names), list(code.co_varnames)]


def _describe(value, name, seen, modules):
    kind = type(value).__module__.partition(".")[0] + "." + type(value).__qualname__
    inner = functools.partial(_describe, name=name, seen=seen, modules=modules)
    if value is None or isinstance(value, (bool, int, str)):
        return [kind, value]
    if isinstance(value, (float, complex, bytes, range, slice, PurePath)) or value is Ellipsis:
        return [kind, repr(value)]
    if isinstance(value, dict):
        return [kind, [[inner(key), inner(item)] for key, item in value.items()]]
    if isinstance(value, (set, frozenset)):
        return [kind, sorted(json.dumps(inner(item)) for item in value)]
    if isinstance(value, (list, tuple)):
        return [kind, [inner(item) for item in value]]
    if isinstance(value, types.ModuleType):
        _add_module(value.__name__, modules)
        return ["module", value.__name__]
    if isinstance(value, functools.partial):
        return [kind, inner(value.func), inner(value.args), inner(value.keywords)]
    if isinstance(value, types.MethodType):
        return [kind, inner(value.__self__), inner(value.__func__)]
    if isinstance(value, (type, types.FunctionType)) or callable(value) and hasattr(value, "__qualname__"):
        return _code(value, inner, seen, modules)
    return _array_like(value, kind, name, inner)


def _code(value, inner, seen, modules):
    module = getattr(value, "__module__", None) or ""
    if module.partition(".")[0] == "kdlib":
        _add_module(module, modules)
    elif module == "__main__" or _module_path(module):
        if isinstance(value, types.FunctionType):
            return _function(value, seen, modules)
        if isinstance(value, type) and value not in seen:
            seen.add(value)
            parts = {k: v for k, v in vars(value).items() if isinstance(v, types.FunctionType) or not k.startswith("__")}
            return [value.__qualname__, [inner(base) for base in value.__bases__],
                    [[k, inner(parts[k])] for k in sorted(parts)]]
    return [module, value.__qualname__]


def _array_like(value, kind, name, inner):
    import numpy

    if isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype.hasobject is False:
        content = numpy.ascontiguousarray(value)
        return [kind, str(value.dtype), list(value.shape), hashlib.blake2b(content.data.cast("B") if content.size else b"", digest_size=16).hexdigest()]
    torch = sys.modules.get("torch")
    if torch is not None:
        if isinstance(value, torch.nn.Module):
            return [kind, repr(value), inner(type(value)), inner(dict(value.state_dict()))]
        if isinstance(value, torch.Tensor):
            content = value.detach().cpu().contiguous()
            return [kind, str(value.dtype), list(value.shape), inner(content.reshape(-1).view(torch.uint8).numpy())]
        if isinstance(value, (torch.dtype, torch.device, torch.Size)):
            return [kind, str(value)]
    raise ValueError(f"a row's key cannot hold {name!r} of type {kind}: give plain values, arrays or tensors, "
                     "or make it inside run")
