"""The rows of a sweep that failed: for frames, and for people."""

from pathlib import Path

from companion.engine import codekeys


def failed_rows(results):
    """The rows that failed.

    Args:
        results: :class:`companion.engine.asked.AskedRows`.

    Returns:
        List of dicts of setting, seed, error, traceback and time limit, in the order
        asked.
    """
    failed = []
    for key, task in results.tasks.items():
        if key in results.failed:
            row = {"setting": task.setting, "seed": task.seed}
            row |= results.failed[key]._asdict()
            failed.append(row)
    return failed


def tell(results, failed):
    """Prints a line for each row that failed, and where their tracebacks are.

    Args:
        results: :class:`companion.engine.asked.AskedRows`.
        failed: of :func:`failed_rows`.

    Raises:
        RuntimeError: all rows failed; the message is one line.
        OSError: the tracebacks cannot be written.
    """
    # A store may hold other rows of the same function: the file is of those asked for.
    asked = codekeys.digest(list(results.tasks))
    path = results.folder / f"failed-{asked[:8]}.txt"
    if not failed:
        path.unlink(missing_ok=True)
        return
    _write(path, failed)
    advice = "KDLIB_RETRY=1 computes failed rows again"
    if any(row["time_limit"] is not None for row in failed):
        advice += ", a larger KDLIB_TIME_LIMIT or none only those that it stopped"
    if len(failed) == len(results.tasks):
        first = _line(failed[0])
        raise RuntimeError(
            f"all {len(failed)} rows failed; the first, {first}; tracebacks: {path}; "
            f"{advice}"
        )
    for row in failed:
        print(f"row failed: {_line(row)}")
    # A page may show this line: it does not say where the store is.
    print(f"{advice}; tracebacks: {Path(path.parent.name, path.name)}")


def _line(row):
    """A failed row's seed, setting and error in one line."""
    named = {"seed": row["seed"], **row["setting"]}
    words = ", ".join(f"{name}={value}" for name, value in named.items())
    return " ".join(f"{words}: {row['error']}".split())


def _write(path, failed):
    """Writes the tracebacks into a file, unless it holds them."""
    texts = [f"{_line(row)}\n{row['traceback'].strip()}\n" for row in failed]
    text = "\n".join(texts)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
