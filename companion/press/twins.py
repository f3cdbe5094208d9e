"""The notebooks that are committed beside the chapters' texts, for who has no jupytext.

Where the repository has an address they can be opened on Colab, which knows nothing of
this repository: a cell of theirs fetches it there, and does nothing elsewhere.
"""

import nbformat
from nbformat.v4 import new_code_cell

from companion.press import chapters, execution, files, repository

FETCH = """\
import sys

if "google.colab" in sys.modules:  # fetch the book and its packages
    !git clone --quiet --depth 1 {address} /content/book-of-this-page
    %cd /content/book-of-this-page
    %pip install --quiet -e .[book]"""


def twin(chapter):
    """The notebook that is committed beside a chapter's text.

    Args:
        chapter: full name of the chapter.

    Returns:
        The output-free notebook; it begins with a cell for Colab where the repository
        has an address.
    """
    made = execution.notebook(chapter)
    address = repository.address()
    if address:
        source = FETCH.format(address=address)
        made.cells.insert(1, new_code_cell(source, id="fetch"))
    return made


def write(chapter):
    """Write ``notebooks/NAME.ipynb``, unless what stands there is already the same.

    Args:
        chapter: full name of the chapter.
    """
    path = chapters.book() / "notebooks" / f"{chapter}.ipynb"
    text = nbformat.writes(twin(chapter)) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(exist_ok=True)
        files.write_whole(path, text)
