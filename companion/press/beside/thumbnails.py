"""A panel of a chapter's figure as a small drawing: the paper's curves, or our own.

Both are taken from one drawing, the chapter's, in which ``plots.paper`` names what it
draws; so the two have the same axes, colours and type.
"""

import copy
import hashlib
import re
import xml.etree.ElementTree as ElementTree

from companion import markup
from companion.press.beside.extents import extent, union

SVG = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"
OWN = re.compile("^kd[0-9a-f]+-")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
NUMBER = re.compile(r"-?\d+\.\d+")
# What matplotlib draws around curves, and what plots.paper draws.
FRAME = re.compile("patch_|matplotlib.axis_")
PAPER = re.compile("paper_")
# The page's style sheet has the family of letters; the name would fill half the file.
FAMILY = re.compile(r"; font-family: [^;]*?(?=;|$)")
MARGIN = 4


def drawing(html, alt, *, panel=None, keep="ours"):
    """A part of a figure as inline SVG.

    Args:
        html: what the chapter shows for the figure.
        alt: the drawing's alternative text.
        panel: number of the panel, from 1; without it all panels are shown.
        keep: ``theirs`` shows the paper's curves alone, ``ours`` all but them, ``all``
            the panel as it is.

    Returns:
        The SVG as :class:`companion.markup.Markup`; None where the figure has no such
        panel, or draws nothing of the paper's though it was asked for.
    """
    drawn = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    if not drawn:
        return None
    # The drawing for a phone has larger panels; its legend may be a drawing by itself,
    # and then the one for the column has both.
    has_key = any("kd-key" in svg.partition(">")[0] for svg in drawn)
    root = (max if has_key else min)(map(ElementTree.fromstring, drawn), key=_width)
    part = _part(root, panel, keep)
    return None if part is None else _written(part, alt)


def _part(root, panel, keep):
    """The kept groups of one drawing with its definitions, and their extent."""
    figure = next((group for group in root if _name(group) == "figure_1"), None)
    if figure is None:
        return None
    all_axes = [group for group in figure if _name(group).startswith("axes_")]
    chosen = [group for group in all_axes if panel in (None, int(_number(group)))]
    drawn = [part for axes in chosen for part in axes if PAPER.match(_name(part))]
    if not chosen or keep == "theirs" and not drawn:
        return None
    labels = []
    if panel is not None:
        labels = _shared_labels(chosen[0], all_axes)
    kept = [*map(KEEP[keep], chosen), *labels]
    ours = [*map(_without_paper, chosen), *labels]
    under = union(map(extent, ours)) if panel is not None else None
    legends = _legends(figure, under, whole=keep == "all")
    if keep != "theirs":
        kept += legends
    # Both halves of a pair are as wide, so that their frames are as large.
    left, _, right, _ = union(map(extent, [*ours, *legends]))
    _, top, _, bottom = union(map(extent, kept))
    box = (left, top, right, bottom)
    return kept, box, _definitions(root)


def _legends(figure, under, *, whole):
    """The legends outside the panels; moved under what is shown, if that is a box."""
    legends = []
    for group in figure:
        if _name(group).startswith("legend_"):
            legend = group if whole else _without_paper_entries(group)
            legends.append(_below(legend, under) if under else legend)
    return legends


def _of_paper(axes):
    """A panel with its frame, its title and the paper's curves."""
    kept = ElementTree.Element(axes.tag, axes.attrib)
    top = extent(axes[0])[1]
    for part in axes:
        name = _name(part)
        is_title = name.startswith("text_") and extent(part)[3] <= top + MARGIN
        if FRAME.match(name) or PAPER.match(name) or is_title:
            kept.append(part)
    return kept


def _without_paper(axes):
    """A panel without the paper's curves and their entries in its legend."""
    kept = ElementTree.Element(axes.tag, axes.attrib)
    for part in axes:
        name = _name(part)
        if name.startswith("legend_"):
            kept.append(_without_paper_entries(part))
        elif not PAPER.match(name):
            kept.append(part)
    return kept


def _without_paper_entries(legend):
    """A legend without the entries whose words begin with the paper."""
    kept = ElementTree.Element(legend.tag, legend.attrib)
    handles = []
    for part in legend:
        if not _name(part).startswith("text_"):
            handles.append(part)
            continue
        if not "".join(part.itertext()).strip().startswith("paper"):
            kept.extend([*handles, part])
        handles = []
    kept.extend(handles)
    return kept


def _whole(axes):
    """A panel as it is."""
    return axes


KEEP = {"theirs": _of_paper, "ours": _without_paper, "all": _whole}


def _shared_labels(axes, all_axes):
    """The vertical axis of the panel's neighbour, where the panel's ticks have none."""
    if _vertical(axes) is None or _labels(axes):
        return []
    left, top, _, bottom = extent(axes[0])
    for other in all_axes:
        place = extent(other[0])
        if _labels(other) and (place[1], place[3]) == (top, bottom):
            moved = ElementTree.Element(
                f"{{{SVG}}}g", transform=f"translate({left - place[0]:.1f} 0)"
            )
            has_name = bool("".join(_vertical(axes).itertext()).strip())
            for part in _without_grid(_vertical(other)):
                if _name(part).startswith("ytick_") or not has_name:
                    moved.append(part)
            return [moved]
    return []


def _labels(axes):
    """Whether the vertical axis of a panel has labels at its ticks."""
    vertical = _vertical(axes)
    ticks = [] if vertical is None else list(vertical)
    ticks = [part for part in ticks if _name(part).startswith("ytick_")]
    return any("".join(part.itertext()).strip() for part in ticks)


def _vertical(axes):
    """The group of a panel's vertical axis; None without one."""
    found = [part for part in axes if "matplotlib.axis_" in _name(part)]
    return found[1] if len(found) > 1 else None


def _without_grid(group):
    """A copy of an axis's parts without the lines that are clipped to the panel."""
    made = copy.deepcopy(group)
    for parent in made.iter():
        for child in list(parent):
            if child.get("clip-path"):
                parent.remove(child)
    return list(made)


def _below(legend, box):
    """A figure's legend, moved under what a panel of it shows."""
    left, top, right, _ = extent(legend)
    across = (box[0] + box[2]) / 2 - (left + right) / 2
    down = box[3] + MARGIN - top
    where = f"translate({across:.1f} {down:.1f})"
    moved = ElementTree.Element(f"{{{SVG}}}g", transform=where)
    moved.append(legend)
    return moved


def _definitions(root):
    """What a drawing defines, by id; marks are defined where they are used first."""
    found = {}
    for defined in root.iter(f"{{{SVG}}}defs"):
        found |= {part.get("id"): part for part in defined}
    return found


def _written(part, alt):
    """The text of an SVG of some groups; its ids are its own."""
    groups, box, known = part
    root = ElementTree.Element(f"{{{SVG}}}svg")
    defined = ElementTree.SubElement(root, f"{{{SVG}}}defs")
    root.extend(copy.deepcopy(groups))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}defs" and child is not defined:
                parent.remove(child)
    for name in sorted(_references(root)):
        if name in known:
            defined.append(copy.deepcopy(known[name]))
    left, top, right, bottom = box
    size = [left - MARGIN, top - MARGIN, right - left, bottom - top]
    size = [f"{number + grown:.0f}" for number, grown in zip(size, (0, 0, 8, 8))]
    root.set("viewBox", " ".join(size))
    root.set("role", "img")
    root.set("aria-label", alt)
    _shorten(root)
    return markup.Markup(_text(root))


def _references(root):
    """The ids that a drawing refers to."""
    found = set()
    for part in root.iter():
        for value in part.attrib.values():
            found |= set(REFERENCE.findall(value))
        if part.get(LINK, "").startswith("#"):
            found.add(part.get(LINK)[1:])
    return found


def _shorten(root):
    """Round places to a tenth, and give short ids to the parts that are referred to."""
    own = hashlib.sha1(ElementTree.tostring(root)).hexdigest()[:8]
    short = {}
    for name in sorted(_references(root)):
        short[name] = f"kdb{own}-{len(short)}"
    for part in root.iter():
        name = part.attrib.pop("id", None)
        if name in short:
            part.set("id", short[name])
        for key, value in list(part.attrib.items()):
            if key in ("d", "x", "y", "transform", "width", "height"):
                part.set(key, NUMBER.sub(_rounded, " ".join(value.split())))
            elif key == "style":
                part.set(key, _renamed(FAMILY.sub("", value), short))
            elif key == "clip-path":
                part.set(key, _renamed(value, short))
            elif key == LINK:
                part.attrib.pop(key)
                # An image is its own content.
                is_place = value.startswith("#")
                part.set("href", f"#{short[value[1:]]}" if is_place else value)


def _renamed(value, short):
    return REFERENCE.sub(lambda found: f"url(#{short[found[1]]})", value)


def _rounded(found):
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _text(root):
    """An SVG as HTML has it: without names of name spaces."""
    for part in root.iter():
        part.tag = part.tag.rpartition("}")[2]
        part.text = (part.text or "").strip()
        part.tail = ""
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _width(root):
    return float(root.get("viewBox").split()[2])


def _name(group):
    """The name that matplotlib or ``plots.paper`` gave to a group."""
    return OWN.sub("", group.get("id", ""))


def _number(group):
    return _name(group).rpartition("_")[2]
