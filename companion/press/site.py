"""From executed chapters to the book's HTML.

The sources are gathered and built strictly, and only then the old pages are replaced.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

from companion import markup
from companion.press import chapters, pages
from companion.press.generated import filled

# In the repository the book's files lie in this folder; in a build they lie at the top.
FOLDER = "book/"
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
STRICT = ["-n", "-W", "--keep-going"]


class BuildFailed(chapters.Failed):
    """The pages could not be built; the message has a line for each thing wrong."""


def build(executed, out, *, chapter_names, strict=True):
    """Build the book's HTML from executed chapters, and put it at ``out`` whole.

    Args:
        executed: folder of the executed notebooks ``NAME.ipynb``.
        out: folder of the finished HTML; an earlier one is replaced only by a build
            that succeeded.
        chapter_names: the chapters to show; the others are left out of the contents.
        strict: every warning is an error, and so is a figure or a claim that is not
            complete, and a sweep that lost rows.

    Raises:
        BuildFailed: what is wrong, a line each; the HTML at ``out`` is as it was.
    """
    out = Path(out)
    recover(out)
    source = out.with_name(f"{out.name}-source")
    new = out.with_name(f"{out.name}-new")
    old = out.with_name(f"{out.name}-old")
    for folder in (source, new):
        shutil.rmtree(folder, ignore_errors=True)
    problems = gather(Path(executed), source, chapter_names)
    if problems and strict:
        raise BuildFailed("\n".join(problems))
    _run_jupyter_book(source, new, STRICT if strict else [])
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    (new / "_build" / "html").rename(out)
    for folder in (source, new, old):
        shutil.rmtree(folder, ignore_errors=True)


def recover(out):
    """Bring back the pages of a build that was killed between its two renames.

    Args:
        out: folder of the finished HTML.
    """
    out = Path(out)
    old = out.with_name(f"{out.name}-old")
    if not out.exists() and old.exists():
        old.rename(out)


def gather(executed, source, chapter_names):
    """Write a book's sources: pages, dressed chapters, contents and configuration.

    Args:
        executed: folder of the executed notebooks.
        source: folder of the sources, which is made.
        chapter_names: the chapters to show.

    Returns:
        The problems of the chapters' figures, claims and rows, one line each.
    """
    book = chapters.book()
    source.mkdir(parents=True)
    for folder in ("_static", "_ext"):
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(book / folder, source / folder, ignore=caches)
    shutil.copy(book / "references.bib", source)
    problems = []
    for name in chapter_names:
        notebook = nbformat.read(executed / f"{name}.ipynb", as_version=4)
        page, wrong = pages.dress(notebook)
        problems += wrong
        nbformat.write(page, source / f"{name}.ipynb")
    for path in sorted(book.glob("*.md")):
        if path.stem not in chapters.names():
            text = filled(path.read_text(encoding="utf-8"), executed)
            (source / path.name).write_text(text, encoding="utf-8")
    root = book.parent
    _write_yaml(source / "_config.yml", configuration(_read_yaml(root / "_config.yml")))
    contents = table_of_contents(_read_yaml(root / "_toc.yml"), chapter_names)
    _write_yaml(source / "_toc.yml", contents)
    return problems


def configuration(config):
    """The repository's configuration as a build needs it.

    Args:
        config: what ``_config.yml`` holds.

    Returns:
        The same with paths inside the book's folder, and without the announcement that
        a page shows which was rendered without outputs.
    """
    config = _from_inside(config)
    del config["sphinx"]["config"]["html_theme_options"]["announcement"]
    return config


def table_of_contents(contents, chapter_names):
    """The repository's table of contents with some of its chapters.

    Args:
        contents: what ``_toc.yml`` holds.
        chapter_names: the chapters that stay; other pages stay in any case.

    Returns:
        The same with paths inside the book's folder; a part without pages is left out.
    """
    contents = _from_inside(contents)
    parts = []
    for part in contents["parts"]:
        kept = []
        for entry in part["chapters"]:
            is_chapter = entry["file"][0].isdigit()
            if not is_chapter or entry["file"] in chapter_names:
                kept.append(entry)
        if kept:
            parts.append(part | {"chapters": kept})
    return contents | {"parts": parts}


def standalone_figure(executed, name):
    """One figure of an executed chapter as an SVG file of its own.

    Args:
        executed: the executed notebook (``nbformat.NotebookNode``).
        name: the figure's name, ``fig-01-...``.

    Returns:
        The SVG as text; it follows the viewer's light or dark theme.

    Raises:
        ValueError: the chapter has no figure of that name.
    """
    named = {}
    for cell in executed.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "name" in figure:
            named[figure["name"]] = cell
    if name not in named:
        raise ValueError(
            f"a figure of this chapter is one of {', '.join(named)}; got {name!r}"
        )
    drawn = [output.get("data", {}).get("text/html") for output in named[name].outputs]
    html = next(text for text in drawn if text)
    svg = re.search(r"<svg.*</svg>", html, re.S)[0]
    opening, closing, rest = svg.partition(">")
    return f"{opening}{closing}{_theme_style()}{rest}\n"


def _theme_style():
    """The book's colours for the light and the dark theme, for an SVG by itself."""
    css = (chapters.book() / "_static" / "kdlib.css").read_text(encoding="utf-8")
    light, dark = (
        re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.S)[1]
        for theme in ("light", "dark")
    )
    in_dark = f"@media (prefers-color-scheme: dark) {{ svg {{{dark}}} }}"
    return markup.element("style", markup.Markup(f"svg {{{light}}} {in_dark}"))


def _run_jupyter_book(source, out, flags):
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(source)]
    command += ["--path-output", str(out), "-q", *flags]
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        told = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        lines = told.replace(f"{source.resolve()}/", "").splitlines()
        wrong = re.compile("WARNING|ERROR|Error|CRITICAL")
        because = [line for line in lines if wrong.search(line)]
        raise BuildFailed("\n".join(because or lines[-15:]))


def _read_yaml(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _write_yaml(path, value):
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")


def _from_inside(value):
    """Lists, dicts and texts of a file with each path as it is inside the folder."""
    if isinstance(value, str):
        return value.removeprefix(FOLDER)
    if isinstance(value, list):
        return [_from_inside(item) for item in value]
    if isinstance(value, dict):
        return {name: _from_inside(item) for name, item in value.items()}
    return value
