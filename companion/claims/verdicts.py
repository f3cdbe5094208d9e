"""How a claim is judged: pure rules from a measured quantity, and its interval over seeds, to one verdict.

A rule is a dict with a ``kind`` and that kind's numbers, as ``book/claims.yml`` lists them. An interval that straddles
a rule's limit leaves the claim undecided, whatever the point estimate says.
"""

import math
from numbers import Real
from typing import NamedTuple

from kdlib import curves

NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
ANOTHER_CONSTANT = "reproduced with another constant"
VACUOUS = "vacuous"
REPRODUCED = "reproduced"
OTHER_PARAMETERS = "run with other parameters"
NOT_TESTED = "not tested at this size"
NOT_RUN = "not run here"
NO_CHAPTER = "no chapter yet"
JUDGED = (
    NOT_REPRODUCED,
    UNDECIDED,
    ANOTHER_CONSTANT,
    VACUOUS,
    REPRODUCED,
)  # what a rule can say, the worst first
VERDICTS = (
    *JUDGED,
    OTHER_PARAMETERS,
    NOT_TESTED,
    NOT_RUN,
    NO_CHAPTER,
)  # the order of the ledger

_NEEDS = {
    "band": "a number, or one for each named value (a dict, or a list in that order)",
    "slope": "a number, or one for each named value, and interval=(low, high) over the seeds",
    "ordering": "a dict with the names in `order`, or a list in that order",
    "sign": "a number, or a list or dict of numbers that must all have the sign",
    "inequality": 'a dict {"violations": k, "trials": K} (and "bounds": {n: bound}), or booleans, true where violated',
    "curve": 'a dict {"x": [...], "y": [...], "halves": [y of half the runs, y of the others]}, or such a frame with '
    "columns x, y, first_half, second_half",
}


class Judgement(NamedTuple):
    """What a rule says: the verdict, the estimate and interval as plain numbers, and a remark."""

    verdict: str
    estimate: object
    interval: object
    note: str


def judge(rule, estimate, interval=None, reference=None):
    """The verdict of a rule on an estimate.

    Args:
        rule: the rule of a claim that ``claims.read`` accepts.
        estimate: what the kind of rule needs; lists may be tensors, arrays or series.
        interval: ``(low, high)`` over the seeds, or one pair for each value; for an ordering of k values, k - 1 pairs
            are the intervals of the steps from each value to the next.
        reference: for a curve, the paper's points ``[[x, y], ...]``.

    Returns:
        A ``Judgement`` whose verdict is one of ``JUDGED``.

    Raises:
        ValueError: the estimate or the interval is not of the kind that the rule needs, or not finite.
    """
    return _JUDGES[rule["kind"]](rule, _plain(estimate), _plain(interval), reference)


def pass_over(rule, estimate, verdict, note, interval=None):
    """A ``Judgement`` with a verdict that no rule gave; estimate and interval may be incomplete or absent.

    Raises:
        ValueError: the estimate is not of the kind that the rule needs.
    """
    estimate, kind = _plain(estimate), rule["kind"]
    if kind == "curve" and estimate is not None:
        _curve_fields(estimate)
    if kind == "curve" or estimate is None:
        return Judgement(verdict, None, None, note)
    if kind == "inequality":
        counts = _counts(estimate)
        return Judgement(
            verdict,
            {name: counts[name] for name in ("violations", "trials")},
            None,
            note,
        )
    values = _values(kind, _by_name(estimate, names(rule)), None, finite=False)
    shown = {
        name: value if math.isfinite(value) else None for name, value in values.items()
    }
    return Judgement(verdict, _shape(shown), _whole(interval, values), note)


def regions(rule):
    """The inner and the outer interval (or None) of each value, by name; the name is empty where there is only one."""
    wide = rule.get("wider")
    if "at_most" in rule:
        return {
            "": (
                (-math.inf, rule["at_most"]),
                None if wide is None else (-math.inf, wide),
            )
        }
    if "at_least" in rule:
        return {
            "": (
                (rule["at_least"], math.inf),
                None if wide is None else (wide, math.inf),
            )
        }
    width = rule.get("absolute", rule.get("relative"))

    def around(v, width):  # relative: within the factor 1 + width, either way
        return (
            (v - width, v + width)
            if "absolute" in rule
            else tuple(sorted((v / (1 + width), v * (1 + width))))
        )

    values = _values("band", _plain(rule["value"]), None)
    return {
        name: (around(v, width), None if wide is None else around(v, wide))
        for name, v in values.items()
    }


def _band(rule, estimate, interval, reference):
    if interval is None and rule["kind"] == "slope":
        raise ValueError(f"needs {_NEEDS['slope']}; got no interval")
    bands = regions(rule)
    values = _values(rule["kind"], estimate, names(rule))
    pairs = _pairs(interval, values)
    found = [
        _place(pair, *bands.get(name, bands.get(""))) for name, pair in pairs.items()
    ]
    return Judgement(_worst(found), _shape(values), interval and _shape(pairs), "")


def _sign(rule, estimate, interval, reference):
    values = _values("sign", estimate, None)
    pairs = _pairs(interval, values)
    found = [
        _beyond_zero(pair, 1 if rule["sign"] == "positive" else -1)
        for pair in pairs.values()
    ]
    return Judgement(_worst(found), _shape(values), interval and _shape(pairs), "")


def _ordering(rule, estimate, interval, reference):
    order = names(rule)
    way = -1 if rule.get("by") == "falling" else 1
    values = _values("ordering", estimate, order)
    neighbours = list(zip(order, order[1:], strict=False))
    if isinstance(interval, list) and len(interval) == len(neighbours):
        pairs = _pairs(
            interval, {f"{a} to {b}": values[b] - values[a] for a, b in neighbours}
        )
        steps = list(pairs.values())
    else:
        pairs = _pairs(interval, values)
        steps = [
            (pairs[b][0] - pairs[a][1], pairs[b][1] - pairs[a][0])
            for a, b in neighbours
        ]
    return Judgement(
        _worst([_beyond_zero(step, way) for step in steps]),
        values,
        interval and _shape(pairs),
        "",
    )


def _inequality(rule, estimate, interval, reference):
    counts = _counts(estimate)
    k, K, bounds, note = (
        counts["violations"],
        counts["trials"],
        counts.pop("bounds"),
        "",
    )
    verdict = REPRODUCED if k <= rule["delta"] * K else NOT_REPRODUCED
    if verdict == NOT_REPRODUCED and rule["delta"] > 0:
        from scipy.special import betaincinv

        if (
            betaincinv(k, K - k + 1, 0.025) <= rule["delta"]
        ):  # Clopper & Pearson's lower limit (95 %) of the share
            verdict = UNDECIDED
    if bounds:
        vacuous, low = (
            [n for n in sorted(bounds) if test(bounds[n])]
            for test in ((1.0).__le__, (0.5).__gt__)
        )
        counts["below_half_from"] = low[0] if low else None
        note = (
            f"bound below 1/2 from {low[0]:g}"
            if low
            else f"bound never below 1/2 up to {max(bounds):g}"
        )
        note += f", vacuous up to {vacuous[-1]:g}" if vacuous else ""
        if verdict == REPRODUCED and len(vacuous) == len(bounds):
            verdict = VACUOUS
    return Judgement(verdict, counts, None, note)


def _curve(rule, estimate, interval, reference):
    x, y, (first, second) = _curve_fields(estimate)
    distance = curves.distance(x, y, reference)
    curves.distance(x, second, reference)  # its guards
    at = [point[0] for point in reference]
    floor = curves.distance(
        x, first, list(zip(at, curves.along(x, second, at), strict=True))
    )
    limit = max(rule["threshold"], rule.get("factor", 1.5) * floor)
    pairs = _pairs(interval, {"": distance})
    outer = (-math.inf, max(rule["wider"], limit)) if "wider" in rule else None
    measured = {"distance": distance, "replicate floor": floor, "limit": limit}
    return Judgement(
        _place(pairs[""], (-math.inf, limit), outer),
        measured,
        interval and _shape(pairs),
        "",
    )


_JUDGES = {"band": _band, "slope": _band, "sign": _sign}
_JUDGES |= {"ordering": _ordering, "inequality": _inequality, "curve": _curve}


def _place(pair, inner, outer):
    """Where an interval lies: inside, outside, between the band and the wider band, or astride a limit."""
    low, high = pair
    widest = outer or inner
    if inner[0] <= low and high <= inner[1]:
        return REPRODUCED
    if high < widest[0] or low > widest[1]:
        return NOT_REPRODUCED
    between = (
        outer
        and (high < inner[0] or low > inner[1])
        and outer[0] <= low
        and high <= outer[1]
    )
    return ANOTHER_CONSTANT if between else UNDECIDED


def _beyond_zero(pair, way):
    low, high = sorted((way * pair[0], way * pair[1]))
    return REPRODUCED if low > 0 else NOT_REPRODUCED if high <= 0 else UNDECIDED


def _worst(found):
    return min(found, key=JUDGED.index)


def names(rule):
    """The names of the values that a rule judges, in its order; None where there is one value, or none is named."""
    named = rule.get("order") or _by_name(rule.get("value"), None)
    return [str(name) for name in named] if isinstance(named, (list, dict)) else None


def _by_name(estimate, names):
    """An estimate given as a list as a dict, with the rule's names where it has as many, else numbered from 1."""
    if not isinstance(estimate, list):
        return estimate
    labels = (
        names
        if names and len(names) == len(estimate)
        else map(str, range(1, len(estimate) + 1))
    )
    return dict(zip(labels, estimate, strict=True))


def _values(kind, estimate, names, finite=True):
    """The estimate as numbers by name, in the rule's order where it has names; a single number's name is empty."""
    named = _by_name(estimate, names)
    values = named if isinstance(named, dict) else {"": named}
    if (
        not values
        or not all(map(_is_number, values.values()))
        or (names and set(names) != set(values))
    ):
        wanted = f": {', '.join(names)}" if names else ""
        raise ValueError(f"needs {_NEEDS[kind]}{wanted}; got {estimate!r}")
    if finite and not all(map(math.isfinite, values.values())):
        raise ValueError(f"an estimate is finite; got {estimate!r}")
    return {name: float(values[name]) for name in names or values}


def _pairs(interval, values):
    """An interval for each value by name; without intervals, the values themselves."""
    if interval is None:
        return {name: (value, value) for name, value in values.items()}
    given = {"": interval} if "" in values else interval
    if isinstance(given, list) and len(given) == len(values):
        given = dict(zip(values, given, strict=True))
    if not isinstance(given, dict) or set(given) != set(values):
        raise ValueError(
            f"an interval is one pair (low, high) for each of {', '.join(values)}; got {interval!r}"
        )
    for name, pair in given.items():
        if pair is None:  # no interval: the value itself
            given = given | {name: (values[name], values[name])}
            continue
        numbers = (
            isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))
        )
        if not numbers or not -math.inf < pair[0] <= pair[1] < math.inf:
            raise ValueError(
                f"an interval is (low, high), finite, with low <= high; got {pair!r}"
            )
    return {name: tuple(map(float, given[name])) for name in values}


def _whole(interval, values):
    """The intervals of values that nobody judges, where there is one for each; else None."""
    try:
        return None if interval is None else _shape(_pairs(_plain(interval), values))
    except ValueError:
        return None


def _counts(estimate):
    """Violations, trials and bounds from either form of an inequality's estimate."""
    if (
        isinstance(estimate, list)
        and estimate
        and all(isinstance(item, bool) for item in estimate)
    ):
        estimate = {"violations": sum(estimate), "trials": len(estimate)}
    if not isinstance(estimate, dict) or set(estimate) - {"bounds"} != {
        "violations",
        "trials",
    }:
        raise ValueError(f"needs {_NEEDS['inequality']}; got {estimate!r}")
    k, K = estimate["violations"], estimate["trials"]
    if not (
        _is_number(k)
        and _is_number(K)
        and k == int(k)
        and K == int(K)
        and 0 <= k <= K
        and K >= 1
    ):
        raise ValueError(
            f"violations are a whole number up to trials, and trials at least 1; got {k!r} of {K!r}"
        )
    bounds = {
        float(n): float(bound) for n, bound in (estimate.get("bounds") or {}).items()
    }
    return {"violations": int(k), "trials": int(K), "bounds": bounds}


def _curve_fields(estimate):
    if (
        not isinstance(estimate, dict)
        or set(estimate) != {"x", "y", "halves"}
        or len(estimate["halves"]) != 2
    ):
        raise ValueError(f"needs {_NEEDS['curve']}; got {estimate!r:.80}")
    return estimate["x"], estimate["y"], estimate["halves"]


def _shape(values):
    """One number (or pair) where the name is empty, else a dict; pairs as lists."""
    values = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }
    return values.get("", values)


def _plain(value):
    """Tensors, arrays, series and frames as lists, dicts with text keys, and numbers."""
    if type(value).__name__ == "DataFrame":
        halves = [
            value[name] for name in ("first_half", "second_half") if name in value
        ]
        value = {"x": value.get("x"), "y": value.get("y"), "halves": halves}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return (
        [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
    )


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)
