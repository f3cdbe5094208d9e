"""From executed chapters to the book's HTML.

The sources are gathered and built strictly, and only then the old pages are replaced.
"""

import re
import shutil
from contextlib import contextmanager
from pathlib import Path

from companion.press import booksources, files, jupyterbook
from companion.press.jupyterbook import BuildFailed

# Where the landing page says what was verified.
VERIFIED = '<p class="kd-verified"></p>'
STRICT = ["-n", "-W", "--keep-going"]
LINK = re.compile(
    r'<a\b[^>]*\bhref="(?P<page>[\w-]+\.html)?(?:#(?P<place>[^"]*))?"[^>]*>'
    r"(?P<words>.*?)</a>",
    re.DOTALL,
)


def build(executed, out, *, chapter_names):
    """Build the book's HTML from executed chapters, and put it at ``out`` whole.

    Every warning is an error, and so is a figure or a claim that is not complete, and a
    sweep that lost rows.

    Args:
        executed: folder of the executed notebooks ``NAME.ipynb``.
        out: folder of the finished HTML; an earlier one is replaced only by a build
            that succeeded.
        chapter_names: the chapters to show; the others are left out of the contents.

    Raises:
        companion.press.jupyterbook.BuildFailed: what is wrong, a line each; the HTML at
            ``out`` is as it was.
        OSError: the disk is full; the error names what cannot be written.
    """
    contents = booksources.contents_of_a_book(chapter_names)
    with _replacing(Path(out)) as (source, new), jupyterbook.started() as process:
        problems = booksources.gather(Path(executed), source, contents)
        if problems:
            raise BuildFailed("\n".join(problems))
        jupyterbook.build(process, source, new, STRICT)


def build_page(executed, out, chapter, process):
    """Build one chapter's page, and put it at ``out`` with what it refers to.

    What is not complete is shown as it is. A link to another page of the book is plain
    text.

    Args:
        executed: folder of the executed notebook ``NAME.ipynb``.
        out: folder of the finished HTML, as for :func:`build`.
        chapter: the chapter's full name.
        process: what :func:`companion.press.jupyterbook.started` gave.

    Raises:
        companion.press.jupyterbook.BuildFailed: what is wrong, a line each; the HTML at
            ``out`` is as it was.
        OSError: the disk is full; the error names what cannot be written.
    """
    with _replacing(Path(out)) as (source, new):
        contents = booksources.contents_of_a_page(chapter)
        booksources.gather(Path(executed), source, contents)
        html = jupyterbook.build(process, source, new, [])
        _unlink_what_is_not_there(html)


def publish(pages, out, said):
    """Put a folder of pages in the place of earlier ones.

    Args:
        pages: folder of the HTML that :func:`build` made; it goes.
        out: folder of the published HTML, which is replaced whole.
        said: HTML of the landing page's line on what was verified.
    """
    landing = Path(pages) / "index.html"
    text = landing.read_text(encoding="utf-8").replace(VERIFIED, str(said))
    files.write_whole(landing, text)
    recover(out)
    with _put_aside(Path(out)):
        Path(pages).rename(out)


@contextmanager
def _put_aside(out):
    """While something takes its place, a folder lies beside; then it goes."""
    old = out.with_name(f"{out.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    yield
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _replacing(out):
    """Folders for sources and for a build, whose HTML takes the place of ``out``."""
    recover(out)
    source = out.with_name(f"{out.name}-source")
    new = out.with_name(f"{out.name}-new")
    for folder in (source, new):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        yield source, new
        with _put_aside(out):
            (new / "_build" / "html").rename(out)
    finally:
        # What is left of a build that failed would fill the disk.
        for folder in (source, new):
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


def _unlink_what_is_not_there(html):
    """Leave the words alone of links to pages that a folder of HTML does not hold."""
    for path in html.glob("*.html"):
        text = path.read_text(encoding="utf-8")

        def kept(link, text=text):
            if link["page"]:
                is_there = (html / link["page"]).exists()
            else:
                # Sphinx takes a page that it does not know for a place on this one.
                is_there = not link["place"] or f'id="{link["place"]}"' in text
            return link[0] if is_there else link["words"]

        files.write_whole(path, LINK.sub(kept, text))
