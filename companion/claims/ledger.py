"""The ledger: what became of every claim, gathered from the executed chapters, beside the committed baseline."""

import json
import math
import os
from collections import Counter
from pathlib import Path

import pandas
import yaml

from companion.claims import verdicts
from companion.claims.file import FIELDS, PAPERS, read
from companion.claims.words import as_text
from kdlib.places import book

_RANK = {
    verdict: rank for rank, verdict in enumerate(verdicts.JUDGED)
}  # higher is better


def collect(executed):
    """The records in an executed chapter.

    Args:
        executed: the notebook, or its path.

    Returns:
        A list of dicts, each the claim's fields with ``verdict``, ``estimate``, ``interval``, ``note``, ``figure``,
        ``profile`` and ``dataset``.
    """
    rules = {claim["id"]: claim["rule"] for claim in read()}
    if isinstance(executed, (str, os.PathLike)):
        executed = json.loads(Path(executed).read_text(encoding="utf-8"))
    outputs = (
        output for cell in executed["cells"] for output in cell.get("outputs", [])
    )
    found = (
        output.get("metadata", {}).get("kdlib", {}).get("claim") for output in outputs
    )
    made = [json.loads(json.dumps(claim)) for claim in found if claim]
    # A notebook sorts names; the claim's own rule, where it is the same, has them in the paper's order.
    return [
        one | {"rule": rules[one["id"]]} if rules.get(one["id"]) == one["rule"] else one
        for one in made
    ]


def check(chapter, records):
    """What is wrong with a chapter's records, a line each; a strict build takes each for an error."""
    known, rules = (
        {claim["id"]: claim[field] for claim in read()} for field in ("chapter", "rule")
    )
    times = Counter(made["id"] for made in records)
    old = {
        made["id"]: made["rule"]
        for made in records
        if made["rule"] != rules.get(made["id"], made["rule"])
    }
    problems = [
        f"recorded {many} times: {name}" for name, many in times.items() if many > 1
    ]
    problems += [f"not in claims.yml: {name}" for name in times if name not in known]
    problems += [
        f"belongs to {known[name]}: {name}"
        for name in times
        if known.get(name, chapter) != chapter
    ]
    problems += [
        f"not recorded: {name}"
        for name, home in known.items()
        if home == chapter and name not in times
    ]
    problems += [
        f"judged by an older rule, run the chapter again: {name}" for name in old
    ]
    return [f"{chapter}, claim {problem}" for problem in problems]


def ledger(folder):
    """One row a claim, the failing first.

    Args:
        folder: the executed chapters ``NN_name.ipynb``; claims of a chapter that is not there are not judged.

    Returns:
        A frame with the columns ``id, paper, place, statement, quantity, rule, chapter, verdict, estimate, interval,
        note, figure``.
    """
    rows = []
    for chapter in dict.fromkeys(claim["chapter"] for claim in read()):
        path = Path(folder) / f"{chapter}.ipynb"
        made = {one["id"]: one for one in collect(path)} if path.exists() else {}
        absent = (
            verdicts.NOT_RUN
            if (book() / f"{chapter}.md").exists()
            else verdicts.NO_CHAPTER
        )
        blank = {
            "verdict": absent,
            "estimate": None,
            "interval": None,
            "note": "",
            "figure": None,
        }
        mine = (claim for claim in read() if claim["chapter"] == chapter)
        rows += [
            claim | {key: made.get(claim["id"], blank)[key] for key in blank}
            for claim in mine
        ]
    columns = [*FIELDS, "verdict", "estimate", "interval", "note", "figure"]
    frame = pandas.DataFrame(
        {
            name: pandas.Series([row[name] for row in rows], dtype=object)
            for name in columns
        }
    )
    order = frame["verdict"].map(verdicts.VERDICTS.index)
    return frame.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def counts(frame):
    """How many claims of each paper have each verdict, for a ledger; the last row is their sum."""
    columns = [
        verdict for verdict in verdicts.VERDICTS if (frame["verdict"] == verdict).any()
    ]
    groups = {
        PAPERS[paper]: found
        for paper, found in frame.groupby("paper", sort=False)["verdict"]
    }
    groups = {name: groups[name] for name in PAPERS.values() if name in groups} | {
        "all papers": frame["verdict"]
    }
    rows = [
        [int((found == verdict).sum()) for verdict in columns] + [len(found)]
        for found in groups.values()
    ]
    return pandas.DataFrame(
        rows, columns=[*columns, "claims"], index=pandas.Index(groups, name="paper")
    )


def drift(frame, baseline):
    """How a ledger's verdicts stand to a committed baseline.

    Args:
        frame: a ledger.
        baseline: ``{id: {"verdict", "estimate", "interval"}}``.

    Returns:
        A frame ``id, before, now, drift, direction``, a row for each claim of the baseline. Drift is *flipped*
        (another verdict), else *moved* (an estimate left the baseline's interval, or 1 per cent where it has none),
        else *within band*. Direction is *worse*, *better* or *same*; *untested* where the claim is not tested at this
        size any more, as on a machine without the data. A claim that is gone is worse.
    """
    rows, current = [], frame.set_index("id")
    for name, before in baseline.items():
        now = (
            current.loc[name].to_dict()
            if name in current.index
            else {"verdict": "claim removed"}
        )
        old, new = before["verdict"], now["verdict"]
        moved = old == new and not _within(
            now["estimate"], before["estimate"], before["interval"]
        )
        how = "flipped" if old != new else "moved" if moved else "within band"
        unjudged = (
            "untested"
            if new in (verdicts.NOT_TESTED, verdicts.OTHER_PARAMETERS)
            else "worse"
        )
        steps = _RANK[new] - _RANK[old] if new in _RANK else None
        way = (
            unjudged
            if steps is None
            else "worse"
            if steps < 0
            else "better"
            if steps
            else "same"
        )
        rows.append(
            {"id": name, "before": old, "now": new, "drift": how, "direction": way}
        )
    return pandas.DataFrame(rows, columns=["id", "before", "now", "drift", "direction"])


def report(profile="laptop", strict=False):
    """The ledger of a profile's executed chapters as text, with its drift from the committed baseline.

    Returns:
        The text, and a status that is 1 where ``strict`` and a verdict got worse, else 0.
    """
    folder = book().parent / "_build" / profile / "book"
    frame, lines, status = ledger(folder), [], 0
    if not folder.exists():
        lines.append(
            f"No chapter has been executed at this profile: make book PROFILE={profile} does that.\n"
        )
    lines += [as_text(row) for row in frame.to_dict("records")]
    lines += ["", counts(frame).to_string(), ""]
    path = book() / "baselines" / f"{profile}.yml"
    if not path.exists():
        lines.append(f"No baseline is committed for the profile {profile}.")
    else:
        change = drift(frame, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        many = ", ".join(
            f"{count} {how}" for how, count in change["drift"].value_counts().items()
        )
        lines.append(
            f"Against the committed baseline of {profile}: {many or 'no verdict in it'}."
        )
        told = change[change["drift"] != "within band"]
        lines += [
            f"  {row.drift} ({row.direction}): {row.id}, {row.before} -> {row.now}"
            for row in told.itertuples()
        ]
        status = int(strict and (change["direction"] == "worse").any())
    return "\n".join(lines), status


def write_baseline(profile="laptop"):
    """Write the judged verdicts of a profile's executed chapters to ``baselines/PROFILE.yml`` and return its path."""
    frame = ledger(book().parent / "_build" / profile / "book")
    judged = frame[frame["verdict"].isin(verdicts.JUDGED)].sort_values("id")
    kept = judged.set_index("id")[["verdict", "estimate", "interval"]].to_dict("index")
    path = book() / "baselines" / f"{profile}.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        yaml.safe_dump(kept, sort_keys=True, default_flow_style=None, width=120),
        encoding="utf-8",
    )
    return path


def _within(now, before, interval):
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = interval if isinstance(interval, dict) else {}
        return set(now) == set(before) and all(
            _within(now[name], before[name], pairs.get(name)) for name in before
        )
    if interval and not isinstance(interval, dict) and isinstance(now, float):
        return interval[0] <= now <= interval[1]
    numbers = isinstance(now, (int, float)) and isinstance(before, (int, float))
    return (
        math.isclose(now, before, rel_tol=0.01, abs_tol=1e-9)
        if numbers
        else now == before
    )
