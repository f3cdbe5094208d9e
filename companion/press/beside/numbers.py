"""The numbers of a paper beside ours, where it prints numbers and draws no curve."""

from companion import markup
from companion.claims.records import as_printed, shown


def table(judged):
    """A table of what the paper prints and what was measured, a row for each number.

    Args:
        judged: rows of the ledger whose rules have values.

    Returns:
        Markdown text.
    """
    rows = []
    for made in judged:
        values = made["rule"].get("value", {})
        values = values if isinstance(values, dict) else {"": values}
        what = made["statement"]
        for name, value in values.items():
            estimate, interval = _measured(made, name)
            here = "—" if estimate is None and interval is None else ""
            rows.append(
                markup.row(
                    markup.heading(name or what),
                    as_printed(value),
                    here or shown(estimate, interval),
                )
            )
    places = ", ".join(dict.fromkeys(made["place"] for made in judged))
    table = markup.table(
        ("", "the paper", "here"),
        rows,
        caption=f"{places}, in numbers",
        label=f"{places}, in numbers",
        class_="kd-claims",
    )
    return markup.raw_block(table)


def _measured(made, name):
    """The estimate and the interval of one named number."""
    estimate, interval = made["estimate"], made["interval"]
    if not name:
        return estimate, interval
    if isinstance(estimate, dict):
        estimate = estimate.get(name)
    interval = interval.get(name) if isinstance(interval, dict) else None
    return estimate, interval
