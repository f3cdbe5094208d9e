"""What a strict build refuses of the pages beside the papers."""

from collections import Counter

from companion.claims import file
from companion.press import chapters
from companion.press.beside import found, outline, page


def problems(executed):
    """What is wrong with the outlines of all papers.

    Args:
        executed: folder of the executed notebooks; what rests on a chapter that is not
            there is not checked.

    Returns:
        A line for each thing.
    """
    lines = []
    for paper in outline.papers():
        try:
            told = _problems(paper, executed)
        except ValueError as error:
            told = [str(error)]
        lines += [f"beside/{line}" for line in told]
    return lines


def _problems(paper, executed):
    entries = outline.entries(paper)
    known = [claim["id"] for claim in file.read() if claim["paper"] == paper]
    times = Counter(name for entry in entries for name in entry.get("claims", []))
    lines = []
    for name in known:
        if times[name] != 1:
            lines.append(f"{paper}: {name} belongs to {times[name]} entries, not to 1")
    for name in times:
        if name not in known:
            lines.append(f"{paper}: no claim of this paper: {name}")
    places = Counter(outline.anchor(paper, entry) for entry in entries)
    twice = [place for place in places if places[place] > 1]
    lines += [f"{paper}: two entries at {place}" for place in twice]
    for entry in entries:
        told = _entry_problems(entry, executed)
        lines += [f"{paper}, {entry['item']}: {line}" for line in told]
    return lines


def _entry_problems(entry, executed):
    """What is wrong with an entry, a line each."""
    lines = []
    if outline.has_pair(entry) == bool(entry.get("no_pair")):
        lines.append("has a pair, or a reason why there is none (no_pair); not both")
    if entry["chapter"] not in chapters.names():
        return [*lines, f"no chapter: {entry['chapter']}"]
    if entry.get("claims") and not entry.get("found"):
        lines.append("has claims, and no sentence on what was found")
    strange = set(entry.get("numbers", [])) - set(entry.get("claims", []))
    lines += [f"numbers of no claim of its own: {name}" for name in sorted(strange)]
    chapter = found.chapter(executed, entry["chapter"])
    if chapter is not None:
        lines += _chapter_problems(entry, chapter)
    return lines


def _chapter_problems(entry, chapter):
    """What the executed chapter does not have of what an entry shows."""
    name = entry.get("figure")
    if name and name not in chapter.figures:
        return [f"{entry['chapter']} has no figure {name}"]
    if not chapter.is_whole:
        return []
    lines = []
    if name:
        for half in ("ours", "theirs") if entry.get("drawn") else ("ours",):
            if page.thumbnail(entry, chapter, half) is None:
                panel = entry.get("panel", "any")
                lines.append(f"{name}, panel {panel}: draws nothing that is {half}")
    for source in entry.get("found", []):
        said = source.get("said")
        if said and said not in chapter.said and said not in chapter.figures:
            lines.append(f"{entry['chapter']} says nothing of {said}")
    return lines
