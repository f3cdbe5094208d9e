"""What a computed row depends on, as short texts: definitions, constants, data.

Two rows with the same key are the same number. A key holds the functions, classes and
constants that ``run`` reaches, followed by name through the packages' faces, and never
whole files: a changed formula changes the key; a changed docstring, comment or line
break does not, nor does anything that ``run`` does not reach.
"""

import functools
import hashlib
import importlib
import inspect
import json
import sys
import types
from pathlib import PurePath
from typing import NamedTuple

from companion.engine import reads, sources


class Code(NamedTuple):
    """What the result of a function depends on beside its arguments.

    Attributes:
        digest: one digest over all reached definitions.
        constants: descriptions of the reached values that are no code, by name.
        definitions: digests of the reached definitions of our packages, by full name.
        others: names of reached modules that are neither ours nor the notebook.
    """

    digest: str
    constants: dict
    definitions: dict
    others: list


def digest(description):
    """32 hexadecimal digits over the JSON text of lists, dicts, texts and numbers."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def code_of(run):
    """What a function reaches.

    These are the functions, classes and constants that it reads as globals or from an
    enclosing function, in the notebook or in any module that is not an installed
    package, and what these read in turn. An attribute of a module stands for itself,
    wherever it is defined; a module that is read in another way stands for all that it
    defines.

    Args:
        run: a function.

    Returns:
        :class:`Code`.

    Raises:
        ValueError: ``run`` belongs to no imported module, or reads a value of the
            notebook, or one without a description.
    """
    if run.__module__ not in sys.modules:
        raise ValueError(
            "run must be a function of the notebook or of a module that has been "
            f"imported, got one of {run.__module__!r}"
        )
    reach = _Reach()
    reach.code(run)
    definitions = {}
    for name, described in reach.definitions.items():
        # Another process finds by its name what is defined at the top of a module.
        if sources.is_ours(name) and "#" not in name and "<" not in name:
            definitions[name] = digest(described)
    others = {name for name in reach.modules if not sources.is_ours(name)}
    others -= {sources.NOTEBOOK}
    everything = digest(reach.definitions)
    return Code(everything, reach.constants, definitions, sorted(others))


def name_of(run):
    """``module:name`` of a row function; ``__main__`` is the notebook."""
    run = inspect.unwrap(run)
    return f"{run.__module__}:{run.__qualname__}"


def describe(value, name):
    """A JSON-able description that is equal exactly where the values are.

    Args:
        value: plain values, arrays (by their bytes), tensors, modules, functions, and
            lists, sets and dicts of them.
        name: what a message calls the value.

    Returns:
        Lists, dicts, texts and numbers.

    Raises:
        ValueError: the type of ``value`` has no description.
    """
    return _Reach().value(value, name)


def definition_digest(name):
    """The digest that a definition of ours has in this process.

    Args:
        name: full name, ``module:name``, of :class:`Code`.

    Returns:
        A digest; None where there is no such definition.
    """
    module, _, inside = name.partition(":")
    try:
        value = importlib.import_module(module)
        for part in inside.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError):
        return None
    reach = _Reach()
    reach.code(value)
    described = reach.definitions.get(name)
    return None if described is None else digest(described)


def source_stamp():
    """One digest over all files of our packages; an older process is out of date."""
    texts = []
    for package in sources.OURS:
        for path in sorted(sources.package_folder(package).rglob("*.py")):
            texts.append([path.as_posix(), path.read_text(encoding="utf-8")])
    return digest(texts)


class _Reach:
    """The definitions and constants that have been reached, as they were met."""

    def __init__(self):
        self.definitions = {}  # full name -> syntax, and what its names stand for
        self.constants = {}  # full name -> description
        self.modules = set()  # names of the modules that hold reached definitions
        self.names = {}  # id of a definition -> its full name
        self.kept = []  # the definitions, alive, so that no id is given twice

    def code(self, value):
        """A function or class, by its definition where that counts, else by name."""
        layers = []
        while hasattr(value, "__wrapped__"):
            # A decorator's settings, such as in_dims, are in its closure.
            layers.append(self.closure(value))
            value = value.__wrapped__
        module = getattr(value, "__module__", None)
        is_definition = isinstance(value, (types.FunctionType, type))
        if is_definition and sources.is_source(module):
            return ["definition", self.definition(value), layers]
        name = getattr(value, "__qualname__", repr(value))
        return [module or "", name, layers, self.closure(value)]

    def definition(self, value):
        """The full name of a function or class; what it reads is followed once."""
        value = sources.on_disk(value)
        if id(value) in self.names:
            return self.names[id(value)]
        name = self.new_name(value)
        self.names[id(value)] = name
        self.kept.append(value)
        self.modules.add(value.__module__)
        self.definitions[name] = None  # its place: a recursion ends here
        if isinstance(value, types.FunctionType):
            described = [sources.source(value), self.names_in(value, name)]
        else:
            described = [sources.source(value), self.parts_of(value, name)]
        self.definitions[name] = described
        return name

    def new_name(self, value):
        """``module:name``, numbered where one place has made several functions."""
        plain = name = f"{value.__module__}:{value.__qualname__}"
        number = 1
        while name in self.definitions:
            number += 1
            name = f"{plain}#{number}"
        return name

    def names_in(self, function, owner):
        """What each name that a function reads stands for."""
        values = reads.reads(function)
        return [
            [name, self.value(values[name], name, owner)] for name in sorted(values)
        ]

    def parts_of(self, kind, owner):
        """The bases of a class, and what its methods and attributes read."""
        parts = [self.code(base) for base in kind.__bases__]
        for name, part in sorted(vars(kind).items()):
            if _is_written(name, part):
                parts.append([name, self.part(part, f"{owner}.{name}")])
        return parts

    def part(self, part, name):
        """A method by what it reads (its text is the class's), else the value."""
        if isinstance(part, property):
            halves = (part.fget, part.fset, part.fdel)
            return [self.part(half, name) for half in halves if half is not None]
        if isinstance(part, (classmethod, staticmethod)):
            part = part.__func__
        function = inspect.unwrap(part) if callable(part) else part
        is_function = isinstance(function, types.FunctionType)
        if is_function and sources.is_source(function.__module__):
            return self.names_in(function, name)
        return self.value(part, name)

    def closure(self, value):
        """What a function holds of its maker; by type where it has no description."""
        cells = getattr(value, "__closure__", None) or ()
        held = [cell.cell_contents for cell in cells]
        if _is_builtin_method(value):
            held.append(value.__self__)
        described = []
        for content in held:
            try:
                described.append(self.value(content, "closure"))
            except ValueError:
                described.append(type(content).__qualname__)
        return described

    def value(self, value, name, owner=None):
        """Any value; what ``owner`` reads and is no code is noted as a constant."""
        if isinstance(value, reads.WholeModule):
            return self.module(value.module)
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__]
        is_named = callable(value) and hasattr(value, "__name__")
        if is_named and not _is_source_method(value):
            return self.code(value)
        described = self.plain(value, name)
        if owner is None:
            return described
        self.constants[f"{owner}.{name}"] = described
        return "constant"

    def module(self, module):
        """All that a module defines; an installed one by its name."""
        described = ["module", module.__name__]
        if sources.is_source(module.__name__):
            for _, value in sorted(vars(module).items()):
                function = inspect.unwrap(value) if callable(value) else value
                is_definition = isinstance(function, (types.FunctionType, type))
                if is_definition and function.__module__ == module.__name__:
                    described.append(self.definition(function))
        return described

    def plain(self, value, name):
        """A number, text, collection, array or tensor."""
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        kind = kind.removeprefix("builtins.")

        def inner(part):
            return self.value(part, name)

        if value is None or isinstance(value, (bool, int, str)):
            return [kind, value]
        described = _collection(value, inner)
        if described is None:
            described = _array(value, inner)
        if described is None:
            raise ValueError(
                "what run reads must be plain values, arrays, tensors, modules or "
                f"functions, got {name!r} of type {kind}: make it inside run, or pass "
                "it as a setting or in data"
            )
        return [kind, *described]


def _is_source_method(value):
    """Whether a value is a method of a value, and its source counts."""
    return isinstance(value, types.MethodType) and sources.is_source(value.__module__)


def _is_builtin_method(value):
    """Whether a value is a method of a value and written in C, as ``[1].count``."""
    if not isinstance(value, types.BuiltinMethodType):
        return False
    # A function of a module holds its module, or nothing.
    return not isinstance(value.__self__, (type, types.ModuleType, types.NoneType))


def _is_written(name, part):
    """Whether a class's attribute is more than Python or a decorator adds by itself."""
    function = inspect.unwrap(part) if callable(part) else part
    if isinstance(function, types.FunctionType):
        return not function.__code__.co_filename.startswith("<")
    if isinstance(part, (classmethod, staticmethod, property)):
        return True
    return not name.startswith("_") and not inspect.isdatadescriptor(part)


def _collection(value, inner):
    """The parts of a value that is written as one text, or has parts; else None."""
    if isinstance(value, (float, complex, bytes, range, slice, PurePath)):
        return [repr(value)]
    if value is Ellipsis:
        return ["..."]
    if isinstance(value, dict):
        return [[[inner(key), inner(item)] for key, item in value.items()]]
    if isinstance(value, (set, frozenset)):
        return [sorted(json.dumps(inner(item)) for item in value)]
    if isinstance(value, (list, tuple)):
        return [[inner(item) for item in value]]
    if isinstance(value, functools.partial):
        return [inner(value.func), inner(value.args), inner(value.keywords)]
    if isinstance(value, types.MethodType):
        return [inner(value.__self__), inner(value.__func__)]
    return None


def _array(value, inner):
    """Type, shape and bytes of an array, a tensor or a network; else None."""
    import numpy

    torch = sys.modules.get("torch")
    is_array = isinstance(value, (numpy.ndarray, numpy.generic))
    if is_array and not value.dtype.hasobject:
        content = numpy.ascontiguousarray(value).reshape(-1).view(numpy.uint8)
        hashed = hashlib.blake2b(content, digest_size=16).hexdigest()
        return [str(value.dtype), list(value.shape), hashed]
    if isinstance(value, numpy.dtype):
        return [str(value)]
    if torch is None:
        return None
    if isinstance(value, (torch.dtype, torch.device)):
        return [str(value)]
    if isinstance(value, torch.Tensor):
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return [str(value.dtype), list(value.shape), inner(content.numpy())]
    if isinstance(value, torch.nn.Module):
        training = [part.training for part in value.modules()]
        return [
            repr(value),
            training,
            inner(type(value)),
            inner(dict(value.state_dict())),
        ]
    return None
