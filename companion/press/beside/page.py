"""The page beside a paper, as Markdown."""

import functools

from companion import claims, markup
from companion.press import chapters, wording
from companion.press.beside import found, heads, numbers, outline, thumbnails


def markdown(paper, executed):
    """Everything under the title of the page beside a paper.

    Args:
        paper: the paper's key.
        executed: folder of the executed notebooks.

    Returns:
        Markdown text: the reference, the verdicts, the places of the paper, and each
        section with its entries.
    """
    judged = {}
    for made in claims.ledger(executed).to_dict("records"):
        if made["paper"] == paper:
            judged[made["id"]] = made
    parts = [heads.head(paper, judged)]
    for section in outline.read(paper)["sections"]:
        parts.append(f"## {section['title']}")
        for entry in section["entries"]:
            chapter = found.chapter(executed, entry["chapter"])
            parts += _entry(paper, entry, judged, chapter)
    return "\n\n".join(filter(None, parts))


@functools.lru_cache(maxsize=256)
def _drawing(html, alt, panel, keep):
    return thumbnails.drawing(html, alt, panel=panel, keep=keep)


def thumbnail(entry, chapter, half):
    """One half of an entry's pair.

    Args:
        entry: an entry of an outline that has a figure.
        chapter: the executed chapter, :class:`companion.press.beside.found.Chapter`.
        half: ``theirs`` or ``ours``.

    Returns:
        The SVG; None where the figure draws no such thing.
    """
    figure = chapter.figures[entry["figure"]]
    if half == "ours":
        return _drawing(figure.html, figure.alt, entry.get("panel"), half)
    alt = f"The paper's own curves in {entry['item']}. {entry['shows']}"
    drawn = entry["drawn"]
    if drawn is True:
        return _drawing(figure.html, alt, entry.get("panel"), half)
    return _drawing(figure.html, alt, drawn, "all")


def _entry(paper, entry, judged, chapter):
    """The parts of one figure, table or theorem of the paper."""
    name = outline.anchor(paper, entry)
    mine = [judged[one] for one in entry.get("claims", [])]
    parts = [f"({name})=\n### {entry['item']}"]
    bar = claims.verdict_bar(made["verdict"] for made in mine)
    parts.append(markup.raw_block(bar) if bar else "")
    parts.append(entry["shows"])
    if entry.get("formula"):
        parts.append(_with_formula(entry, chapter))
    elif entry.get("figure"):
        parts.append(_pair(_sides(entry, chapter)))
    if entry.get("numbers"):
        parts.append(numbers.table([judged[one] for one in entry["numbers"]]))
    if entry.get("no_pair"):
        parts.append(f":::{{div}} kd-no-pair\n{entry['no_pair']}\n:::")
    parts.append(_finding(entry, judged, chapter))
    cards = []
    for made in mine:
        address = f"{made['chapter']}.html"
        cards.append(claims.card(made, page=address, has_place=False))
    cards.append(_way_on(entry, chapter))
    parts.append(markup.raw_block(*cards))
    return parts


def _sides(entry, chapter):
    """The halves of a pair that there are, each a figure."""
    if chapter is None:
        return []
    sides = [_ours(entry, chapter)]
    drawn = thumbnail(entry, chapter, "theirs") if entry.get("drawn") else None
    return [_side(drawn, "The paper"), *sides] if drawn else sides


def _ours(entry, chapter):
    """Our half, which leads to the figure in its chapter."""
    address = f"{entry['chapter']}.html#{entry['figure']}"
    drawing = thumbnail(entry, chapter, "ours")
    words = drawing or "Our figure has no such panel in this run."
    return _side(markup.element("a", words, href=address), "Here")


def _side(drawing, caption):
    words = markup.element("figcaption", caption)
    return markup.element("figure", words, drawing, class_="kd-side")


def _pair(sides):
    """Halves beside each other; empty without any."""
    if not sides:
        return ""
    return markup.raw_block(markup.element("div", *sides, class_="kd-pair"))


def _with_formula(entry, chapter):
    """The formula of a theorem beside our figure; alone where there is none."""
    formula = f"$$\n{entry['formula'].strip()}\n$$"
    if chapter is None or not entry.get("figure"):
        return formula
    ours = markup.raw_block(_ours(entry, chapter))
    theirs = f":::{{div}} kd-side kd-formula\nThe paper\n\n{formula}\n:::"
    return f"::::{{div}} kd-pair\n{theirs}\n:::{{div}} kd-half\n{ours}\n:::\n::::"


def _finding(entry, judged, chapter):
    """What was found, in a sentence of the chapter, of a claim, or of theory."""
    for source in entry.get("found", []):
        ((kind, text),) = source.items()
        if kind in wording.KINDS:
            return f":::{{div}} kd-found\n**What we find.** {text}\n:::"
        told = _told(kind, text, judged, chapter)
        if told:
            lead = markup.element("strong", "What we find.")
            said = markup.element("p", lead, " ", told)
            return markup.raw_block(markup.element("div", said, class_="kd-found"))
    return ""


def _told(kind, name, judged, chapter):
    """What a chapter says under a name, or why a claim is not reproduced."""
    if kind == "said":
        return chapter.said.get(name, "") if chapter else ""
    why = claims.reason(judged[name])
    return why[1] if why else ""


def _way_on(entry, chapter):
    """The link into the chapter."""
    if chapter is None:
        return markup.element("p", "The chapter is not in this build.")
    title = f"Chapter {chapters.number(entry['chapter'])}, {chapter.title}"
    place = f"#{entry['figure']}" if entry.get("figure") else ""
    address = f"{entry['chapter']}.html{place}"
    return markup.element("p", markup.element("a", title, href=address), class_="kd-on")
