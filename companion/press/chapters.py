"""The chapters: where they are, what parameters each one takes, and whether given values are allowed."""

import ast
import io
import math
import re
import tokenize
from typing import NamedTuple

from kdlib.places import book

DEFAULT_PROFILE = "laptop"


class Failed(Exception):
    """A step could not be done; the message says in a line for each thing what is wrong."""


class Parameter(NamedTuple):
    """One line of a chapter's parameters cell: ``name = default  # meaning; rule; rule``."""

    name: str
    default: object
    meaning: str
    rules: tuple


def names():
    """The chapters' names in reading order: ``["01_effective_logits", ...]``."""
    return sorted(path.stem for path in book().glob("[0-9][0-9]*_*.md"))


def find(chapter):
    """The full name of the chapter given by its number (``1``, ``01``, ``05a``) or its name, whole or in part.

    Raises:
        ValueError: no chapter, or more than one, goes by that name.
    """
    wanted = str(chapter).strip().lower().removesuffix(".md").removesuffix(".ipynb")
    numbers = {name: name.partition("_")[0] for name in names()}
    for matches in (
        [name for name in numbers if name == wanted],
        [
            name
            for name, number in numbers.items()
            if wanted and number.lstrip("0") == wanted.lstrip("0")
        ],
        [name for name in numbers if wanted and wanted in name],
    ):
        if len(matches) == 1:
            return matches[0]
    raise ValueError(f"a chapter is one of {', '.join(numbers)}; got {str(chapter)!r}")


def parameters(chapter):
    """The parameters of a chapter, as its own parameters cell declares them.

    Args:
        chapter: full name of the chapter.

    Returns:
        A dict from name to ``Parameter``, in the cell's order; the defaults are the laptop profile's.

    Raises:
        ValueError: the cell is missing, or a line is not ``name = literal  # meaning; rules``.
    """
    text = (book() / f"{chapter}.md").read_text(encoding="utf-8")
    cell = re.search(
        r"^```\{code-cell\}[^\n]*\n:tags: \[[^\]]*\bparameters\b[^\]]*\]\n(.*?)^```",
        text,
        re.M | re.S,
    )
    if not cell:
        raise ValueError(f"{chapter}: the first code cell must be tagged 'parameters'")
    source = cell[1]
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    for line in ast.parse(source).body:
        comment = comments.get(line.end_lineno, "")
        if not (
            isinstance(line, ast.Assign)
            and isinstance(line.targets[0], ast.Name)
            and comment
        ):
            raise ValueError(
                f"{chapter}: line {line.lineno} of the parameters cell is not 'name = literal  # meaning'"
            )
        meaning, *rules = (part.strip() for part in comment.split(";"))
        found[line.targets[0].id] = Parameter(
            line.targets[0].id, ast.literal_eval(line.value), meaning, tuple(rules)
        )
    return found


def code_cells(text):
    """The sources of the code cells in a chapter's text, in its order, without their options."""
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text, re.M | re.S)
    cells = [re.sub(r"\A---\n.*?^---\n", "", cell, flags=re.M | re.S) for cell in cells]
    return [re.sub(r"^:\w[^\n]*\n", "", cell, flags=re.M) for cell in cells]


def check(chapter, values):
    """Parse and check values for a chapter's parameters before any work starts.

    Args:
        chapter: full name of the chapter.
        values: dict from parameter name to a value, or to its text from the command line (``"1.0,0.5"``).

    Returns:
        The same names with values of the parameters' own types.

    Raises:
        ValueError: an unknown name, a wrong type or a value out of range; one line that says what is allowed.
    """
    known = parameters(chapter)
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(
                f"{chapter} has no parameter {name!r}; it has {', '.join(known)}"
            )
        parameter = known[name]
        checked[name] = _typed(parameter, value)
        for rule in parameter.rules:
            _obey(name, checked[name], rule)
    return checked


def _typed(parameter, value):
    """``value``, or what its text says, in the type of the parameter's default."""
    name, default = parameter.name, parameter.default
    if isinstance(default, list):
        if isinstance(value, str):
            value = [part for part in value.strip("[] ").split(",") if part.strip()]
        if not isinstance(value, (list, tuple)):
            value = [value]
        return [_scalar(name, default[0], item, "a list of ") for item in value]
    return _scalar(name, default, value, "")


def _scalar(name, default, value, prefix):
    kind = type(default)
    text = value.strip() if isinstance(value, str) else value
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(text).lower()]
        if (
            kind is int
            and not isinstance(text, bool)
            and float(text) == int(float(text))
        ):
            return int(float(text))
        if kind is float and not isinstance(text, bool):
            return float(text)
        if kind is str and isinstance(text, str):
            return text
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a word",
    }
    plural = {
        bool: "true or false",
        int: "whole numbers",
        float: "numbers",
        str: "words",
    }
    raise ValueError(
        f"{name} must be {prefix}{(plural if prefix else words)[kind]}; got {value!r}"
    )


def _obey(name, value, rule):
    """Raise unless ``value`` keeps one rule of a parameters cell.

    These are ``in (0, 1]``, ``even``, ``one of a, b``, each of them with ``each`` before it in a list; and, of a list,
    ``growing``, ``2 values``, or ``2 to 8 values``, which differ, as what is swept is not swept twice.
    """
    items = value if isinstance(value, list) else [value]
    if found := re.fullmatch(r"(\d+)(?: to (\d+))? values", rule):
        given = len(set(items)) if found[2] else len(items)
        if not int(found[1]) <= given <= int(found[2] or found[1]) or given < len(
            items
        ):
            wanted = rule.replace("values", "different values") if found[2] else rule
            raise ValueError(
                f"{name} must have {wanted}; got {', '.join(map(str, items)) or 'none'}"
            )
        return
    if rule == "growing":
        if any(
            after <= before for before, after in zip(items, items[1:], strict=False)
        ):
            raise ValueError(
                f"{name} must be growing; got {', '.join(map(str, items))}"
            )
        return
    rule = rule.removeprefix("each ")
    if found := re.fullmatch(r"in ([\[(])\s*([^,]+),\s*([^\])]+)([\])])", rule):
        low, high = float(found[2]), float(found[3])
        for item in items:
            above = item >= low if found[1] == "[" else item > low
            below = item <= high if found[4] == "]" else item < high
            if not (above and below) or math.isnan(item):
                raise ValueError(f"{name} must be {rule}; got {item}")
    elif rule == "even":
        for item in items:
            if item % 2:
                raise ValueError(f"{name} must be even; got {item}")
    elif found := re.fullmatch(r"one of (.+)", rule):
        allowed = [word.strip() for word in found[1].split(",")]
        for item in items:
            if str(item) not in allowed:
                raise ValueError(f"{name} must be {rule}; got {item}")
    else:
        raise ValueError(
            f"{name}: the parameters cell has a rule that nobody can check: {rule!r}"
        )


def profiles():
    """The profiles' names: the default one, whose values stand in the parameters cells, and those under ``profiles/``."""
    return [
        DEFAULT_PROFILE,
        *sorted(path.stem for path in (book() / "profiles").glob("*.yml")),
    ]


def check_profile(profile):
    """Refuse a profile that there is not.

    Raises:
        ValueError: it names the profiles that there are.
    """
    if profile not in profiles():
        raise ValueError(
            f"a profile is one of {', '.join(profiles())}; got {profile!r}"
        )


def profile_values(chapter, profile):
    """The values that a profile gives a chapter's parameters where they are not the defaults, checked.

    Raises:
        ValueError: no such profile, or it names a value that the chapter does not allow.
    """
    import yaml

    check_profile(profile)
    if profile == DEFAULT_PROFILE:
        return {}
    text = (book() / "profiles" / f"{profile}.yml").read_text(encoding="utf-8")
    return check(chapter, (yaml.safe_load(text) or {}).get(chapter) or {})
