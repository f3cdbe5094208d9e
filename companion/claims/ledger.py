"""The ledger: what became of every claim, gathered from the executed chapters."""

import json
import os
from collections import Counter
from pathlib import Path

import pandas

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
from companion.claims.words import reason
from kdlib.places import book

# What the ledger shows of a claim that has it.
_MAY_HAVE = ("whose", "corrects", "fitted", "if_not")

# What a record adds to its claim in the ledger.
_RECORDED = ("verdict", "estimate", "interval", "note", "figure")


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
        whose, corrects, fitted, if_not, verdict, estimate, interval, note, figure,
        arithmetic``. Its index is a claim's place in ``claims.yml``. The arithmetic is
        that of its chapter's rows, where they leave it to the device, else None.
    """
    chapters = dict.fromkeys(claim["chapter"] for claim in read())
    rows = {}
    for chapter in chapters:
        rows |= {row["id"]: row for row in _chapter_rows(folder, chapter)}
    ordered = [rows[claim["id"]] for claim in read()]
    columns = {}
    for name in (*FIELDS, *_MAY_HAVE, *_RECORDED, "arithmetic"):
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


def _in_order(made, rules):
    """A record with its rule's names in the paper's order."""
    # A notebook sorts names; the claim's own rule, where it is the same, has the order.
    rule = rules.get(made["id"])
    return made | {"rule": rule} if rule == made["rule"] else made


def _chapter_rows(folder, chapter):
    """The ledger's rows of one chapter, recorded or not."""
    path = Path(folder) / f"{chapter}.ipynb"
    executed = {"cells": [], "metadata": {}}
    if path.exists():
        executed = json.loads(path.read_text(encoding="utf-8"))
    records = {made["id"]: made for made in collect(executed)}
    chosen = executed.get("metadata", {}).get("kdlib", {}).get("arithmetic")
    arithmetic = {"arithmetic": " and ".join(chosen) if chosen else None}
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
            recorded = {name: made[name] for name in _RECORDED}
            rows.append(claim | recorded | arithmetic)
    return rows
