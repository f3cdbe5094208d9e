"""Whether rows that were computed again agree with what was recorded."""

import pandas

from companion.engine import recorded, verified

# A trained row of one seed has no spread to be held against.
ALONE = 0.02
# Standard errors that the mean of trained rows may be away.
ERRORS = 3


def table(compared, found):
    """What became of each store.

    Args:
        compared: of :func:`verify`.
        found: list of :class:`Row`, all recorded ones.

    Returns:
        A frame ``store, kind, rows, verified, agreed, difference``: the largest
        relative difference of any number of a row; of trained rows that of the means.
    """
    lines = []
    for store in dict.fromkeys(row.store for row in found):
        rows = recorded.read(store).rows
        own = compared[compared["store"] == store]
        is_trained = any(row.sweep["trained"] for row in rows.values())
        judge = _judged_by_mean if is_trained else _judged_by_digits
        agreed, difference = judge(own, rows) if len(own) else (0, 0.0)
        lines.append(
            {
                "store": store,
                "kind": "trained" if is_trained else "exact",
                "rows": len(rows),
                "verified": len(own),
                "agreed": agreed,
                "difference": difference,
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
        List of identities; of trained rows all where their means do not agree.
    """
    largest = [_largest(found) for found in compared["differences"]]
    wrong = compared["identity"][[value > verified.RELATIVE for value in largest]]
    if is_trained and len(wrong):
        agreed, _ = _judged_by_mean(compared, rows)
        return [] if agreed else list(compared["identity"])
    return list(wrong)


def _largest(differences):
    """The largest difference of a row; infinite for one that failed."""
    if not isinstance(differences, dict):
        return float("inf")
    return max(differences.values(), default=0.0)


def _judged_by_digits(own, rows):
    """How many rows agree digit by digit, and the largest difference."""
    largest = [_largest(found) for found in own["differences"]]
    return sum(value <= verified.RELATIVE for value in largest), max(largest)


def _judged_by_mean(own, rows):
    """All rows agree where the mean of each number is within the spread of seeds."""
    if own["error"].notna().any():
        return 0, float("inf")
    shifts = []
    for line in own.itertuples():
        row = rows[line.identity]
        before = verified.means(row.row.values)
        spread = _spread(row, rows)
        for name, mean in before.items():
            shift = line.means.get(name, float("nan")) - mean
            least = ALONE * abs(mean) + verified.ABSOLUTE
            unit = max(spread.get(name, 0.0), least if len(spread) == 0 else 0.0)
            shifts.append({"name": name, "shift": shift, "unit": unit, "mean": mean})
    frame = pandas.DataFrame(shifts)
    worst = 0.0
    is_within = True
    for _, group in frame.groupby("name"):
        shift = abs(group["shift"].mean())
        scale = abs(group["mean"]).mean() or 1.0
        allowed = ERRORS * (2 * (group["unit"] ** 2).mean() / len(group)) ** 0.5
        is_within &= bool(shift <= allowed + verified.RELATIVE * scale)
        worst = max(worst, shift / scale)
    return (len(own) if is_within else 0), float(worst)


def _spread(row, rows):
    """The standard deviation over recorded seeds of each number of a setting."""
    means = []
    for other in rows.values():
        if other.line["setting"] == row.line["setting"]:
            means.append(verified.means(other.row.values))
    if len(means) < 2:
        return {}
    return pandas.DataFrame(means).std(ddof=1).fillna(0.0).to_dict()
