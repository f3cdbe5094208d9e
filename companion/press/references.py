"""The works that the book cites: where to read them, and their BibTeX."""

import functools
import re

from pybtex.database import BibliographyData, Entry, Person, parse_string

from companion.press import chapters, repository

CITED = re.compile(r"\{cite:\w+\}`([\w, -]+)`")


def cited(text):
    """The keys of the works that a text cites, each once, in its order.

    Args:
        text: Markdown text.

    Returns:
        List of keys of ``references.bib``.
    """
    keys = []
    for named in CITED.findall(text):
        keys += [key.strip() for key in named.split(",")]
    return [key for key in dict.fromkeys(keys) if key in _entries()]


def with_links(text):
    """A text whose source line ends with links to what it cites.

    Args:
        text: a chapter's text under its title.

    Returns:
        The same; a paragraph that begins with ``Source:`` says where to read the works.
    """
    paragraphs = text.split("\n\n")
    for place, paragraph in enumerate(paragraphs):
        if paragraph.lstrip().startswith("Source:"):
            told = [f"{name(key)}: {links(key)}" for key in cited(paragraph)]
            told = [line for line in told if not line.endswith(": ")]
            if told:
                paragraphs[place] = f"{paragraph}\nRead {'; '.join(told)}."
    return "\n\n".join(paragraphs)


def name(key):
    """A work as people speak of it: ``Ji & Zhu 2020``.

    Args:
        key: a key of ``references.bib``.

    Returns:
        The text.
    """
    entry = _entries()[key]
    authors = [_plain(person.last_names) for person in entry.persons["author"]]
    who = authors[0] if len(authors) == 1 else " & ".join(authors[:2])
    if len(authors) > 2:
        who = f"{authors[0]} et al."
    return f"{who} {entry.fields['year']}"


def links(key):
    """Links to a work's pages on arXiv and at its DOI, as Markdown.

    Args:
        key: a key of ``references.bib``.

    Returns:
        The text; empty where neither is known.
    """
    fields = _entries()[key].fields
    made = []
    if "eprint" in fields:
        number = fields["eprint"]
        made.append(f"[arXiv:{number}](https://arxiv.org/abs/{number})")
    if "doi" in fields:
        made.append(f"[doi:{fields['doi']}](https://doi.org/{fields['doi']})")
    return ", ".join(made)


def bibtex(key):
    """A work's entry.

    Args:
        key: a key of ``references.bib``.

    Returns:
        BibTeX text.
    """
    return _text(key, _entries()[key])


def bibtex_of_book(title="", note="", key="kdlib"):
    """An entry for the book or one of its pages.

    Args:
        title: title of the page; empty for the book.
        note: what the page was computed with; empty for the book.
        key: the entry's key.

    Returns:
        BibTeX text.
    """
    config = repository.configuration()
    titles = [config.get("title", ""), title]
    fields = {
        "title": ". ".join(part for part in titles if part),
        "year": str(config.get("copyright", "")),
        "note": note or "Executable book",
        "url": repository.address(),
    }
    entry = Entry("misc", [(field, text) for field, text in fields.items() if text])
    entry.add_person(Person(f"{{{config.get('author', '')}}}"), "author")
    return _text(key, entry)


def _text(key, entry):
    return BibliographyData({key: entry}).to_string("bibtex").strip()


def _plain(words):
    """Names without the braces and commands of TeX."""
    return re.sub(r"\{|\}|\\['`^\"~]", "", " ".join(words))


def _entries():
    path = chapters.book() / "references.bib"
    return _parsed(path.read_text(encoding="utf-8")) if path.is_file() else {}


@functools.lru_cache(maxsize=8)
def _parsed(text):
    return parse_string(text, "bibtex").entries
