"""What a chapter's text says of its numbers.

A number in the text is computed in a cell and glued by name. A sentence that compares,
orders, counts, or names a trend or a best value carries its condition: it is said where
the rows of this run show it, and another one is said where they do not.
"""

import json
import math
import os
from pathlib import Path

# An output of this kind stays in the notebook and is shown by nobody.
_SILENT = "application/papermill.record/text/plain"
_FIGURE = "fig-"
# Whole numbers below this are written in full.
_IN_FULL = 1e9
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def glue(**values):
    """Glue several values by name, without showing them, for ``{glue:text}`` roles.

    Args:
        **values: numbers or texts; numpy's and torch's single numbers become plain
            ones.
    """
    from myst_nb import glue as glue_one

    for name, value in values.items():
        glue_one(name, _plain(value), display=False)


def say(name, text, *, holds, otherwise=None):
    """Say a sentence where its condition holds in this run, else another one.

    The sentence joins a figure's caption and alternative text where ``name`` is a
    figure's, in the order in which they are said; else the text takes it with
    ``{glue:text}`NAME```. The name ``finding`` is the chapter's sentence on the landing
    page.

    Args:
        name: a figure's name, ``fig-...``, or a name of the text's own.
        text: one or two sentences with their numbers (:func:`number`,
            :func:`interval`).
        holds: whether this run shows it, from its rows; several conditions as a list,
            which must all hold.
        otherwise: what to say where it does not hold; without it nothing is said, and
            the strict build of a profile stops.

    Raises:
        ValueError: a condition is no truth value.
    """
    held = _all_hold(name, holds)
    said = text if held else otherwise or ""
    if not name.startswith(_FIGURE):
        glue(**{name: said})
    _keep({"name": name, "text": text, "holds": held, "said": said})


def number(value, digits=2):
    """A number as the text shows it.

    Args:
        value: a number.
        digits: how many significant digits one has that is not whole.

    Returns:
        A whole number in full, with commas; any other to so many significant digits; a
        very large or small one with a power of ten.
    """
    value = _plain(value)
    if not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) < _IN_FULL:
        return f"{value:,}"
    leading, power = f"{value:.{digits - 1}e}".split("e")
    if value and not 1e-4 <= abs(value) < _IN_FULL:
        return f"{leading} × 10{str(int(power)).translate(_RAISED)}"
    return _rounded(value, _places(value, digits))


def interval(estimate, low, high):
    """An estimate with its interval: ``4.3 (2.8 to 5.8)``.

    Args:
        estimate: a number.
        low: lower end of the interval.
        high: upper end of the interval.

    Returns:
        The text; the interval's half-width decides how many decimals there are.
    """
    estimate, low, high = _plain(estimate), _plain(low), _plain(high)
    half = (high - low) / 2
    if not half > 0 or math.isinf(half):
        return number(estimate)
    leads_with_one = f"{half:e}".startswith("1")
    places = _places(half, digits=2 if leads_with_one else 1)
    if any(end and not round(end, places) for end in (low, high)):
        # An end that is near zero shows on which side of it.
        places += 1
    shown = [_rounded(one, places) for one in (estimate, low, high)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def statements(executed):
    """The sentences of an executed chapter that were said with a condition.

    Args:
        executed: the notebook, or its path.

    Returns:
        A list of dicts in their order: ``name``, ``text``, ``holds``, and ``said``,
        which is empty where the text does not hold and nothing else was written.
    """
    if isinstance(executed, (str, os.PathLike)):
        executed = json.loads(Path(executed).read_text(encoding="utf-8"))
    found = []
    for cell in executed["cells"]:
        for output in cell.get("outputs", []):
            one = output.get("metadata", {}).get("kdlib", {}).get("statement")
            if one:
                found.append(dict(one))
    return found


def said_of(figure, found):
    """What a chapter says of a figure.

    Args:
        figure: the figure's name.
        found: what :func:`statements` returned.

    Returns:
        The sentences, joined; empty where nothing is said.
    """
    said = [one["said"] for one in found if one["name"] == figure]
    return " ".join(filter(None, said))


def unsaid(found):
    """The sentences that do not hold and have no other one beside them.

    Args:
        found: what :func:`statements` returned.

    Returns:
        A line for each.
    """
    lines = []
    for one in found:
        if not one["said"]:
            lines.append(
                f"{one['name']}: this does not hold in this run, and nothing is "
                f"written for that case: {one['text']!r}"
            )
    return lines


def _all_hold(name, holds):
    """Whether every condition is true."""
    several = isinstance(holds, (list, tuple))
    conditions = [_plain(one) for one in (holds if several else [holds])]
    if not conditions or not all(isinstance(one, bool) for one in conditions):
        raise ValueError(
            f"{name}: holds must be true or false, or a list of these; got {holds!r}"
        )
    return all(conditions)


def _plain(value):
    """A single number or truth value of numpy, pandas or torch as Python's own."""
    return value.item() if hasattr(value, "item") else value


def _places(value, digits):
    """The place, counted behind the point, of a number's last significant digit."""
    if value == 0:
        return 0
    leading = int(f"{abs(value):.{digits - 1}e}".split("e")[1])
    return digits - 1 - leading


def _rounded(value, places):
    """A number rounded to a place; one before the point is a negative place."""
    rounded = round(float(value), places) + 0.0  # which makes no number of -0
    return f"{rounded:,.{max(0, places)}f}"


def _keep(statement):
    """Put a statement into the notebook without showing it."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display(
            {_SILENT: statement["said"]},
            raw=True,
            metadata={"kdlib": {"statement": statement}},
        )
