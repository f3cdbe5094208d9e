"""What a reader takes along from a chapter's page: files, its notebook, a citation."""

import nbformat

from companion import markup
from companion.press import figurefile, references, repository

# Beside the pages: a folder for each chapter, with the files that its page offers.
FOLDER = "files"


def download(chapter, file, words):
    """A link to a file that a page offers.

    Args:
        chapter: full name of the chapter.
        file: the file's name.
        words: what the page calls it.

    Returns:
        An ``a`` element.
    """
    return markup.element("a", words, download=file, href=f"{FOLDER}/{chapter}/{file}")


def files(executed):
    """The files that the page of a chapter offers.

    Args:
        executed: the executed notebook (``nbformat.NotebookNode``).

    Returns:
        Dict from a path beside the pages to the file's text.
    """
    chapter = executed.metadata["kdlib"]["chapter"]
    made = {f"{chapter}.ipynb": nbformat.writes(notebook(executed)) + "\n"}
    made |= figurefile.files(executed)
    return {f"{FOLDER}/{chapter}/{name}": text for name, text in made.items()}


def notebook(executed):
    """The notebook that was executed, with its parameters and without its outputs.

    Args:
        executed: the executed notebook (``nbformat.NotebookNode``).

    Returns:
        A notebook that computes the same page again.
    """
    kept = ("tags", "mystnb")
    cells = []
    for cell in executed.cells:
        about = {name: cell.metadata[name] for name in kept if cell.metadata.get(name)}
        made = nbformat.from_dict({**cell, "metadata": about})
        if cell.cell_type == "code":
            made.update(outputs=[], execution_count=None)
        cells.append(made)
    about = {"kernelspec": executed.metadata.get("kernelspec", {})}
    return nbformat.v4.new_notebook(cells=cells, metadata=about)


def line(record):
    """What a page's head offers to take along, as one line of links.

    Args:
        record: an executed chapter's record.

    Returns:
        Markdown text with a raw HTML block.
    """
    chapter, commit = record["chapter"], record["commit"]
    parts = [download(chapter, f"{chapter}.ipynb", "Notebook")]
    for service, where in repository.launchers(chapter, commit).items():
        parts.append(markup.element("a", f"Run on {service}", href=where))
    where = repository.tree(commit)
    if where:
        parts.append(markup.element("a", "Repository", href=where))
    parts.append(markup.element("a", "Cite this page", href="#kd-cite"))
    return markup.raw_block(markup.element("p", *parts, class_="kd-along"))


def citation(record, title, text):
    """How to cite a page and the works that it reproduces, as a folded card.

    Args:
        record: an executed chapter's record.
        title: the page's title.
        text: the text of its head, with the source line.

    Returns:
        Markdown text with a raw HTML block.
    """
    note = f"Executable book, {record['profile']} profile"
    if record["commit"]:
        note += f", commit {record['commit']}"
    entries = [references.bibtex_of_book(title, note, f"kdlib-{record['chapter']}")]
    entries += [references.bibtex(key) for key in references.cited(text)]
    return markup.raw_block(_card("Cite this page", entries))


def citation_of_book():
    """How to cite the book.

    Returns:
        Markdown text with a raw HTML block.
    """
    return markup.raw_block(_card("Cite this book", [references.bibtex_of_book()]))


def _card(summary, entries):
    """BibTeX entries that can be copied, folded."""
    shown = markup.element("pre", "\n\n".join(entries))
    return markup.element(
        "details",
        markup.element("summary", summary),
        markup.element("div", shown, class_="highlight", id="kd-cite"),
        class_="kd-citation",
    )
