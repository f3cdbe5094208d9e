"""A measured curve lies near the paper's."""

import math

from companion.claims import verdicts
from companion.claims.estimates import measured
from companion.claims.records import recorded_interval
from companion.claims.rules.kind import Kind
from companion.claims.verdicts import Judgement
from kdlib import curves

_NEEDS = (
    'a dict {"x": [...], "y": [...], "halves": [y of half the runs, y of the others]}, '
    "or such a frame with columns x, y, first_half, second_half"
)


def _sound_curve(rule):
    rising = 0 < rule["threshold"] < rule.get("wider", math.inf)
    return rising and rule["factor"] >= 0


def _judge_curve(rule, estimate, interval, reference):
    x, y, (first, second) = _curve_fields(estimate)
    distance = curves.distance(x, y, reference)
    floor = _replicate_floor(x, first, second, reference)
    limit = max(rule["threshold"], rule["factor"] * floor)
    outer = (-math.inf, max(rule["wider"], limit)) if "wider" in rule else None
    one = measured(distance, interval, None, _NEEDS)[""]
    verdict = verdicts.in_band(one.value, one.span, (-math.inf, limit), outer)
    found = {"distance": distance, "replicate floor": floor, "limit": limit}
    return Judgement(verdict, found, recorded_interval(one.interval), "")


def _replicate_floor(x, first, second, reference):
    """How far half of the runs lie from the other half, where the paper has points."""
    # The second half becomes the reference below, which guards only the other curve.
    curves.distance(x, second, reference)
    at = [point[0] for point in reference]
    other = list(zip(at, curves.along(x, second, at), strict=True))
    return curves.distance(x, first, other)


def _curve_fields(estimate):
    whole = isinstance(estimate, dict) and set(estimate) == {"x", "y", "halves"}
    if not whole or len(estimate["halves"]) != 2:
        raise ValueError(f"needs {_NEEDS}; got {estimate!r:.80}")
    return estimate["x"], estimate["y"], estimate["halves"]


def _keep_no_curve(rule, estimate, interval):
    _curve_fields(estimate)
    return None, None


def _stated(rule):
    return f"its curve {rule['curve']}"


def _allowed(rule):
    text = (
        f"a log distance of at most {rule['threshold']:g}, or {rule['factor']:g} times "
        "the replicate floor"
    )
    if "wider" not in rule:
        return text
    return f"{text}; with another constant up to {rule['wider']:g}"


CURVE = Kind(
    fields=({"figure", "curve", "threshold", "factor"},),
    optional={"wider"},
    sound=_sound_curve,
    law="must have 0 < threshold < wider and factor >= 0",
    needs=_NEEDS,
    judge=_judge_curve,
    keep=_keep_no_curve,
    stated=_stated,
    allowed=_allowed,
)
