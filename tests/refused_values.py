"""Values that parameters cells do not allow: of another type, beyond a bound, or against a rule."""

import math

from rule_words import as_list, as_text, bounds_of, counted, other_of

from companion.press import chapters


def refused(chapter):
    """Texts that each parameter of a chapter refuses: of another type, beyond a bound, or against a rule."""
    known = chapters.parameters(chapter)
    defaults = {name: parameter.default for name, parameter in known.items()}
    texts = {}
    for name, parameter in known.items():
        own = as_list(parameter.default)
        values = [*wrong_type(own[0])]
        for rule in parameter.rules:
            values += against(rule, own, defaults)
        if isinstance(parameter.default, list):
            values = [value if isinstance(value, list) else [*own[:-1], value] for value in values]
        texts[name] = [as_text(value) for value in values]
    return texts


def wrong_type(value):
    """Texts that are no value of the type of another."""
    if isinstance(value, bool):
        return ["1", "perhaps"]
    if isinstance(value, int):
        return ["2.5", "many", "inf"]
    return ["many", "nan"] if isinstance(value, float) else ["nonsense"]


def against(rule, own, defaults):
    """Values, or whole lists of them, that break one rule."""
    bounds = bounds_of(rule)
    if bounds:
        return beyond(bounds, type(own[0]))
    if rule == "growing":
        return [own[::-1]]
    if rule.endswith("even"):
        return [own[-1] + 1]
    if "largest of" in rule:
        return [max(defaults[other_of(rule, defaults)]) + 1]
    if other_of(rule, defaults):
        return [defaults[other_of(rule, defaults)][-1] + 1]
    if "values" not in rule:
        return []
    number = counted(rule)
    found = [own[: number.least - 1], own[:1] * (number.most + 1)]
    return [*found, own[:1] * number.least] if number.differ and number.least > 1 else found


def beyond(bounds, kind):
    """The numbers next to a range, on both sides."""
    if kind is int:
        return [int(bounds.low) - 1, int(bounds.high) + 1]
    low = math.nextafter(bounds.low, -math.inf) if bounds.has_low else bounds.low
    high = math.nextafter(bounds.high, math.inf) if bounds.has_high else bounds.high
    return [low, high]
