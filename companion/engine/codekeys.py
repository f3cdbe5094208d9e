"""What a computed row depends on, as short texts: the definitions that make it, their
constants, its data.

Two rows with the same key are the same number. A key holds the functions, classes and
constants that ``run`` reaches, followed by name through the packages' faces, and never
whole files: a changed formula changes the key, and a changed docstring, comment or line
break does not, nor does anything that ``run`` does not reach. """

import ast
import dis
import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
import sysconfig
import textwrap
import time
import types
from pathlib import Path, PurePath
from typing import NamedTuple

OURS = (
    "kdlib",
    "companion",
)  # packages that a worker has installed, and whose source counts
_PATHS = ("stdlib", "platstdlib", "purelib", "platlib")
_INSTALLED = {Path(sysconfig.get_path(kind)).resolve() for kind in _PATHS}
# Fields of a syntax tree that change no result.
_NO_MEANING = {"ctx", "kind", "type_comment", "type_ignores"}
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_NOTEBOOK = "__main__"
_STARTED = (
    time.time_ns() - 5 * 10**9
)  # a file that has changed since may not be what this process has imported


class Code(NamedTuple):
    """What the result of a function depends on beside its arguments.

    Attributes:
        digest: one digest over all reached definitions.
        constants: descriptions of the reached values that are no functions, classes or
            modules, by name.
        definitions: digests of the reached definitions of ``kdlib`` and ``companion``,
            by their full names.
        others: names of reached modules that are neither of the two nor the notebook.
    """

    digest: str
    constants: dict
    definitions: dict
    others: list


def digest(description):
    """32 hexadecimal digits over the JSON text of ``description`` (lists, dicts, texts
    and numbers)."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def code_of(run):
    """The :class:`Code` that a function reaches.

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
        ValueError: ``run`` reads a value of the notebook, or one that cannot be
            described.
    """
    reach = _Reach()
    reach.callable(run)
    described = reach.described
    ours = {name: digest(text) for name, text in described.items() if _is_named(name)}
    others = {
        name for name in reach.modules if not _is_ours(name) and name != _NOTEBOOK
    }
    return Code(digest(described), reach.constants, ours, sorted(others))


def describe(value, name):
    """A JSON-able description of a value that is equal exactly where the values are;
    arrays by their bytes.

    Args:
        value: plain values, arrays, tensors, modules and functions, and lists, sets and
            dicts of them.
        name: what a message calls the value.

    Raises:
        ValueError: if the type of ``value`` has no description.
    """
    return _Reach().value(value, name)


def definition_digest(name):
    """The digest that :class:`Code` has for a definition, from this process's source;
    None if there is no such one."""
    module, _, rest = name.partition(":")
    try:
        value = importlib.import_module(module)
        for part in rest.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError):
        return None
    reach = _Reach()
    reach.callable(value)
    return digest(reach.described[name]) if name in reach.described else None


def source_stamp():
    """One digest over all files of both packages: a process that imported other files
    is out of date."""
    paths = sorted(
        path for package in OURS for path in package_folder(package).rglob("*.py")
    )
    return digest(
        [[path.as_posix(), path.read_text(encoding="utf-8")] for path in paths]
    )


def package_folder(package):
    """The folder from which this process imports a package."""
    return Path(importlib.import_module(package).__file__).parent


def syntax(node):
    """Nested lists of a syntax tree without positions, docstrings and empty fields
    (these differ between Pythons)."""
    if isinstance(node, list):
        return [syntax(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    has_docstring = (
        isinstance(node, (ast.Module, *_DEFINITIONS))
        and ast.get_docstring(node, clean=False) is not None
    )
    if has_docstring:
        fields["body"] = fields["body"][1:]
    kept = [
        name
        for name, value in fields.items()
        if name not in _NO_MEANING and value is not None and value != []
    ]
    return [type(node).__name__, *([name, syntax(fields[name])] for name in kept)]


class _Reach:
    """The definitions and constants reached so far, in the order in which they were
    met."""

    def __init__(self):
        self.described = {}  # name of a definition -> its syntax, and what each name in it stands for
        self.constants = {}  # name of a value -> its description
        self.modules = set()  # names of the modules that hold reached definitions
        self.names = {}  # id of a definition -> its name; the definitions themselves are kept alive below
        self.kept = []

    def callable(self, value):
        """What stands for a function or class: its definition's name where that is
        ours, else its installed name."""
        layers = []
        while hasattr(
            value, "__wrapped__"
        ):  # a decorator's settings, such as in_dims, are in its closure
            layers.append(self.closure(value))
            value = value.__wrapped__
        if _is_source(getattr(value, "__module__", None)) and isinstance(
            value, (types.FunctionType, type)
        ):
            return ["definition", self.definition(value), layers]
        named = getattr(value, "__qualname__", repr(value))
        return [
            getattr(value, "__module__", None) or "",
            named,
            layers,
            self.closure(value),
        ]

    def definition(self, value):
        """The name of a function or class of ours; what it reads is followed where it
        is new."""
        value = _as_on_disk(value)
        if id(value) in self.names:
            return self.names[id(value)]
        plain = name = f"{value.__module__}:{value.__qualname__}"
        number = 1
        while (
            name in self.described
        ):  # two functions made in one place, or one cell run twice
            number += 1
            name = f"{plain}#{number}"
        self.names[id(value)] = name
        self.kept.append(value)
        self.described[name] = None  # its place; a recursion ends here
        self.modules.add(value.__module__)
        describe_one = (
            self.of_function if isinstance(value, types.FunctionType) else self.of_class
        )
        self.described[name] = describe_one(value, name)
        return name

    def of_function(self, function, name):
        """The syntax of a function, and what the names in it stand for."""
        read = _reads(function, name)
        return [
            _source(function),
            [[word, self.value(read[word], word, name)] for word in sorted(read)],
        ]

    def of_class(self, kind, name):
        """The syntax of a class, its bases, and what its methods and attributes
        read."""
        bases = [self.callable(base) for base in kind.__bases__]
        parts = {
            part: value
            for part, value in vars(kind).items()
            if _is_written(part, value)
        }
        return [
            _source(kind),
            bases,
            [
                [part, self.member(parts[part], f"{name}.{part}")]
                for part in sorted(parts)
            ],
        ]

    def member(self, value, name):
        """A method by what it reads (its text is the class's), any other attribute by
        its value."""
        if isinstance(value, (classmethod, staticmethod)):
            value = value.__func__
        if isinstance(value, property):
            return [
                self.member(part, name)
                for part in (value.fget, value.fset, value.fdel)
                if part
            ]
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, types.FunctionType) and _is_source(value.__module__):
            read = _reads(value, name)
            return [[word, self.value(read[word], word, name)] for word in sorted(read)]
        return self.value(value, name)

    def closure(self, value):
        """What a function holds of the function that made it; what has no description
        counts by its type."""
        described = []
        for cell in getattr(value, "__closure__", None) or ():
            try:
                described.append(self.value(cell.cell_contents, "closure"))
            except ValueError:
                described.append(type(cell.cell_contents).__qualname__)
        return described

    def value(self, value, name, owner=None):
        """A description of any value; one that is read by ``owner`` and is no code is
        noted as a constant."""
        if isinstance(value, _Whole):
            return self.module(value.module)
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__]
        if isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
            return self.callable(value)
        described = _described(value, name, self)
        if owner is None:
            return described
        self.constants[f"{owner}.{name}"] = described
        return "constant"

    def module(self, module):
        """All that a module of ours defines; an installed one by its name."""
        if not _is_source(module.__name__):
            return ["module", module.__name__]
        defined = [
            value
            for _, value in sorted(vars(module).items())
            if _is_defined_in(value, module)
        ]
        return [
            "module",
            module.__name__,
            [self.definition(inspect.unwrap(value)) for value in defined],
        ]


class _Whole(NamedTuple):
    """A module that is read in another way than by one of its attributes."""

    module: types.ModuleType


def _as_on_disk(definition):
    """A definition of our packages as its file has it now, which is what a row's own
    fresh process will import."""
    current = module = sys.modules.get(definition.__module__)
    if module is None or _module_on_disk(module) is module:
        return definition
    try:
        current = _module_on_disk(module)
        for part in definition.__qualname__.split("."):
            current = getattr(current, part)
    except AttributeError:
        return definition
    return inspect.unwrap(current)


def _module_on_disk(module):
    """The module itself, or where its file has changed since this process began, what
    the file defines now."""
    path = getattr(module, "__file__", None)
    if not _is_ours(module.__name__) or path is None:
        return module
    changed_at = Path(path).stat().st_mtime_ns
    return (
        module
        if changed_at <= _STARTED
        else _read_module(module.__name__, path, changed_at)
    )


@functools.lru_cache(maxsize=256)
def _read_module(name, path, _changed_at):
    read = types.ModuleType(name)
    read.__file__, read.__package__ = path, sys.modules[name].__package__
    exec(
        compile(Path(path).read_bytes(), path, "exec"), read.__dict__
    )  # as an import would, without replacing it
    return read


def _is_named(name):
    """Whether another process can find a definition by its name, to compare."""
    return _is_ours(name) and "#" not in name and "<" not in name


def _is_ours(name):
    return name.partition(":")[0].partition(".")[0] in OURS


def _is_source(module):
    """Whether a module's source counts: the notebook's, our packages', and any that is
    not an installed package."""
    if not module or module == _NOTEBOOK or _is_ours(module):
        return bool(module)
    file = getattr(sys.modules.get(module), "__file__", None)
    return (
        bool(file)
        and file.endswith(".py")
        and _INSTALLED.isdisjoint(Path(file).resolve().parents)
    )


def _is_defined_in(value, module):
    code = inspect.unwrap(value) if callable(value) else value
    return (
        isinstance(code, (types.FunctionType, type))
        and code.__module__ == module.__name__
    )


def _is_written(part, value):
    """Whether a class's attribute is more than what Python or a decorator adds to every
    class."""
    code = inspect.unwrap(value) if callable(value) else value
    if isinstance(code, types.FunctionType):
        return (
            not code.__code__.co_filename.startswith("<")
            or code.__module__ == _NOTEBOOK
        )
    described = isinstance(value, (classmethod, staticmethod, property))
    return described or not (part.startswith("_") or inspect.isdatadescriptor(value))


def _reads(function, name):
    """What a function reads beside its arguments, by name: values, attributes of
    modules as ``module.name``.

    Raises:
        ValueError: it reads a value of the notebook.
    """
    reads = {}
    for base, attributes in _chains(function.__code__):
        if base in function.__globals__:
            word, value = _resolve(base, function.__globals__[base], attributes)
            _refuse_notebook_value(function, word, value)
            reads[word] = value
    for imported, attribute in _imports(function):
        word, value = _resolve(
            imported.__name__, imported, [attribute] if attribute else []
        )
        reads[f"import {word}"] = value
    cells = function.__closure__ or ()
    reads |= {
        word: cell.cell_contents
        for word, cell in zip(function.__code__.co_freevars, cells, strict=True)
    }
    label = function.__name__
    reads |= {
        f"{label}({word}=)": value
        for word, value in (function.__kwdefaults__ or {}).items()
    }
    reads |= {
        f"{label}(default {i})": value
        for i, value in enumerate(function.__defaults__ or ())
    }
    return {word: value for word, value in reads.items() if value is not function}


def _resolve(word, value, attributes):
    """The last thing that a chain of attributes of modules reaches; a module itself is
    then read as a whole."""
    for attribute in attributes:
        value = _module_on_disk(value) if isinstance(value, types.ModuleType) else value
        is_followed = isinstance(value, types.ModuleType) and _is_source(value.__name__)
        if not is_followed or not hasattr(value, attribute):
            break  # what an installed package gives is named in the syntax
        word, value = f"{word}.{attribute}", getattr(value, attribute)
    return word, _Whole(value) if isinstance(value, types.ModuleType) else value


def _refuse_notebook_value(function, word, value):
    is_code = isinstance(
        value, (types.FunctionType, type, types.BuiltinFunctionType, _Whole)
    )
    if (
        function.__module__ != _NOTEBOOK
        or is_code
        or "." in word
        or hasattr(value, "__wrapped__")
    ):
        return
    raise ValueError(
        f"{function.__name__} reads {word!r} of the notebook: make it an argument, and pass it as a "
        "setting or in data"
    )


def _chains(code):
    """The globals that a code object reads, each with the attributes that are looked up
    on it at once."""
    steps = [
        step
        for step in dis.get_instructions(code)
        if step.opname not in ("CACHE", "EXTENDED_ARG")
    ]
    for place, step in enumerate(steps):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            attributes = []
            for following in steps[place + 1 :]:
                if following.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                    break
                attributes.append(following.argval)
            yield step.argval, attributes
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _chains(inner)


def _imports(function):
    """The modules that a function imports when it runs, each with the name that it
    takes from it, or None."""
    package = function.__globals__.get("__package__") or ""
    for name, level, taken in _import_statements(function.__code__):
        absolute = (
            importlib.util.resolve_name("." * level + name, package) if level else name
        )
        if not _is_source(absolute):
            continue
        module = importlib.import_module(absolute)
        for attribute in taken or [None]:
            if attribute and not hasattr(module, attribute):
                importlib.import_module(f"{absolute}.{attribute}")
            yield module, attribute


def _import_statements(code):
    """Triples (module, level, names that are taken from it) of the import statements in
    a code object."""
    level, found = 0, []
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and isinstance(
            step.argval, int
        ):
            level = step.argval
        elif step.opname == "IMPORT_NAME":
            found.append((step.argval, level, []))
        elif step.opname == "IMPORT_FROM":
            found[-1][2].append(step.argval)
    yield from found
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _import_statements(inner)


def _source(value):
    """The syntax of a function or class; of its compiled form where its source is not
    there or has changed since."""
    try:
        node = _node(value)
    except (OSError, SyntaxError, TypeError, LookupError):
        if isinstance(value, types.FunctionType):
            return _compiled(value.__code__)
        return [
            value.__qualname__,
            list(getattr(value, "_fields", ())),
        ]  # a named tuple that a call has made
    is_read = isinstance(value, types.FunctionType) and not _is_ours(value.__module__)
    if is_read and not _is_unchanged(value.__code__, node):
        return _compiled(value.__code__)
    return syntax(node)


def _node(value):
    """The syntax tree of a function's or class's definition."""
    if _is_ours(value.__module__) and "<" not in value.__qualname__:
        path = Path(sys.modules[value.__module__].__file__)
        return _nodes_of_file(path, path.stat().st_mtime_ns)[value.__qualname__]
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]


@functools.lru_cache(maxsize=256)
def _nodes_of_file(path, _changed_at):
    """The definitions of a file by their qualified names."""
    return dict(_nodes(ast.parse(path.read_bytes()).body, ""))


def _nodes(body, prefix):
    for node in body:
        if isinstance(node, _DEFINITIONS):
            yield prefix + node.name, node
            yield from _nodes(
                node.body if isinstance(node, ast.ClassDef) else [],
                f"{prefix}{node.name}.",
            )


def _is_unchanged(code, node):
    """Whether a function's source on disk is still the one that it was compiled
    from."""
    if code.co_freevars or not isinstance(
        node, (ast.FunctionDef, ast.AsyncFunctionDef)
    ):
        return True
    module = compile(ast.Module([node], []), "", "exec")
    inner = [
        part
        for part in module.co_consts
        if isinstance(part, types.CodeType) and part.co_name == code.co_name
    ]
    return any(
        part.co_code == code.co_code and part.co_names == code.co_names
        for part in inner
    )


def _compiled(code):
    constants = []
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            constants.append(_compiled(value))
        else:
            constants.append(
                sorted(map(repr, value))
                if isinstance(value, frozenset)
                else repr(value)
            )
    return [code.co_code.hex(), constants, list(code.co_names), list(code.co_varnames)]


def _described(value, name, reach):
    """A plain value, a collection, an array or tensor."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix(
        "builtins."
    )

    def inner(part):
        return reach.value(part, name)

    if value is None or isinstance(value, (bool, int, str)):
        return [kind, value]
    if isinstance(
        value, (float, complex, bytes, range, slice, PurePath, types.EllipsisType)
    ):
        return [kind, repr(value)]
    if isinstance(value, dict):
        return [kind, [[inner(key), inner(item)] for key, item in value.items()]]
    if isinstance(value, (set, frozenset)):
        return [kind, sorted(json.dumps(inner(item)) for item in value)]
    if isinstance(value, (list, tuple)):
        return [kind, [inner(item) for item in value]]
    if isinstance(value, functools.partial):
        return [kind, inner(value.func), inner(value.args), inner(value.keywords)]
    if isinstance(value, types.MethodType):
        return [kind, inner(value.__self__), inner(value.__func__)]
    described = _array_like(value, kind, inner)
    if described is None:
        raise ValueError(
            "what run reads must be plain values, arrays, tensors, modules or functions, got "
            f"{name!r} of type {kind}: make it inside run, or pass it as a setting or in data"
        )
    return described


def _array_like(value, kind, inner):
    import numpy

    torch = sys.modules.get("torch")
    if isinstance(value, (numpy.ndarray, numpy.generic)) and not value.dtype.hasobject:
        content = numpy.ascontiguousarray(value).reshape(-1).view(numpy.uint8)
        return [
            kind,
            str(value.dtype),
            list(value.shape),
            hashlib.blake2b(content, digest_size=16).hexdigest(),
        ]
    if isinstance(value, numpy.dtype):
        return [kind, str(value)]
    if torch is None:
        return None
    if isinstance(value, (torch.dtype, torch.device)):
        return [kind, str(value)]
    if isinstance(value, torch.Tensor):
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return [kind, str(value.dtype), list(value.shape), inner(content.numpy())]
    if isinstance(value, torch.nn.Module):
        training = [part.training for part in value.modules()]
        return [
            kind,
            repr(value),
            training,
            inner(type(value)),
            inner(dict(value.state_dict())),
        ]
    return None
