"""The run that is going on: its profile, what was changed, and whether it can decide a
claim."""

import ast
import os

from companion.claims import verdicts


def run_settings():
    """Profile and changed parameters of the run that is going on.

    ``$KDLIB_PROFILE`` and ``$KDLIB_CHANGED`` where a pipeline set them; else what
    papermill injected with another value than the cell before it gave. Where it ran
    (``device``) is no change.

    Returns:
        The profile's name, and the sorted names of the changed parameters.
    """
    profile = os.environ.get("KDLIB_PROFILE", "laptop")
    changed = os.environ.get("KDLIB_CHANGED")
    given = _injected() if changed is None else changed.split(",")
    return profile, sorted({name.strip() for name in given} - {"", "device"})


def bar(claim, dataset):
    """Why no rule judges what this run measured for a claim.

    Args:
        claim: a claim.
        dataset: name of the data set that the run used, or None.

    Returns:
        A verdict and a note; None where a rule judges.

    Raises:
        ValueError: the claim needs a data set and none is named, or a parameter that
            the chapter does not have.
    """
    profile, changed = run_settings()
    have = {"profile": profile, "dataset": dataset}
    unmet = [
        _unmet(name, wanted, have) for name, wanted in claim.get("needs", {}).items()
    ]
    unmet = [text for text in unmet if text]
    if have["profile"] == "smoke":
        return verdicts.NOT_TESTED, "the smoke profile only shows that it runs"
    if changed:
        return verdicts.OTHER_PARAMETERS, f"changed: {', '.join(changed)}"
    if unmet:
        return verdicts.NOT_TESTED, f"needs {' and '.join(unmet)}"
    return None


def _unmet(name, wanted, have):
    """What a run lacks of one need of a claim, in words; None where it meets it."""
    if name in have:
        if have[name] is None:
            raise ValueError(
                "needs dataset= to say which set was used, as its data matter"
            )
        allowed = wanted if isinstance(wanted, list) else [wanted]
        return None if have[name] in allowed else f"{name} {' or '.join(allowed)}"
    size = _parameter(name)
    if size >= wanted:
        return None
    return f"{name} of at least {wanted:,}, and had {size:,}"


def _parameter(name):
    """The value of a chapter's parameter in this run; the largest of a list."""
    ipython = shell()
    known = ipython.user_ns if ipython else {}
    if name not in known:
        raise ValueError(f"needs {name}, which is no parameter of this chapter")
    value = known[name]
    return max(value) if isinstance(value, list) else value


def _injected():
    """The parameters that papermill injected with another value than the chapter's."""
    ipython = shell()
    cells = ipython.user_ns.get("In", []) if ipython else []
    for before, source in zip(cells, cells[1:], strict=False):
        if source.lstrip().startswith("# Parameters"):
            default = _assigned(before)
            given = _assigned(source)
            return [name for name in given if given[name] != default.get(name)]
    return []


def _assigned(source):
    """The values that a cell assigns, as source text by name."""
    values = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            values[node.targets[0].id] = ast.unparse(node.value)
    return values


def shell():
    """IPython's shell; None outside a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()
