"""How claims and verdicts read as text."""

from companion.claims.file import AS_WRITTEN
from companion.claims.records import shown
from companion.claims.rules.kind import names
from companion.claims.verdicts import NOT_REPRODUCED

# Whose a claim is, for a reader.
WHOSE = {
    AS_WRITTEN: "the paper's, as written",
    "corrected": "corrected: what the paper's claim becomes when it is put right",
    "ours": "ours: the book's own reading or extension",
}


def as_text(made):
    """One claim as a line of plain text."""
    line = f"{made['verdict']}: {made['id']}: {made['statement']}"
    found = measured(made)
    return f"{line} [{found}]" if found else line


def measured(made):
    """What was measured for a claim, in words.

    Args:
        made: a record, or a row of the ledger.

    Returns:
        Estimate, interval and note; names in the paper's order. Empty where nothing was
        measured.
    """
    estimate, interval = made["estimate"], made["interval"]
    if isinstance(estimate, dict):
        order = names(made["rule"]) or []
        first = [name for name in order if name in estimate]
        estimate = {name: estimate[name] for name in [*first, *estimate]}
    absent = estimate is None and interval is None
    parts = ["" if absent else shown(estimate, interval), made["note"] or ""]
    return "; ".join(part for part in parts if part)


def reason(made):
    """Why a claim is not reproduced.

    Args:
        made: a record, or a row of the ledger.

    Returns:
        Its kind, one of ``file.KINDS``, and a sentence, which is empty where the kind
        is open; None where the claim has another verdict.
    """
    if made["verdict"] != NOT_REPRODUCED:
        return None
    why = made.get("if_not") or {"kind": "open", "why": ""}
    return why["kind"], why["why"]
