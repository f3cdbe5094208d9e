"""Named values rise or fall; values have a sign."""

from companion.claims import verdicts
from companion.claims.estimates import measured
from companion.claims.records import recorded
from companion.claims.rules.kind import Kind, keep_values, names
from companion.claims.verdicts import Judgement

_NEEDS_ORDER = "a dict with the names in `order`, or a list in that order"
_NEEDS_SIGN = "a number, or a list or dict of numbers that must all have the sign"


def _sound_order(rule):
    order = rule["order"]
    if not isinstance(order, list) or len(order) < 2:
        return False
    different = len(set(map(str, order))) == len(order)
    return different and rule.get("by", "rising") in ("rising", "falling")


def _judge_ordering(rule, estimate, interval, reference):
    order = names(rule)
    neighbours = list(zip(order, order[1:], strict=False))
    if isinstance(interval, list) and len(interval) == len(neighbours):
        found = measured(estimate, None, order, _NEEDS_ORDER)
        given = _given_steps(found, interval, neighbours)
        steps = [one.span for one in given.values()]
        estimate, own = recorded(found)
        interval = recorded(given)[1]
        if own:
            interval = interval | {name: pair for name, pair in own.items() if pair}
    else:
        found = measured(estimate, interval, order, _NEEDS_ORDER)
        steps = [_step(found[a].span, found[b].span) for a, b in neighbours]
        estimate, interval = recorded(found)
    rising = rule.get("by", "rising") == "rising"
    reached = [verdicts.has_sign(span, rising) for span in steps]
    return Judgement(verdicts.worst(reached), estimate, interval, "")


def _keep_order(rule, estimate, interval):
    return keep_values(rule, estimate, interval, _NEEDS_ORDER)


def _given_steps(found, interval, neighbours):
    """The steps between values, ``Measured`` by name, where each has an interval."""
    steps = {f"{a} to {b}": found[b].value - found[a].value for a, b in neighbours}
    return measured(steps, interval, None, _NEEDS_ORDER)


def _step(before, after):
    """From where to where the step between two values goes."""
    return after[0] - before[1], after[1] - before[0]


def _stated_order(rule):
    sign = " > " if rule.get("by") == "falling" else " < "
    return sign.join(map(str, rule["order"]))


def _allowed_order(rule):
    return "each step in this direction, with its whole interval"


def _sound_sign(rule):
    return rule["sign"] in ("positive", "negative")


def _judge_sign(rule, estimate, interval, reference):
    found = measured(estimate, interval, None, _NEEDS_SIGN)
    positive = rule["sign"] == "positive"
    reached = [verdicts.has_sign(one.span, positive) for one in found.values()]
    return Judgement(verdicts.worst(reached), *recorded(found), "")


def _keep_sign(rule, estimate, interval):
    return keep_values(rule, estimate, interval, _NEEDS_SIGN)


def _stated_sign(rule):
    return rule["sign"]


def _allowed_sign(rule):
    return "this sign, with the whole interval"


ORDERING = Kind(
    fields=({"order"},),
    optional={"by"},
    sound=_sound_order,
    law="order must have different names, by rising or falling",
    needs=_NEEDS_ORDER,
    judge=_judge_ordering,
    keep=_keep_order,
    stated=_stated_order,
    allowed=_allowed_order,
)

SIGN = Kind(
    fields=({"sign"},),
    optional=set(),
    sound=_sound_sign,
    law="sign must be positive or negative",
    needs=_NEEDS_SIGN,
    judge=_judge_sign,
    keep=_keep_sign,
    stated=_stated_sign,
    allowed=_allowed_sign,
)
