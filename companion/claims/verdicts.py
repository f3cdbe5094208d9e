"""The verdicts, and where an interval lies.

A claim is undecided where more runs could still bring it either way: where the interval
over the seeds straddles the edge of what was allowed.
"""

import math
from typing import NamedTuple

NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
VACUOUS = "vacuous"
FITTED = "fitted"
ANOTHER_CONSTANT = "reproduced with another constant"
REPRODUCED = "reproduced"
OTHER_PARAMETERS = "run with other parameters"
NOT_TESTED = "not tested at this size"
NOT_RUN = "not run here"
NO_CHAPTER = "no chapter yet"

# What a rule can say, the worst first. A bound that holds and says nothing (vacuous) is
# at least decided, and so is a curve that was fitted; a claim that holds with another
# constant says something.
JUDGED = (
    NOT_REPRODUCED,
    UNDECIDED,
    VACUOUS,
    FITTED,
    ANOTHER_CONSTANT,
    REPRODUCED,
)

# The order of the ledger.
VERDICTS = (*JUDGED, OTHER_PARAMETERS, NOT_TESTED, NOT_RUN, NO_CHAPTER)

# What each word means, for a reader.
MEANINGS = {
    NOT_REPRODUCED: "The measured value lies outside what was allowed.",
    UNDECIDED: (
        "The interval over the seeds reaches across the edge of what was allowed, so "
        "more runs could decide either way."
    ),
    VACUOUS: "The bound holds because it is 1 or more, and so says nothing.",
    FITTED: (
        "The measured value agrees, but a setting that the paper withholds was chosen "
        "so that it does."
    ),
    ANOTHER_CONSTANT: (
        "The statement holds, with a number that lies outside the narrow band and "
        "inside a wider one that was named before."
    ),
    REPRODUCED: "The measured value, with its interval, lies in what was allowed.",
    OTHER_PARAMETERS: "This run changed a parameter, so no rule judges its numbers.",
    NOT_TESTED: (
        "The claim is about another data set or a larger size than this run has."
    ),
    NOT_RUN: "The chapter that decides it was not executed here.",
    NO_CHAPTER: "The chapter that will decide it is not written yet.",
}

# What else a card speaks of.
WORDS = {
    "log distance": (
        "How far two curves lie apart: the root mean square of the natural logarithm "
        "of their ratio; 0.1 is about 10 %."
    ),
    "replicate floor": (
        "The log distance between the mean of half of our runs and that of the others: "
        "what chance alone makes."
    ),
}


class Judgement(NamedTuple):
    """What a rule says: the verdict, the estimate and interval as a record keeps them
    (``estimates.recorded``), and a remark."""

    verdict: str
    estimate: object
    interval: object
    note: str


def in_band(estimate, span, inner, outer):
    """The verdict on a value that must lie in a band.

    Args:
        estimate: the value; infinite where it lies beyond a limit.
        span: its interval.
        inner: the band.
        outer: the wider band around it, or None.

    Returns:
        Reproduced where the whole interval lies in the band, undecided where a part of
        it does. Where none of it does, more runs do not bring it there: it is another
        constant where the value lies in the wider band, else not reproduced. A value
        beyond a limit is judged by its interval alone.
    """
    if contains(inner, span):
        return REPRODUCED
    if not apart(span, inner):
        return UNDECIDED
    if outer is None:
        return NOT_REPRODUCED
    judged = span if math.isinf(estimate) else (estimate, estimate)
    if contains(outer, judged):
        return ANOTHER_CONSTANT
    return NOT_REPRODUCED if apart(outer, judged) else UNDECIDED


def has_sign(span, positive):
    """The verdict on a value that must be positive, or negative.

    Args:
        span: the interval of the value.
        positive: whether it must be positive; else negative.

    Returns:
        Reproduced where the whole interval has the sign, not reproduced where none of
        it has; else undecided.
    """
    low, high = span
    if not positive:
        low, high = -high, -low
    if low > 0:
        return REPRODUCED
    return NOT_REPRODUCED if high <= 0 else UNDECIDED


def worst(found):
    """The worst of several verdicts of rules."""
    return min(found, key=JUDGED.index)


def contains(outer, inner):
    """Whether an interval contains another; each contains itself."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def apart(one, other):
    """Whether two intervals have no point in common."""
    return one[1] < other[0] or other[1] < one[0]
