"""Claims: each rule at its limit, with and without intervals; what is not judged; strict checks, ledger, drift."""

import json
import math
from collections import Counter

import numpy
import pandas
import pytest
import torch
import yaml

from companion import claims, markup
from companion.claims import cards, recording, rules, runs, verdicts, words
from companion.claims.file import PAPERS
from companion.claims.rules import check_rule, judge
from companion.press import chapters
from kdlib import curves, intervals, places, published

YES, NO, OPEN, NEARLY, EMPTY = (
    "reproduced", "not reproduced", "undecided", "reproduced with another constant", "vacuous"
)  # fmt: skip


def before(verdict, estimate=1.0, interval=None):
    return {"verdict": verdict, "estimate": estimate, "interval": interval}


# ---------------------------------------------------------------- rules

BAND = {"kind": "band", "value": 2.0, "absolute": 0.5}  # [1.5, 2.5]; halves and quarters are exact in binary
WIDE = BAND | {"wider": 1.0}  # [1, 3]
TWICE = {"kind": "band", "value": 2.0, "relative": 1.0, "wider": 3.0}  # [1, 4], [.5, 8]
MOST = {"kind": "band", "at_most": 0.5, "wider": 1.0}
LEAST = {"kind": "band", "at_least": 0.5, "wider": 0.25}


@pytest.mark.parametrize(
    ("rule", "estimate", "interval", "verdict"),
    [
        (BAND, 2.5, None, YES),
        (BAND, math.nextafter(2.5, 3), None, NO),
        (BAND, 1.5, None, YES),
        (BAND, math.nextafter(1.5, 1), None, NO),
        (BAND, 2.0, (1.5, 2.5), YES),
        (BAND, 2.0, (1.4, 2.5), OPEN),  # the point fits, the interval straddles the lower limit
        (BAND, 2.6, (2.4, 2.8), OPEN),
        (BAND, 2.6, (2.51, 2.8), NO),
        (BAND, 2.0, (0.0, 9.0), OPEN),
        (WIDE, 3.0, None, NEARLY),
        (WIDE, math.nextafter(3.0, 4), None, NO),
        (WIDE, 2.7, (2.51, 3.0), NEARLY),
        (WIDE, 2.7, (2.5, 3.0), OPEN),  # touches the inner band
        (WIDE, 2.7, (2.51, 3.1), NEARLY),  # none of it is in the inner band: the value decides
        (WIDE, 3.2, (2.9, 3.4), NO),
        (WIDE, 1.0, None, NEARLY),
        (TWICE, 1.0, None, YES),
        (TWICE, 4.0, None, YES),
        (TWICE, 8.0, None, NEARLY),
        (TWICE, 0.4, None, NO),
        ({"kind": "band", "value": -2.0, "relative": 1.0}, -4.0, None, YES),
        (MOST, 0.5, None, YES),
        (MOST, 0.75, None, NEARLY),
        (MOST, 1.25, None, NO),
        (MOST, 0.4, (0.3, 0.6), OPEN),
        (LEAST, 0.5, None, YES),
        (LEAST, 0.25, None, NEARLY),
        (LEAST, 0.2, None, NO),
    ],
)
def test_band(rule, estimate, interval, verdict):
    assert judge(rule, estimate, interval).verdict == verdict


NAMED = {"kind": "band", "value": {"a": 1.0, "b": 2.0}, "absolute": 0.25, "wider": 0.5}


@pytest.mark.parametrize(
    ("estimate", "interval", "verdict"),
    [
        ({"b": 2.25, "a": 1.25}, None, YES),  # by name, whatever the order
        ([1.25, 2.25], None, YES),
        (torch.tensor([1.25, 2.25]), None, YES),
        (pandas.Series([1.25, 2.5]), None, NEARLY),
        ([1.25, 2.75], None, NO),  # one that fails is enough
        ([1.0, 2.0], [(0.9, 1.1), (1.7, 2.1)], OPEN),
        ({"a": 1.0, "b": 2.0}, {"b": (1.7, 2.1), "a": (0.9, 1.1)}, OPEN),
        ([1.0, 9.0], [(0.7, 1.1), (8.0, 10.0)], NO),  # failure counts before doubt
    ],
)
def test_band_of_named_values(estimate, interval, verdict):
    assert judge(NAMED, estimate, interval).verdict == verdict


def test_named_values_come_back_by_name():
    found = judge(NAMED, numpy.array([1.0, 2.0]), numpy.array([[0.9, 1.1], [1.9, 2.1]]))
    assert found.estimate == {"a": 1.0, "b": 2.0}
    assert found.interval == {"a": [0.9, 1.1], "b": [1.9, 2.1]}


RISING = {"kind": "ordering", "order": ["a", "b", "c"]}
FALLING = RISING | {"by": "falling"}


@pytest.mark.parametrize(
    ("rule", "estimate", "interval", "verdict"),
    [
        (RISING, [1, 2, 3], None, YES),
        (RISING, {"c": 3, "a": 1, "b": 2}, None, YES),
        (RISING, [1, 2, 2], None, NO),  # equal is not in order
        (FALLING, [3, 2, 1], None, YES),
        (FALLING, [1, 2, 3], None, NO),
        (RISING, [1, 2, 3], [(0.9, 1.4), (1.5, 2.4), (2.5, 3)], YES),
        (RISING, [1, 2, 3], [(0.9, 1.5), (1.5, 2.4), (2.5, 3)], OPEN),  # neighbours touch
        (RISING, [1, 2, 1.2], [(0.9, 1.1), (1.5, 2.4), (1.1, 1.5)], NO),
        (RISING, [1, 2, 3], [(0.1, 2), (0.5, 1.5)], YES),  # steps, paired over seeds: sharper than overlapping values
        (RISING, [1, 2, 3], [(-0.1, 2), (0.5, 1.5)], OPEN),
        (RISING, [1, 2, 3], [(-1, 0), (0.5, 1.5)], NO),
        (FALLING, [3, 2, 1], [(-2, -0.5), (-2, -0.5)], YES),
        (FALLING, [3, 2, 1], {"a": (2.9, 3.1), "b": (1.9, 2.1), "c": (0.9, 1.1)}, YES),
    ],
)
def test_ordering(rule, estimate, interval, verdict):
    assert judge(rule, estimate, interval).verdict == verdict


@pytest.mark.parametrize(
    ("sign", "estimate", "interval", "verdict"),
    [
        ("positive", 1e-9, None, YES),
        ("positive", 0.0, None, NO),
        ("negative", 0.0, None, NO),
        ("negative", -1.0, (-2.0, -0.5), YES),
        ("negative", -1.0, (-2.0, 0.5), OPEN),
        ("negative", 1.0, (0.0, 2.0), NO),
        ("positive", [1.0, 2.0], None, YES),
        ("positive", {"x": 1.0, "y": -2.0}, None, NO),
        ("positive", [1.0, 2.0], [(0.5, 1.5), (-1.0, 3.0)], OPEN),
    ],
)
def test_sign(sign, estimate, interval, verdict):
    assert judge({"kind": "sign", "sign": sign}, estimate, interval).verdict == verdict


def test_slope_is_judged_by_its_interval_and_refuses_to_go_without():
    rule = {"kind": "slope", "value": -0.5, "absolute": 0.125, "wider": 0.25}
    assert judge(rule, -0.5, (-0.625, -0.375)).verdict == YES
    assert judge(rule, -0.5, (-0.626, -0.375)).verdict == OPEN
    assert judge(rule, -0.7, (-0.74, -0.63)).verdict == NEARLY
    assert judge({"kind": "slope", "at_most": -0.5}, -0.6, (-0.7, -0.5)).verdict == YES
    assert judge({"kind": "slope", "at_most": -0.5}, -0.6, (-0.7, -0.4)).verdict == OPEN
    with pytest.raises(ValueError, match="needs a number.*interval.*got no interval"):
        judge(rule, -0.5)


@pytest.mark.parametrize(
    ("delta", "violations", "trials", "verdict"),
    [
        (0, 0, 5, YES),
        (0, 1, 10**6, NO),  # a theorem without probability: one violation refutes it
        (0.25, 2, 8, YES),  # exactly delta
        (0.25, 3, 8, OPEN),  # above delta, within chance: the lower 95 % limit of 3 of 8 is .085
        (0.25, 6, 8, NO),  # its lower limit is .349
        (0.1, 1, 1, OPEN),  # .025
        (0.02, 1, 1, NO),
    ],
)
def test_inequality_allows_a_share_delta_of_violations(delta, violations, trials, verdict):
    rule = {"kind": "inequality", "delta": delta}
    assert judge(rule, {"violations": violations, "trials": trials}).verdict == verdict
    if trials < 10:
        flags = torch.arange(trials) < violations
        assert judge(rule, flags).verdict == verdict


def test_a_share_above_delta_is_undecided_as_long_as_chance_explains_it():
    """Chance explains it where so many violations or more have a probability of 2.5 % at least: here summed term by term."""
    verdict = {True: set(), False: set()}
    for delta in (0.01, 0.03, 0.1, 0.25, 0.6):
        for trials in range(1, 13):
            for violations in range(math.floor(delta * trials) + 1, trials + 1):
                share = [math.comb(trials, k) * delta**k * (1 - delta) ** (trials - k) for k in range(violations, trials + 1)]
                counts = {"violations": violations, "trials": trials}
                verdict[sum(share) >= 0.025].add(judge({"kind": "inequality", "delta": delta}, counts).verdict)
    assert verdict == {True: {OPEN}, False: {NO}}


def test_a_bound_above_one_everywhere_is_vacuous():
    rule = {"kind": "inequality", "delta": 0}
    cases = {"violations": 0, "trials": 9}
    found = judge(rule, cases | {"bounds": {32: 3.0, 64: 1.0}})
    assert (found.verdict, found.note) == (EMPTY, "bound never below 1/2 up to 64, vacuous up to 64")
    found = judge(rule, cases | {"bounds": {1024: 0.3, 512: 0.49, 32: 3.0, 256: 0.5, 128: 0.9}})
    assert (found.verdict, found.note) == (YES, "bound below 1/2 from 512, vacuous up to 32")
    assert found.estimate == {"violations": 0, "trials": 9, "below_half_from": 512.0}
    assert judge(rule, {"violations": 1, "trials": 9, "bounds": {32: 3.0}}).verdict == NO


def test_curve_distance_in_closed_form():
    x = numpy.geomspace(1, 1024, 11)
    paper = [[x_, x_**-0.5] for x_ in (2.0, 3.0, 700.0)]
    # A power law is a straight line in log x and log y, so interpolation is exact; a factor e is a distance of 1. The
    # rounding of logs and exps of size below 10 stays below 1e-14.
    assert curves.distance(x, math.e * x**-0.5, paper) == pytest.approx(1.0, rel=0, abs=1e-14)
    assert curves.distance(x, x**-0.5, paper) == pytest.approx(0.0, rel=0, abs=1e-14)
    mixed = [[2.0, 1.0], [4.0, math.e**2]]
    assert curves.distance(x, numpy.ones(11), mixed) == pytest.approx(math.sqrt(2.0), rel=1e-14)


CURVE = {"kind": "curve", "figure": "f", "curve": "c", "threshold": 0.25, "factor": 1.5}


def curve(ratio, spread, x=(1.0, 10.0, 100.0)):
    """A curve that lies a constant log ratio above 1, whose halves lie a constant log ratio apart."""
    ones = numpy.ones(len(x))
    y = math.exp(ratio) * ones
    return {"x": list(x), "y": y, "halves": [y * math.exp(spread / 2), y * math.exp(-spread / 2)]}


@pytest.mark.parametrize(
    ("ratio", "spread", "interval", "verdict"),
    [
        (0.24, 0.0, None, YES),
        (0.26, 0.0, None, NEARLY),
        (0.51, 0.0, None, NO),
        (-0.51, 0.0, None, NO),
        (0.30, 0.21, None, YES),  # the limit is 1.5 times the replicate floor, .315
        (0.30, 0.19, None, NEARLY),  # .285
        (0.70, 0.47, None, YES),  # a limit above the wider band moves that too
        (0.65, 0.47, (0.60, 0.72), OPEN),
        (0.24, 0.0, (0.2, 0.26), OPEN),
        (0.24, 0.0, (0.2, 0.25), YES),
    ],
)
def test_curve_against_threshold_and_replicate_floor(ratio, spread, interval, verdict):
    found = judge(CURVE | {"wider": 0.5}, curve(ratio, spread), interval, [[1.0, 1.0], [50.0, 1.0]])
    assert found.verdict == verdict
    assert found.estimate["distance"] == pytest.approx(abs(ratio), rel=1e-12)
    assert found.estimate["replicate floor"] == pytest.approx(spread, rel=1e-12, abs=1e-14)


def test_a_curve_may_be_a_frame():
    made = curve(0.1, 0.0)
    frame = pandas.DataFrame({"x": made["x"], "y": made["y"], "first_half": made["y"], "second_half": made["y"]})
    assert judge(CURVE, frame, None, [[1.0, 1.0], [50.0, 1.0]]).verdict == YES
    first, second = curve(0.1, 0.3)["halves"]
    found = judge(CURVE, frame.assign(first_half=first, second_half=second), None, [[1.0, 1.0], [50.0, 1.0]])
    assert found.estimate["replicate floor"] == pytest.approx(0.3, rel=1e-12)


@pytest.mark.parametrize(
    ("rule", "estimate", "interval", "law"),
    [
        (BAND, "2", None, "needs a number"),
        (BAND, True, None, "needs a number"),
        (BAND, None, None, "needs a number"),
        (BAND, math.nan, None, "finite"),
        (BAND, 2.0, (2.0, 1.0), "low <= high"),
        (BAND, 2.0, (1.0, math.nan), "low <= high"),
        (BAND, 2.0, (math.inf, math.inf), "finite but for an open end"),
        (BAND, 2.0, (-math.inf, -math.inf), "finite but for an open end"),
        (BAND, math.inf, None, "infinite with an interval from a limit to it; got inf with None"),
        (BAND, math.inf, (1.0, 2.0), "an interval from a limit to it"),
        (BAND, math.inf, (-math.inf, 2.0), "an interval from a limit to it"),
        (BAND, math.inf, (-math.inf, math.inf), "an interval from a limit to it"),
        (NAMED, [1.0, math.inf], None, "an interval from a limit to it"),
        (BAND, 2.0, 0.5, "low <= high"),
        (NAMED, [1.0, 2.0, 3.0], None, "needs .*: a, b; got"),
        (NAMED, {"a": 1.0, "c": 2.0}, None, "needs .*: a, b; got"),
        (NAMED, {"a": 1.0, "b": 2.0, "c": 3.0}, None, "needs .*: a, b; got"),
        (NAMED, [1.0, 2.0], (0.0, 1.0), "low <= high"),
        (NAMED, [1.0, 2.0], [(0.0, 1.0)], "one pair .* for each of a, b"),
        (NAMED | {"value": [1.0, 2.0]}, [1.0, 2.0, 3.0], None, "needs .*: 1, 2; got"),
        (RISING, [1, 2], None, "needs a dict with the names"),
        (RISING, [1, 2, 3], [(0, 1)], "one pair .* for each of a, b, c"),
        ({"kind": "inequality", "delta": 0}, 0, None, "needs a dict"),
        ({"kind": "inequality", "delta": 0}, {"violations": 3, "trials": 2}, None, "whole number up to trials"),
        ({"kind": "inequality", "delta": 0}, {"violations": 0.5, "trials": 2}, None, "whole number up to trials"),
        ({"kind": "inequality", "delta": 0}, {"violations": 0, "trials": 0}, None, "trials at least 1; got 0 of 0"),
        (CURVE, {"x": [1, 2], "y": [1, 2]}, None, "needs a dict"),
        (CURVE, curve(0, 0, (1.1, 60.0)), None, "from x = 1 to 50; got 1.1 to 60"),
        (CURVE, curve(0, 0, (0.9, 49.0)), None, "from x = 1 to 50; got 0.9 to 49"),
        (CURVE, curve(0, 0, (1.0, 100.0, 90.0)), None, "x rising"),
        (CURVE, curve(0, 0) | {"y": [1, 0, 1]}, None, "positive"),
        (CURVE, curve(0, 0) | {"halves": [[1, 1, 1], [1, -1, 1]]}, None, "positive"),
    ],
)
def test_an_estimate_of_the_wrong_kind_is_told_what_the_rule_needs(rule, estimate, interval, law):
    with pytest.raises(ValueError, match=law):
        judge(rule, estimate, interval, [[1.0, 1.0], [50.0, 1.0]])


# ---------------------------------------------------------------- open intervals


@pytest.mark.parametrize(
    ("rule", "estimate", "interval", "verdict"),
    [
        (WIDE, claims.beyond(3.5), None, NO),  # wholly outside the wider band [1, 3]
        (WIDE, claims.beyond(2.75), None, OPEN),  # inside the wider band or outside
        (WIDE, claims.beyond(2.0), None, OPEN),
        (WIDE, claims.below(0.5), None, NO),
        (WIDE, claims.below(1.25), None, OPEN),
        (WIDE, 2.0, (1.75, math.inf), OPEN),
        (MOST, claims.beyond(1.25), None, NO),
        (MOST, claims.beyond(0.25), None, OPEN),
        (MOST, claims.below(0.5), None, YES),  # however far below
        (MOST, claims.below(0.75), None, OPEN),
        (MOST, 0.25, (-math.inf, 0.5), YES),
        (LEAST, claims.beyond(0.5), None, YES),
        (LEAST, claims.beyond(0.25), None, OPEN),
        (LEAST, claims.below(0.2), None, NO),
        (NAMED, [1.0, claims.beyond(2.75)], None, NO),
        (NAMED, [1.0, claims.beyond(2.75)], [(0.5, 1.5), None], NO),
        (NAMED, {"a": claims.below(0.25), "b": 2.0}, {"a": None, "b": (1.9, 2.1)}, NO),
        (NAMED, [1.0, claims.beyond(2.25)], None, OPEN),
        ({"kind": "slope", "at_most": -0.5}, claims.below(-0.6), None, YES),
        ({"kind": "sign", "sign": "positive"}, claims.beyond(1.0), None, YES),
        ({"kind": "sign", "sign": "positive"}, claims.beyond(0.0), None, OPEN),
        ({"kind": "sign", "sign": "negative"}, claims.beyond(0.0), None, NO),
        ({"kind": "sign", "sign": "negative"}, [claims.below(-1.0), -2.0], None, YES),
        (RISING, [1, 2, claims.beyond(3)], None, YES),
        (RISING, [1, 2, claims.beyond(1)], None, OPEN),
        (RISING, [1, claims.beyond(2), claims.beyond(2)], None, OPEN),  # two unknowns have no order
        (RISING, [claims.beyond(2), 2, 3], None, NO),
        (FALLING, [claims.beyond(4), 2, 1], [(2.5, 3.5), None, None], YES),  # beyond is its own interval
        (FALLING, [claims.beyond(4), 2, 1], [(-math.inf, -2), (-2, -0.5)], YES),  # steps
        (RISING, [1, 2, 3], [(0.5, math.inf), None], YES),
    ],
)
def test_an_open_interval_is_judged_by_where_it_lies(rule, estimate, interval, verdict):
    assert judge(rule, estimate, interval).verdict == verdict


def test_an_estimate_beyond_a_limit_is_an_infinite_one_with_an_interval_from_the_limit():
    assert judge(BAND, claims.beyond(3)) == judge(BAND, math.inf, (3, math.inf))
    assert judge(BAND, claims.below(1)) == judge(BAND, -math.inf, (-math.inf, 1))
    for limit in (math.inf, math.nan, "1"):
        with pytest.raises(ValueError, match="a limit is a finite number"):
            claims.beyond(limit)


ENDS = (-math.inf, *(quarter / 4 for quarter in range(-3, 18)), math.inf)  # across each limit of the rules below


def spans_of_ends():
    """Every interval with its ends among ``ENDS`` and a finite one among them."""
    for low in ENDS[:-1]:
        for high in ENDS[1:]:
            if low <= high:
                yield low, high


@pytest.mark.parametrize(
    "rule", [BAND, WIDE, TWICE, MOST, LEAST, {"kind": "sign", "sign": "positive"}, {"kind": "sign", "sign": "negative"}]
)
def test_an_interval_is_judged_as_all_the_values_in_it_are(rule):
    """Reproduced if every finite value in the interval is, undecided if some are; where none is, the estimate decides."""
    far = [-1e9, *(eighth / 8 for eighth in range(-8, 72)), 1e9]  # each piece between two limits, and beyond all
    alone = {value: judge(rule, value).verdict for value in far}
    for low, high in spans_of_ends():
        inside = {alone[value] for value in far if low <= value <= high}
        middle = next(value for value in far if low <= value <= high)
        expected = alone[middle] if YES not in inside else YES if inside == {YES} else OPEN
        assert judge(rule, middle, (low, high)).verdict == expected, (low, high)


@pytest.mark.parametrize("rule", [WIDE, MOST, LEAST, {"kind": "sign", "sign": "positive"}])
def test_to_know_more_never_turns_a_verdict(rule):
    """An interval within another has its verdict, or decides what the other left undecided."""
    verdict = {span: judge(rule, 1.0, span).verdict for span in spans_of_ends()}
    for (low, high), whole in verdict.items():
        if whole != OPEN:
            inner = [span for span in verdict if low <= span[0] and span[1] <= high]
            assert {verdict[span] for span in inner} == {whole}


def test_records_with_open_ends_come_back_from_a_page_and_from_a_baseline(book, monkeypatch, tmp_path):
    """Whatever the interval, JSON as strict readers take it and YAML keep it, and it has not moved from itself."""
    rule = {"kind": "band", "value": {"a": 1.0, "b": 2.0}, "absolute": 0.25}
    book(CLAIM | {"rule": rule})
    calls = [("one", {"a": claims.beyond(end), "b": claims.below(end)}, {}) for end in ENDS[1:-1]]
    for low, high in spans_of_ends():
        calls.append(("one", [min(max(1.0, low), high), 2.0], {"interval": [(low, high), None]}))
    made = recorded(monkeypatch, *calls)
    (tmp_path / "one.ipynb").write_text(json.dumps(cell(*made), allow_nan=False))
    read = claims.collect(tmp_path / "one.ipynb")
    assert read == made
    rows = {f"one-{i}": before(one["verdict"], one["estimate"], one["interval"]) for i, one in enumerate(read)}
    frame = pandas.DataFrame({"id": list(rows)} | {name: [row[name] for row in rows.values()] for name in before(YES)}, dtype=object)
    change = claims.drift(frame, yaml.safe_load(yaml.safe_dump(rows)))
    assert len(change) == len(calls)
    assert set(change["drift"]) == {"within band"} and set(change["direction"]) == {"same"}


def test_an_open_interval_in_words():
    made = CLAIM | {"estimate": None, "interval": [8959.0, None], "note": ""}
    assert words.measured(made) == "not up to 8,959"
    assert words.measured(made | {"interval": [None, -0.25]}) == "below -0.250"
    assert words.measured(made | {"estimate": 9000.0}) == "9,000 (8,959 or more)"
    assert words.measured(made | {"estimate": 1.5, "interval": [None, 2.0]}) == "1.50 (2 or less)"
    assert words.measured(made | {"estimate": 1.5, "interval": [None, None]}) == "1.50 (any)"
    both = made | {"estimate": {"2^9": 4223.0, "2^13": None}, "interval": {"2^9": None, "2^13": [8959.0, None]}}
    assert words.measured(both) == "2^9: 4,223, 2^13: not up to 8,959"
    assert words.measured(made | {"interval": None}) == ""
    assert words.measured(both | {"interval": None}) == "2^9: 4,223, 2^13: not computed"


def test_steps_that_were_measured_are_kept_beside_the_values_and_told(book, monkeypatch):
    book(CLAIM | {"rule": FALLING})
    values = [claims.beyond(4), 2, 1]
    (made,) = recorded(monkeypatch, ("one", values, {"interval": [(-math.inf, -2), (-2, -0.5)]}))
    assert made["estimate"] == {"a": None, "b": 2.0, "c": 1.0}
    assert made["interval"] == {"a to b": [None, -2.0], "b to c": [-2.0, -0.5], "a": [4.0, None]}
    told = "a: not up to 4, b: 2, c: 1; steps a to b: -2 or less, b to c: -2 to -0.500"
    assert words.measured(made) == told


def test_smoke_keeps_what_lies_beyond_and_not_what_was_not_computed():
    estimate = {"a": claims.beyond(3), "b": math.nan}
    found = rules.pass_over(NAMED, estimate, verdicts.NOT_TESTED, "why", {"a": None, "b": (1.0, math.inf)})
    assert found.estimate == {"a": None, "b": None}
    assert found.interval == {"a": [3.0, None], "b": None}
    assert rules.pass_over(BAND, math.inf, verdicts.NOT_TESTED, "why")[1:3] == (None, None)


# ---------------------------------------------------------------- the file of claims


@pytest.mark.parametrize(
    ("better", "worse"),
    [(YES, NEARLY), (NEARLY, verdicts.FITTED), (verdicts.FITTED, EMPTY), (EMPTY, OPEN), (OPEN, NO)],
)
def test_verdicts_have_an_order_from_which_drift_tells_better_from_worse(executed, better, worse):
    frame = claims.ledger(executed)
    for now, then, direction in ((better, worse, "better"), (worse, better, "worse")):
        frame.loc[frame["id"] == "failing", "verdict"] = now
        assert claims.drift(frame, {"failing": before(then)})["direction"].tolist() == [direction]
    assert verdicts.worst([better, worse, YES]) == worse


def test_claims_are_added_and_never_taken_away():
    """A claim that is gone would leave every count and every baseline in silence."""
    least = {"ji_zhu_2020": 116, "mandal_2025": 33, "zhou_2021": 21, "dong_2019": 15, "jeong_chung_2025": 22}
    papers = Counter(claim["paper"] for claim in claims.read())
    assert papers.keys() == PAPERS.keys()
    assert all(papers[paper] >= count for paper, count in least.items()), papers


def test_each_verdict_of_the_committed_baselines_is_one_that_a_rule_gives_to_a_claim_of_the_book():
    ids = {claim["id"] for claim in claims.read()}
    paths = list((places.book() / "baselines").glob("*.yml"))
    assert "laptop.yml" in {path.name for path in paths}
    for path in paths:
        kept = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert kept.keys() <= ids, path
        assert {one["verdict"] for one in kept.values()} <= set(verdicts.JUDGED), path
        rows = [{"id": name} | one for name, one in kept.items()]
        assert set(claims.drift(pandas.DataFrame(rows), kept)["drift"]) == {"within band"}, path


def test_every_rule_of_the_book_survives_an_executed_notebook():
    for claim in claims.read():
        assert json.loads(json.dumps(claim["rule"])) == claim["rule"], claim["id"]


def test_curve_claims_name_curves_that_were_measured():
    for claim in claims.read():
        if claim["rule"]["kind"] == "curve":
            points = published.curves(claim["paper"])[claim["rule"]["figure"]]["curves"][claim["rule"]["curve"]]
            assert min(min(point) for point in points) > 0, claim["id"]  # a log ratio needs positive values


# Curves whose claim is a height: these are constant, or nearly so, in the paper too.
HEIGHTS = {"ji-zhu-fig3-zero", "ji-zhu-fig3-random", "ji-zhu-fig3-right-flips-half", "ji-zhu-fig4-right-hard-1688e-5"}


def test_a_constant_does_not_pass_for_a_curve_that_falls_or_climbs():
    """The effect decides: the best constant, without noise of its own, is no reproduction of the paper's curve."""
    for claim in claims.read():
        rule = claim["rule"]
        if rule["kind"] == "curve":
            paper = numpy.array(published.curves(claim["paper"])[rule["figure"]]["curves"][rule["curve"]])
            flat = numpy.full(len(paper), math.exp(numpy.log(paper[:, 1]).mean()))
            found = judge(rule, {"x": paper[:, 0], "y": flat, "halves": [flat, flat]}, None, paper.tolist())
            assert (found.verdict == NO) == (claim["id"] not in HEIGHTS), (claim["id"], found.estimate)


def test_a_size_that_a_claim_needs_is_a_parameter_that_the_paper_profile_has_and_the_laptop_has_not():
    written = set(chapters.names())
    for claim in claims.read():
        sizes = {name: least for name, least in claim.get("needs", {}).items() if name not in ("profile", "dataset")}
        if sizes and claim["chapter"] in written:
            laptop = {name: one.default for name, one in chapters.parameters(claim["chapter"]).items()}
            paper = laptop | chapters.profile_values(claim["chapter"], "paper")
            most = [numpy.max(paper[name]) >= least for name, least in sizes.items()]
            less = [numpy.max(laptop[name]) < least for name, least in sizes.items()]
            assert all(most) and any(less), (claim["id"], sizes)


@pytest.mark.parametrize(
    ("rule", "law"),
    [
        ({"kind": "guess"}, "kind must be one of"),
        ({"kind": "band", "value": 1.0}, "band must have absolute, value or"),
        ({"kind": "band", "value": 1.0, "absolute": 0.1, "relative": 0.1}, "band must have"),
        ({"kind": "band", "value": 0.0, "relative": 0.1}, "positive width"),
        ({"kind": "band", "value": 1.0, "absolute": 0.2, "wider": 0.1}, "wider must be wider"),
        ({"kind": "band", "at_most": 1.0, "wider": 0.5}, "wider must be wider"),
        ({"kind": "band", "at_least": 1.0, "wider": 1.0}, "wider must be wider"),
        ({"kind": "ordering", "order": ["a", "a"]}, "different names"),
        ({"kind": "ordering", "order": ["a", "b"], "by": "size"}, "rising or falling"),
        ({"kind": "sign", "sign": "up"}, "positive or negative"),
        ({"kind": "inequality", "delta": 1}, r"delta must be in \[0, 1\)"),
        (CURVE | {"wider": 0.2}, "threshold < wider"),
        ({"kind": "curve", "figure": "f", "curve": "c", "threshold": 0.5}, "curve must have curve, factor, figure, threshold"),
        ("band", "kind must be one of"),
    ],
)
def test_a_rule_that_could_not_be_judged_is_refused(rule, law):
    with pytest.raises(ValueError, match=law):
        check_rule(rule)


CLAIM = {
    "id": "one", "paper": "ji_zhu_2020", "place": "Fig. 1", "statement": "One is < two.", "quantity": "one",
    "rule": {"kind": "band", "value": 1.0, "absolute": 0.5}, "chapter": "01_first",
}  # fmt: skip
NEEDY = CLAIM | {"id": "needy", "needs": {"dataset": ["cifar10", "mnist"], "profile": "paper"}}
OTHER = CLAIM | {"id": "other", "paper": "dong_2019", "chapter": "02_second"}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of three claims and one chapter; returns what rewrites its claims."""

    def write(*found):
        (tmp_path / "book" / "claims.yml").write_text(yaml.safe_dump(list(found), sort_keys=False))
        return tmp_path

    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "01_first.md").write_text("# First\n")
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path / "book"))
    for name in ("KDLIB_PROFILE", "KDLIB_CHANGED"):
        monkeypatch.delenv(name, raising=False)
    write(CLAIM, NEEDY, OTHER)
    return write


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"place": ""}, "claim one, place: missing"),
        ({"id": "One thing"}, "claim One thing, id: must be lower-case"),
        ({"paper": "hinton_2015"}, "claim one, paper: must be one of .*; got hinton_2015"),
        ({"chapter": "first"}, "claim one, chapter: got 'first'"),
        ({"needs": {"gpu": "yes"}}, "claim one, needs: must have profile, dataset, or the least number"),
        ({"verdict": "reproduced"}, "claim one, verdict: not a field"),
        ({"whose": "theirs"}, "claim one, whose: must be corrected or ours; got 'theirs'"),
        ({"whose": "corrected"}, "claim one, corrects: a claim that is corrected names"),
        ({"corrects": "two"}, "claim one, corrects: a claim that is corrected names"),
        ({"whose": "corrected", "corrects": "two"}, "claim one, corrects: no claim two"),
        ({"fitted": "yes"}, "claim one, fitted: must be true or false"),
        ({"if_not": {"kind": "misprint"}}, "claim one, if_not: must have kind and why"),
        ({"if_not": {"kind": "slip", "why": "A slip."}}, "claim one, if_not: kind must be one of misprint, .*; got 'slip'"),
        ({"rule": {"kind": "band"}}, "claim one, rule: band must have"),
    ],
)
def test_a_claim_that_is_not_well_formed_is_named_with_its_field(book, change, law):
    book(CLAIM | change)
    with pytest.raises(ValueError, match=law):
        claims.read()


def test_an_id_given_twice_is_refused(book):
    book(CLAIM, CLAIM)
    with pytest.raises(ValueError, match="claim one, id: given twice"):
        claims.read()


# ---------------------------------------------------------------- recording


def test_a_record_is_judged_and_printed_outside_a_notebook(book, capsys):
    assert claims.record("one", 1.25) == YES
    assert capsys.readouterr().out == "reproduced: one: One is < two. [1.25]\n"
    assert claims.record("one", torch.tensor(9.0), interval=(8.0, 10.0)) == NO
    assert "[9.0 (8.0 to 10.0)]" in capsys.readouterr().out


def test_a_mean_over_seeds_is_recorded_with_its_t_interval(book, capsys):
    assert claims.record_mean("one", [1.0, 1.1, 1.2]) == YES
    half = 4.302652729911275 * 0.1 / 3**0.5  # t quantile of two degrees of freedom
    assert capsys.readouterr().out == f"reproduced: one: One is < two. [1.1 ({1.1 - half:.1f} to {1.1 + half:.1f})]\n"
    assert claims.record_mean("one", [0.0, 4.0]) == OPEN


def test_means_over_seeds_go_by_their_own_names(book, monkeypatch):
    book(CLAIM | {"rule": {"kind": "sign", "sign": "positive"}})
    values = {"b": [1.0, 3.0], "a": [5.0, 5.0], "c": [0.5]}
    (made,) = recorded(monkeypatch, ("one", values, {}), by=claims.record_mean)
    assert made["estimate"] == {"b": 2.0, "a": 5.0, "c": 0.5}
    assert made["interval"]["a"] == [5.0, 5.0] and made["interval"]["c"] is None


@pytest.mark.parametrize("estimate", [1.0, math.nan, None])
def test_smoke_is_always_not_tested_and_may_be_incomplete(book, monkeypatch, estimate):
    monkeypatch.setenv("KDLIB_PROFILE", "smoke")
    monkeypatch.setenv("KDLIB_CHANGED", "seeds")
    assert claims.record("one", estimate) == verdicts.NOT_TESTED
    assert claims.record("needy", estimate, dataset="cifar10") == verdicts.NOT_TESTED
    with pytest.raises(ValueError, match="claim one: needs a number"):
        claims.record("one", "1.0")  # smoke shows that the kind is right


@pytest.mark.parametrize(
    ("rule", "incomplete", "wrong"),
    [
        (NAMED, {"a": 1.0}, "1.0"),
        (RISING, [1, 2], {"a": "1"}),
        ({"kind": "inequality", "delta": 0}, [False], 0.0),
        (CURVE, curve(0, 0), [1.0]),
        (NAMED, {}, "1.0"),  # values of which this run had none
        (RISING, torch.zeros(0), "1.0"),
    ],
)
def test_what_is_not_judged_may_be_incomplete_but_not_of_another_kind(book, monkeypatch, rule, incomplete, wrong):
    monkeypatch.setenv("KDLIB_CHANGED", "seeds")
    book(CLAIM | {"rule": rule})
    assert claims.record("one", incomplete) == verdicts.OTHER_PARAMETERS
    with pytest.raises(ValueError, match="needs"):
        claims.record("one", wrong)


@pytest.mark.parametrize(
    ("estimate", "interval", "kept"),
    [
        ({"a": 1.0, "b": 2.0}, {"a": (0.5, 1.5), "b": (1, 3)}, {"a": [0.5, 1.5], "b": [1.0, 3.0]}),
        ({"a": 1.0}, {"a": (0.5, 1.5)}, {"a": [0.5, 1.5]}),
        ({"a": 1.0, "b": 2.0}, {"a": (0.5, 1.5)}, None),
        ({"a": 1.0}, {"a": (float("nan"), 1.5)}, None),
        ({"a": 1.0}, None, None),
    ],
)
def test_a_run_that_is_not_judged_keeps_its_intervals_where_they_are_whole(estimate, interval, kept):
    assert rules.pass_over(NAMED, estimate, verdicts.OTHER_PARAMETERS, "why", interval).interval == kept


@pytest.mark.parametrize("rule", [NAMED, {"kind": "ordering", "order": ["a", "b"]}])
def test_values_that_were_not_computed_go_by_the_names_of_the_rule(rule):
    found = rules.pass_over(rule, [1.0, math.nan], verdicts.NOT_TESTED, "why")
    assert found.estimate == {"a": 1.0, "b": None}


def test_changed_parameters_are_another_run_and_the_device_is_not(book, monkeypatch):
    monkeypatch.setenv("KDLIB_CHANGED", "device,soft_ratios")
    assert claims.run_settings() == ("laptop", ["soft_ratios"])
    assert claims.record("one", 1.0) == verdicts.OTHER_PARAMETERS
    monkeypatch.setenv("KDLIB_CHANGED", "device")
    assert claims.record("one", 1.0) == YES


def test_a_claim_with_needs_waits_for_its_data_and_profile(book, monkeypatch):
    assert claims.record("needy", 1.0, dataset="cifar10") == verdicts.NOT_TESTED
    monkeypatch.setenv("KDLIB_PROFILE", "paper")
    assert claims.record("needy", None, dataset="digits") == verdicts.NOT_TESTED
    assert claims.record("needy", 1.0, dataset="mnist") == YES
    with pytest.raises(ValueError, match="claim needy: needs a number"):
        claims.record("needy", None, dataset="mnist")  # this run must decide it
    with pytest.raises(ValueError, match="claim needy: needs dataset="):
        claims.record("needy", 1.0)


def test_an_unknown_claim_is_refused(book):
    with pytest.raises(ValueError, match="got 'nine'"):
        claims.record("nine", 1.0)


class Shell:
    """What a notebook's kernel tells of itself."""

    def __init__(self, *cells):
        self.user_ns = {"In": ["", *cells]}


@pytest.mark.parametrize(
    ("injected", "changed"),
    [
        ("# Parameters\nratios = [1.0, 0.5]\nseeds = 3", ["ratios"]),
        ("# Parameters\nseeds = 3", []),
        ('# Parameters\ndevice = "cuda"', []),
        ("import torch", []),
    ],
)
def test_plain_papermill_with_other_values_is_noticed(book, monkeypatch, injected, changed):
    shell = Shell('ratios = [1.0, 0.9]  # each in (0, 1]\nseeds = 3  # runs\ndevice = "auto"', injected)
    monkeypatch.setattr(runs, "shell", lambda: shell)
    assert claims.run_settings() == ("laptop", changed)
    monkeypatch.setenv("KDLIB_CHANGED", "")  # a pipeline that says so is believed: it injects its profile's values
    assert claims.run_settings() == ("laptop", [])


@pytest.mark.parametrize(("size", "verdict"), [(64, YES), (63, verdicts.NOT_TESTED), ([8, 64], YES), ([8, 32], verdicts.NOT_TESTED)])
def test_a_claim_about_size_needs_that_much_of_a_parameter(book, monkeypatch, capsys, size, verdict):
    book(CLAIM | {"needs": {"samples": 64}})
    shell = Shell()
    shell.user_ns["samples"] = size
    monkeypatch.setattr(runs, "shell", lambda: shell)
    assert runs.bar(claims.read()[0], None) == (None if verdict == YES else (verdict, f"needs samples of at least 64, and had {numpy.max(size)}"))
    del shell.user_ns["samples"]
    with pytest.raises(ValueError, match="needs samples, which is no parameter of this chapter"):
        runs.bar(claims.read()[0], None)


@pytest.mark.parametrize(("estimate", "verdict"), [(1.0, verdicts.FITTED), (1.75, verdicts.FITTED), (9.0, NO)])
def test_a_fitted_curve_that_agrees_says_so(book, capsys, estimate, verdict):
    book(CLAIM | {"fitted": True, "rule": {"kind": "band", "value": 1.0, "absolute": 0.5, "wider": 1.0}})
    assert claims.record("one", estimate) == verdict


def cell(*made):
    """A notebook as execution leaves it, whose cells recorded the given claims."""
    outputs = [{"output_type": "display_data", "data": {}, "metadata": {"kdlib": {"claim": one}}} for one in made]
    code = {"cell_type": "code", "outputs": [{"output_type": "stream"}, *outputs]}
    return {"cells": [{"cell_type": "markdown"}, code]}


def recorded(monkeypatch, *calls, by=claims.record):
    """What ``record`` or another verb leaves in a notebook's metadata for each call."""
    shown = []
    with monkeypatch.context() as patch:
        patch.setattr(recording, "_show", shown.append)
        for name, estimate, options in calls:
            by(name, estimate, **options)
    return shown


def test_a_notebook_shows_one_card_with_its_record(book, monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(runs, "shell", lambda: Shell())
    monkeypatch.setattr(IPython.display, "display", lambda data, **options: shown.append((data, options)))
    book(CLAIM | {"if_not": {"kind": "misprint", "why": "It is <one>."}})
    claims.record("one", 9.0, interval=(8.0, 10.0), figure="fig-01-one")
    (data, options), = shown
    assert data["text/html"] == (
        '<details class="kd-claim kd-verdict--not-reproduced" id="claim-one"><summary>'
        f'<strong class="kd-badge" title="{verdicts.MEANINGS[NO]}">not reproduced</strong> '
        "One is &lt; two. <small>Ji &amp; Zhu 2020, Fig. 1</small></summary>"
        "<dl><dt>the paper</dt><dd>1</dd><dt>here</dt><dd>9.0 (8.0 to 10.0)</dd><dt>allowed</dt><dd>± 0.5</dd>"
        "<dt>what is measured</dt><dd>one</dd><dt>why not</dt><dd>misprint: It is &lt;one&gt;.</dd>"
        '<dt>decided by</dt><dd><a href="#fig-01-one">its figure</a></dd></dl></details>'
    )
    assert data["text/plain"] == "not reproduced: one: One is < two. [9.0 (8.0 to 10.0)]"
    made = options["metadata"]["kdlib"]["claim"]
    assert CLAIM.items() <= made.items()
    assert (made["verdict"], made["estimate"], made["interval"], made["figure"]) == (NO, 9.0, [8.0, 10.0], "fig-01-one")
    assert options["raw"]
    json.dumps(made, allow_nan=False)


# ---------------------------------------------------------------- checks, ledger, drift


def test_a_strict_build_wants_each_claim_of_a_chapter_once(book, monkeypatch):
    one, needy, other = recorded(
        monkeypatch, ("one", 1.0, {}), ("needy", None, {"dataset": "digits"}), ("other", 1.0, {})
    )
    assert claims.check("01_first", [one, needy]) == []
    assert claims.check("01_first", [one, one]) == [
        "01_first, claim recorded 2 times: one", "01_first, claim not recorded: needy"
    ]  # fmt: skip
    assert claims.check("01_first", [one, needy, other]) == ["01_first, claim belongs to 02_second: other"]
    assert claims.check("01_first", [one, needy, one | {"id": "nine"}]) == ["01_first, claim not in claims.yml: nine"]
    assert claims.check("03_third", []) == []
    book(CLAIM | {"rule": BAND}, NEEDY, OTHER)
    assert claims.check("01_first", [one, needy]) == [
        "01_first, claim judged by an older rule, run the chapter again: one"
    ]


@pytest.fixture
def executed(book, monkeypatch):
    """Two claims recorded in the one chapter that exists, as the pipeline leaves them."""
    folder = book(CLAIM, NEEDY, OTHER, CLAIM | {"id": "failing"}) / "_build" / "laptop" / "book"
    folder.mkdir(parents=True)
    calls = (("one", 1.0, {"figure": "fig-01-one"}), ("needy", None, {"dataset": "digits"}), ("failing", 9.0, {}))
    (folder / "01_first.ipynb").write_text(json.dumps(cell(*recorded(monkeypatch, *calls))))
    return folder


def test_records_come_back_from_path_and_notebook(executed):
    path = executed / "01_first.ipynb"
    assert [made["id"] for made in claims.collect(path)] == ["one", "needy", "failing"]
    assert claims.collect(json.loads(path.read_text())) == claims.collect(str(path))


def test_the_ledger_has_a_row_a_claim_the_failing_first(executed):
    frame = claims.ledger(executed)
    assert list(zip(frame["id"], frame["verdict"], strict=True)) == [
        ("failing", NO), ("one", YES), ("needy", verdicts.NOT_TESTED), ("other", verdicts.NO_CHAPTER)
    ]  # fmt: skip
    (executed / "01_first.ipynb").unlink()
    frame = claims.ledger(executed)
    assert frame.set_index("id")["verdict"]["one"] == verdicts.NOT_RUN
    assert "01_first.html" not in claims.ledger_html(frame), "no link to a page that is not there"


def test_the_ledger_page_has_a_card_a_claim_in_the_papers_order(executed):
    html = claims.ledger_html(claims.ledger(executed))
    assert '<a href="01_first.html#fig-01-one">its figure</a>' in html
    assert '<a href="01_first.html#claim-failing">its place in the chapter</a>' in html
    assert 'id="other" data-paper="dong_2019" data-verdict="no chapter yet" data-whose="as written"' in html
    assert '<option value="not reproduced">not reproduced</option>' in html and 'type="search"' in html
    places = [html.index(f'id="{name}"') for name in ("one", "needy", "failing", "other")]
    assert places == sorted(places), "as claims.yml has them, and not the failing first"
    for word, meaning in (verdicts.MEANINGS | verdicts.WORDS).items():
        assert f"{word}</th><td>{markup.join([meaning])}" in html
    for inline in ("style=", "onchange", "<script"):
        assert inline not in html


def test_a_chapter_ends_with_the_counts_of_its_claims_and_shows_none_twice(executed):
    summary = claims.chapter_summary(claims.collect(executed / "01_first.ipynb"))
    assert summary.startswith("## ") and summary.index("not reproduced") < summary.index(">reproduced")
    assert "One is" not in summary and 'href="ledger.html#chapter=01_first"' in summary


def test_measured_values_keep_the_order_of_the_rule(book, monkeypatch, tmp_path):
    book(CLAIM | {"rule": {"kind": "ordering", "by": "falling", "order": ["zero", "b", "a"]}})
    (made,) = recorded(monkeypatch, ("one", [3, 2, 1], {}))
    (tmp_path / "one.ipynb").write_text(json.dumps(cell(made), sort_keys=True))  # as nbformat writes
    (read,) = claims.collect(tmp_path / "one.ipynb")
    assert words.measured(read) == "zero: 3, b: 2, a: 1"
    assert "<dd>zero &gt; b &gt; a</dd><dt>here</dt><dd>zero: 3, b: 2, a: 1</dd>" in cards.card(read)


def test_a_card_says_whose_a_claim_is_and_explains_its_words():
    made = CLAIM | {"verdict": YES, "estimate": 1.0, "interval": None, "note": "", "figure": None}
    assert "whose" not in cards.card(made)
    ours = cards.card(made | {"whose": "corrected", "corrects": "two"})
    assert f"<dd>{markup.join([words.WHOSE['corrected']])} (<a href=\"ledger.html#two\">the claim</a>)</dd>" in ours
    curve = cards.card(made | {"rule": CURVE})
    for word in verdicts.WORDS:
        assert f'<abbr title="{verdicts.WORDS[word]}">{word}</abbr>' in curve


def test_counts_by_paper_and_verdict(executed):
    table = claims.counts(claims.ledger(executed))
    assert table.loc["all"].to_dict() == {
        NO: 1, YES: 1, verdicts.NOT_TESTED: 1, verdicts.NO_CHAPTER: 1, "claims": 4
    }  # fmt: skip
    assert table.loc["Dong et al. 2019"].tolist() == [0, 0, 0, 1, 1]


def test_what_is_not_the_papers_as_written_is_counted_apart(book, monkeypatch):
    why = {"kind": "misprint", "why": "A slip."}
    book(CLAIM, CLAIM | {"id": "mine", "whose": "ours"}, CLAIM | {"id": "right", "whose": "corrected", "corrects": "one"})
    frame = claims.ledger("nowhere")
    frame.loc[:, "verdict"] = [NO, YES, NO]
    frame.at[0, "if_not"] = why
    table = claims.counts(frame)
    assert table["claims"].to_dict() == {PAPERS[CLAIM["paper"]]: 1, "corrected": 1, "the book's own": 1, "all": 3}
    assert claims.kinds(frame).to_dict() == {"misprint": 1, "open": 1}


def test_a_book_without_claims_has_an_empty_ledger(book):
    frame = claims.ledger(book() / "nowhere")
    assert claims.counts(frame)["claims"].tolist() == [0]
    assert ">0 claims<" in claims.ledger_html(frame)


@pytest.mark.parametrize(
    ("baseline", "drift", "direction"),
    [
        ({"one": before(YES)}, "within band", "same"),
        ({"one": before(YES, 1.009)}, "within band", "same"),  # 1 per cent where the baseline has no interval
        ({"one": before(YES, 1.02)}, "moved", "same"),
        ({"one": before(YES, 1.2, [0.9, 1.3])}, "within band", "same"),
        ({"one": before(YES, 1.2, [1.1, 1.3])}, "moved", "same"),
        ({"one": before(NO, 9.0)}, "flipped", "better"),
        ({"one": before(OPEN)}, "flipped", "better"),
        ({"failing": before(YES)}, "flipped", "worse"),
        ({"failing": before(OPEN)}, "flipped", "worse"),
        ({"failing": before(NO, 9.0)}, "within band", "same"),
        ({"needy": before(YES)}, "flipped", "untested"),  # no data on this machine
        ({"other": before(NO)}, "flipped", "worse"),  # its chapter is gone
        ({"gone": before(NO)}, "flipped", "worse"),
    ],
)
def test_drift_from_the_baseline(executed, baseline, drift, direction):
    (row,) = claims.drift(claims.ledger(executed), baseline).itertuples()
    assert (row.drift, row.direction) == (drift, direction)


@pytest.mark.parametrize(
    ("old", "new", "name", "direction"),
    [
        ("bfloat16", "bfloat16", "failing", "worse"),
        ("bfloat16", "float32", "failing", "other arithmetic"),
        ("bfloat16", "float32", "one", "same"),
        ("bfloat16", None, "failing", "worse"),  # a run that does not say
        (None, "float32", "failing", "worse"),  # a baseline that does not say
    ],
)
def test_a_verdict_in_other_arithmetic_than_the_baseline_s_is_told_and_no_error(executed, old, new, name, direction):
    """A processor without bfloat16 computes other rows, so a strict run there cannot compare."""
    path = executed / "01_first.ipynb"
    notebook = json.loads(path.read_text())
    notebook["metadata"] = {"kdlib": {"arithmetic": [new] if new else []}}
    path.write_text(json.dumps(notebook))
    baselines = executed.parents[2] / "book" / "baselines"
    claims.write_baseline()
    kept = yaml.safe_load((baselines / "laptop.yml").read_text())
    assert kept["one"].get("arithmetic") == new and len(kept["one"]) == 3 + (new is not None)
    before_it = before(YES) | ({"arithmetic": old} if old else {})
    (baselines / "laptop.yml").write_text(yaml.safe_dump({name: before_it}))
    text, status = claims.report(strict=True)
    assert status == int(direction == "worse")
    assert direction == "same" or f"flipped ({direction}): {name}, {YES} -> {NO}" in text


@pytest.mark.parametrize(
    ("estimate", "interval", "old", "drift"),
    [
        (None, [5.0, None], before(NO, None, [5.0, None]), "within band"),
        (None, [6.0, None], before(NO, None, [5.0, None]), "within band"),  # further beyond is still beyond
        (None, [4.0, None], before(NO, None, [5.0, None]), "moved"),
        (9.0, [8.0, 10.0], before(NO, None, [5.0, None]), "within band"),  # found where it was known to lie
        (4.0, None, before(NO, None, [5.0, None]), "moved"),
        (None, [5.0, None], before(NO, 9.0, [8.0, 10.0]), "moved"),
        (None, [5.0, None], before(NO, 9.0), "moved"),
        (None, [5.0, None], before(NO, 9.0, [4.0, None]), "within band"),
        (None, [None, 5.0], before(NO, 9.0, [4.0, None]), "moved"),
        (9.0, None, before(NO, 9.0, [None, None]), "within band"),
        (None, None, before(NO, None, [5.0, None]), "moved"),
        (None, None, before(NO, 5.0), "moved"),
        ({"a": 9.0}, None, before(NO, 9.0), "moved"),
        ({"a": None}, {"a": [5.0, None]}, before(NO, {"a": 5.0}, {"a": [5.0, 1e12]}), "moved"),  # a number for none
    ],
)
def test_drift_of_an_estimate_beyond_a_limit(executed, estimate, interval, old, drift):
    frame = claims.ledger(executed)
    failing = frame.index[0]
    assert frame.at[failing, "id"] == "failing"
    frame.at[failing, "estimate"], frame.at[failing, "interval"] = estimate, interval
    (row,) = claims.drift(frame, {"failing": old}).itertuples()
    assert (row.drift, row.direction) == (drift, "same")


def test_drift_of_named_values_looks_at_each(executed):
    frame = claims.ledger(executed)
    frame.at[frame.index[frame["id"] == "one"][0], "estimate"] = {"a": 1.0, "b": 2.0}
    old = {"one": before(YES, {"a": 1.0, "b": 2.5}, {"a": [0.9, 1.1], "b": [1.9, 2.6]})}
    assert claims.drift(frame, old)["drift"].tolist() == ["within band"]
    old["one"]["interval"]["b"] = [2.1, 2.6]
    assert claims.drift(frame, old)["drift"].tolist() == ["moved"]


def test_the_report_fails_only_in_strict_and_only_when_worse(executed, book):
    text, status = claims.report("laptop", strict=True)
    assert status == 0 and "No baseline is committed for the profile laptop" in text
    assert text.index("not reproduced: failing") < text.index("reproduced: one")
    path = claims.write_baseline("laptop")
    kept = yaml.safe_load(path.read_text())
    assert kept == {"one": before(YES), "failing": before(NO, 9.0)}  # only what a rule judged
    text, status = claims.report("laptop", strict=True)
    assert status == 0 and "Against the committed baseline of laptop: 2 within band." in text
    path.write_text(yaml.safe_dump(kept | {"failing": before(YES)}))
    text, status = claims.report("laptop", strict=True)
    assert status == 1 and "flipped (worse): failing, reproduced -> not reproduced" in text
    assert claims.report("laptop")[1] == 0
    assert "make book PROFILE=paper" in claims.report("paper")[0]


# ---------------------------------------------------------------- bands as they are recorded

RHO = CLAIM | {"rule": {"kind": "band", "value": {"0.90": 1.0, "0.10": 2.0}, "absolute": 0.5}}


def of_two_ratios(*lost):
    """The band of two soft ratios over three seeds, with the means 1 and 2; ``lost`` rows did not finish."""
    rows = pandas.DataFrame({"ρ": [0.9] * 3 + [0.1] * 3, "y": [0.9, 1.0, 1.1, 1.9, 2.0, 2.1]})
    rows.attrs = {"failed": [{"setting": {"ρ": ratio}, "seed": 3} for ratio in lost]}
    return intervals.mean_band(rows, "ρ", "y")


def test_a_band_of_one_row_is_a_number_with_its_interval(book, monkeypatch):
    band = of_two_ratios()
    calls = [("one", part, {}) for part in (band.iloc[:1], band.iloc[0], band.iloc[:1].set_index("ρ"))]
    half = 4.302652729911275 * 0.1 / 3**0.5  # t quantile of two degrees of freedom; scipy's agrees to 1e-11
    for made in recorded(monkeypatch, *calls, by=claims.record_band):
        assert made["estimate"] == 1.0
        assert made["interval"] == pytest.approx([1 - half, 1 + half], rel=1e-10)
        assert (made["verdict"], made["note"]) == (YES, "")


def test_a_band_of_several_rows_goes_by_the_names_of_the_rule(book, monkeypatch):
    book(RHO)
    band = of_two_ratios()
    calls = [("one", part, {}) for part in (band, band[::-1], band.set_index("ρ"))]
    for made in recorded(monkeypatch, *calls, by=claims.record_band):
        assert made["estimate"] == pytest.approx({"0.90": 1.0, "0.10": 2.0}, rel=1e-15)
        assert list(made["interval"]) == ["0.90", "0.10"]
        assert made["interval"]["0.10"][0] == pytest.approx(2 - 4.302652729911275 * 0.1 / 3**0.5, rel=1e-10)


def test_several_columns_join_to_a_name(book, monkeypatch):
    book(CLAIM | {"rule": {"kind": "sign", "sign": "positive"}})
    rows = pandas.DataFrame({"digits": ["all", "all", "reduced"], "width": [4, 8, 4], "gap": [1.0, 2.0, 3.0]})
    band = intervals.mean_band(rows, ["digits", "width"], "gap")
    (made,) = recorded(monkeypatch, ("one", band, {}), by=claims.record_band)
    assert made["estimate"] == {"all, 4": 1.0, "all, 8": 2.0, "reduced, 4": 3.0}
    assert made["interval"] is None  # a single seed each


def test_a_row_that_has_one_seed_keeps_no_interval_and_the_others_do(book, monkeypatch):
    book(RHO)
    band = of_two_ratios()
    band.loc[0, ["low", "high"]] = math.nan
    (made,) = recorded(monkeypatch, ("one", band, {}), by=claims.record_band)
    assert made["interval"]["0.90"] is None and len(made["interval"]["0.10"]) == 2
    assert "0.90: 1, 0.10: 2.0" in words.measured(made)


@pytest.mark.parametrize(
    ("lost", "note"),
    [
        ((), ""),
        ((0.1,), "0.10: 3 of 4 seeds"),
        ((0.9, 0.1), "3 of 4 seeds"),
        ((0.9, 0.1, 0.1), "0.90: 3 of 4 seeds, 0.10: 3 of 5 seeds"),
    ],
)
def test_a_mean_over_fewer_seeds_than_asked_says_so(book, monkeypatch, lost, note):
    book(RHO)
    (made,) = recorded(monkeypatch, ("one", of_two_ratios(*lost), {}), by=claims.record_band)
    assert made["note"] == note
    book(CLAIM)
    (made,) = recorded(monkeypatch, ("one", of_two_ratios(*lost)[:1], {}), by=claims.record_band)
    assert made["note"] == ("3 of 4 seeds" if 0.9 in lost else "")


def test_a_mean_of_a_seed_without_a_value_says_so_and_is_not_judged(book, monkeypatch):
    with pytest.raises(ValueError, match=r"claim one: an estimate is finite; got nan \(2 of 3 seeds\)"):
        claims.record_mean("one", [1.0, math.nan, 1.1])
    monkeypatch.setenv("KDLIB_PROFILE", "smoke")
    (made,) = recorded(monkeypatch, ("one", [1.0, math.nan, 1.1], {}), by=claims.record_mean)
    assert (made["estimate"], made["interval"]) == (None, None)
    assert made["note"] == "the smoke profile only shows that it runs; 2 of 3 seeds"


def test_an_interval_of_tensors_is_a_number_or_a_list(book, monkeypatch):
    one = intervals.jackknife(torch.mean, torch.tensor([0.9, 1.0, 1.1]).double())
    made, *alone = recorded(
        monkeypatch,
        ("one", one, {}),
        *(("one", intervals.Exponent(1.0, *ends), {}) for ends in ((math.nan, math.nan), (math.nan, 2.0), (0.5, math.nan))),
        by=claims.record_band,
    )
    assert made["estimate"] == pytest.approx(1.0) and made["interval"][0] < 1 < made["interval"][1]
    assert [(of["estimate"], of["interval"]) for of in alone] == [(1.0, None)] * 3, "a limit that is NaN is no interval"
    book(RHO)
    both = intervals.Interval(*torch.tensor([[1.0, 2.0], [0.75, 1.75], [1.25, 2.25]]))
    (made,) = recorded(monkeypatch, ("one", both, {}), by=claims.record_band)
    assert made["estimate"] == {"0.90": 1.0, "0.10": 2.0}
    assert made["interval"] == {"0.90": [0.75, 1.25], "0.10": [1.75, 2.25]}


def test_what_the_paper_states_is_the_value_of_the_rule(book):
    assert claims.stated("one") == 1.0
    book(RHO, CLAIM | {"id": "most", "rule": MOST})
    assert claims.stated("one") == {"0.90": 1.0, "0.10": 2.0}
    with pytest.raises(ValueError, match="claim most: its rule has no value; got kind band, at_most 0.5, wider 1.0"):
        claims.stated("most")
    with pytest.raises(ValueError, match="got 'nine'"):
        claims.stated("nine")
