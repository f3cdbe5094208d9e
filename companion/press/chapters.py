"""The chapters: where they are, what parameters each one takes, which values fit."""

import ast
import functools
import io
import re
import tokenize
from typing import NamedTuple

from companion.press.values import check_rule, typed
from kdlib.places import book

DEFAULT_PROFILE = "laptop"
PARAMETERS_CELL = re.compile(
    r"^```\{code-cell\}[^\n]*\n:tags: \[[^\]]*\bparameters\b[^\]]*\]\n(.*?)^```",
    re.M | re.S,
)


class Failed(Exception):
    """A step could not be done; the message has a line for each thing that is wrong."""


class Parameter(NamedTuple):
    """A line of a chapter's parameters cell: ``name = default  # meaning; rule; rule``.

    Attributes:
        name: the parameter's name.
        default: its value at the default profile.
        meaning: what it is, in a few words.
        rules: the texts of the rules that its values keep.
    """

    name: str
    default: object
    meaning: str
    rules: tuple


def names():
    """The chapters' names in reading order: ``["01_effective_logits", ...]``."""
    return sorted(path.stem for path in book().glob("[0-9][0-9]*_*.md"))


def number(name):
    """A chapter's number as the text has it: ``1b`` of ``01b_one_dimension``."""
    return name.partition("_")[0].removeprefix("0")


def find(chapter):
    """The full name of a chapter.

    Args:
        chapter: its number (``1``, ``01``, ``05a``) or its name, whole or in part.

    Returns:
        The name, as in ``01_effective_logits``.

    Raises:
        ValueError: no chapter, or more than one, goes by that name.
    """
    known = names()
    wanted = str(chapter).strip().lower().removesuffix(".md").removesuffix(".ipynb")
    exact = [name for name in known if name == wanted]
    numbered = []
    partial = []
    for name in known:
        written = name.partition("_")[0]
        if wanted in (written, number(name)):
            numbered.append(name)
        if wanted and wanted in name:
            partial.append(name)
    for matches in (exact, numbered, partial):
        if len(matches) == 1:
            return matches[0]
    raise ValueError(f"a chapter is one of {', '.join(known)}; got {str(chapter)!r}")


def parameters(chapter):
    """The parameters of a chapter, as its own parameters cell declares them.

    Args:
        chapter: full name of the chapter.

    Returns:
        A dict from name to ``Parameter``, in the cell's order; the defaults are the
        laptop profile's.

    Raises:
        ValueError: the cell is missing, or a line is not
            ``name = literal  # meaning; rules``.
    """
    text = (book() / f"{chapter}.md").read_text(encoding="utf-8")
    cell = PARAMETERS_CELL.search(text)
    if not cell:
        raise ValueError(f"{chapter}: the first code cell must be tagged 'parameters'")
    comments = _comments(cell[1])
    declared = {}
    for line in ast.parse(cell[1]).body:
        comment = comments.get(line.end_lineno)
        is_named = isinstance(line, ast.Assign) and isinstance(
            line.targets[0], ast.Name
        )
        if not is_named or not comment:
            raise ValueError(
                f"{chapter}: line {line.lineno} of the parameters cell is not "
                "'name = literal  # meaning'"
            )
        name = line.targets[0].id
        meaning, *rules = (part.strip() for part in comment.split(";"))
        default = ast.literal_eval(line.value)
        declared[name] = Parameter(name, default, meaning, tuple(rules))
    return declared


def code_cells(text):
    """The sources of the code cells of a chapter's text, without their options.

    Args:
        text: a chapter's text.

    Returns:
        A list of texts in the chapter's order.
    """
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text, re.M | re.S)
    sources = []
    for cell in cells:
        source = re.sub(r"\A---\n.*?^---\n", "", cell, flags=re.M | re.S)
        sources.append(re.sub(r"^:\w[^\n]*\n", "", source, flags=re.M))
    return sources


def check(chapter, values, profile=DEFAULT_PROFILE):
    """Parse and check values for a chapter's parameters before any work starts.

    Args:
        chapter: full name of the chapter.
        values: dict from parameter name to a value, or to its text from the command
            line (``"1.0,0.5"``).
        profile: name of the profile that gives the other parameters their values, which
            a rule between two parameters asks for.

    Returns:
        The same names with values of the parameters' own types.

    Raises:
        ValueError: an unknown name, a wrong type or a value that breaks a rule; one
            line that says what is allowed.
    """
    known = parameters(chapter)
    settled = {name: parameter.default for name, parameter in known.items()}
    settled |= profile_values(chapter, profile)
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(
                f"{chapter} has no parameter {name!r}; it has {', '.join(known)}"
            )
        checked[name] = typed(name, known[name].default, value)
    settled |= checked
    for name, parameter in known.items():
        for rule in parameter.rules:
            check_rule(name, settled[name], rule, settled)
    return checked


def profiles():
    """The profiles' names: the default one, and those under ``profiles/``."""
    files = (book() / "profiles").glob("*.yml")
    return [DEFAULT_PROFILE, *sorted(path.stem for path in files)]


def check_profile(profile):
    """Refuse a profile that there is not.

    Args:
        profile: name of the profile.

    Raises:
        ValueError: it names the profiles that there are.
    """
    if profile not in profiles():
        raise ValueError(
            f"a profile is one of {', '.join(profiles())}; got {profile!r}"
        )


def profile_values(chapter, profile):
    """The values that a profile gives a chapter's parameters, checked.

    Args:
        chapter: full name of the chapter.
        profile: name of the profile.

    Returns:
        A dict from name to value where the profile's value is not the default.

    Raises:
        ValueError: no such profile, or it names a value that the chapter refuses.
    """
    check_profile(profile)
    if profile == DEFAULT_PROFILE:
        return {}
    text = (book() / "profiles" / f"{profile}.yml").read_text(encoding="utf-8")
    return check(chapter, _profile(text).get(chapter) or {})


@functools.lru_cache(maxsize=8)
def _profile(text):
    """What a profile's file holds, read once for all chapters."""
    import yaml

    return yaml.safe_load(text) or {}


def _comments(source):
    """Line number -> comment of a cell's source."""
    comments = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = token.string.lstrip("# ")
    return comments
