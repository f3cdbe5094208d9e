"""Digests of what a chapter's page depends on.

An executed notebook holds the digest for which it was executed. A chapter whose digest
is another one today is executed again.
"""

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from companion.claims import file
from companion.engine import codekeys, sources, variables
from companion.press import chapters, checksums, files
from kdlib import places

# Files of the packages that are data of a chapter and not code.
DATA_OF_CODE = {"kdlib.published": "papers/*.json"}
IMAGE_FILES = (".bin", ".gz", ".npz", "-ubyte")
# What executes a chapter, whatever the chapter imports.
EXECUTION = "companion.press.execution"
# A date before that of any notebook: of access and of change, in ns.
LONG_AGO = (10**9, 10**9)


class Inputs(NamedTuple):
    """All that executing a chapter depends on, at one moment.

    Attributes:
        key: the digest.
        written_at: when a file of text, code or data among them was written last.
    """

    key: str
    written_at: int


def write_keys(profile, folder, executed):
    """Write each chapter's digest to ``folder/NAME``, for Make, which compares dates.

    Args:
        profile: name of the profile.
        folder: where the files go. The file of a chapter is older than the executed
            notebook where that holds this digest, and new where it does not.
        executed: folder of the executed notebooks.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in chapters.names():
        path = folder / name
        key = input_key(name, profile)
        files.write_whole(path, key)
        if executed_key(Path(executed) / f"{name}.ipynb") == key:
            os.utime(path, ns=LONG_AGO)


def executed_key(path):
    """The digest for which a notebook was executed.

    Args:
        path: the executed notebook's file.

    Returns:
        A hexadecimal text; None where there is no such notebook, or where nobody knows
        what it was executed with.
    """
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
        return notebook["metadata"]["kdlib"]["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def input_key(chapter, profile):
    """A digest of all that executing a chapter depends on.

    Args:
        chapter: full name of the chapter.
        profile: name of the profile.

    Returns:
        A hexadecimal text.
    """
    return inputs(chapter, profile).key


def inputs(chapter, profile):
    """What executing a chapter depends on.

    That is its text, its profile's values, its own claims, the lock, the code that it
    can import, the image sets on disk, the devices, and whether recorded rows may be
    taken; not the code that dresses pages,
    no comment or docstring of the packages, and no file's date.

    Args:
        chapter: full name of the chapter.
        profile: name of the profile.

    Returns:
        :class:`Inputs`.
    """
    source = places.book() / f"{chapter}.md"
    text = source.read_text(encoding="utf-8")
    lock = places.book().parent / "constraints.txt"
    code = code_under(text)
    images = _image_files()
    parts = [
        text,
        [profile, chapters.profile_values(chapter, profile)],
        _claims_of(chapter),
        lock.read_text(encoding="utf-8") if lock.exists() else "",
        code,
        checksums.of_files(places.data(), images),
        _cards(),
        variables.value("KDLIB_FRESH"),
    ]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    read = [source, *images, *(_path_of(module) for module in code)]
    return Inputs(key, max(path.stat().st_ctime_ns for path in read))


def code_under(text):
    """What a chapter's text can import of the packages, directly or through another.

    Args:
        text: a chapter's text with its cells.

    Returns:
        A dict from module to a list: the digest of its syntax tree, and of each of its
        data files where it has any.
    """
    waiting = [EXECUTION]
    for cell in chapters.code_cells(text):
        # What is no Python is told by the kernel.
        with contextlib.suppress(SyntaxError, ValueError):
            waiting += _imported(ast.parse(cell), package="")
    digests = {}
    seen = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _path_of(module)
        if path is not None:
            digest, imported = _module(module, path, path.stat().st_mtime_ns)
            digests[module] = [digest, *_data_digests(module, path)]
            waiting += imported
    return digests


@functools.lru_cache(maxsize=256)
def _module(module, path, _changed_at):
    """The digest of a module's syntax tree, and the modules that it may import."""
    is_package = path.name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    text = path.read_bytes()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        # Who imports it is told where it is wrong.
        return hashlib.sha256(text).hexdigest(), []
    return codekeys.digest(sources.syntax(tree)), _imported(tree, package)


def _data_digests(module, path):
    """The digests of a module's data files."""
    pattern = DATA_OF_CODE.get(module)
    if pattern is None:
        return []
    files = sorted(path.parent.glob(pattern))
    return [hashlib.sha256(one.read_bytes()).hexdigest() for one in files]


def _imported(tree, package):
    """The modules that a syntax tree may import, and names that may be modules."""
    modules = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(name, package)
            modules.append(base)
            modules += [f"{base}.{alias.name}" for alias in node.names]
    return modules


def _path_of(module):
    """The file of a module of the packages; None for any other name."""
    package, *inside = module.split(".")
    if package not in sources.OURS:
        return None
    path = sources.package_folder(package).joinpath(*inside)
    for file_of_module in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if file_of_module.is_file():
            return file_of_module
    return None


def _claims_of(chapter):
    """A chapter's own claims; its page does not depend on those of others."""
    return [claim for claim in file.read() if claim["chapter"] == chapter]


def _image_files():
    """The image sets' files in the data folder."""
    paths = sorted(places.data().glob("*/*"))
    return [path for path in paths if path.name.endswith(IMAGE_FILES)]


@functools.cache
def _cards():
    """The NVIDIA cards of this machine; empty without any."""
    command = ["nvidia-smi", "-L"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return listed.stdout
