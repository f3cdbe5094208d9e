"""The verdicts, and where an interval lies.

An interval that straddles a limit leaves a claim undecided, whatever the point estimate
says. An open interval is judged like any other: its infinite end lies outside each band
that ends on that side.
"""

from typing import NamedTuple

NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
VACUOUS = "vacuous"
ANOTHER_CONSTANT = "reproduced with another constant"
REPRODUCED = "reproduced"
OTHER_PARAMETERS = "run with other parameters"
NOT_TESTED = "not tested at this size"
NOT_RUN = "not run here"
NO_CHAPTER = "no chapter yet"

# What a rule can say, the worst first. A bound that holds and says nothing (vacuous) is
# at least decided; a claim that holds with another constant says something.
JUDGED = (NOT_REPRODUCED, UNDECIDED, VACUOUS, ANOTHER_CONSTANT, REPRODUCED)

# The order of the ledger.
VERDICTS = (*JUDGED, OTHER_PARAMETERS, NOT_TESTED, NOT_RUN, NO_CHAPTER)


class Judgement(NamedTuple):
    """What a rule says: the verdict, the estimate and interval as a record keeps them
    (``estimates.recorded``), and a remark."""

    verdict: str
    estimate: object
    interval: object
    note: str


def in_band(span, inner, outer):
    """The verdict on a value that must lie in a band.

    Args:
        span: the interval of the value.
        inner: the band.
        outer: the wider band around it, or None.

    Returns:
        Reproduced where the interval lies in the band, with another constant where it
        lies in the wider band and outside the band, not reproduced where it lies
        outside both; else undecided.
    """
    if contains(inner, span):
        return REPRODUCED
    if apart(span, outer or inner):
        return NOT_REPRODUCED
    if outer and apart(span, inner) and contains(outer, span):
        return ANOTHER_CONSTANT
    return UNDECIDED


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
