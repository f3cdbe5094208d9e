"""Whether a value is one that a parameter takes: its type, and the rules it keeps."""

import math
import re

ONE = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
}
SEVERAL = {
    bool: "true or false",
    int: "whole numbers",
    float: "numbers",
    str: "words",
}
TRUTH = {"true": True, "false": False}


def typed(name, default, value):
    """A value, or what its text says, in the type of a parameter's default.

    Args:
        name: the parameter's name, for the message.
        default: the default value, or a list of several.
        value: a value, or its text from the command line (``"1.0,0.5"``).

    Returns:
        A value of the default's type.

    Raises:
        ValueError: the value is of another type.
    """
    if not isinstance(default, list):
        return _scalar(name, default, value, ONE[type(default)])
    if isinstance(value, str):
        value = [part for part in value.strip("[] ").split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        value = [value]
    wanted = f"a list of {SEVERAL[type(default[0])]}"
    return [_scalar(name, default[0], item, wanted) for item in value]


def check_rule(name, value, rule, settled=None):
    """Refuse a value that does not keep one rule of a parameters cell.

    The rules are ``in (0, 1]``, ``even`` and ``one of a, b``, in a list each of them
    with ``each`` before it; and of a list ``growing``, ``2 values``, or
    ``2 to 8 values``, which differ, as what is swept is not swept twice.

    Two rules are about another parameter, a list: ``one of sizes`` is one of its
    values, ``at most the largest of sizes`` is no larger than all of them.

    Args:
        name: the parameter's name, for the message.
        value: its value, or a list of several.
        rule: the rule's text.
        settled: the values of all parameters by name, for rules about another one.

    Raises:
        ValueError: the value breaks the rule, or nobody can check the rule.
    """
    items = value if isinstance(value, list) else [value]
    settled = settled or {}
    plain = rule.removeprefix("each ")
    number = re.fullmatch(r"(\d+)(?: to (\d+))? values", rule)
    bounds = re.fullmatch(r"in ([\[(])\s*([^,]+),\s*([^\])]+)([\])])", plain)
    choice = re.fullmatch(r"one of (.+)", plain)
    limit = re.fullmatch(r"at most the largest of (\w+)", plain)
    if number:
        _check_number(name, items, number)
    elif rule == "growing":
        _check_growing(name, items)
    elif bounds:
        _check_bounds(name, items, bounds)
    elif plain == "even":
        _check_even(name, items)
    elif choice:
        _check_choice(name, items, choice, settled)
    elif limit and limit[1] in settled:
        _check_limit(name, items, limit, settled)
    else:
        raise ValueError(
            f"{name}: the parameters cell has a rule that nobody can check: {rule!r}"
        )


def _scalar(name, default, value, wanted):
    text = value.strip() if isinstance(value, str) else value
    try:
        return _converted(type(default), text)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be {wanted}; got {value!r}") from None


def _converted(kind, text):
    """A value in a type; raises one of several errors where it does not fit."""
    if kind is bool:
        return TRUTH[str(text).lower()]
    if isinstance(text, bool):
        raise TypeError(text)
    if kind is int:
        whole = int(float(text))
        if whole != float(text):
            raise ValueError(text)
        return whole
    if kind is float:
        return float(text)
    if not isinstance(text, str):
        raise TypeError(text)
    return text


def _check_number(name, items, rule):
    """``2 values``, or ``2 to 8 values``, which differ."""
    least = int(rule[1])
    must_differ = rule[2] is not None
    most = int(rule[2]) if must_differ else least
    differ = len(set(items)) == len(items)
    if not least <= len(items) <= most or (must_differ and not differ):
        wanted = (
            rule[0].replace("values", "different values") if must_differ else rule[0]
        )
        got = ", ".join(map(str, items)) or "none"
        raise ValueError(f"{name} must have {wanted}; got {got}")


def _check_growing(name, items):
    for before, after in zip(items, items[1:], strict=False):
        if after <= before:
            got = ", ".join(map(str, items))
            raise ValueError(f"{name} must be growing; got {got}")


def _check_bounds(name, items, rule):
    low = float(rule[2])
    high = float(rule[3])
    for item in items:
        above = item >= low if rule[1] == "[" else item > low
        below = item <= high if rule[4] == "]" else item < high
        if not (above and below) or math.isnan(item):
            raise ValueError(f"{name} must be {rule[0]}; got {item}")


def _check_even(name, items):
    for item in items:
        if item % 2:
            raise ValueError(f"{name} must be even; got {item}")


def _check_choice(name, items, rule, settled):
    """``one of a, b``, or ``one of`` the values of another parameter."""
    wanted = rule[0]
    allowed = [word.strip() for word in rule[1].split(",")]
    if rule[1] in settled:
        allowed = [str(one) for one in settled[rule[1]]]
        wanted = f"{wanted} ({', '.join(allowed)})"
    for item in items:
        if str(item) not in allowed:
            raise ValueError(f"{name} must be {wanted}; got {item}")


def _check_limit(name, items, rule, settled):
    """``at most the largest of`` the values of another parameter."""
    largest = max(settled[rule[1]])
    for item in items:
        if item > largest:
            raise ValueError(f"{name} must be {rule[0]} ({largest}); got {item}")
