"""What the search finds: words as a reader writes them, and words of an index.

A letter of Greek is its name, *Theorem 1* is one word, and a single letter is none, as
it stands on every page; what a letter means is found by the index, to which the
notation page gives its symbols. ``keywords.yml`` has words under which a page is looked
for though it is about more, or names the thing in another way.
"""

import re
import unicodedata
from pathlib import Path

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.search.en import SearchEnglish

GREEK = re.compile(r"[\u0391-\u03c9]")
NUMBERED = re.compile(
    r"\b(theorem|lemma|corollary|proposition|assumption|principle|table|fig|sec)"
    r"(?:s|ure|tion)?\.?\s+(s?\d+[a-z]?)\b",
    re.IGNORECASE,
)


def setup(app):
    """Split pages in this way, and add the words of ``keywords.yml`` to the index.

    Args:
        app: the Sphinx application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.add_search_language(Words)
    # Sphinx opens it from the folder in which it happens to run.
    app.config.html_search_scorer = str(Path(__file__).with_name("scorer.js"))
    app.connect("doctree-read", _add_keywords)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Words(SearchEnglish):
    """English with formulas; ``scorer.js`` splits a query in the same way."""

    def split(self, input):
        """The words of a text, with each numbered thing as one word more."""
        text = GREEK.sub(spelled, input)
        numbered = ["".join(found).lower() for found in NUMBERED.findall(text)]
        return super().split(text) + numbered

    def word_filter(self, word):
        """Whether a word is worth an entry."""
        return len(word) > 1 and super().word_filter(word)


def spelled(found):
    """The name of a letter of Greek, between spaces; ``found`` is its match."""
    return f" {unicodedata.name(found[0]).split()[-1].lower()} "


def index_entry(words, place):
    """A node that Sphinx's index and search take words from, as a main entry.

    Args:
        words: what is looked for; several are several entries.
        place: id of the element to which they lead, or an empty text for the page.

    Returns:
        The node, which shows nothing.
    """
    return addnodes.index(
        entries=[("single", word, place, "main", None) for word in words]
    )


def _add_keywords(app, doctree):
    page = Path(app.env.doc2path(app.env.docname))
    known = page.with_name("keywords.yml")
    section = next(doctree.findall(nodes.section), None)
    if section is None or not known.exists():
        return
    words = yaml.safe_load(known.read_text(encoding="utf-8")).get(page.stem)
    if words:
        section.insert(0, index_entry(words, ""))
