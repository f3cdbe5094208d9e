"""HTML, made in one place: text is escaped unless it is markup already."""

import re
from html import escape


class Markup(str):
    """Text that is HTML already; any other text is escaped where it is put in."""


def element(tag, *children, **attributes):
    """One element.

    Args:
        tag: name of the element.
        *children: texts, numbers and markup between its tags.
        **attributes: its attributes as of :func:`attribute_text`.

    Returns:
        The element as :class:`Markup`.
    """
    inner = join(children)
    return Markup(f"<{tag}{attribute_text(**attributes)}>{inner}</{tag}>")


def attribute_text(**attributes):
    """The attributes of a tag, each after a space.

    Args:
        **attributes: values by name; ``class_`` stands for ``class``, other underscores
            for hyphens. True gives a name without a value, None and False nothing.

    Returns:
        The text as :class:`Markup`.
    """
    parts = []
    for name, value in attributes.items():
        name = name.removesuffix("_").replace("_", "-")
        if value is True:
            parts.append(f" {name}")
        elif value is not None and value is not False:
            parts.append(f' {name}="{escape(str(value))}"')
    return Markup("".join(parts))


def join(parts, between=""):
    """Texts, numbers and markup after each other as :class:`Markup`."""
    return Markup(between.join(_escaped(part) for part in parts))


def table(heads, rows, *, caption=None, label=None, class_=None):
    """A table that scrolls sideways on a narrow page, by the keyboard too.

    Args:
        heads: names of the columns.
        rows: a list of rows as of :func:`row`.
        caption: text above it, or None.
        label: its name for those who hear the page, where no text is above it.
        class_: class of the table.

    Returns:
        The table as :class:`Markup`.
    """
    named = [element("th", head, scope="col") for head in heads]
    parts = [
        element("thead", element("tr", *named)),
        element("tbody", join(rows, "\n")),
    ]
    if caption is not None:
        parts.insert(0, element("caption", caption))
    elif label is not None:
        parts.insert(0, element("caption", label, class_="visually-hidden"))
    inner = element("table", *parts, class_=class_)
    name = caption if label is None else label
    return element("div", inner, **scrolling(name))


def scrolling(name):
    """The attributes of an element whose content may be wider than the page.

    Args:
        name: what it holds; a group and no region, of which a page has few.

    Returns:
        Dict of attributes, as :func:`attribute_text` takes them.
    """
    return {"class_": "kd-scroll", "tabindex": 0, "role": "group", "aria_label": name}


def row(*cells, **attributes):
    """A row of a table.

    Args:
        *cells: texts and numbers; a ``td`` or ``th`` that is markup stays as it is.
        **attributes: the row's attributes as of :func:`attribute_text`.

    Returns:
        The row as :class:`Markup`.
    """
    made = []
    for cell in cells:
        is_made = isinstance(cell, Markup) and cell.startswith(("<td", "<th"))
        made.append(cell if is_made else element("td", cell))
    return element("tr", *made, **attributes)


def heading(*children):
    """The cell that names its row."""
    return element("th", *children, scope="row")


def labelled(drawing, label):
    """A drawing's markup, whose picture or group says what it shows.

    Args:
        drawing: markup with an element of the role ``img`` or ``group``.
        label: text.

    Returns:
        The drawing as :class:`Markup`.
    """
    given = attribute_text(aria_label=label)

    def with_label(role):
        return role[0] + given

    return Markup(re.sub('role="(img|group)"', with_label, drawing, count=1))


def raw_block(*parts):
    """Markup as one block of a MyST page, each part on a line of its own."""
    inner = join(parts, "\n")
    longest = max(map(len, re.findall("`+", inner)), default=0)
    fence = "`" * max(4, longest + 1)
    return f"{fence}{{raw}} html\n{inner}\n{fence}"


def _escaped(part):
    return part if isinstance(part, Markup) else escape(str(part))
