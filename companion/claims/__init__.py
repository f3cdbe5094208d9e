"""What the papers claim, and the verdict that the measured quantities give; a verdict
is computed, never typed.

``book/claims.yml`` states each claim and its rule before its chapter is run; a chapter
hands in what it measured (``recording``), the claim's rule judges it (``rules``), and
the ledger gathers the executed chapters.
"""

from companion.claims.bars import verdict_bar
from companion.claims.baseline import drift, report, write_baseline
from companion.claims.cards import card, chapter_summary
from companion.claims.estimates import below, beyond
from companion.claims.file import read
from companion.claims.ledger import (
    check,
    collect,
    counts,
    kinds,
    ledger,
)
from companion.claims.ledgerpage import ledger_html
from companion.claims.recording import (
    record,
    record_band,
    record_mean,
    stated,
)
from companion.claims.runs import run_settings
from companion.claims.words import reason

__all__ = [
    "below",
    "beyond",
    "card",
    "chapter_summary",
    "check",
    "collect",
    "counts",
    "drift",
    "kinds",
    "ledger",
    "ledger_html",
    "read",
    "reason",
    "record",
    "record_band",
    "record_mean",
    "report",
    "run_settings",
    "stated",
    "verdict_bar",
    "write_baseline",
]
