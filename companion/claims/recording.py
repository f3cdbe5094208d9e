"""A chapter hands in what it measured for a claim: the claim's rule judges it, and the page shows the verdict."""

import ast
import os

import pandas

from companion.claims import verdicts
from companion.claims.file import read
from companion.claims.words import as_line, as_text
from kdlib import intervals, published


def record(claim_id, estimate, *, interval=None, figure=None, dataset=None):
    """Hand in what a chapter measured for one claim, show the verdict as one line, and return it.

    A run at the smoke profile, one with changed parameters, or one that does not meet the claim's needs is not judged;
    its estimate may be incomplete, or None.

    Args:
        claim_id: the claim's id in ``claims.yml``.
        estimate: what its kind of rule needs: a number, a list or dict of numbers, counts of violations, a curve.
        interval: ``(low, high)`` over the seeds, or one such pair for each value (``verdicts.judge``).
        figure: name of the figure that decides the claim; by default the claim's own.
        dataset: name of the data set that was used; required where the claim needs one.

    Returns:
        The verdict, one of ``verdicts.VERDICTS``.

    Raises:
        ValueError: the claim is unknown, or the estimate is not what its rule needs.
    """
    claim = next((claim for claim in read() if claim["id"] == claim_id), None)
    if claim is None:
        raise ValueError(f"a claim is one of those in claims.yml; got {claim_id!r}")
    profile, changed = run_settings()
    rule, needs = (
        claim["rule"],
        {name: _listed(values) for name, values in claim.get("needs", {}).items()},
    )
    if "dataset" in needs and dataset is None:
        raise ValueError(
            f"claim {claim_id}: needs dataset= to say which set was used, as its data matter"
        )
    have = {"profile": profile, "dataset": dataset}
    unmet = [
        f"{name} {' or '.join(values)}"
        for name, values in needs.items()
        if have[name] not in values
    ]
    reasons = (
        (
            profile == "smoke",
            verdicts.NOT_TESTED,
            "the smoke profile only shows that it runs",
        ),
        (changed, verdicts.OTHER_PARAMETERS, f"changed: {', '.join(changed)}"),
        (unmet, verdicts.NOT_TESTED, f"needs {' and '.join(unmet)}"),
    )
    try:
        found = next(
            (
                verdicts.pass_over(rule, estimate, *why, interval)
                for bars, *why in reasons
                if bars
            ),
            None,
        )
        found = found or verdicts.judge(
            rule, estimate, interval, _reference(claim["paper"], rule)
        )
    except ValueError as error:
        raise ValueError(f"claim {claim_id}: {error}") from None
    made = claim | found._asdict() | {"figure": figure or claim.get("figure")} | have
    _show(made)
    return made["verdict"]


def record_mean(claim_id, values, **options):
    """:func:`record` with the mean over seeds and its 95 % t-interval (``intervals.mean_band``).

    Args:
        claim_id: the claim's id in ``claims.yml``.
        values: one number a seed, or a dict of such series for a rule with several values.
        options: ``figure`` and ``dataset`` of :func:`record`.

    Returns:
        The verdict.

    Raises:
        ValueError: as :func:`record`.
    """
    named = values if isinstance(values, dict) else {"": values}
    rows = [
        {"of": name, "value": float(value)}
        for name, series in named.items()
        for value in series
    ]
    part = intervals.mean_band(pandas.DataFrame(rows), "of", "value").set_index("of")
    means, spans = (
        part["mean"].to_dict(),
        {name: (row.low, row.high) for name, row in part.iterrows()},
    )
    one = not isinstance(values, dict)
    return record(
        claim_id,
        means[""] if one else means,
        interval=spans[""] if one else spans,
        **options,
    )


def run_settings():
    """Profile and changed parameters of the run that is going on.

    ``$KDLIB_PROFILE`` and ``$KDLIB_CHANGED`` where a pipeline set them; else what papermill injected with another value
    than the cell before it gave. Where it ran (``device``) is no change.
    """
    profile, changed = (
        os.environ.get("KDLIB_PROFILE", "laptop"),
        os.environ.get("KDLIB_CHANGED"),
    )
    names = changed.split(",") if changed is not None else _injected()
    return profile, sorted({name.strip() for name in names} - {"", "device"})


def _injected():
    shell = _shell()
    cells = shell.user_ns.get("In", []) if shell else []
    at = next(
        (
            i
            for i, source in enumerate(cells)
            if i and source.lstrip().startswith("# Parameters")
        ),
        None,
    )
    if at is None:
        return []
    default, given = (
        {
            node.targets[0].id: ast.unparse(node.value)
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign)
        }
        for source in (cells[at - 1], cells[at])
    )
    return [name for name, value in given.items() if value != default.get(name)]


def _reference(paper, rule):
    if rule["kind"] != "curve":
        return None
    return published.curves(paper)[rule["figure"]]["curves"][rule["curve"]]


def _show(made):
    if _shell() is None:
        print(as_text(made))
        return
    from IPython.display import display

    display(
        {"text/html": as_line(made), "text/plain": as_text(made)},
        raw=True,
        metadata={"kdlib": {"claim": made}},
    )


def _shell():
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()


def _listed(values):
    return values if isinstance(values, list) else [values]
