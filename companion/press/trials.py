"""What else was tried: chapters run again with other parameters, recorded, and shown beside the chapter's own numbers.

``book/trials.yml`` says what is tried and why; ``make trials`` runs what is not recorded yet and keeps it in
``book/recorded/trials.json``. So no page has to take the word of a number that nobody can compute again.
"""

import ast
import datetime
import json
from html import escape

import yaml

from companion.claims import file, words
from companion.press import chapters
from kdlib import places

FIELDS = {"name", "chapter", "question", "parameters", "shows"}


def read():
    """The trials of ``book/trials.yml``, in its order.

    Returns:
        A list of dicts: ``name``; ``chapter``, in full; ``question``, a sentence; ``parameters``, name to value as on the
        command line; ``shows``, the ids of the claims whose numbers are shown.

    Raises:
        ValueError: a trial lacks a field or has another one, two have one name, a parameter is not allowed, or a claim
            is not one of its chapter's.
    """
    source, homes = (
        places.book() / "trials.yml",
        {claim["id"]: claim["chapter"] for claim in file.read()},
    )
    trials = (
        yaml.safe_load(source.read_text(encoding="utf-8")) or []
        if source.exists()
        else []
    )
    for trial in trials:
        if set(trial) != FIELDS:
            raise ValueError(
                f"a trial has the fields {', '.join(sorted(FIELDS))}; got {', '.join(sorted(trial))}"
            )
        trial["parameters"] = {
            name: str(value) for name, value in trial["parameters"].items()
        }
        try:
            trial["chapter"] = chapters.find(trial["chapter"])
            chapters.check(trial["chapter"], trial["parameters"])
        except ValueError as error:
            raise ValueError(f"trial {trial['name']}: {error}") from None
        if strange := [
            one for one in trial["shows"] if homes.get(one) != trial["chapter"]
        ]:
            raise ValueError(
                f"trial {trial['name']}: shows claims of {trial['chapter']}; got {', '.join(strange)}"
            )
    if len({trial["name"] for trial in trials}) < len(trials):
        raise ValueError(
            f"each trial has a name of its own; got {', '.join(trial['name'] for trial in trials)}"
        )
    return trials


def recorded():
    """What ``make trials`` kept, by the trial's name; only of trials whose parameters are still the same."""
    kept = json.loads(path().read_text(encoding="utf-8")) if path().exists() else {}
    known = {trial["name"]: trial["parameters"] for trial in read()}
    return {
        name: made
        for name, made in kept.items()
        if made["parameters"] == known.get(name)
    }


def run(name, folder):
    """Run one trial at the laptop profile, keep what it measured, and return that.

    Args:
        name: the trial's name.
        folder: where its notebook and rows go; rows that are there already are not computed again.

    Returns:
        A dict of ``parameters``, ``commit``, ``date``, ``seeds``, ``data``, ``seconds``, the chapter's ``finding`` and, by
        id, the ``claims`` that the trial shows with ``estimate`` and ``interval``.

    Raises:
        ValueError: there is no such trial.
        companion.press.execution.ChapterFailed: a cell raised.
    """
    import nbformat

    from companion import claims
    from companion.press import execution

    trials = {trial["name"]: trial for trial in read()}
    if name not in trials:
        raise ValueError(f"a trial is one of {', '.join(trials)}; got {name!r}")
    trial = trials[name]
    values = chapters.check(trial["chapter"], trial["parameters"])
    executed = nbformat.read(
        execution.execute(trial["chapter"], folder, values=values, progress=True),
        as_version=4,
    )
    facts, found = (
        executed.metadata["kdlib"],
        {one["id"]: one for one in claims.collect(executed)},
    )
    made = {
        "parameters": trial["parameters"],
        "commit": facts["commit"],
        "date": datetime.date.today().isoformat(),
        "seeds": facts["seeds"],
        "data": facts["data"] and facts["data"]["name"],
        "seconds": round(facts["seconds"] + facts["rows_seconds"]),
        "finding": finding(executed),
        "claims": {
            one: {key: found[one][key] for key in ("estimate", "interval")}
            for one in trial["shows"]
        },
    }
    kept = {one: record for one, record in recorded().items() if one != name} | {
        name: made
    }
    kept = {one: kept[one] for one in trials if one in kept}
    execution.write_whole(path(), json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return made


def finding(executed):
    """The sentence that an executed chapter glued as its finding; None without one."""
    outputs = (
        output for cell in executed["cells"] for output in cell.get("outputs", [])
    )
    found = [
        one
        for one in outputs
        if one.get("metadata", {}).get("scrapbook", {}).get("name") == "finding"
    ]
    return ast.literal_eval(next(iter(found[-1]["data"].values()))) if found else None


def section(chapter, records):
    """A chapter's trials as Markdown: for each its question, command, finding, and its numbers beside the page's.

    Args:
        chapter: full name of the chapter.
        records: what the page's own run recorded (``claims.collect``).

    Returns:
        The text; empty where nothing was tried.
    """
    mine, kept = [trial for trial in read() if trial["chapter"] == chapter], recorded()
    if not mine:
        return ""
    own = {one["id"]: one for one in records}
    parts = [_card(trial, kept.get(trial["name"]), own) for trial in mine]
    label = f"(tried-{chapter.partition('_')[0]})="
    return (
        f"{label}\n## What else was tried\n\n````{{raw}} html\n"
        + "\n".join(parts)
        + "\n````"
    )


def command(trial):
    """The words that run a trial."""
    pairs = "".join(
        f" -p {name} {value}" for name, value in trial["parameters"].items()
    )
    return f"kdlib run {trial['chapter'].partition('_')[0]}{pairs}"


def _card(trial, made, own):
    told = f"<p><code>{escape(command(trial))}</code></p>"
    if made is None:
        told += "<p>Not recorded yet: <code>make trials</code> does that.</p>"
    else:
        facts = [
            made["data"],
            made["seeds"] and f"{made['seeds']} seeds",
            f"{made['seconds']:,} s",
            f"commit {made['commit']}",
            made["date"],
        ]
        told += f"<p>{escape(made['finding'] or '')} <small>({escape(', '.join(filter(None, facts)))})</small></p>"
        rows = [
            f'<tr><th scope="row">{escape(own[one]["statement"])} <small>{escape(own[one]["place"])}</small></th>'
            + "".join(
                f"<td>{escape(words.quantity(own[one] | new | {'note': ''}))}</td>"
                for new in ({}, found)
            )
            + "</tr>"
            for one, found in made["claims"].items()
            if one in own
        ]
        heads = "".join(
            f'<th scope="col">{head}</th>'
            for head in ("the paper says", "this page", "tried")
        )
        table = f'<table class="kd-claims"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        told += f'<div class="kd-scroll">{table}</div>' if rows else ""
    return (
        f'<details class="kd-trial" id="trial-{trial["name"]}"><summary>{escape(trial["question"])}</summary>'
        f"{told}</details>"
    )


def path():
    """The file that keeps what the trials measured."""
    return places.book() / "recorded" / "trials.json"
