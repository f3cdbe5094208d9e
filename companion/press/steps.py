"""The steps of ``make book``."""

import gc
from pathlib import Path

from companion.claims import file
from companion.press import (
    chapters,
    execution,
    keys,
    locks,
    pdf,
    site,
    trials,
    twins,
    verification,
)
from companion.terminal import say, show

BUILD = Path("_build")


def write_digests(arguments):
    """A step of ``make book``: digests of what chapters depend on, and their twins.

    Args:
        arguments: the words of the command line.
    """
    # Syntax trees are many objects, none is garbage, and the process soon ends.
    gc.disable()
    # What is wrong with either file is said here, and not by the cell that meets it.
    file.read()
    trials.read()
    folder = BUILD / arguments.profile
    keys.write_keys(arguments.profile, folder / "keys", folder / "book")
    for name in chapters.names():
        text = chapters.book() / f"{name}.md"
        twin = chapters.book() / "notebooks" / f"{name}.ipynb"
        if not twin.exists() or twin.stat().st_mtime_ns < text.stat().st_mtime_ns:
            twins.write(name)
            twin.touch()


def execute_chapter(arguments):
    """A step of ``make book``: execute one chapter.

    Args:
        arguments: the words of the command line.
    """
    chapter = chapters.find(arguments.chapter)
    folder = BUILD / arguments.profile / "book"
    path = execution.execute(
        chapter, folder, profile=arguments.profile, inputs=keys.inputs
    )
    for line in execution.record_of(path)["wrong"]:
        say(f"{line}; what was there is computed again")
    show(f"executed {path}")


def build_pages(arguments):
    """A step of ``make book``: the HTML of all executed chapters, to be published.

    Args:
        arguments: the words of the command line.
    """
    folder = BUILD / arguments.profile
    # A build holds the profile's own lock, and this is one of its steps.
    with locks.held(folder / "html.lock"):
        site.build(folder / "book", folder / "pages", chapter_names=chapters.names())


def publish_pages(arguments):
    """A step of ``make book``: the pages say what was verified, and are published.

    Args:
        arguments: the words of the command line.
    """
    folder = BUILD / arguments.profile
    with locks.held(folder / "html.lock"):
        said = verification.shown(folder / "verified.json")
        site.publish(folder / "pages", folder / "html", said)
    show(f"built {folder / 'html' / 'index.html'}")


def print_book(arguments):
    """``kdlib pdf``: the executed book as one PDF.

    Args:
        arguments: the words of the command line.
    """
    folder = BUILD / arguments.profile
    out = folder / "book.pdf"
    with locks.held(folder / "pdf.lock"):
        pdf.write(folder / "book", out, chapter_names=chapters.names())
    show(out)
