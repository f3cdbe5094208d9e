"""The book as one PDF, printed by a browser from one long page."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from companion import markup
from companion.press import booksources, chapters, files, jupyterbook
from companion.press.site import LINK

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Pages that are looked up and not read; they would be half of the paper.
LEFT_OUT = "api"
# Milliseconds of the page's own clock, by the end of which its formulas are set.
PATIENCE = 300_000


def browser():
    """The browser that prints.

    Returns:
        The path of Chromium or Chrome.

    Raises:
        ValueError: there is none; the message says so in one line.
    """
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    raise ValueError(
        f"a PDF of the book is printed by Chromium or Chrome; here is none of "
        f"{', '.join(BROWSERS)}"
    )


def write(executed, out, *, chapter_names):
    """Print the book from executed chapters.

    Args:
        executed: folder of the executed notebooks ``NAME.ipynb``.
        out: the PDF's file; an earlier one is replaced only by one that is whole.
        chapter_names: the chapters to print.

    Raises:
        ValueError: there is no browser.
        companion.press.chapters.Failed: what is wrong with the page, or that the
            browser did not print it.
        OSError: the disk is full; the error names what cannot be written.
    """
    printer = browser()
    contents = _to_read(booksources.contents_of_a_book(chapter_names))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        scratch = Path(scratch)
        with jupyterbook.started() as process:
            booksources.gather(Path(executed), scratch / "source", contents)
            html = jupyterbook.build(
                process, scratch / "source", scratch / "new", [], builder="singlehtml"
            )
        page = html / f"{contents['root']}.html"
        text = page.read_text(encoding="utf-8")
        files.write_whole(page, with_links_inside(text))
        _print(printer, page, scratch / "book.pdf", scratch / "profile")
        os.replace(scratch / "book.pdf", out)


def with_links_inside(text):
    """One long page whose links to the pages that it was made of lead inside it.

    Args:
        text: HTML of all pages in one.

    Returns:
        The same; links to what is not there are plain words.
    """

    def kept(link):
        if not link["page"]:
            return link[0]
        place = link["place"] or f"document-{link['page'].removesuffix('.html')}"
        if f'id="{place}"' not in text:
            return link["words"]
        return markup.element("a", markup.Markup(link["words"]), href=f"#{place}")

    return LINK.sub(kept, text)


def _to_read(contents):
    """The table of contents without what is looked up."""
    parts = []
    for part in contents["parts"]:
        kept = []
        for entry in part["chapters"]:
            if not entry["file"].startswith(LEFT_OUT):
                kept.append(entry)
        parts.append(part | {"chapters": kept})
    return contents | {"parts": [part for part in parts if part["chapters"]]}


def _print(printer, page, out, profile):
    """Let a browser print a page from disk."""
    command = [
        printer,
        "--headless",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--no-pdf-header-footer",
        "--generate-pdf-document-outline",
        f"--virtual-time-budget={PATIENCE}",
        f"--print-to-pdf={out}",
        page.resolve().as_uri(),
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # As root, as in a container, Chromium does not start in its own sandbox.
        command.insert(1, "--no-sandbox")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not out.exists():
        last = done.stderr.strip().splitlines()[-1:]
        raise chapters.Failed(f"{Path(printer).name} printed no PDF: {' '.join(last)}")
