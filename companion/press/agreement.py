"""Whether rows that were computed again agree with what was recorded."""

import pandas

from companion.engine import recorded, verified

# A trained row of one seed has no spread to be held against: this part of its number
# stands for it, so that three standard errors of two draws are eight percent.
ALONE = 0.02
# Standard errors that the mean of trained rows may be away.
ERRORS = 3


def table(compared, found, profile):
    """What became of each store.

    Args:
        compared: of :func:`companion.press.verification.verify`.
        found: list of :class:`companion.press.draws.Row`, all recorded ones.
        profile: of which they are.

    Returns:
        A frame ``store, kind, rows, verified, agreed, difference``: the last is the
        largest relative difference of any number of a row.
    """
    lines = []
    for store in dict.fromkeys(row.store for row in found):
        rows = recorded.read(store, profile).rows
        own = compared[compared["store"] == store]
        is_trained = any(row.sweep["trained"] for row in rows.values())
        wrong = disagreeing(own, rows, is_trained) if len(own) else []
        largest = [_largest(found) for found in own["differences"]]
        lines.append(
            {
                "store": store,
                "kind": "trained" if is_trained else "exact",
                "rows": len(rows),
                "verified": len(own),
                "agreed": len(own) - len(wrong),
                "difference": max(largest, default=0.0),
            }
        )
    return pandas.DataFrame(lines)


def disagreeing(compared, rows, is_trained):
    """The rows that do not agree.

    Args:
        compared: frame of ``identity``, ``error``, ``differences`` and ``means``.
        rows: dict from identity to :class:`companion.engine.recorded.RecordedRow`.
        is_trained: whether means count and not digits.

    Returns:
        List of identities of the rows that differ in a digit that counts; of trained
        rows an empty list where their means agree all the same.
    """
    largest = [_largest(found) for found in compared["differences"]]
    wrong = list(compared["identity"][[value > verified.RELATIVE for value in largest]])
    has_error = compared["error"].notna().any()
    if is_trained and wrong and not has_error and _means_agree(compared, rows):
        return []
    return wrong


def _largest(differences):
    """The largest difference of a row; infinite for one that failed."""
    if not isinstance(differences, dict):
        return float("inf")
    return max(differences.values(), default=0.0)


def _means_agree(compared, rows):
    """Whether each number is within the spread of seeds, and its mean is closer."""
    shifts = _shifts(compared, rows)
    single = 2 * ERRORS * shifts["unit"] + verified.RELATIVE * shifts["mean"].abs()
    if (shifts["shift"].abs() > single).any():
        return False
    for _, group in shifts.groupby("name"):
        shift = abs(group["shift"].mean())
        scale = abs(group["mean"]).mean()
        allowed = ERRORS * (2 * (group["unit"] ** 2).mean() / len(group)) ** 0.5
        if not shift <= allowed + verified.RELATIVE * scale:
            return False
    return True


def _shifts(compared, rows):
    """By row and name of a number: how far its mean is off, and what a seed does."""
    lines = []
    for line in compared.itertuples():
        row = rows[line.identity]
        spread = _spread(row, rows)
        for name, mean in verified.means(row.row.values).items():
            least = 0.0 if spread else ALONE * abs(mean) + verified.ABSOLUTE
            lines.append(
                {
                    "name": name,
                    "shift": line.means.get(name, float("inf")) - mean,
                    "unit": spread.get(name, 0.0) or least,
                    "mean": mean,
                }
            )
    return pandas.DataFrame(lines)


def _spread(row, rows):
    """The standard deviation over recorded seeds of each number of a setting."""
    means = []
    for other in rows.values():
        if other.line["setting"] == row.line["setting"]:
            means.append(verified.means(other.row.values))
    if len(means) < 2:
        return {}
    return pandas.DataFrame(means).std(ddof=1).fillna(0.0).to_dict()
