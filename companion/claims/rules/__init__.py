"""The kinds of rules: how each is written, judged and read.

A rule is a dict with a ``kind`` and that kind's numbers, as ``book/claims.yml`` lists
them. ``KINDS`` has one entry a kind with everything that the file of claims, the judge
and the page ask of it (``kind.Kind``). Rules are pure: from a measured quantity and its
interval over seeds to one verdict.
"""

from companion.claims.estimates import plain
from companion.claims.rules import band, curve, inequality, order
from companion.claims.verdicts import Judgement

KINDS = {
    "band": band.BAND,
    "slope": band.SLOPE,
    "ordering": order.ORDERING,
    "sign": order.SIGN,
    "inequality": inequality.INEQUALITY,
    "curve": curve.CURVE,
}


def check_rule(rule):
    """Refuse a rule that could not be judged.

    Args:
        rule: what ``claims.yml`` has for a claim's rule.

    Raises:
        ValueError: what is wrong with it, in one line.
    """
    name = rule.get("kind") if isinstance(rule, dict) else None
    if name not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {name!r}")
    kind = KINDS[name]
    if set(rule) - {"kind"} - kind.optional not in kind.fields:
        choices = " or ".join(", ".join(sorted(fields)) for fields in kind.fields)
        optional = ", ".join(sorted(kind.optional))
        may = f" (and may have {optional})" if optional else ""
        raise ValueError(f"{name} must have {choices}{may}; got {', '.join(rule)}")
    if not kind.sound(rule):
        raise ValueError(f"{kind.law}; got {rule}")


def judge(rule, estimate, interval=None, reference=None):
    """The verdict of a rule on an estimate.

    Args:
        rule: the rule of a claim that ``claims.read`` accepts.
        estimate: what the kind of rule needs; lists may be tensors, arrays or series. A
            number may be ``claims.beyond(limit)`` or ``claims.below(limit)``.
        interval: ``(low, high)`` over the seeds, an open end infinite, or one pair (or
            None) for each value; for an ordering of k values, k - 1 pairs are the
            intervals of the steps from each value to the next.
        reference: for a curve, the paper's points ``[[x, y], ...]``.

    Returns:
        A ``Judgement`` whose verdict is one of ``verdicts.JUDGED``.

    Raises:
        ValueError: the estimate or the interval is not of the kind that the rule needs,
            or not finite where it must be.
    """
    kind = KINDS[rule["kind"]]
    return kind.judge(rule, plain(estimate), plain(interval), reference)


def pass_over(rule, estimate, verdict, note, interval=None):
    """A ``Judgement`` with a verdict that no rule gave.

    Args:
        rule: the rule of a claim.
        estimate: as in :func:`judge`; it may be incomplete, empty, or None.
        verdict: the verdict.
        note: why no rule judges.
        interval: as in :func:`judge`; it may be incomplete, or None.

    Returns:
        A ``Judgement`` with the verdict, the note, and what there is of the estimate.

    Raises:
        ValueError: the estimate is not of the kind that the rule needs.
    """
    estimate = plain(estimate)
    if estimate in (None, [], {}):
        return Judgement(verdict, None, None, note)
    kept = KINDS[rule["kind"]].keep(rule, estimate, plain(interval))
    return Judgement(verdict, *kept, note)


def stated(rule):
    """What the paper states, in words: its value, an order, a sign."""
    return KINDS[rule["kind"]].stated(rule)


def allowed(rule):
    """What is allowed around what the paper states, in words."""
    return KINDS[rule["kind"]].allowed(rule)
