"""Files that are written whole or not at all, and errors that name the file."""

import os
from contextlib import contextmanager


def write_whole(path, contents):
    """Write a file so that it is there whole or not at all.

    Args:
        path: the file; an earlier one stays until the new one is whole.
        contents: text, which is written as UTF-8, or bytes.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    if isinstance(contents, str):
        contents = contents.encode()
    # Its own name in each process: two builds may write one file.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(contents)
        os.replace(part, path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        # What is left of it would fill the disk.
        part.unlink(missing_ok=True)


@contextmanager
def named(path):
    """Give an error that names no file the name of the one that is written inside.

    Args:
        path: the file.

    Raises:
        OSError: what was raised inside.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
