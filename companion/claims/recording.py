"""A chapter hands in what it measured for a claim: the claim's rule judges it, and the
page shows the verdict."""

import math

import pandas

from companion.claims import rules, runs, verdicts
from companion.claims.cards import card
from companion.claims.file import read
from companion.claims.rules.kind import names
from companion.claims.words import as_text
from kdlib import published


def record(claim_id, estimate, *, interval=None, figure=None, dataset=None):
    """Hand in what a chapter measured for one claim, show the verdict as one line, and
    return it.

    A run at the smoke profile, one with changed parameters, or one that does not meet
    the claim's needs is not judged; its estimate may be incomplete, or None.

    Args:
        claim_id: the claim's id in ``claims.yml``.
        estimate: what its kind of rule needs: a number, a list or dict of numbers,
            counts of violations, a curve. A number of which only a limit is known is
            ``claims.beyond(limit)``.
        interval: ``(low, high)`` over the seeds, or one such pair for each value
            (``rules.judge``); an open end is infinite.
        figure: name of the figure that decides the claim; by default the claim's own.
        dataset: name of the data set that was used; required where the claim needs one.

    Returns:
        The verdict, one of ``verdicts.VERDICTS``.

    Raises:
        ValueError: the claim is unknown, or the estimate is not what its rule needs.
    """
    return _record(_claim(claim_id), estimate, interval, figure, dataset)


def record_mean(claim_id, values, *, figure=None, dataset=None):
    """:func:`record` with the mean over seeds and its 95 % t-interval
    (``intervals.mean_band``).

    A value that is NaN is a seed that did not give one: the record says so, as "4 of 5
    seeds". Its mean is NaN too, which no rule judges.

    Args:
        claim_id: the claim's id in ``claims.yml``.
        values: one number a seed, or a dict of such series for a rule with several
            values.
        figure: as in :func:`record`.
        dataset: as in :func:`record`.

    Returns:
        The verdict.

    Raises:
        ValueError: as :func:`record`.
    """
    # It loads torch, and the commands that print claims do without.
    from kdlib import intervals

    claim = _claim(claim_id)
    one = not isinstance(values, dict)
    rows = []
    for name, series in {"": values}.items() if one else values.items():
        rows += [{"of": str(name), "value": float(value)} for value in series]
    if not rows:
        return _record(claim, None, None, figure, dataset)
    band = intervals.mean_band(pandas.DataFrame(rows), "of", "value")
    row_names = [""] if one else band["of"].tolist()
    return _record_rows(claim, band, row_names, figure, dataset)


def record_band(claim_id, band, *, figure=None, dataset=None):
    """:func:`record` with an estimate and its interval as the book's functions return
    them.

    A limit that is NaN, as a single seed gives it, is no interval. Where a mean rests
    on fewer seeds than asked, the record says so, as "4 of 5 seeds".

    Args:
        claim_id: the claim's id in ``claims.yml``.
        band: a frame of ``intervals.mean_band`` or one row of it, or an
            ``intervals.Interval`` or ``Exponent`` of numbers or of tensors ``(k,)``.
            One row is a number. Several rows go by what stands in the columns before
            ``mean`` (or in the index), joined by ", " where there are several columns;
            a number finds the rule's name that reads as it: 0.9 is "0.90".
        figure: as in :func:`record`.
        dataset: as in :func:`record`.

    Returns:
        The verdict.

    Raises:
        ValueError: as :func:`record`.
    """
    claim = _claim(claim_id)
    if isinstance(band, pandas.Series):
        band = band.to_frame().T
    if isinstance(band, pandas.DataFrame):
        if len(band) == 0:
            return _record(claim, None, None, figure, dataset)
        row_names = _names_of_rows(band, names(claim["rule"]) or [])
        return _record_rows(claim, band, row_names, figure, dataset)
    value, low, high = (_numbers(part) for part in band)
    if not isinstance(value, list):
        return _record(claim, value, _pair(low, high), figure, dataset)
    pairs = [_pair(*ends) for ends in zip(low, high, strict=True)]
    return _record(claim, value, pairs if any(pairs) else None, figure, dataset)


def stated(claim_id):
    """What the paper states: the value of a claim's rule.

    Args:
        claim_id: the claim's id in ``claims.yml``.

    Returns:
        A number, or a list or dict of numbers, as ``claims.yml`` gives it.

    Raises:
        ValueError: the claim is unknown, or its rule has no value.
    """
    rule = _claim(claim_id)["rule"]
    if "value" not in rule:
        fields = ", ".join(f"{name} {part}" for name, part in rule.items())
        raise ValueError(f"claim {claim_id}: its rule has no value; got {fields}")
    return rule["value"]


def _claim(claim_id):
    for claim in read():
        if claim["id"] == claim_id:
            return claim
    raise ValueError(f"a claim is one of those in claims.yml; got {claim_id!r}")


def _record(claim, estimate, interval, figure, dataset, remark=""):
    """Judge one claim's estimate and show the verdict; the remark joins its note."""
    rule = claim["rule"]
    have = {"profile": runs.run_settings()[0], "dataset": dataset}
    try:
        bar = runs.bar(claim, dataset)
        if bar:
            found = rules.pass_over(rule, estimate, *bar, interval)
        else:
            reference = _reference(claim["paper"], rule)
            found = rules.judge(rule, estimate, interval, reference)
    except ValueError as error:
        seeds = f" ({remark})" if remark else ""
        raise ValueError(f"claim {claim['id']}: {error}{seeds}") from None
    met = (verdicts.REPRODUCED, verdicts.ANOTHER_CONSTANT)
    if claim.get("fitted") and found.verdict in met:
        found = found._replace(verdict=verdicts.FITTED)
    note = "; ".join(part for part in (found.note, remark) if part)
    figure = figure or claim.get("figure")
    made = claim | found._asdict() | {"note": note, "figure": figure} | have
    _show(made)
    return made["verdict"]


def _record_rows(claim, band, row_names, figure, dataset):
    """Record the rows of a band by name; one without a name is a number."""
    means, spans, seeds = {}, {}, {}
    for name, row in zip(row_names, band.to_dict("records"), strict=True):
        means[name] = float(row["mean"])
        spans[name] = _pair(row["low"], row["high"])
        if row["k"] < row["K"]:
            seeds[name] = f"{row['k']} of {row['K']} seeds"
    if row_names == [""]:
        remark = seeds.get("", "")
        return _record(claim, means[""], spans[""], figure, dataset, remark)
    interval = spans if any(spans.values()) else None
    if len(seeds) == len(row_names) and len(set(seeds.values())) == 1:
        remark = seeds[row_names[0]]
    else:
        remark = ", ".join(f"{name}: {text}" for name, text in seeds.items())
    return _record(claim, means, interval, figure, dataset, remark)


def _names_of_rows(band, rule_names):
    """The name of each row of a band, the rule's own where it has the same one."""
    if band.columns[0] == "mean" and len(band) > 1:
        band = band.reset_index()
    columns = list(band.columns[: band.columns.get_loc("mean")])
    if len(band) == 1 and not rule_names:
        return [""]
    own = {_read_as(name): name for name in rule_names}
    row_names = []
    for key in band[columns].itertuples(index=False, name=None):
        text = ", ".join(map(_text, key))
        row_names.append(own.get(_read_as(text), text))
    known = set(row_names) & set(rule_names)
    return [""] if len(band) == 1 and not known else row_names


def _read_as(name):
    """The parts of a name, as numbers where they read as numbers."""
    parts = []
    for part in name.split(", "):
        try:
            parts.append(float(part))
        except ValueError:
            parts.append(part)
    return tuple(parts)


def _text(value):
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _numbers(part):
    """A number or a list of numbers, from either or from a tensor or array."""
    return part.tolist() if hasattr(part, "tolist") else part


def _pair(low, high):
    """An interval; None where a limit is NaN."""
    if math.isnan(low) or math.isnan(high):
        return None
    return (float(low), float(high))


def _reference(paper, rule):
    if rule["kind"] != "curve":
        return None
    return published.curves(paper)[rule["figure"]]["curves"][rule["curve"]]


def _show(made):
    if runs.shell() is None:
        print(as_text(made))
        return
    from IPython.display import display

    display(
        {
            "text/html": card(made, id=f"claim-{made['id']}"),
            "text/plain": as_text(made),
        },
        raw=True,
        metadata={"kdlib": {"claim": made}},
    )
