"""Each page says in its head what it is about, for previews of links and for search.

The words are the page's own: its title, and its first sentences without formulas.
"""

import re
from html import escape

from docutils import nodes

LONGEST, SHORTEST = 300, 40
# What stands for a formula while sentences are parted.
FORMULA = "\N{REPLACEMENT CHARACTER}"
# What a chapter opens with beside its text: the generated head line, the source line.
HEAD = "kd-head"
SOURCE = "Source:"


def setup(app):
    """Add the descriptions when pages are written.

    Args:
        app: the Sphinx application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("html-page-context", _describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _describe(app, pagename, templatename, context, doctree):
    """Add the page's description to what its head holds."""
    if doctree is None:
        return
    told = {
        "og:type": "article",
        "og:site_name": context.get("docstitle") or app.config.html_title,
        "og:title": nodes.unescape(re.sub(r"<[^>]*>", "", context.get("title", ""))),
        "og:description": _first_words(doctree),
    }
    tags = [f'<meta name="description" content="{escape(told["og:description"])}" />']
    for name, text in told.items():
        tags.append(f'<meta property="{name}" content="{escape(text)}" />')
    context["metatags"] = "\n".join([context.get("metatags", ""), *tags])


def _first_words(doctree):
    """The page's first sentences without formulas, as many as fit."""
    kept = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if _is_beside_the_text(paragraph):
            continue
        for sentence in _sentences(paragraph):
            if len(kept) + len(sentence) > LONGEST:
                return kept or f"{sentence[:LONGEST].rpartition(' ')[0]} …"
            kept = f"{kept} {sentence}".strip()
        if len(kept) > SHORTEST:
            return kept
    return kept


def _sentences(paragraph):
    """The sentences of a paragraph that hold no formula."""
    plain = paragraph.deepcopy()
    for formula in list(plain.findall(nodes.math)):
        formula.parent.replace(formula, nodes.Text(FORMULA))
    text = " ".join(plain.astext().split())
    sentences = re.split(r"(?<=[.?!])\s+", text)
    return [sentence for sentence in sentences if FORMULA not in sentence]


def _is_beside_the_text(paragraph):
    """Whether a paragraph is the head line, the source line or part of a table."""
    node = paragraph
    while node is not None:
        if isinstance(node, nodes.entry) or HEAD in node.get("classes", []):
            return True
        node = node.parent
    return paragraph.astext().startswith(SOURCE)
