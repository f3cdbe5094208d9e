"""Symbols explain themselves, as the tables of the notation page say.

A chapter has a folded list of the symbols that stand on it, with their meaning in its
paper. In its formulas each of them has the class of its entry, so that ``formulas.js``
shows the entry beside it. Nothing of this is a stop on the way of the tabulator but the
list itself.
"""

import re
import unicodedata

from docutils import nodes
from searching import index_entry
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from texwords import marked, plain, read

CHAPTER = re.compile(r"\d\d[a-z]?_")
NOTATION = "notation"
TITLE = "Symbols on this page"


def setup(app):
    """Add the list, the classes in formulas, and the symbols' entries in the index.

    Args:
        app: the Sphinx application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("doctree-read", _give_rows_places)
    app.add_post_transform(Explained)
    # After MyST's own renderer, which it puts there at the priority 500.
    app.connect("builder-inited", _render_marked_formulas, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Meaning:
    """What one symbol means in some papers, as a row of the notation page says.

    Args:
        formula: the symbol, a node of a formula.
        parts: the nodes of its meaning.
        code: the nodes of its names in code.
        papers: text of the papers that use it so.
        place: id of its row.
    """

    def __init__(self, formula, parts, code, papers, place):
        self.formula = formula
        self.symbol = tuple(read(formula.astext()))
        self.parts = parts
        self.code = code
        self.papers = papers
        self.place = place

    def fits(self, author):
        """Whether a paper, named by its first author, uses the symbol so."""
        papers = self.papers.lower()
        if f"but {author}" in papers:
            return False
        return author in papers or papers.startswith("all")


def _give_rows_places(app, doctree):
    """Each row of the notation page has a name, to which the index leads."""
    if not _is(app.env.docname, NOTATION):
        return
    places = set()
    for row, cells in _rows(doctree):
        formulas = _symbols_of(cells[0])
        if not formulas:
            continue
        place = f"symbol-{plain(formulas[0].astext())}"
        while place in places:
            place += "-too"
        places.add(place)
        row["ids"].append(place)
        words = []
        for formula in formulas:
            words += _spellings(formula.astext())
        cells[0].insert(0, index_entry(dict.fromkeys(words), place))


def _spellings(tex):
    """How a reader may write a symbol: I(n), rho, ρ, z_t."""
    written = "".join(read(tex)).replace("\\", "")
    written = re.sub(r"mathcal|mathrm|hat|bar|^var|[{}]", "", written)
    name = written.replace("lambda", "lamda").upper()
    size = "CAPITAL" if written[0].isupper() else "SMALL"
    try:
        return [written, unicodedata.lookup(f"GREEK {size} LETTER {name}")]
    except KeyError:
        return [written]


class Explained(SphinxPostTransform):
    """Puts the list on a chapter's page, and notes in its formulas what they hold."""

    default_priority = 5  # before references are resolved, as the list has some
    formats = ("html",)

    def run(self, **kwargs):
        """Where the chapter cites a paper, and the book has a notation page."""
        docname = self.env.docname
        author = _first_author(self.env, docname)
        pages = [name for name in self.env.found_docs if _is(name, NOTATION)]
        if not CHAPTER.match(docname.rpartition("/")[2]) or author is None or not pages:
            return
        meanings = _meanings(self.env.get_doctree(pages[0]), author)
        classes = {symbol: f"kd-s{place}" for place, symbol in enumerate(meanings)}
        seen = _mark(self.document, classes)
        seen += _mark_names(self.document, meanings, classes)
        if seen:
            address = self.app.builder.get_relative_uri(docname, pages[0])
            entries = _entries(meanings, classes, set(seen), docname, address)
            _put_list(self.document, entries)
            # The list has formulas where the page may have none.
            self.env.get_domain("math").data["has_equations"][docname] = True


def _meanings(notation, author):
    """Symbol -> its meanings in a paper, in the order of the notation page."""
    meanings = {}
    for meaning in _first_table(notation):
        if meaning.fits(author):
            meanings.setdefault(meaning.symbol, []).append(meaning)
    for meaning in _second_table(notation):
        if meaning.symbol not in meanings and meaning.fits(author):
            meanings[meaning.symbol] = [meaning]
    return meanings


def _first_table(notation):
    """The meanings of the table of symbols: symbol, code, meaning, papers."""
    for row, cells in _rows(notation):
        formulas = _symbols_of(cells[0])
        if len(cells) != 4 or not formulas:
            continue
        told = _split(cells[2], len(formulas))
        papers = cells[3].astext()
        for which, formula in enumerate(formulas):
            code = _code_of(cells[1], formulas, which)
            yield Meaning(formula, told[which], code, papers, row["ids"][0])


def _second_table(notation):
    """The meanings of the letters that have another one in each paper."""
    heads = []
    for row, cells in _rows(notation):
        if isinstance(row.parent, nodes.thead):
            heads = [cell.astext() for cell in cells]
        elif len(cells) != 4:
            for formula in _symbols_of(cells[0]):
                for paper, cell in zip(heads[1:], cells[1:], strict=True):
                    if cell.astext():
                        yield Meaning(formula, _inside(cell), [], paper, row["ids"][0])


def _mark(doctree, symbols):
    """Give formulas their text with the symbols marked; the symbols that there are."""
    seen = []
    for formula in doctree.findall(
        lambda node: isinstance(node, (nodes.math, nodes.math_block))
    ):
        text, found = marked(formula.astext(), symbols)
        if found:
            formula["marked"] = text
            seen += found
    return seen


def _mark_names(doctree, meanings, symbols):
    """Mark names of code in the text; the symbols to which they belong."""
    names = {}
    for symbol, several in meanings.items():
        for literal in several[0].code:
            if isinstance(literal, nodes.literal) and len(literal.astext()) > 1:
                names[literal.astext()] = symbol
    seen = []
    for literal in doctree.findall(nodes.literal):
        symbol = names.get(literal.astext())
        is_link = isinstance(literal.parent, (nodes.reference, addnodes.pending_xref))
        if symbol is not None and not is_link:
            literal["classes"] += ["kd-symbol", symbols[symbol]]
            seen.append(symbol)
    return seen


def _entries(meanings, classes, seen, docname, address):
    """The list's entries: a symbol, and each of its meanings."""
    entries = nodes.definition_list()
    for symbol, several in meanings.items():
        if symbol not in seen:
            continue
        formula = several[0].formula.deepcopy()
        term = nodes.term("", "", formula, ids=[classes[symbol]])
        entry = nodes.definition_list_item("", term)
        for meaning in several:
            papers = meaning.papers.replace("all", "all papers", 1)
            link = nodes.reference("", papers, internal=True)
            link["refuri"] = f"{address}#{meaning.place}"
            line = nodes.paragraph()
            line += [part.deepcopy() for part in meaning.parts]
            if meaning.code:
                line += nodes.Text("; in code ")
                line += [part.deepcopy() for part in meaning.code]
            line += [nodes.Text(" ("), link, nodes.Text(")")]
            entry += nodes.definition("", line)
        entries += entry
    for reference in entries.findall(addnodes.pending_xref):
        reference["refdoc"] = docname
    return entries


def _put_list(document, entries):
    """Fold the list, under the parameters or else at the page's end."""
    opening = f'<details class="kd-card kd-symbols"><summary>{TITLE}</summary>'
    section = next(document.findall(nodes.section))
    place = _under_the_parameters(section)
    section[place:place] = [
        nodes.raw("", opening, format="html"),
        entries,
        nodes.raw("", "</details>", format="html"),
    ]


def _under_the_parameters(section):
    for place, node in enumerate(section):
        if isinstance(node, nodes.raw) and "kd-card" in node.astext():
            return place + 1
    return len(section)


def _first_author(env, docname):
    """The first author of the first work that a page cites; None where it has none."""
    domain = env.get_domain("cite")
    for cited in domain.citation_refs:
        if cited.docname == docname:
            return re.match(r"[a-z]+", cited.targets[0].key)[0]
    return None


def _rows(doctree):
    """The rows of all tables of a page, each with its cells."""
    for row in doctree.findall(nodes.row):
        yield row, list(row.findall(nodes.entry))


def _symbols_of(cell):
    """The formulas of a cell that are its symbols: those before a word on their use."""
    formulas = []
    for node in _inside(cell):
        if isinstance(node, nodes.math):
            formulas.append(node)
        elif isinstance(node, nodes.Text) and node.strip(" ,"):
            break
    return formulas


def _inside(cell):
    """The nodes of a cell's one paragraph."""
    paragraph = next(iter(cell.findall(nodes.paragraph)), None)
    return [] if paragraph is None else list(paragraph)


def _split(cell, count):
    """A meaning for each symbol: the parts between semicolons, or else the whole."""
    parts = [[]]
    for node in _inside(cell):
        if not isinstance(node, nodes.Text):
            parts[-1].append(node)
            continue
        first, *others = node.split(";")
        parts[-1].append(nodes.Text(first))
        parts += [[nodes.Text(other.lstrip())] for other in others]
    return parts if len(parts) == count else [_inside(cell)] * count


def _code_of(cell, formulas, which):
    """The names in code of one of a row's symbols, or of all where none is its own."""
    names = [node for node in _inside(cell) if not isinstance(node, nodes.Text)]
    if len(names) == len(formulas):
        return [names[which]]
    if all(len(name.astext()) == 1 for name in names):
        mine = formulas[which].astext()
        return [name for name in names if name.astext() == mine]
    return _inside(cell)


def _is(docname, name):
    return docname.rpartition("/")[2] == name


def _render_marked_formulas(app):
    """Write beside a formula the same with its symbols marked, for the script alone."""
    for renderers in (
        app.registry.html_inline_math_renderers,
        app.registry.html_block_math_renderers,
    ):
        visit, depart = renderers["mathjax"]
        renderers["mathjax"] = (_with_marked(visit), depart)


def _with_marked(visit):
    def visit_formula(self, node):
        before = self.body
        made = self.body = []
        try:
            if "marked" in node:
                other = node.deepcopy()
                other.children = [nodes.Text(node["marked"])]
                _written(visit, self, other)
                inner = _between(self, "".join(made))
                del made[:]
            _written(visit, self, node)
            if "marked" in node:
                attribute = f' data-marked="{inner}"'
                made[0] = made[0].replace(">", f"{attribute}>", 1)
        finally:
            self.body = before
        self.body += made
        raise nodes.SkipNode

    return visit_formula


def _written(visit, translator, node):
    try:
        visit(translator, node)
    except nodes.SkipNode:
        return


def _between(translator, html):
    """What stands between the signs that make a formula of a text."""
    config = translator.builder.config
    for first, last in (config.mathjax_inline, config.mathjax_display):
        if first in html:
            return html.partition(first)[2].rpartition(last)[0].replace('"', "&quot;")
    return ""
