"""The ledger: what became of every claim, gathered from the executed chapters, beside
the committed baseline."""

import json
import math
import os
from collections import Counter
from pathlib import Path

import pandas
import yaml

from companion.claims import verdicts
from companion.claims.file import (
    AS_WRITTEN,
    CORRECTED,
    FIELDS,
    KINDS,
    OURS,
    PAPERS,
    read,
)
from companion.claims.records import interval_from_record, recorded_span
from companion.claims.verdicts import contains
from companion.claims.words import as_text, reason
from kdlib.places import book

# What the ledger shows of a claim that has it.
_MAY_HAVE = ("whose", "corrects", "fitted", "if_not")

# What a record adds to its claim in the ledger.
_RECORDED = ("verdict", "estimate", "interval", "note", "figure")

# A higher verdict is better.
_RANK = {verdict: rank for rank, verdict in enumerate(verdicts.JUDGED)}

_UNTESTED = (verdicts.NOT_TESTED, verdicts.OTHER_PARAMETERS)


def collect(executed):
    """The records in an executed chapter.

    Args:
        executed: the notebook, or its path.

    Returns:
        A list of dicts, each the claim's fields with ``verdict``, ``estimate``,
        ``interval``, ``note``, ``figure``, ``profile`` and ``dataset``.
    """
    if isinstance(executed, (str, os.PathLike)):
        executed = json.loads(Path(executed).read_text(encoding="utf-8"))
    rules = {claim["id"]: claim["rule"] for claim in read()}
    records = []
    for cell in executed["cells"]:
        for output in cell.get("outputs", []):
            made = output.get("metadata", {}).get("kdlib", {}).get("claim")
            if made:
                records.append(_in_order(json.loads(json.dumps(made)), rules))
    return records


def check(chapter, records):
    """What is wrong with a chapter's records; a strict build takes each for an error.

    Args:
        chapter: the chapter's name.
        records: what :func:`collect` found in it.

    Returns:
        A list of lines.
    """
    homes = {claim["id"]: claim["chapter"] for claim in read()}
    rules = {claim["id"]: claim["rule"] for claim in read()}
    times = Counter(made["id"] for made in records)
    problems = [
        f"recorded {times[name]} times: {name}" for name in times if times[name] > 1
    ]
    for name in times:
        if name not in homes:
            problems.append(f"not in claims.yml: {name}")
        elif homes[name] != chapter:
            problems.append(f"belongs to {homes[name]}: {name}")
    for name, home in homes.items():
        if home == chapter and name not in times:
            problems.append(f"not recorded: {name}")
    older = [
        made["id"]
        for made in records
        if made["rule"] != rules.get(made["id"], made["rule"])
    ]
    for name in dict.fromkeys(older):
        problems.append(f"judged by an older rule, run the chapter again: {name}")
    return [f"{chapter}, claim {problem}" for problem in problems]


def ledger(folder):
    """One row a claim, the failing first.

    Args:
        folder: the executed chapters ``NN_name.ipynb``; claims of a chapter that is not
            there are not judged.

    Returns:
        A frame with the columns ``id, paper, place, statement, quantity, rule, chapter,
        whose, corrects, fitted, if_not, verdict, estimate, interval, note, figure``.
        Its index is a claim's place in ``claims.yml``.
    """
    chapters = dict.fromkeys(claim["chapter"] for claim in read())
    rows = {}
    for chapter in chapters:
        rows |= {row["id"]: row for row in _chapter_rows(folder, chapter)}
    ordered = [rows[claim["id"]] for claim in read()]
    columns = {}
    for name in (*FIELDS, *_MAY_HAVE, *_RECORDED):
        values = [row.get(name) for row in ordered]
        columns[name] = pandas.Series(values, dtype=object)
    frame = pandas.DataFrame(columns)
    order = frame["verdict"].map(verdicts.VERDICTS.index)
    return frame.loc[order.sort_values(kind="stable").index]


def counts(frame):
    """How many claims have each verdict, by whose they are.

    Args:
        frame: a ledger.

    Returns:
        A frame with a row for each paper's claims as written, one for those that were
        corrected, one for the book's own, and one for their sum at its end.
    """
    found = set(frame["verdict"])
    columns = [verdict for verdict in verdicts.VERDICTS if verdict in found]
    whose = frame["whose"].fillna(AS_WRITTEN)
    groups = {}
    for paper, name in PAPERS.items():
        groups[name] = frame[(frame["paper"] == paper) & (whose == AS_WRITTEN)]
    groups["corrected"] = frame[whose == CORRECTED]
    groups["the book's own"] = frame[whose == OURS]
    groups = {name: group for name, group in groups.items() if len(group)}
    groups["all"] = frame
    rows = []
    for group in groups.values():
        row = {verdict: int((group["verdict"] == verdict).sum()) for verdict in columns}
        rows.append(row | {"claims": len(group)})
    return pandas.DataFrame(rows, index=pandas.Index(groups, name="whose"))


def kinds(frame):
    """How many of the claims that are not reproduced are of each kind.

    Args:
        frame: a ledger.

    Returns:
        A series by kind, in the order of ``file.KINDS``.
    """
    reasons = [reason(made) for made in frame.to_dict("records")]
    number = Counter(why[0] for why in reasons if why)
    found = {kind: number[kind] for kind in KINDS if kind in number}
    return pandas.Series(found, name="claims", dtype=int)


# ---------------------------------------------------------------- the baseline


def drift(frame, baseline):
    """How a ledger's verdicts stand to a committed baseline.

    Args:
        frame: a ledger.
        baseline: ``{id: {"verdict", "estimate", "interval"}}``.

    Returns:
        A frame ``id, before, now, drift, direction``, a row for each claim of the
        baseline. Drift is *flipped* (another verdict), else *moved* (an estimate left
        the baseline's interval, or 1 per cent where it has none), else *within band*.
        An estimate that lies beyond a limit leaves an interval that has an end on that
        side. Direction is *worse*, *better* or *same*; *untested* where the claim is
        not tested at this size any more, as on a machine without the data. A claim that
        is gone is worse.
    """
    current = {row["id"]: row for row in frame.to_dict("records")}
    rows = []
    for name, before in baseline.items():
        now = current.get(name, {"verdict": "claim removed"})
        row = {"id": name, "before": before["verdict"], "now": now["verdict"]}
        row["drift"] = _drift(before, now)
        row["direction"] = _direction(before["verdict"], now["verdict"])
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
    kept = judged[["verdict", "estimate", "interval"]].to_dict("index")
    path = _baseline(profile)
    path.parent.mkdir(exist_ok=True)
    text = yaml.safe_dump(kept, sort_keys=True, default_flow_style=None, width=120)
    path.write_text(text, encoding="utf-8")
    return path


def _in_order(made, rules):
    """A record with its rule's names in the paper's order."""
    # A notebook sorts names; the claim's own rule, where it is the same, has the order.
    rule = rules.get(made["id"])
    return made | {"rule": rule} if rule == made["rule"] else made


def _chapter_rows(folder, chapter):
    """The ledger's rows of one chapter, recorded or not."""
    path = Path(folder) / f"{chapter}.ipynb"
    records = {made["id"]: made for made in collect(path)} if path.exists() else {}
    written = (book() / f"{chapter}.md").exists()
    blank = {
        "verdict": verdicts.NOT_RUN if written else verdicts.NO_CHAPTER,
        "estimate": None,
        "interval": None,
        "note": "",
        "figure": None,
    }
    rows = []
    for claim in read():
        if claim["chapter"] == chapter:
            made = records.get(claim["id"], blank)
            rows.append(claim | {name: made[name] for name in _RECORDED})
    return rows


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
    if now in _UNTESTED:
        return "untested"
    if now not in _RANK or _RANK[now] < _RANK[before]:
        return "worse"
    return "better" if _RANK[now] > _RANK[before] else "same"


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
