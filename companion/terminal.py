"""What a command says: lines on standard output, and what went wrong in one line."""

import os
import sys


def show(text, end="\n"):
    """Writes a line. A reader that is gone, as behind ``| head``, is no error.

    Args:
        text: of the line.
        end: what follows it.

    Raises:
        OSError: standard output cannot be written.
    """
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        # What Python would still write, at the latest when it ends, goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            error.filename = "standard output"
            raise


def say(error):
    """Writes one line on what went wrong on standard error.

    Args:
        error: an exception or a text.

    Returns:
        1, the exit status.
    """
    if isinstance(error, OSError) and error.filename and error.strerror:
        error = f"{error.filename}: {error.strerror}"
    print(f"kdlib: {error}", file=sys.stderr)
    return 1
