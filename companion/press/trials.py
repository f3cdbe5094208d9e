"""What else was tried: chapters run again with other parameters, and recorded.

``book/trials.yml`` says what is tried and why; ``make trials`` runs what is not
recorded yet and keeps it in ``book/recorded/trials.json``; the page shows it beside the
chapter's own numbers. So no page asks for trust in a number that nobody can compute
again.
"""

import ast
import datetime
import functools
import json

import yaml

from companion import markup
from companion.claims import file, words
from companion.press import chapters
from kdlib import places

FIELDS = {"name", "chapter", "question", "parameters", "shows"}


def read():
    """The trials of ``book/trials.yml``, in its order.

    Returns:
        A list of dicts: ``name``; ``chapter``, in full; ``question``, a sentence;
        ``parameters``, name to value as on the command line; ``shows``, the ids of the
        claims whose numbers are shown.

    Raises:
        ValueError: a trial lacks a field or has another one, two have one name, a
            parameter is not allowed, or a claim is not one of its chapter's.
    """
    source = places.book() / "trials.yml"
    if not source.exists():
        return []
    return _read(source, source.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _read(source, modified):
    """The trials of a file as it was when it was modified last."""
    trials = yaml.safe_load(source.read_text(encoding="utf-8")) or []
    homes = {claim["id"]: claim["chapter"] for claim in file.read()}
    for trial in trials:
        _complete(trial, homes)
    names = [trial["name"] for trial in trials]
    if len(set(names)) < len(names):
        raise ValueError(
            f"each trial has a name of its own; got {', '.join(map(str, names))}"
        )
    return trials


def recorded():
    """What ``make trials`` kept of the trials whose parameters are still the same.

    Returns:
        A dict from a trial's name to what :func:`record_trial` measured.
    """
    if not path().exists():
        return {}
    kept = json.loads(path().read_text(encoding="utf-8"))
    known = {trial["name"]: trial["parameters"] for trial in read()}
    current = {}
    for name, made in kept.items():
        if made["parameters"] == known.get(name):
            current[name] = made
    return current


def record_trial(name, folder):
    """Run one trial at the laptop profile, and keep what it measured.

    Args:
        name: the trial's name.
        folder: where its notebook and rows go; rows that are there already are not
            computed again.

    Returns:
        A dict of ``parameters``, ``commit``, ``date``, ``seeds``, ``data``,
        ``seconds``, the chapter's ``finding`` and, by id, the ``claims`` that the trial
        shows with ``estimate`` and ``interval``.

    Raises:
        ValueError: there is no such trial.
        companion.press.execution.ChapterFailed: a cell raised.
        companion.press.chapters.Failed: a sweep lost rows.
    """
    import nbformat

    from companion.press import execution

    trials = {trial["name"]: trial for trial in read()}
    if name not in trials:
        raise ValueError(f"a trial is one of {', '.join(trials)}; got {name!r}")
    trial = trials[name]
    values = chapters.check(trial["chapter"], trial["parameters"])
    out = execution.execute(trial["chapter"], folder, values=values, progress=True)
    made = _measured(trial, nbformat.read(out, as_version=4))
    _keep(name, made)
    return made


def finding(executed):
    """The sentence that an executed chapter glued as its finding.

    Args:
        executed: the executed notebook.

    Returns:
        The sentence; None without one.
    """
    text = None
    for cell in executed["cells"]:
        for output in cell.get("outputs", []):
            glued = output.get("metadata", {}).get("scrapbook", {})
            if glued.get("name") == "finding":
                text = next(iter(output["data"].values()))
    return None if text is None else ast.literal_eval(text)


def section(chapter, judged):
    """A chapter's trials as Markdown.

    Each has its question, its command, its finding, and its numbers beside the page's.

    Args:
        chapter: full name of the chapter.
        judged: what the page's own run recorded (``claims.collect``).

    Returns:
        The text; empty where nothing was tried.
    """
    mine = [trial for trial in read() if trial["chapter"] == chapter]
    if not mine:
        return ""
    kept = recorded()
    own = {made["id"]: made for made in judged}
    cards = [_card(trial, kept.get(trial["name"]), own) for trial in mine]
    label = f"(tried-{chapter.partition('_')[0]})="
    return f"{label}\n## What else was tried\n\n{markup.raw_block(*cards)}"


def command(trial):
    """The words that run a trial.

    Args:
        trial: one of :func:`read`.

    Returns:
        The command line.
    """
    words = ["kdlib run", trial["chapter"].partition("_")[0]]
    words += [f"-p {name} {value}" for name, value in trial["parameters"].items()]
    return " ".join(words)


def path():
    """The file that keeps what the trials measured."""
    return places.book() / "recorded" / "trials.json"


def _complete(trial, homes):
    """Check a trial of the file, and write its chapter and its parameters in full."""
    if set(trial) != FIELDS:
        needed = ", ".join(sorted(FIELDS))
        raise ValueError(
            f"a trial has the fields {needed}; got {', '.join(sorted(trial))}"
        )
    values = {name: str(value) for name, value in trial["parameters"].items()}
    trial["parameters"] = values
    try:
        trial["chapter"] = chapters.find(trial["chapter"])
        chapters.check(trial["chapter"], values)
    except ValueError as error:
        raise ValueError(f"trial {trial['name']}: {error}") from None
    strange = [one for one in trial["shows"] if homes.get(one) != trial["chapter"]]
    if strange:
        raise ValueError(
            f"trial {trial['name']}: shows claims of {trial['chapter']}; got "
            f"{', '.join(strange)}"
        )


def _keep(name, made):
    """Add what a trial measured to the record, to which other processes add too."""
    from companion.press import files, locks

    with locks.held(path().with_suffix(".lock")):
        kept = recorded() | {name: made}
        names = [trial["name"] for trial in read()]
        in_order = {one: kept[one] for one in names if one in kept}
        text = json.dumps(in_order, indent=1, ensure_ascii=False)
        files.write_whole(path(), text + "\n")


def _measured(trial, executed):
    """What a trial's executed notebook measured, as it is kept."""
    from companion import claims

    record = executed.metadata["kdlib"]
    if record["lost"]:
        stores = ", ".join(sweep["store"] for sweep in record["lost"])
        raise chapters.Failed(
            f"trial {trial['name']}: rows of {stores} failed, so nothing is recorded"
        )
    judged = {made["id"]: made for made in claims.collect(executed)}
    shown = {}
    for one in trial["shows"]:
        shown[one] = {key: judged[one][key] for key in ("estimate", "interval")}
    return {
        "parameters": trial["parameters"],
        "commit": record["commit"],
        "date": datetime.date.today().isoformat(),
        "seeds": record["seeds"],
        "data": record["data"] and record["data"]["name"],
        "seconds": round(record["seconds"] + record["rows_seconds"]),
        "finding": finding(executed),
        "claims": shown,
    }


def _card(trial, made, own):
    """A trial as a folded block: its command, and what it measured if recorded."""
    parts = [markup.element("p", markup.element("code", command(trial)))]
    if made is None:
        make = markup.element("code", "make trials")
        parts.append(markup.element("p", "Not recorded yet: ", make, " does that."))
    else:
        parts += _recorded_parts(made, own)
    question = markup.element("summary", trial["question"])
    name = f"trial-{trial['name']}"
    return markup.element("details", question, *parts, class_="kd-trial", id=name)


def _recorded_parts(made, own):
    """A recorded trial's finding, and the numbers of claims that the page shows."""
    facts = [
        made["data"],
        made["seeds"] and f"{made['seeds']} seeds",
        f"{made['seconds']:,} s",
        f"commit {made['commit']}",
        made["date"],
    ]
    known = ", ".join(fact for fact in facts if fact)
    small = markup.element("small", f"({known})")
    parts = [markup.element("p", made["finding"] or "", " ", small)]
    rows = []
    for one, tried in made["claims"].items():
        if one in own:
            place = markup.element("small", own[one]["place"])
            rows.append(
                markup.row(
                    markup.heading(f"{own[one]['statement']} ", place),
                    words.measured(own[one] | {"note": ""}),
                    words.measured(own[one] | tried | {"note": ""}),
                )
            )
    if rows:
        heads = ("the paper says", "this page", "tried")
        label = "What this trial measured beside what the page has"
        parts.append(markup.table(heads, rows, label=label, class_="kd-claims"))
    return parts
