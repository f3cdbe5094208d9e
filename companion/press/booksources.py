"""What Jupyter Book builds from: pages, dressed chapters, contents, configuration."""

import nbformat
import yaml

from companion.press import along, chapters, files, pages
from companion.press.beside import checks
from companion.press.generated import filled

# In the repository the book's files lie in this folder; in a build they lie at the top.
FOLDER = "book/"
# In a build: what pages offer to take along, which the HTML gets as it is.
TAKEN = "taken"
# What stands beside a chapter that is built alone: the pages that chapters refer to.
# The API reference would take longer than most chapters.
BESIDE = ("rerun", "ledger", "bibliography")
# The pages that follow a paper have this before its name.
BESIDE_A_PAPER = "beside_"


def gather(executed, source, contents):
    """Write a book's sources: pages, dressed chapters, contents and configuration.

    Args:
        executed: folder of the executed notebooks.
        source: folder of the sources, which is made.
        contents: the table of contents, with paths inside the book's folder.

    Returns:
        The problems of the chapters' figures, claims and rows, and of the pages beside
        the papers, one line each.
    """
    book = chapters.book()
    (source / TAKEN).mkdir(parents=True)
    for folder in ("_static", "_ext", "_templates"):
        _copy(book / folder, source / folder)
    for name in ("references.bib", "keywords.yml"):
        if (book / name).exists():
            files.write_whole(source / name, (book / name).read_bytes())
    names = _named(contents)
    has_outlines = any(name.startswith(BESIDE_A_PAPER) for name in names)
    outlines_wrong = checks.problems(executed) if has_outlines else []
    problems = [*outlines_wrong]
    for name in names:
        if name in chapters.names():
            notebook = nbformat.read(executed / f"{name}.ipynb", as_version=4)
            page, wrong = pages.dress(notebook)
            problems += wrong
            files.write_whole(source / f"{name}.ipynb", nbformat.writes(page))
            _write_files(source / TAKEN, along.files(notebook))
        else:
            text = (book / f"{name}.md").read_text(encoding="utf-8")
            if not (outlines_wrong and name.startswith(BESIDE_A_PAPER)):
                text = filled(text, executed)
            files.write_whole(source / f"{name}.md", text)
    config = configuration(_read_yaml(book.parent / "_config.yml"))
    _write_yaml(source / "_config.yml", config)
    _write_yaml(source / "_toc.yml", contents)
    return problems


def configuration(config):
    """The repository's configuration as a build needs it.

    Args:
        config: what ``_config.yml`` holds.

    Returns:
        The same with paths inside the book's folder, with the files that pages offer,
        and without the announcement that a page shows which was rendered without
        outputs.
    """
    config = _from_inside(config)
    del config["sphinx"]["config"]["html_theme_options"]["announcement"]
    config["sphinx"]["config"]["html_extra_path"] = [TAKEN]
    return config


def contents_of_a_book(chapter_names):
    """The repository's table of contents with some of its chapters.

    Args:
        chapter_names: the chapters that stay; other pages stay in any case.

    Returns:
        What ``_toc.yml`` holds, with paths inside the book's folder; a part without
        pages is left out.
    """
    contents = _from_inside(_read_yaml(chapters.book().parent / "_toc.yml"))
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


def contents_of_a_page(chapter):
    """The table of contents for one chapter with the pages that it refers to.

    Args:
        chapter: the chapter's full name.

    Returns:
        The same as :func:`contents_of_a_book`; the chapter is the first page.
    """
    beside = []
    for name in BESIDE:
        if (chapters.book() / f"{name}.md").exists():
            beside.append({"file": name})
    contents = {"format": "jb-book", "root": chapter}
    if beside:
        contents["parts"] = [{"chapters": beside}]
    return contents


def _named(contents):
    """The names of all pages of a table of contents."""
    names = [contents["root"]]
    for part in contents.get("parts", []):
        names += [entry["file"] for entry in part["chapters"]]
    return names


def _write_files(folder, texts):
    """Write files by their paths inside a folder."""
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(folder / path, text)


def _copy(folder, target):
    """Copy a folder's files, but for what Python has compiled of them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            files.write_whole(copy, path.read_bytes())


def _read_yaml(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _write_yaml(path, value):
    files.write_whole(path, yaml.safe_dump(value, sort_keys=False))


def _from_inside(value):
    """Lists, dicts and texts of a file with each path as it is inside the folder."""
    if isinstance(value, str):
        return value.removeprefix(FOLDER)
    if isinstance(value, list):
        return [_from_inside(item) for item in value]
    if isinstance(value, dict):
        return {name: _from_inside(item) for name, item in value.items()}
    return value
