"""What the theme and docutils leave out for readers who do not see the page.

A table has a caption and its heads say what they are heads of, an entry of the
bibliography is an entry of its list, a list in a list is in an entry of it, and pages
of source code are made for the science alone.
"""

import pkgutil
from importlib import import_module

from bs4 import BeautifulSoup
from docutils import nodes

# A role that is deprecated, and that stands for no entry of a list.
BIBLIOGRAPHY = "doc-biblioentry"
WITHOUT_SOURCES = "companion"


def setup(app):
    """Say how the nodes are written.

    Args:
        app: the Sphinx application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.add_node(nodes.table, override=True, html=(_visit_table, _depart_table))
    app.add_node(nodes.entry, override=True, html=(_visit_entry, _depart_entry))
    citation = (_visit_citation, _depart_citation)
    app.add_node(nodes.citation, override=True, html=citation)
    app.connect("env-before-read-docs", _leave_sources_out)
    app.connect("html-collect-pages", _leave_out_of_the_list, priority=400)
    app.connect("html-page-context", _put_lists_into_entries)
    app.connect("html-page-context", _lead_back_to_the_place)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _visit_table(self, node):
    type(self).visit_table(self, node)
    heads = [head.astext() for head in node.findall(nodes.thead)]
    if heads and not any(node.findall(nodes.title)):
        section = node.parent
        while not isinstance(section, (nodes.section, nodes.document)):
            section = section.parent
        title = next(section.findall(nodes.title)).astext()
        told = ", ".join(heads[0].split("\n\n"))
        text = self.encode(f"{title}: {told}".replace("\\", ""))
        self.body.append(f'<caption class="visually-hidden">{text}</caption>')


def _depart_table(self, node):
    type(self).depart_table(self, node)


def _visit_entry(self, node):
    type(self).visit_entry(self, node)
    is_head = isinstance(node.parent.parent, nodes.thead)
    if not node.astext().strip():
        self.body[-1] = self.body[-1].replace("<th", "<td", 1)
        self.context[-1] = self.context[-1].replace("</th", "</td", 1)
    scope = "col" if is_head else "row"
    self.body[-1] = self.body[-1].replace("<th", f'<th scope="{scope}"', 1)


def _depart_entry(self, node):
    type(self).depart_entry(self, node)


def _visit_citation(self, node):
    type(self).visit_citation(self, node)
    self.body[-1] = self.body[-1].replace(BIBLIOGRAPHY, "listitem")


def _depart_citation(self, node):
    type(self).depart_citation(self, node)


def _leave_sources_out(app, env, docnames):
    """Let viewcode know of each module of the machinery that it has no page."""
    package = import_module(WITHOUT_SOURCES)
    names = [WITHOUT_SOURCES]
    for module in pkgutil.walk_packages(package.__path__, f"{WITHOUT_SOURCES}."):
        names.append(module.name)
    if not hasattr(env, "_viewcode_modules"):
        env._viewcode_modules = {}
    env._viewcode_modules |= dict.fromkeys(names, False)


def _leave_out_of_the_list(app):
    """Before viewcode makes its list of modules, forget those without a page."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, known in modules.items() if known is False]:
        del modules[name]
    return []


def _put_lists_into_entries(app, pagename, templatename, context, doctree):
    """On viewcode's list of modules: a list in a list belongs to the entry above."""
    if pagename != "_modules/index":
        return
    soup = BeautifulSoup(context["body"], "html.parser")
    for inner in soup.select("ul > ul"):
        inner.find_previous_sibling("li").append(inner)
    context["body"] = str(soup)


def _lead_back_to_the_place(app, pagename, templatename, context, doctree):
    """From a function's source back to where it is documented.

    Viewcode takes the first name under which it met the module for that of all that is
    in it, also where the face of a folder shows some of it and the module the rest.
    """
    module = pagename.removeprefix("_modules/").replace("/", ".")
    known = getattr(app.env, "_viewcode_modules", {}).get(module)
    if not pagename.startswith("_modules/") or not known:
        return
    _, _, used, first = known
    objects = app.env.get_domain("py").objects
    for name in used:
        if f"{first}.{name}" not in objects and f"{module}.{name}" in objects:
            wrong, right = f'#{first}.{name}"', f'#{module}.{name}"'
            context["body"] = context["body"].replace(wrong, right)
