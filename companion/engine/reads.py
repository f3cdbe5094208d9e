"""What a function reads beside its arguments, by name, from its compiled form."""

import dis
import functools
import importlib
import importlib.util
import types
from typing import NamedTuple

from companion.engine import sources


class WholeModule(NamedTuple):
    """A module that is read in another way than by one of its attributes."""

    module: types.ModuleType


class ImportStatement(NamedTuple):
    """``from module import names``, relative by ``level`` dots; no names for
    ``import``."""

    module: str
    level: int
    names: list


def reads(function):
    """The values that a function reads.

    An attribute of a module of ours is read for itself, as ``module.name``; what an
    installed package gives is named in the function's syntax, and its module is enough.

    Args:
        function: a Python function.

    Returns:
        dict: name -> value, or :class:`WholeModule`. The names are those of globals, of
        variables of an enclosing function, of imports inside the function
        (``import module.name``) and of defaults (``function(argument=)``).

    Raises:
        ValueError: the function reads a value of the notebook.
    """
    values = {}
    for base, attributes in _globals(function.__code__):
        # Where a module lies changes no number, and differs from machine to machine.
        if base in function.__globals__ and base != "__file__":
            name, value = _follow(base, function.__globals__[base], attributes)
            _refuse_value_of_notebook(function, name, value)
            values[name] = value
    for module, attribute in _imports(function):
        attributes = [attribute] if attribute else []
        name, value = _follow(module.__name__, module, attributes)
        values[f"import {name}"] = value
    values |= _enclosed(function)
    values |= _defaults(function)
    return {name: value for name, value in values.items() if value is not function}


def _enclosed(function):
    cells = function.__closure__ or ()
    names = function.__code__.co_freevars
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}


def _defaults(function):
    defaults = {}
    for name, value in (function.__kwdefaults__ or {}).items():
        defaults[f"{function.__name__}({name}=)"] = value
    for place, value in enumerate(function.__defaults__ or ()):
        defaults[f"{function.__name__}(default {place})"] = value
    return defaults


def _follow(name, value, attributes):
    """The last thing that attributes of modules of ours lead to, and its name."""
    for attribute in attributes:
        if not isinstance(value, types.ModuleType):
            break
        value = sources.module_on_disk(value)
        if not sources.is_source(value.__name__) or not hasattr(value, attribute):
            break
        name = f"{name}.{attribute}"
        value = getattr(value, attribute)
    if isinstance(value, types.ModuleType):
        value = WholeModule(value)
    return name, value


def _refuse_value_of_notebook(function, name, value):
    code = (types.FunctionType, types.BuiltinFunctionType, type, WholeModule)
    is_code = isinstance(value, code) or hasattr(value, "__wrapped__")
    if function.__module__ == sources.NOTEBOOK and "." not in name and not is_code:
        raise ValueError(
            f"{function.__name__} reads {name!r} of the notebook: make it an argument, "
            "and pass it as a setting or in data"
        )


@functools.lru_cache(maxsize=4096)
def _globals(code):
    """The globals that a code object reads, each with the attributes taken at once."""
    found = []
    steps = list(dis.get_instructions(code))
    for place, step in enumerate(steps):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found.append((step.argval, _attributes(steps[place + 1 :])))
    for inner in _inner(code):
        found += _globals(inner)
    return found


def _attributes(steps):
    attributes = []
    for step in steps:
        if step.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
            break
        attributes.append(step.argval)
    return attributes


def _imports(function):
    """The modules of ours that a function imports, each with a name taken, or None."""
    package = function.__globals__.get("__package__") or ""
    for statement in _import_statements(function.__code__):
        name = statement.module
        if statement.level:
            name = importlib.util.resolve_name("." * statement.level + name, package)
        if not sources.is_source(name):
            continue
        module = importlib.import_module(name)
        for attribute in statement.names or [None]:
            if attribute and not hasattr(module, attribute):
                importlib.import_module(f"{name}.{attribute}")
            yield module, attribute


@functools.lru_cache(maxsize=4096)
def _import_statements(code):
    """The imports of a code object, and of the functions inside it."""
    level = 0
    statements = []
    for step in dis.get_instructions(code):
        if isinstance(step.argval, int) and "CONST" in step.opname:
            level = step.argval
        elif step.opname == "LOAD_SMALL_INT":
            level = step.argval
        elif step.opname == "IMPORT_NAME":
            statements.append(ImportStatement(step.argval, level, []))
        elif step.opname == "IMPORT_FROM":
            statements[-1].names.append(step.argval)
    for inner in _inner(code):
        statements += _import_statements(inner)
    return statements


def _inner(code):
    return (part for part in code.co_consts if isinstance(part, types.CodeType))
