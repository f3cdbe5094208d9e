"""The committed baseline: the verdicts of a build, and how a ledger stands to them.

On another processor rows may multiply in other numbers, so a baseline says in which.
"""

import math

import pandas
import yaml

from companion.claims import verdicts
from companion.claims.ledger import counts, kinds, ledger
from companion.claims.records import interval_from_record, recorded_span
from companion.claims.verdicts import contains
from companion.claims.words import as_text
from kdlib.places import book

# A higher verdict is better.
_RANK = {verdict: rank for rank, verdict in enumerate(verdicts.JUDGED)}

_UNTESTED = (verdicts.NOT_TESTED, verdicts.OTHER_PARAMETERS)


def drift(frame, baseline):
    """How a ledger's verdicts stand to a committed baseline.

    Args:
        frame: a ledger.
        baseline: ``{id: {"verdict", "estimate", "interval"}}``, and an ``arithmetic``
            where rows left it to the device.

    Returns:
        A frame ``id, before, now, drift, direction``, a row for each claim of the
        baseline. Drift is *flipped* (another verdict), else *moved* (an estimate left
        the baseline's interval, or 1 per cent where it has none), else *within band*.
        An estimate that lies beyond a limit leaves an interval that has an end on that
        side. Direction is *worse*, *better* or *same*; *untested* where the claim is
        not tested at this size any more, as on a machine without the data; *other
        arithmetic* where it is worse and the rows multiply in other numbers than the
        baseline's, as on another processor. A claim that is gone is worse.
    """
    current = {row["id"]: row for row in frame.to_dict("records")}
    rows = []
    for name, before in baseline.items():
        now = current.get(name, {"verdict": "claim removed"})
        row = {"id": name, "before": before["verdict"], "now": now["verdict"]}
        row["drift"] = _drift(before, now)
        row["direction"] = _direction(before, now)
        rows.append(row)
    return pandas.DataFrame(rows, columns=["id", "before", "now", "drift", "direction"])


def report(profile="laptop", strict=False):
    """The ledger of a profile's executed chapters as text, with its drift from the
    committed baseline.

    Args:
        profile: the profile's name.
        strict: whether a verdict that got worse is an error.

    Returns:
        The text, and a status that is 1 where ``strict`` and a verdict got worse, else
        0.
    """
    folder = _executed(profile)
    frame = ledger(folder)
    lines = [as_text(row) for row in frame.to_dict("records")]
    if not folder.exists():
        advice = f"make book PROFILE={profile} does that."
        lines = [f"No chapter has been executed at this profile: {advice}\n", *lines]
    lines += ["", counts(frame).to_string(), ""]
    many = ", ".join(f"{count} {kind}" for kind, count in kinds(frame).items())
    lines += [f"Not reproduced, by kind: {many or 'none'}.", ""]
    path = _baseline(profile)
    if not path.exists():
        lines.append(f"No baseline is committed for the profile {profile}.")
        return "\n".join(lines), 0
    change = drift(frame, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    worse = (change["direction"] == "worse").any()
    return "\n".join(lines + _drift_lines(change, profile)), int(strict and worse)


def write_baseline(profile="laptop"):
    """Write the judged verdicts of a profile's executed chapters to
    ``baselines/PROFILE.yml``.

    Args:
        profile: the profile's name.

    Returns:
        The path of the file.
    """
    frame = ledger(_executed(profile))
    judged = frame[frame["verdict"].isin(verdicts.JUDGED)].set_index("id")
    kept = judged[["verdict", "estimate", "interval", "arithmetic"]].to_dict("index")
    for claim in kept.values():
        if claim["arithmetic"] is None:
            del claim["arithmetic"]
    path = _baseline(profile)
    path.parent.mkdir(exist_ok=True)
    text = yaml.safe_dump(kept, sort_keys=True, default_flow_style=None, width=120)
    path.write_text(text, encoding="utf-8")
    return path


def _executed(profile):
    """The folder of a profile's executed chapters."""
    return book().parent / "_build" / profile / "book"


def _baseline(profile):
    return book() / "baselines" / f"{profile}.yml"


def _drift(before, now):
    if before["verdict"] != now["verdict"]:
        return "flipped"
    same = _within(now, before)
    return "within band" if same else "moved"


def _direction(before, now):
    if now["verdict"] in _UNTESTED:
        return "untested"
    step = _RANK.get(now["verdict"], -1) - _RANK[before["verdict"]]
    if step < 0:
        return "worse" if _same_arithmetic(before, now) else "other arithmetic"
    return "better" if step > 0 else "same"


def _same_arithmetic(before, now):
    """Whether two records of a claim can be compared; True where one does not say."""
    old, new = before.get("arithmetic"), now.get("arithmetic")
    return old is None or new is None or old == new


def _drift_lines(change, profile):
    """The drift in words: how many of each, and each that is not within its band."""
    many = ", ".join(
        f"{count} {how}" for how, count in change["drift"].value_counts().items()
    )
    lines = [
        f"Against the committed baseline of {profile}: {many or 'no verdict in it'}."
    ]
    for row in change[change["drift"] != "within band"].itertuples():
        step = f"{row.before} -> {row.now}"
        lines.append(f"  {row.drift} ({row.direction}): {row.id}, {step}")
    return lines


def _within(now, before):
    """Whether a recorded estimate lies in the interval of an older record of it."""
    old, new = before["estimate"], now["estimate"]
    if isinstance(old, dict) != isinstance(new, dict):
        return False
    if not isinstance(old, dict):
        return _number_within(new, now["interval"], old, before["interval"])
    if set(new) != set(old):
        return False
    spans = _by_name(now["interval"])
    pairs = _by_name(before["interval"])
    for name in old:
        if not _number_within(new[name], spans.get(name), old[name], pairs.get(name)):
            return False
    return True


def _by_name(interval):
    """Intervals by name; none where one interval is not for the values by name."""
    return interval if isinstance(interval, dict) else {}


def _number_within(now, now_interval, before, interval):
    span = recorded_span(now, now_interval)
    if span and interval:
        return contains(interval_from_record(interval), span)
    if now is not None and before is not None:
        return math.isclose(now, before, rel_tol=0.01, abs_tol=1e-9)
    return now is before and not span and not interval
