"""One chapter, executed once: its notebook, run by papermill, and the record of what produced it."""

import json
import logging
import os
import platform
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from companion.press import chapters


class ChapterFailed(chapters.Failed):
    """A cell of a chapter raised, or its kernel died; the message names the chapter, the cell and the error in one line."""


def notebook(chapter):
    """A chapter's output-free notebook, made from its text; cell ids are its own, so the same text gives the same bytes."""
    import jupytext

    made = jupytext.read(chapters.book() / f"{chapter}.md")
    for i, cell in enumerate(made.cells):
        cell["id"] = f"cell-{i:02d}"
    made.metadata.pop("jupytext", None)
    return made


def write_twin(chapter):
    """Write ``notebooks/NAME.ipynb`` beside the chapter's text, unless what stands there is already the same."""
    import nbformat

    path = chapters.book() / "notebooks" / f"{chapter}.ipynb"
    text = nbformat.writes(notebook(chapter)) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, text)


def execute(
    chapter, folder, *, profile=chapters.DEFAULT_PROFILE, values=None, progress=False
):
    """Execute a chapter and write ``folder/NAME.ipynb``, whole or not at all; rows of its sweeps go to ``folder/rows``.

    Args:
        chapter: full name of the chapter.
        folder: where the executed notebook goes; a notebook that fails goes to ``folder/failed``.
        profile: the profile whose values stand where ``values`` gives none.
        values: checked values of parameters, by name.
        progress: show bars of the cells and of a sweep's rows on the terminal.

    Returns:
        The path of the executed notebook; its metadata hold the provenance record under ``kdlib``.

    Raises:
        ChapterFailed: a cell raised, or its kernel died or did not start.
    """
    import nbformat
    import papermill

    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {
        name: parameter.default
        for name, parameter in chapters.parameters(chapter).items()
    }
    settled = defaults | chapters.profile_values(chapter, profile)
    given = settled | (values or {})
    changed = [name for name in given if given[name] != settled[name]]
    record = provenance(chapter, profile, given, changed)
    out, start = folder / f"{chapter}.ipynb", time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as scratch,
        _environment(
            KDLIB_PROFILE=profile,
            KDLIB_CHANGED=",".join(changed),
            KDLIB_ROWS=str(folder / "rows"),
            KDLIB_REUSED=f"{scratch}/reused",
        ),
    ):
        source, target = Path(scratch) / "in.ipynb", Path(scratch) / "out.ipynb"
        nbformat.write(notebook(chapter), source)
        try:
            with _rows_bar(Path(scratch) / "progress", progress):
                papermill.execute_notebook(
                    source,
                    target,
                    {
                        name: value
                        for name, value in given.items()
                        if value != defaults[name]
                    },
                    kernel_name="python3",
                    cwd=scratch,
                    progress_bar=progress,
                    log_output=False,
                    extra_arguments=["--IPKernelApp.log_level=50"],
                    config=_connection(scratch),
                )
        except (
            papermill.PapermillExecutionError,
            RuntimeError,
        ) as error:  # RuntimeError: the kernel did not start, or died
            failed = folder / "failed" / out.name
            failed.parent.mkdir(exist_ok=True)
            write_whole(failed, target.read_text(encoding="utf-8"))
            told = _what_failed(nbformat.read(target, as_version=4), error)
            raise ChapterFailed(f"{chapter}, {told}; see {failed}") from None
        executed = nbformat.read(target, as_version=4)
        record["rows_seconds"] = round(reused_seconds(Path(scratch) / "reused"), 1)
    executed.metadata.pop("papermill", None)
    executed.metadata["kdlib"] = record | {
        "seconds": round(time.perf_counter() - start, 1)
    }
    write_whole(out, nbformat.writes(executed))
    (folder / "failed" / out.name).unlink(missing_ok=True)
    return out


def _connection(scratch):
    """How the kernel is spoken to: sockets in a folder, for a port that is free now may be another's when it starts.

    Ports it is, all the same, where the system has no such sockets or the folder's name is too long for one.
    """
    import zmq
    from traitlets.config import Config

    if not zmq.has("ipc") or len(os.fsencode(f"{scratch}/kernel-ipc-1")) > 100:
        return Config()
    return Config(
        KernelManager={"transport": "ipc", "connection_file": f"{scratch}/kernel.json"}
    )


def _what_failed(run, error):
    """The code cell in which a run ended, by its number and first line, and why; papermill's own cell does not count."""
    cells = [
        cell
        for cell in run.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.tags
    ]
    started = [cell for cell in cells if cell.metadata.papermill["start_time"]]
    if not started:
        return f"before its first cell: {error}"
    first_line = next(
        filter(None, map(str.strip, started[-1].source.splitlines())), ""
    )[:60]
    why = (
        f"{error.ename}: {str(error.evalue).strip()}"
        if hasattr(error, "ename")
        else f"{error}, mostly for lack of memory"
    )
    return f"code cell {len(started)} ({first_line}): {why}"


def provenance(chapter, profile, values, changed):
    """What produced a page: chapter, profile, parameters, device, seeds, data and its checksum, versions, commit.

    Returns:
        A dict of plain JSON values; when the chapter has been executed, ``seconds`` is added and ``rows_seconds``, what
        the rows took that were there before.
    """
    import torch

    from kdlib import datasets, devices

    record = {
        "chapter": chapter,
        "profile": profile,
        "parameters": values,
        "changed": changed,
    }
    device = devices.pick_device(values.get("device", "cpu"))
    record["device"] = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    )
    record["seeds"] = values.get("seeds")
    record["data"] = None
    if "dataset" in values:
        options = next(
            rule
            for rule in chapters.parameters(chapter)["dataset"].rules
            if rule.startswith("one of ")
        )
        images = datasets.load(
            values["dataset"], real=options.split(", ")[-1]
        )  # what auto looks for is named last
        record["data"] = {"name": images.name, "checksum": images.checksum}
    record["versions"] = {"python": platform.python_version()}
    record["versions"] |= {
        name: version(name)
        for name in ("kdlib", "torch", "numpy", "scipy", "distributed")
    }
    record["commit"] = commit()
    return json.loads(json.dumps(record))


def reused_seconds(path):
    """The seconds of an execution's rows that were there before it, from ``path``, the file that ``KDLIB_REUSED`` names."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    first = {}
    for key, seconds in map(str.split, lines):
        first.setdefault(
            key, float(seconds)
        )  # a row found a second time may be one that this execution made
    return sum(first.values())


def commit():
    """The repository's short commit, with ``+`` where files that a run may read differ from it; None outside a repository."""
    try:
        root, sources = chapters.book().parent, (".", ":!book/recorded")
        git = [
            subprocess.run(
                ["git", "-C", str(root), *words],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for words in (
                ("rev-parse", "--short", "HEAD"),
                ("status", "--porcelain", "--untracked-files=no", "--", *sources),
            )
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    return git[0] + ("+" if git[1] else "")


def write_whole(path, text):
    """Write a text file so that it is there whole or not at all; an earlier one stays until then."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)  # what is left of it would fill the disk
        error.filename = str(path)
        raise


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
    """While the chapter runs, a bar of its sweep's rows under papermill's bar of its cells, if ``shown``."""
    from tqdm import tqdm

    stop = threading.Event()

    def watch():
        with tqdm(unit="row", position=1, leave=False, delay=1) as bar:
            while not stop.wait(0.5):
                if path.exists():
                    done, total, name = path.read_text().split(maxsplit=2)
                    bar.total = int(total)
                    bar.set_description(name.strip(), refresh=False)
                    bar.update(int(done) - bar.n)

    logging.getLogger("papermill").setLevel(
        logging.CRITICAL
    )  # what goes wrong is told once, in one line
    watcher = threading.Thread(target=watch, daemon=True)
    with _environment(KDLIB_PROGRESS=str(path)):
        if shown:
            watcher.start()
        try:
            yield
        finally:
            stop.set()
            if shown:
                watcher.join()
