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
        values = made["rule"]["value"]
        values = values if isinstance(values, dict) else {"": values}
        for name, value in values.items():
            what = [made["place"] if len(judged) > 1 or not name else "", name]
            here = _measured(made, name)
            rows.append(
                markup.row(
                    markup.heading(": ".join(filter(None, what))),
                    as_printed(value),
                    "—" if here == (None, None) else shown(*here),
                )
            )
    caption = "Numbers of the paper and ours"
    table = markup.table(
        ("", "the paper", "here"),
        rows,
        caption=caption,
        label=f"{caption}, {judged[0]['place']}",
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
