"""Digests of what a chapter's page depends on.

A chapter whose digest has changed is executed again.
"""

import ast
import functools
import hashlib
import importlib.util
import json
import subprocess
from pathlib import Path

from companion.claims import file
from companion.engine import codekeys, sources
from companion.press import chapters
from kdlib import places

# Files of the packages that are data of a chapter and not code.
DATA_OF_CODE = {"kdlib.published": "papers/*.json"}
IMAGE_FILES = (".bin", ".gz", ".npz", "-ubyte")
# What executes a chapter, whatever the chapter imports.
EXECUTION = "companion.press.execution"


def write_keys(profile, folder):
    """Write each chapter's digest to ``folder/NAME`` where it has changed.

    Args:
        profile: name of the profile.
        folder: where the files go.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in chapters.names():
        path = folder / name
        key = input_key(name, profile)
        if not path.exists() or path.read_text(encoding="utf-8") != key:
            path.write_text(key, encoding="utf-8")


def input_key(chapter, profile):
    """A digest of all that executing a chapter depends on.

    That is its text, its profile's values, its own claims, the lock, the code that it
    can import, the image sets on disk and the devices; not the code that dresses pages,
    and no comment or docstring of the packages.

    Args:
        chapter: full name of the chapter.
        profile: name of the profile.

    Returns:
        A hexadecimal text.
    """
    text = (places.book() / f"{chapter}.md").read_text(encoding="utf-8")
    lock = places.book().parent / "constraints.txt"
    parts = [
        text,
        [profile, chapters.profile_values(chapter, profile)],
        _claims_of(chapter),
        lock.read_text(encoding="utf-8") if lock.exists() else "",
        code_under(text),
        _image_files(),
        _cards(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


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
        waiting += _imported(ast.parse(cell), package="")
    digests = {}
    while waiting:
        module = waiting.pop()
        path = _path_of(module)
        if module in digests or path is None:
            continue
        digest, imported = _module(module, path, path.stat().st_mtime_ns)
        digests[module] = [digest, *_data_digests(module, path)]
        waiting += imported
    return digests


@functools.lru_cache(maxsize=256)
def _module(module, path, _changed_at):
    """The digest of a module's syntax tree, and the modules that it may import."""
    is_package = path.name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    tree = ast.parse(path.read_bytes())
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
    """Names, sizes and dates of the image sets' files in the data folder."""
    stamps = []
    for path in sorted(places.data().glob("*/*")):
        if path.name.endswith(IMAGE_FILES):
            name = f"{path.parent.name}/{path.name}"
            stamps.append([name, path.stat().st_size, path.stat().st_mtime_ns])
    return stamps


@functools.cache
def _cards():
    """The NVIDIA cards of this machine; empty without any."""
    command = ["nvidia-smi", "-L"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return listed.stdout
