"""``kdlib adopt``: recorded rows stay when their code was rewritten and does the same.

A random sample of a store is computed by the new code. Where all of it agrees, the
store takes the new identities and notes both commits and the sample.
"""

import datetime
import json
import random

import pandas

from companion.engine import recorded
from companion.press import agreement, cells, draws, files, provenance
from kdlib import places

# A change that reaches one row in so many is what the probability is told of.
ONE_IN = 10


def adopt(profile, built, store, seed):
    """Tries every store of a profile that has become stale.

    Args:
        profile: its name.
        built: folder of the executed chapters, whose rows may be used on the way.
        store: which alone, or None.
        seed: of the draw, or None for a random one.

    Returns:
        ``(text, status)``: a line for each stale store; 1 where one does not agree.

    Raises:
        ValueError: nothing is recorded of ``store``.
        companion.press.chapters.Failed: a chapter's cells did not run.
    """
    if seed is None:
        seed = random.SystemRandom().randrange(10**6)
    found = draws.recorded_rows(profile, store)
    stores = {}  # chapter -> its stores
    for row in found:
        stores.setdefault(row.chapter, set()).add(row.store)
    lines = []
    for chapter, own in stores.items():
        wish = {"stores": sorted(own), "seed": seed}
        lines += cells.run_chapter(
            chapter, profile, own, built, variable="KDLIB_ADOPT", content=wish
        )
    if not lines:
        return "no recorded row is of earlier code", 0
    texts = []
    status = 0
    frame = pandas.DataFrame(lines)
    for name, own in frame.groupby("store"):
        text, agrees = _tried(profile, name, own.to_dict("records"))
        texts.append(text)
        status |= not agrees
    return "\n".join([*texts, f"Again: kdlib adopt --seed {seed}"]), int(status)


def _tried(profile, store, lines):
    """Adopts one store where its sample agrees."""
    rows = recorded.read(store, profile).rows
    sampled = [line for line in lines if isinstance(line.get("sample"), dict)]
    compared = [
        {"identity": line["old"], "error": None} | line["sample"] for line in sampled
    ]
    is_trained = any(rows[line["old"]].sweep["trained"] for line in lines)
    wrong = agreement.disagreeing(pandas.DataFrame(compared), rows, is_trained)
    count = f"{len(sampled)} of {len(lines)} stale rows"
    if wrong:
        row = rows[wrong[0]]
        return (
            f"{store}: not adopted; {len(wrong)} of {count} differ, the first of "
            f"setting {row.line['setting']}, seed {row.line['seed']}",
            False,
        )
    _write(profile, store, lines, [line["new"] for line in sampled])
    missed = (1 - 1 / ONE_IN) ** len(sampled)
    return (
        f"{store}: adopted; {count} were computed by the new code and agree (a change "
        f"that reaches one row in {ONE_IN} would have been missed with probability "
        f"{missed:.2f})",
        True,
    )


def _write(profile, store, lines, sample):
    """Writes a store with the new identities of its stale rows."""
    folder = places.book() / "recorded" / "rows" / profile
    new = {line["old"]: line for line in lines}
    sweeps = {}
    kept = []
    for identity, row in recorded.read(store, profile).rows.items():
        sweep = _unsigned(row.sweep)
        line = _unsigned(row.line) | {"values": row.row.values}
        if identity in new:
            today = new[identity]["sweep"]
            note = {
                "from": row.sweep["commit"],
                "to": provenance.commit(),
                "date": datetime.date.today().isoformat(),
                "rows": len(lines),
                "sample": sample,
            }
            names = ("sweep", "code", "constants", "data")
            sweep |= {name: today[name] for name in names}
            sweep["adopted"] = [*sweep.get("adopted", []), note]
            line |= {"identity": new[identity]["new"], "sweep": today["sweep"]}
        sweeps[sweep["sweep"]] = sweep
        kept.append(line)
    text = recorded.text_of(sweeps.values(), kept)
    content, ending = recorded.contents_of(text)
    recorded.file_of(folder, store).unlink()
    files.write_whole(folder / f"{store}{ending}", content)
    path = folder / recorded.INDEX
    index = json.loads(path.read_text(encoding="utf-8"))
    index[store]["bytes"] = len(content)
    files.write_whole(path, json.dumps(index, indent=1) + "\n")


def _unsigned(line):
    return {name: value for name, value in line.items() if name != "checksum"}
