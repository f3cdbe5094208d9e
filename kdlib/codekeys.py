"""What a computed row depends on, as short texts: the syntax of the code that makes it, its constants, its data.

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
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest(description):
    """32 hexadecimal digits over the JSON text of ``description`` (lists, dicts, texts and numbers)."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def code_of(run):
    """What the result of a function depends on beside its arguments.

    Reached from ``run`` are the functions, classes and constants that it reads as globals or from an enclosing
    function, in the notebook or in any module that is not an installed package, and what these read in turn; and each
    module of ``kdlib`` that they name, as a whole, with the ``kdlib`` modules that it imports.

    Args:
        run: a function.

    Returns:
        Dict with ``code``, one digest over all reached syntax; ``constants``, the descriptions of reached values by
        name; ``modules``, the digests of reached modules by name; ``others``, the names of reached modules that are
        neither ``kdlib``'s nor the notebook.

    Raises:
        ValueError: if a value that ``run`` reads cannot be described.
    """
    found = {"seen": set(), "modules": {}, "constants": {}}
    tree = _callable(run, found)
    others = {*found["modules"], *(item.__module__ for item in found["seen"])} - {"__main__"}
    return {"code": digest([tree, found["modules"]]), "constants": found["constants"], "modules": found["modules"],
            "others": sorted(name for name in others if not _in_kdlib(name))}


def describe(value, name):
    """A JSON-able description of a value that is equal exactly where the values are; arrays by their bytes.

    Raises:
        ValueError: if the type of ``value`` has none; ``name`` is what the message calls it.
    """
    return _describe(value, name, {"seen": set(), "modules": {}, "constants": {}})


def module_digest(name):
    """The digest of one ``kdlib`` module's syntax tree as it is on disk; None if there is no such module."""
    path = _module_path(name)
    return None if path is None else digest(_file_tree(path, path.stat().st_mtime_ns)[0])


def source_stamp():
    """One digest over all files of ``kdlib``: a process that imported other files is out of date."""
    return digest([[path.name, path.read_text()] for path in sorted(_ROOM.glob("*.py"))])


def _in_kdlib(name):
    return name.partition(".")[0] == "kdlib"


def _module_path(name):
    """The file of a module whose syntax counts; None for installed ones, whose versions count instead."""
    if _in_kdlib(name):
        path = _ROOM.joinpath(*name.split(".")[1:])
        return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or not file.endswith(".py") or not _SYSTEM.isdisjoint(Path(file).resolve().parents):
        return None
    return Path(file)


@functools.lru_cache(maxsize=256)
def _file_tree(path, _changed_at):
    tree = ast.parse(path.read_bytes())
    return _tree(tree), tuple(_imports(tree))


def _tree(node):
    """Nested lists of a syntax tree without positions, docstrings and empty fields (these differ between Pythons)."""
    if isinstance(node, list):
        return [_tree(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = fields["body"][1:]
    kept = [name for name, value in fields.items() if name not in _NO_MEANING and value is not None and value != []]
    return [type(node).__name__, *([name, _tree(fields[name])] for name in kept)]


def _imports(tree):
    """Modules that a syntax tree may import; ``package.name`` too, for ``from package import name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ("kdlib." * (node.level > 0) + (node.module or "")).rstrip(".")
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _add_module(name, found):
    path = _module_path(name)
    if path is not None and name not in found["modules"]:
        tree, imported = _file_tree(path, path.stat().st_mtime_ns)
        found["modules"][name] = digest(tree)
        for other in imported:
            _add_module(other, found)


def _callable(value, found):
    """Describes a function or class: by its syntax where that is ours, by its name where it is installed."""
    layers = []
    while hasattr(value, "__wrapped__"):  # a decorator's settings, such as in_dims, are in its closure
        layers.append(_closure(value, found))
        value = value.__wrapped__
    module = getattr(value, "__module__", None) or ""
    if _in_kdlib(module):
        _add_module(module, found)
    elif module == "__main__" or _module_path(module):
        if isinstance(value, types.FunctionType):
            return [_function(value, found), layers]
        if isinstance(value, type):
            return [_class(value, found), layers]
    return [module, getattr(value, "__qualname__", repr(value)), layers, _closure(value, found)]


def _closure(value, found):
    described = []
    for cell in getattr(value, "__closure__", None) or ():
        try:
            described.append(_describe(cell.cell_contents, "closure", found))
        except ValueError:
            described.append(type(cell.cell_contents).__qualname__)
    return described


def _class(value, found):
    if value in found["seen"]:
        return value.__qualname__
    found["seen"].add(value)
    parts = {name: part for name, part in vars(value).items()
             if isinstance(part, types.FunctionType) or not (name.startswith("__") or inspect.isdatadescriptor(part))}
    return [value.__qualname__, [_callable(base, found) for base in value.__bases__],
            [[name, _describe(parts[name], name, found)] for name in sorted(parts)]]


def _function(function, found):
    if function in found["seen"]:
        return function.__qualname__
    found["seen"].add(function)
    code = function.__code__
    loads, attributes, imported = _names(code)
    for name in imported:
        _add_module(name, found)
    values = {name: function.__globals__[name] for name in loads if name in function.__globals__}
    values |= {name: cell.cell_contents for name, cell in zip(code.co_freevars, function.__closure__ or ())}
    values |= {f"{function.__name__}({name}=)": value for name, value in (function.__kwdefaults__ or {}).items()}
    values |= {f"{function.__name__}(default {i})": value for i, value in enumerate(function.__defaults__ or ())}
    if any(isinstance(value, types.ModuleType) and value.__name__ == "kdlib" for value in values.values()):
        for attribute in attributes:
            _add_module(f"kdlib.{attribute}", found)
    reached, prefix = [], "" if function.__module__ == "__main__" else f"{function.__module__}."
    for name in sorted(values.keys() - {"device"}):  # the type of a device is in the key by itself
        if isinstance(values[name], types.ModuleType) or callable(values[name]):
            reached.append([name, _describe(values[name], name, found)])
        else:
            found["constants"][prefix + name] = _describe(values[name], name, found)
    return [_source(function), reached]


def _source(function):
    """The syntax of a function; of its compiled form where it was typed at a prompt or its file has changed since."""
    code = function.__code__
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        again = next(c for c in compile(tree, "", "exec").co_consts if isinstance(c, types.CodeType))
    except (OSError, SyntaxError, StopIteration):
        return _compiled(code)
    unchanged = code.co_freevars or again.co_code == code.co_code and again.co_names == code.co_names
    return _tree(tree) if unchanged else _compiled(code)


def _compiled(code):
    consts = [_compiled(c) if isinstance(c, types.CodeType) else sorted(map(repr, c)) if isinstance(c, frozenset)
              else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), consts, list(code.co_names), list(code.co_varnames)]


def _names(code):
    """Sets of the globals that a code object reads, the attributes it looks up and the modules it may import."""
    loads, attributes, imported, package = set(), set(), set(), None
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            loads.add(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            attributes.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            package = step.argval
            imported.add(package)
        elif step.opname == "IMPORT_FROM":
            imported.add(f"{package}.{step.argval}")
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            loads, attributes, imported = (a | b for a, b in zip((loads, attributes, imported), _names(inner)))
    return loads, attributes, imported


def _describe(value, name, found):
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    inner = functools.partial(_describe, name=name, found=found)
    if value is None or isinstance(value, (bool, int, str)):
        return [kind, value]
    if isinstance(value, (float, complex, bytes, range, slice, PurePath, types.EllipsisType)):
        return [kind, repr(value)]
    if isinstance(value, dict):
        return [kind, [[inner(key), inner(item)] for key, item in value.items()]]
    if isinstance(value, (set, frozenset)):
        return [kind, sorted(json.dumps(inner(item)) for item in value)]
    if isinstance(value, (list, tuple)):
        return [kind, [inner(item) for item in value]]
    if isinstance(value, types.ModuleType):
        _add_module(value.__name__, found)
        return [kind, value.__name__]
    if isinstance(value, functools.partial):
        return [kind, inner(value.func), inner(value.args), inner(value.keywords)]
    if isinstance(value, types.MethodType):
        return [kind, inner(value.__self__), inner(value.__func__)]
    return _array_like(value, kind, inner) or _callable_or_error(value, kind, name, found)


def _array_like(value, kind, inner):
    import numpy

    torch = sys.modules.get("torch")
    if isinstance(value, (numpy.ndarray, numpy.generic)) and not value.dtype.hasobject:
        content = numpy.ascontiguousarray(value).reshape(-1).view(numpy.uint8)
        return [kind, str(value.dtype), list(value.shape), hashlib.blake2b(content, digest_size=16).hexdigest()]
    if isinstance(value, numpy.dtype) or torch is not None and isinstance(value, (torch.dtype, torch.device)):
        return [kind, str(value)]
    if torch is not None and isinstance(value, torch.Tensor):
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return [kind, str(value.dtype), list(value.shape), inner(content.numpy())]
    if torch is not None and isinstance(value, torch.nn.Module):
        training = [part.training for part in value.modules()]
        return [kind, repr(value), training, inner(type(value)), inner(dict(value.state_dict()))]
    return None


def _callable_or_error(value, kind, name, found):
    if isinstance(value, type) or callable(value) and hasattr(value, "__name__"):
        return _callable(value, found)
    raise ValueError(f"what run reads must be plain values, arrays, tensors, modules or functions, got {name!r} of "
                     f"type {kind}: make it inside run, or pass it as a setting or in data")
