"""Digests of what a chapter's page depends on: a chapter whose digest has changed is executed again."""

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


def write_keys(profile, folder):
    """Write each chapter's digest to ``folder/NAME``; a file whose digest has not changed is left alone.

    Args:
        profile: name of the profile.
        folder: where the files go.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in chapters.names():
        key, path = input_key(name, profile), folder / name
        if not path.exists() or path.read_text() != key:
            path.write_text(key)


def input_key(chapter, profile):
    """A digest of all that executing a chapter depends on.

    That is its text, its profile's values, its own claims, the lock, the code that it can import, the image sets on
    disk and the devices; not the code that dresses pages, and no comment or docstring of the packages.

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
    """The digest of each of the packages' modules that a chapter's text can import, directly or through another.

    Args:
        text: a chapter's text with its cells.

    Returns:
        dict: module -> digest of its syntax tree, and of its data files where it has any.
    """
    found = {}
    waiting = [
        name
        for cell in chapters.code_cells(text)
        for name in _imported(ast.parse(cell), "")
    ]
    waiting += ["companion.press.execution"]
    while waiting:
        module = waiting.pop()
        path = _path_of(module)
        if module in found or path is None:
            continue
        digest, imported = _module(
            path, path.stat().st_mtime_ns, _package_of(module, path)
        )
        pattern = DATA_OF_CODE.get(module)
        data = sorted(path.parent.glob(pattern)) if pattern else []
        found[module] = [
            digest,
            *(hashlib.sha256(one.read_bytes()).hexdigest() for one in data),
        ]
        waiting += imported
    return found


@functools.lru_cache(maxsize=256)
def _module(path, _changed_at, package):
    tree = ast.parse(path.read_bytes())
    return codekeys.digest(sources.syntax(tree)), tuple(_imported(tree, package))


def _imported(tree, package):
    """The modules that a syntax tree may import; ``package.name`` too, for ``from package import name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name(
                "." * node.level + (node.module or ""), package
            )
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _path_of(module):
    """The file of a module of the packages; None for another's, and for a name that is no module."""
    package, _, inside = module.partition(".")
    if package not in sources.OURS:
        return None
    path = (
        sources.package_folder(package).joinpath(*inside.split("."))
        if inside
        else sources.package_folder(package)
    )
    candidates = (path / "__init__.py", path.with_name(path.name + ".py"))
    return next((one for one in candidates if one.is_file()), None)


def _package_of(module, path):
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def _claims_of(chapter):
    """A chapter's own claims: an edited rule judges again, another chapter's does not."""
    return [claim for claim in file.read() if claim["chapter"] == chapter]


def _image_files():
    """Names, sizes and dates of the image sets' files in the data folder."""
    paths = [
        path for path in places.data().glob("*/*") if path.name.endswith(IMAGE_FILES)
    ]
    return [
        [
            f"{path.parent.name}/{path.name}",
            path.stat().st_size,
            path.stat().st_mtime_ns,
        ]
        for path in sorted(paths)
    ]


@functools.cache
def _cards():
    """The NVIDIA cards of this machine; empty without any."""
    try:
        return subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
