"""The words of the rules of parameters cells, as numbers and lists."""

import re
from typing import NamedTuple


class Bounds(NamedTuple):
    """A range as a rule has it: ``in (0, 1]``."""

    low: float
    high: float
    has_low: bool
    has_high: bool


class Numbers(NamedTuple):
    """How many values a list may have, and whether they must differ."""

    least: int
    most: int
    differ: bool


def words_of(parameter):
    """The words of ``one of a, b``."""
    for rule in parameter.rules:
        choice = re.fullmatch(r"(?:each )?one of (.+)", rule)
        if choice:
            return choice[1].split(", ")
    raise ValueError(f"{parameter.name} has no words")


def bounds_of(rule):
    """The range of a rule; None where it is another one."""
    found = re.fullmatch(r"(?:each )?in ([\[(])([^,]+), ([^\])]+)([\])])", rule)
    if not found:
        return None
    return Bounds(float(found[2]), float(found[3]), found[1] == "[", found[4] == "]")


def numbers_of(parameter):
    """How many values a list may have."""
    for rule in parameter.rules:
        if rule.endswith("values"):
            return counted(rule)
    raise ValueError(f"{parameter.name} may have any number of values")


def counted(rule):
    """The numbers of a rule like ``2 to 8 values``."""
    found = re.fullmatch(r"(\d+)(?: to (\d+))? values", rule)
    return Numbers(int(found[1]), int(found[2] or found[1]), found[2] is not None)


def as_list(value):
    """A list, of one where it is a single value."""
    return value if isinstance(value, list) else [value]


def other_of(rule, known):
    """The parameter that a rule is about beside its own; None where it is about no other."""
    last = rule.split()[-1]
    return last if last in known else None


def as_text(value):
    """A value as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
