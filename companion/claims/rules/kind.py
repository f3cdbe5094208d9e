"""What a kind of rule is."""

from collections.abc import Callable
from typing import NamedTuple

from companion.claims.estimates import by_name, incomplete
from companion.claims.records import recorded


class Kind(NamedTuple):
    """A kind of rule.

    Attributes:
        fields: the sets of fields of which a rule has one.
        optional: the fields that it may have too.
        sound: function of the rule, whether its numbers can be judged.
        law: what ``sound`` demands, in words.
        needs: what an estimate must be, in words.
        judge: function of rule, estimate, interval and reference, to a ``Judgement``.
        keep: function of rule, estimate and interval that are not judged, to what the
            record keeps of the two.
        words: function of the rule, the rule in words.
    """

    fields: tuple
    optional: set
    sound: Callable
    law: str
    needs: str
    judge: Callable
    keep: Callable
    words: Callable


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
