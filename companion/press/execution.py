"""One chapter, executed once by papermill, with the record of what produced it."""

import json
import logging
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from companion.press import chapters, files, interpreter, provenance


class ChapterFailed(chapters.Failed):
    """A cell of a chapter raised, or its kernel died.

    The message names the chapter, the cell and the error in one line.
    """


def notebook(chapter):
    """A chapter's output-free notebook, made from its text.

    Args:
        chapter: full name of the chapter.

    Returns:
        The notebook; its cells are numbered, so the same text gives the same bytes.
    """
    import jupytext

    made = jupytext.read(chapters.book() / f"{chapter}.md")
    for i, cell in enumerate(made.cells):
        cell["id"] = f"cell-{i:02d}"
    made.metadata.pop("jupytext", None)
    return made


def execute(
    chapter,
    folder,
    *,
    profile=chapters.DEFAULT_PROFILE,
    values=None,
    progress=False,
    inputs=None,
):
    """Execute a chapter and write ``folder/NAME.ipynb``, whole or not at all.

    Args:
        chapter: full name of the chapter.
        folder: where the executed notebook goes; a notebook that fails goes to
            ``folder/failed``, rows of sweeps go to ``folder/rows``, and what sweeps
            tell of them to ``folder/sweeps``.
        profile: the profile whose values stand where ``values`` gives none.
        values: checked values of parameters, by name.
        progress: show bars of the cells and of a sweep's rows on the terminal.
        inputs: :func:`companion.press.keys.inputs`, for a notebook of the book.

    Returns:
        The path of the executed notebook; its metadata hold the record of the run under
        ``kdlib``, with the ``key`` of the inputs that it was executed for: None where
        they were written meanwhile, as nobody knows which of the two it met.

    Raises:
        ChapterFailed: a cell raised, or its kernel died or did not start.
    """
    import nbformat

    before = _asked(inputs, chapter, profile)
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {}
    for name, parameter in chapters.parameters(chapter).items():
        defaults[name] = parameter.default
    settled = defaults | chapters.profile_values(chapter, profile)
    given = settled | (values or {})
    changed = [name for name in given if given[name] != settled[name]]
    record = provenance.before_a_run(chapter, profile, given, changed)
    injected = {}
    for name, value in given.items():
        if value != defaults[name]:
            injected[name] = value
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(1) as beside:
        # Where there may be a card it loads torch, which takes as long as the kernel
        # takes to start.
        device = beside.submit(provenance.device, given.get("device", "cpu"))
        if given.get("device") == "cuda":
            # Where there is none, this is said before any work.
            device.result()
        interpreter.check(scratch)
        told = Path(scratch) / "sweeps"
        with _environment(
            **interpreter.kernel_variables(scratch),
            KDLIB_BOOK=str(chapters.book().resolve()),
            KDLIB_PROFILE=profile,
            KDLIB_CHANGED=",".join(changed),
            KDLIB_ROWS=str(folder / "rows"),
            KDLIB_SWEEPS=str(told),
        ):
            executed = _run_cells(chapter, folder, Path(scratch), injected, progress)
        record |= provenance.from_sweeps(told) | {"device": device.result()}
        _keep_told(told, folder / "sweeps" / f"{chapter}.jsonl")
    record["rows_seconds"] = round(record["rows_seconds"], 1)
    record["seconds"] = round(time.perf_counter() - start, 1)
    is_settled = before is not None and _asked(inputs, chapter, profile) == before
    record["key"] = before.key if is_settled else None
    executed.metadata.pop("papermill", None)
    executed.metadata["kdlib"] = record
    out = folder / f"{chapter}.ipynb"
    files.write_whole(out, nbformat.writes(executed))
    _failed_copy(chapter, folder).unlink(missing_ok=True)
    return out


def record_of(path):
    """The record of an executed notebook, as the page shows it.

    Args:
        path: of the executed notebook.

    Returns:
        Dict of plain values.
    """
    text = Path(path).read_text(encoding="utf-8")
    return json.loads(text)["metadata"]["kdlib"]


def _keep_told(told, path):
    """Keeps what the sweeps of a run told: which rows a page rests on."""
    path.parent.mkdir(exist_ok=True)
    files.write_whole(path, told.read_bytes() if told.exists() else b"")


def _asked(inputs, chapter, profile):
    """The inputs of a chapter now; None where nobody asks, or they cannot be read."""
    if inputs is None:
        return None
    try:
        return inputs(chapter, profile)
    except (OSError, ValueError):
        # What is wrong with them is told where they are used.
        return None


def _run_cells(chapter, folder, scratch, injected, progress):
    """The chapter's notebook as papermill has executed it."""
    import nbformat
    import papermill

    source = scratch / "in.ipynb"
    target = scratch / "out.ipynb"
    files.write_whole(source, nbformat.writes(notebook(chapter)))
    try:
        with files.named(target), _rows_bar(scratch / "progress", progress):
            papermill.execute_notebook(
                source,
                target,
                injected,
                kernel_name="python3",
                cwd=scratch,
                progress_bar=progress,
                log_output=False,
                extra_arguments=["--IPKernelApp.log_level=50"],
                config=_connection(scratch),
            )
    except (papermill.PapermillExecutionError, RuntimeError) as error:
        # RuntimeError: the kernel did not start, or died.
        failed = _failed_copy(chapter, folder)
        failed.parent.mkdir(exist_ok=True)
        files.write_whole(failed, target.read_text(encoding="utf-8"))
        why = _what_failed(nbformat.read(target, as_version=4), error)
        raise ChapterFailed(f"{chapter}, {why}; see {failed}") from None
    return nbformat.read(target, as_version=4)


def _failed_copy(chapter, folder):
    return folder / "failed" / f"{chapter}.ipynb"


def _connection(scratch):
    """How papermill speaks to the kernel."""
    import zmq
    from traitlets.config import Config

    # Through sockets in a folder, as a port that is free now may be another's when the
    # kernel starts. Ports serve all the same where the system has no such sockets, or
    # the folder's name is too long for one.
    if not zmq.has("ipc") or len(os.fsencode(f"{scratch}/kernel-ipc-1")) > 100:
        return Config()
    manager = {"transport": "ipc", "connection_file": f"{scratch}/kernel.json"}
    return Config(KernelManager=manager)


def _what_failed(run, error):
    """The code cell in which a run ended, by number and first line, and why."""
    started = []
    for cell in run.cells:
        # The cell that papermill puts in is none of the chapter's.
        if cell.cell_type != "code" or "injected-parameters" in cell.metadata.tags:
            continue
        if cell.metadata.papermill["start_time"]:
            started.append(cell)
    if not started:
        return f"before its first cell: {error}"
    lines = [line.strip() for line in started[-1].source.splitlines() if line.strip()]
    first_line = lines[0][:60] if lines else ""
    why = f"{error}, mostly for lack of memory"
    if hasattr(error, "ename"):
        why = f"{error.ename}: {str(error.evalue).strip()}"
    return f"code cell {len(started)} ({first_line}): {why}"


@contextmanager
def _environment(**values):
    """Set environment variables for the kernel that is started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _rows_bar(path, shown):
    """While a chapter runs, a bar of its rows under papermill's, if ``shown``."""
    # What goes wrong is told once, in one line.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    stop = threading.Event()
    watcher = threading.Thread(target=_show_rows, args=(path, stop), daemon=True)
    with _environment(KDLIB_PROGRESS=str(path)):
        if shown:
            watcher.start()
        try:
            yield
        finally:
            stop.set()
            if shown:
                watcher.join()


def _show_rows(path, stop):
    """Until told to stop, draw the bar of a file that holds ``DONE TOTAL NAME``."""
    from tqdm import tqdm

    with tqdm(unit="row", position=1, leave=False, delay=1) as bar:
        while not stop.wait(0.5):
            if path.exists():
                done, total, name = path.read_text(encoding="utf-8").split(maxsplit=2)
                bar.total = int(total)
                bar.set_description(name.strip(), refresh=False)
                bar.update(int(done) - bar.n)
