"""Where the parts of a drawing lie, as far as one knows without measuring letters."""

import re

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
SIZE = re.compile(r"font-size: ([\d.]+)px")
MOVED = re.compile(r"translate\(([-\d.]+)[ ,]([-\d.]+)\)")
# How wide a letter is and how far it rises and falls, in units of its size.
WIDTH = 0.62
RISE = 0.8
FALL = 0.25
NOTHING = (float("inf"), float("inf"), float("-inf"), float("-inf"))


def extent(part):
    """The rectangle that a part of an SVG fills.

    Args:
        part: an element; what is clipped to a panel counts as lying in it.

    Returns:
        ``(left, top, right, bottom)``, estimated where it has letters.
    """
    if part.get("clip-path") or part.tag.endswith("defs"):
        return NOTHING
    boxes = [_own(part), *map(extent, part)]
    left, top, right, bottom = union(boxes)
    moved = MOVED.search(part.get("transform", ""))
    if moved:
        across, down = float(moved[1]), float(moved[2])
        return (left + across, top + down, right + across, bottom + down)
    return (left, top, right, bottom)


def union(boxes):
    """The least rectangle around rectangles."""
    left, top, right, bottom = zip(NOTHING, *boxes, strict=True)
    return (min(left), min(top), max(right), max(bottom))


def _own(part):
    """The rectangle of what an element draws itself."""
    kind = part.tag.rpartition("}")[2]
    if kind == "path":
        numbers = [float(one) for one in NUMBER.findall(part.get("d", ""))]
        if numbers:
            across, down = numbers[::2], numbers[1::2]
            return (min(across), min(down), max(across), max(down))
    if kind in ("use", "rect", "image"):
        left, top = float(part.get("x", 0)), float(part.get("y", 0))
        wide, high = float(part.get("width", 0)), float(part.get("height", 0))
        return (left, top, left + wide, top + high)
    if kind in ("text", "tspan") and (part.text or "").strip():
        return _letters(part)
    return NOTHING


def _letters(part):
    """The rectangle of a line of letters, upright or turned by a quarter."""
    style = part.get("style", "")
    size = float(SIZE.search(style)[1])
    left, base = float(part.get("x", 0)), float(part.get("y", 0))
    long = WIDTH * size * len(part.text.strip())
    before = {"middle": 0.5, "end": 1.0}
    anchor = re.search(r"text-anchor: (\w+)", style)
    before = before.get(anchor[1], 0.0) if anchor else 0.0
    if "rotate(-90" in part.get("transform", ""):
        low = base + before * long
        return (left - RISE * size, low - long, left + FALL * size, low)
    left -= before * long
    return (left, base - RISE * size, left + long, base + FALL * size)
