"""Figures and equations are numbered within their chapter: Fig. 1b.2, equation (1b.3).

Sphinx numbers them through the whole book, as the chapters' numbers are in their names
and not in the table of contents. A figure's number is then the same on a page that is
built alone.
"""

import re

CHAPTER = re.compile(r"(\d\d)([a-z]?)_")


def setup(app):
    """Number again what Sphinx has numbered.

    Args:
        app: the Sphinx application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    # After Sphinx's own, which has the priority 500.
    app.connect("env-get-updated", _number_within_chapters, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _number_within_chapters(app, env):
    """Give each numbered thing its chapter's number and its place there."""
    for page, kinds in env.toc_fignumbers.items():
        chapter = CHAPTER.match(page.rpartition("/")[2])
        if chapter is None:
            continue
        number = f"{int(chapter[1])}{chapter[2]}"
        for numbers in kinds.values():
            in_order = sorted(numbers, key=numbers.get)
            for place, name in enumerate(in_order, start=1):
                numbers[name] = (number, place)
    return []
