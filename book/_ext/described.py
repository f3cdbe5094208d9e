"""Each page says in its head what it is about, for previews of links and for search.

The words are the page's own: its title, and its first sentences without formulas.
"""

import re
from html import escape

from docutils import nodes

LONGEST = 300
# What a chapter opens with beside its text: the generated head line and the source line.
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
    """The page's first sentences, as many as fit."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        is_plain = not any(paragraph.findall(nodes.math))
        if is_plain and not text.startswith(SOURCE) and not _is_inside_head(paragraph):
            return _shortened(text)
    return ""


def _is_inside_head(node):
    while node is not None:
        if HEAD in node.get("classes", []):
            return True
        node = node.parent
    return False


def _shortened(text):
    """Whole sentences up to the greatest length, or words and an ellipsis."""
    kept = ""
    for sentence in re.split(r"(?<=[.?!])\s+", text):
        if len(kept) + len(sentence) >= LONGEST:
            break
        kept = f"{kept} {sentence}".strip()
    return kept or f"{text[:LONGEST].rpartition(' ')[0]} …"
