"""What the environment says of workers, time limits and failed rows: read here alone,
and checked before any work."""

import math
import os
from typing import Any, NamedTuple


class Form(NamedTuple):
    """What a variable may hold.

    Attributes:
        allowed: in words.
        read: function of a text; a value, or ``ValueError`` for a text that is not
            allowed.
    """

    allowed: str
    read: Any


def check():
    """Reads every variable that has a form.

    Raises:
        ValueError: one holds what is not allowed; the message is one line that names it
            and says what is.
    """
    for name in FORMS:
        value(name)


def value(name):
    """What a variable holds.

    Args:
        name: of the variable, one of ``FORMS``.

    Returns:
        The value; None where the variable is not set or empty.

    Raises:
        ValueError: it holds what is not allowed.
    """
    text = os.environ.get(name)
    if not text:
        return None
    form = FORMS[name]
    try:
        return form.read(text)
    except ValueError:
        raise ValueError(f"{name} must be {form.allowed}; got {text!r}") from None


def time_limit(seconds=None):
    """How long a row may take.

    Args:
        seconds: that the caller names; None: what ``KDLIB_TIME_LIMIT`` says.

    Returns:
        Seconds, or None for no limit.

    Raises:
        ValueError: it is no limit.
    """
    if seconds is None:
        return value("KDLIB_TIME_LIMIT")
    if not _is_limit(seconds):
        raise ValueError(f"time_limit must be above 0 seconds, got {seconds}")
    return seconds


def _is_limit(seconds):
    return 0 < seconds < math.inf


def _count(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text):
    seconds = float(text)
    if not _is_limit(seconds):
        raise ValueError
    return seconds


def _switch(text):
    if text not in ("0", "1"):
        raise ValueError
    return text == "1"


FORMS = {
    "KDLIB_WORKERS": Form("a whole number of workers, at least 1", _count),
    "KDLIB_TIME_LIMIT": Form("a number of seconds above 0; no limit: unset", _seconds),
    "KDLIB_RETRY": Form("0 or 1", _switch),
    "KDLIB_FRESH": Form("0 or 1", _switch),
}
