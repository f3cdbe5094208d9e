"""A value lies in a band, or a fitted exponent with its whole interval does."""

import math

from companion.claims import verdicts
from companion.claims.estimates import measured, numbers, plain
from companion.claims.records import as_printed, recorded
from companion.claims.rules.kind import Kind, keep_values, names
from companion.claims.verdicts import Judgement

_NUMBER = "a number, or one for each named value"
_NEEDS_BAND = f"{_NUMBER} (a dict, or a list in that order)"
_NEEDS_SLOPE = f"{_NUMBER}, and interval=(low, high) over the seeds"


def regions(rule):
    """The bands of a rule: where a value is reproduced, where with another constant.

    Args:
        rule: a band or a slope.

    Returns:
        A dict by name of pairs: the band, and the wider band or None. The name is empty
        where there is only one.
    """
    wider = rule.get("wider")
    if "value" not in rule:
        inner = _side(rule, rule.get("at_most", rule.get("at_least")))
        return {"": (inner, None if wider is None else _side(rule, wider))}
    width = rule.get("absolute", rule.get("relative"))
    found = {}
    for name, value in numbers(plain(rule["value"]), None, _NUMBER).items():
        inner = _around(rule, value, width)
        found[name] = inner, None if wider is None else _around(rule, value, wider)
    return found


def _side(rule, limit):
    return (-math.inf, limit) if "at_most" in rule else (limit, math.inf)


def _around(rule, value, width):
    if "absolute" in rule:
        return value - width, value + width
    # Relative: within the factor 1 + width, either way.
    low, high = sorted((value / (1 + width), value * (1 + width)))
    return low, high


def _sound_band(rule):
    for inner, outer in regions(rule).values():
        if not inner[0] < inner[1]:
            return False
        if outer and (outer == inner or not verdicts.contains(outer, inner)):
            return False
    return True


def _judge_band(rule, estimate, interval, reference):
    found = measured(estimate, interval, names(rule), _NEEDS_BAND)
    return _judgement(rule, found)


def _judge_slope(rule, estimate, interval, reference):
    found = measured(estimate, interval, names(rule), _NEEDS_SLOPE)
    if not all(one.interval for one in found.values()):
        raise ValueError(f"needs {_NEEDS_SLOPE}; got no interval")
    return _judgement(rule, found)


def _judgement(rule, found):
    bands = regions(rule)
    reached = []
    for name, one in found.items():
        inner, outer = bands.get(name) or bands[""]
        reached.append(verdicts.in_band(one.value, one.span, inner, outer))
    return Judgement(verdicts.worst(reached), *recorded(found), "")


def _keep_band(rule, estimate, interval):
    return keep_values(rule, estimate, interval, _NEEDS_BAND)


def _keep_slope(rule, estimate, interval):
    return keep_values(rule, estimate, interval, _NEEDS_SLOPE)


def _stated(rule):
    if "value" in rule:
        return as_printed(rule["value"])
    side = "at_most" if "at_most" in rule else "at_least"
    return f"{side.replace('_', ' ')} {rule[side]:g}"


def _allowed_band(rule):
    if "value" not in rule:
        return _wider(rule)
    if "relative" in rule:
        width = f"within a factor {1 + rule['relative']:g}"
    else:
        width = f"± {rule['absolute']:g}"
    return "; ".join(part for part in (width, _wider(rule)) if part)


def _allowed_slope(rule):
    return f"with the whole interval over the seeds {_allowed_band(rule)}".strip()


def _wider(rule):
    """The wider band in words; empty without one."""
    if "wider" not in rule:
        return ""
    if "relative" in rule:
        return f"with another constant within a factor {1 + rule['wider']:g}"
    sign = "± " if "absolute" in rule else "up to "
    return f"with another constant {sign}{rule['wider']:g}"


BAND = Kind(
    fields=(
        {"value", "absolute"},
        {"value", "relative"},
        {"at_least"},
        {"at_most"},
    ),
    optional={"wider"},
    sound=_sound_band,
    law="a band must have a positive width, and wider must be wider",
    needs=_NEEDS_BAND,
    judge=_judge_band,
    keep=_keep_band,
    stated=_stated,
    allowed=_allowed_band,
)

SLOPE = BAND._replace(
    needs=_NEEDS_SLOPE,
    judge=_judge_slope,
    keep=_keep_slope,
    allowed=_allowed_slope,
)
