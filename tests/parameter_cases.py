"""Cases for the parameters cells: values that a chapter's rules allow, one parameter away from the smoke profile.

Each list at its least number of values, at an odd number and in the other order; each range at its bounds; values that
no grid of the book has; each word and each truth value. Where a rule is between two parameters, the other one follows.

Left out is what would take long: a whole number more than ``FACTOR`` times the smoke profile's and more than two above
it, unless it costs nothing (``FREE``), and a number below the smoke profile's where the cost grows as it falls (``DEAR``).
"""

import random
from typing import NamedTuple

from rule_words import as_list, as_text, bounds_of, numbers_of, other_of, words_of

from companion.press import chapters
from companion.press.values import check_rule

PROFILE = "smoke"
FACTOR = 2
FREE = {
    "02_transfer_risk": ["teacher_epoch"],
    "02b_angles": ["teacher_epoch"],
    "03b_teachers": ["teacher_epochs", "hard_epoch"],
    "04_imperfect_teacher": ["teacher_epochs"],
    "05_neurons": ["n_train", "n_teacher", "components"],  # the digits have fewer
    "05b_margin": ["components"],
    "05d_noisy_images": ["images_used", "pooled", "patience", "batch_size"],
    "09_resnet_cifar": ["early_stop", "stem_stride", "shifts", "batch_size"],
}
DEAR = {"05b_margin": ["risk", "error"], "09_resnet_cifar": ["batch_size"]}
# No grid of the book has these; whole numbers are made from the smoke profile's.
NUMBERS = [0.3, 0.77, 0.013, 0.0007, 0.45, 0.08, 1.2, 1.4, 3.3, 7.7, 33.0]


class Case(NamedTuple):
    """A chapter, and the values that are not the smoke profile's."""

    chapter: str
    values: dict

    @property
    def words(self):
        """What one types after ``kdlib run`` for it."""
        given = [f"-p {name} {as_text(value)}" for name, value in self.values.items()]
        return " ".join([self.chapter, f"--profile {PROFILE}", *given])


def of_book():
    """All cases, chapter by chapter."""
    cases = []
    for chapter in chapters.names():
        cases += of_chapter(chapter)
    return cases


def drawn(seed, number):
    """One case from each of so many chapters; the same for the same seed."""
    draw = random.Random(seed)
    chosen = sorted(draw.sample(chapters.names(), number))
    return [draw.choice(of_chapter(chapter)) for chapter in chosen]


def of_chapter(chapter):
    """All cases of one chapter."""
    known = chapters.parameters(chapter)
    smoke = smoke_values(chapter)
    cases = []
    for name, parameter in known.items():
        variants = of_list if isinstance(parameter.default, list) else of_single
        for value in variants(chapter, parameter, smoke):
            case = Case(chapter, followed({name: value}, known, smoke))
            if value != smoke[name] and case not in cases:
                cases.append(case)
    return cases


def smoke_values(chapter):
    """The values of all parameters at the smoke profile."""
    values = {name: parameter.default for name, parameter in chapters.parameters(chapter).items()}
    return values | chapters.profile_values(chapter, PROFILE)


def followed(values, known, smoke):
    """The values, and those of the parameters that have a rule about one of them."""
    settled = smoke | values
    for name, parameter in known.items():
        for rule in parameter.rules:
            other = other_of(rule, known)
            if other not in values:
                continue
            if rule.startswith("one of") and settled[name] not in settled[other]:
                values = values | {name: settled[other][-1]}
            if rule.startswith("each at most"):
                largest = max(settled[other])
                values = values | {name: [one for one in settled[name] if one <= largest] or [largest]}
    return values


def of_single(chapter, parameter, smoke):
    """Both bounds and a value of no grid, or each word."""
    default = parameter.default
    if isinstance(default, bool):
        return [True, False]
    if isinstance(default, str):
        return words_of(parameter)
    for rule in parameter.rules:
        other = other_of(rule, smoke)
        if other:
            return smoke[other]
    return [*ends(chapter, parameter, smoke), *unusual(chapter, parameter, smoke)[:1]]


def of_list(chapter, parameter, smoke):
    """The least number of values, an odd one, the bounds, and the other order."""
    number = numbers_of(parameter)
    own = smoke[parameter.name]
    strange = words_of(parameter) if isinstance(own[0], str) else unusual(chapter, parameter, smoke)
    bounds = ends(chapter, parameter, smoke)
    if not number.differ:
        first = [[value, *own[1:]] for value in [*bounds, *strange[:1]]]
        return first + [[*own[:-1], value] for value in [*bounds, *strange[:1]]]
    odd = number.least + 1 + number.least % 2
    rest = [*own, *strange, *cheap(as_list(parameter.default), chapter, parameter, own)]
    lists = [
        filled(own, number.least),
        filled([*strange, *own], number.least),
        filled(strange[::-1], number.least),
        filled(strange[::-1], odd),
        filled([*strange[:1], *rest], odd),
        filled([*bounds, *rest], max(number.least, len(bounds))),
        own[::-1],
    ]
    lists += [filled([end, *strange, *own], number.least) for end in bounds]
    lists = [values for values in lists if number.least <= len(values) <= number.most]
    return [sorted(values) for values in lists] if "growing" in parameter.rules else lists


def filled(source, count):
    """The first so many different values of a source; none where it has fewer."""
    found = list(dict.fromkeys(source))
    return found[:count] if len(found) >= count else []


def unusual(chapter, parameter, smoke):
    """Values that are on no grid of the book, in the order in which they are taken."""
    own = as_list(smoke[parameter.name])
    if isinstance(own[0], str):
        return []
    tried = NUMBERS
    if isinstance(own[0], int):
        tried = [value + more for more in (1, 2, 3, 6) for value in own] + [3, 5, 6, 7, 8, 10, 11, 14]
    grid = {*own, *as_list(parameter.default)}
    kept = [value for value in tried if value not in grid and is_allowed(value, parameter, smoke)]
    return cheap(dict.fromkeys(kept), chapter, parameter, own)


def ends(chapter, parameter, smoke):
    """The least and the largest number of a range, where they are cheap; of an open end one close to it."""
    own = as_list(smoke[parameter.name])
    found = []
    for rule in parameter.rules:
        bounds = bounds_of(rule)
        if bounds is None:
            continue
        near = 1e-6 * (bounds.high - bounds.low)
        low = bounds.low if bounds.has_low else bounds.low + near
        high = bounds.high if bounds.has_high else bounds.high - near
        found = [type(own[0])(low), type(own[0])(high)]
    return cheap([value for value in found if is_allowed(value, parameter, smoke)], chapter, parameter, own)


def is_allowed(value, parameter, smoke):
    """Whether a single value keeps the rules that are about single values."""
    for rule in parameter.rules:
        if "values" in rule or rule == "growing":
            continue
        try:
            check_rule(parameter.name, value, rule, smoke)
        except ValueError:
            return False
    return True


def cheap(values, chapter, parameter, own):
    """The values that cost about what the smoke profile's cost."""
    if parameter.name in DEAR.get(chapter, []):
        values = [value for value in values if value >= min(own)]
    if parameter.name in FREE.get(chapter, []):
        return list(values)
    if not isinstance(own[0], int):
        return list(values)
    return [value for value in values if value <= max(FACTOR * max(own), max(own) + 2)]
