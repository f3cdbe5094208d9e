"""Tables as pandas writes them, and as a page needs them for those who hear it."""

from bs4 import BeautifulSoup

from companion import markup

FRAME = 'class="dataframe"'


def readable(html, heading):
    """A frame's HTML with a caption, heads that say what they head, and a keyboard.

    A row that only names the index joins the one above it where that has room, and an
    index that only counts the rows is left out.

    Args:
        html: what pandas makes of a frame.
        heading: the heading under which it stands.

    Returns:
        HTML; a text without a frame stays as it is.
    """
    if FRAME not in html:
        return html
    soup = BeautifulSoup(html, "html.parser")
    table = soup.find("table", class_="dataframe")
    _drop_a_count(table)
    _join_names(table)
    _say_what_heads_head(soup, table)
    name = f"{heading}: {_told(table)}"
    caption = soup.new_tag("caption", attrs={"class": "visually-hidden"})
    caption.string = name
    table.insert(0, caption)
    del table["border"]
    box = markup.element("div", markup.Markup(table), **markup.scrolling(name))
    return str(box)


def _drop_a_count(table):
    """Without the first column, if it is a nameless index that counts from 0."""
    rows = table.tbody.find_all("tr")
    firsts = [row.find_all("th") for row in rows]
    counted = [[str(place)] for place in range(len(rows))]
    if [[head.get_text() for head in heads] for heads in firsts] != counted:
        return
    corners = [row.find(True) for row in table.thead.find_all("tr")]
    if len(corners) == 1 and not corners[0].get_text():
        for cell in [*corners, *(heads[0] for heads in firsts)]:
            cell.decompose()


def _join_names(table):
    """One row of heads less, where the last has the index's names alone."""
    rows = table.thead.find_all("tr")
    if len(rows) < 2:
        return
    above, last = (row.find_all("th") for row in rows[-2:])
    named = [cell for cell in last if cell.get_text()]
    depth = len(named)
    is_of_index = depth and last[:depth] == named and len(above) == len(last)
    if is_of_index and not any(cell.get_text() for cell in above[:depth]):
        for cell, name in zip(above, named, strict=False):
            cell.string = name.get_text()
        rows[-1].decompose()


def _say_what_heads_head(soup, table):
    """Each head has its scope; an empty one is no head."""
    for part, scope in ((table.thead, "col"), (table.tbody, "row")):
        for head in part.find_all("th"):
            many = "colspan" if scope == "col" else "rowspan"
            head["scope"] = f"{scope}group" if head.has_attr(many) else scope
            if not head.get_text():
                head.name = "td"
                del head["scope"]


def _told(table):
    """The names of a table's columns, at most the first eight."""
    names = []
    for row in table.thead.find_all("tr"):
        told = [cell.get_text() for cell in row.find_all("th")]
        if len(told) >= len(names):
            names = told
    more = f" and {len(names) - 8} more columns" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
