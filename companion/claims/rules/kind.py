"""What a kind of rule is."""

from collections.abc import Callable
from typing import NamedTuple

from companion.claims.estimates import by_name, incomplete
from companion.claims.records import recorded


class Kind(NamedTuple):
    """A kind of rule: all that the file of claims, the judge and the page ask of it."""

    # The sets of fields of which a rule has one, and the fields that it may have too.
    fields: tuple
    optional: set

    # Function of the rule: whether its numbers can be judged; the law is what it asks.
    sound: Callable
    law: str

    # What an estimate must be, in words.
    needs: str

    # Function of rule, estimate, interval and reference, to a ``Judgement``.
    judge: Callable

    # Function of rule, estimate and interval where no rule judges: what is recorded.
    keep: Callable

    # Functions of the rule: what the paper states, in words, and what is allowed around
    # it; empty where nothing is.
    stated: Callable
    allowed: Callable


def names(rule):
    """The names of the values that a rule judges, in its order.

    Args:
        rule: the rule of a claim.

    Returns:
        A list; None where there is one value, or none is named.
    """
    named = rule.get("order") or by_name(rule.get("value"), None)
    return [str(name) for name in named] if isinstance(named, (list, dict)) else None


def keep_values(rule, estimate, interval, needs):
    """What a record keeps of numbers that no rule judges: estimate and interval."""
    return recorded(incomplete(estimate, interval, names(rule), needs))
