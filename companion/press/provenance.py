"""What produced a page: parameters, device, data, versions, commit, and lost rows."""

import contextlib
import ctypes
import json
import platform
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version

from companion.engine import sources
from companion.press import chapters

LIBRARIES = ("torch", "numpy", "scipy", "distributed")


def before_a_run(chapter, profile, values, changed):
    """What is known of a run before it starts.

    Args:
        chapter: full name of the chapter.
        profile: name of the profile.
        values: the parameters' values by name.
        changed: names of the parameters that are not the profile's.

    Returns:
        A dict of plain JSON values: ``chapter``, ``profile``, ``parameters``,
        ``changed``, ``seeds``, ``versions`` and ``commit``.
    """
    versions = {"python": platform.python_version(), "kdlib": own_version()}
    for name in LIBRARIES:
        versions[name] = version(name)
    record = {
        "chapter": chapter,
        "profile": profile,
        "parameters": values,
        "changed": changed,
        "seeds": values.get("seeds"),
        "versions": versions,
        "commit": commit(),
    }
    return json.loads(json.dumps(record))


def own_version():
    """The version of these packages.

    Returns:
        What ``pyproject.toml`` beside them says, as the environment may know of another
        checkout or of none; where they are installed, what the environment says;
        ``unknown`` where neither knows them.
    """
    path = sources.package_folder("kdlib").parent / "pyproject.toml"
    if path.is_file():
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == "kdlib":
            return project["version"]
    try:
        return version("kdlib")
    except PackageNotFoundError:
        return "unknown"


def from_sweeps(path):
    """What the sweeps of a run told of their rows.

    Args:
        path: the file that ``$KDLIB_SWEEPS`` named: a JSON object in a line for each
            sweep. It need not exist.

    Returns:
        A dict: ``rows_seconds``, what the rows took that were there before the run;
        ``lost``, for each sweep that lost rows its ``store``, how many rows were
        ``asked`` for, and each that ``failed`` with setting, seed and error; ``data``,
        name and checksum of the data set, or None; ``arithmetic``, in which numbers
        rows multiply that leave this to the device; ``rows``, how many were
        ``computed`` and how many ``recorded``, on which ``machines``, with which other
        ``versions``; ``wrong``, what is wrong with recorded rows.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    sweeps = [json.loads(line) for line in lines]
    return {
        "rows_seconds": _seconds_before(sweeps),
        "lost": _lost(sweeps),
        "data": _data(sweeps),
        "arithmetic": _arithmetic(sweeps),
        "rows": _rows(sweeps),
        "wrong": sorted({line for sweep in sweeps for line in sweep.get("wrong", [])}),
    }


def device(wanted):
    """The device that a chapter's ``device`` parameter means, by its name.

    Args:
        wanted: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        ``cpu``, or what the card is called.

    Raises:
        ValueError: ``cuda`` where there is none.
    """
    if wanted == "cpu" or (wanted == "auto" and not _has_driver()):
        # Loading torch would take as long as the kernel needs to start.
        return "cpu"
    import torch

    from kdlib import devices

    picked = devices.pick_device(wanted)
    if picked.type == "cuda":
        return torch.cuda.get_device_name(picked)
    return picked.type


def _has_driver():
    """Whether NVIDIA's driver is there, without which torch finds no card."""
    for library in ("libcuda.so.1", "nvcuda.dll"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(library)
            return True
    return False


def commit():
    """The repository's short commit.

    Returns:
        Text that ends with ``+`` where files that a run may read differ from the
        commit; None outside a repository.
    """
    try:
        head = _git("rev-parse", "--short", "HEAD")
        sources = ("--", ".", ":!book/recorded")
        changes = _git("status", "--porcelain", "--untracked-files=no", *sources)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}+" if changes else head


def _git(*words):
    command = ["git", "-C", str(chapters.book().parent), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _seconds_before(sweeps):
    """The seconds of the rows that were there before the run."""
    # A row is known by its key when it is first asked for: one that is found later may
    # be one that this run made.
    seconds = {}
    for sweep in sweeps:
        for key, value in sweep["found"].items():
            seconds.setdefault(key, value)
    return sum(seconds.values())


def _rows(sweeps):
    """How many rows were computed on this machine, and what is known of the others."""
    asked = set()
    recorded = {}
    for sweep in sweeps:
        asked |= sweep["found"].keys()
        recorded |= sweep.get("recorded", {})
    versions = set()
    for row in recorded.values():
        versions |= {f"{name} {version}" for name, version in row["versions"].items()}
    return {
        "computed": len(asked) - len(recorded),
        "recorded": len(recorded),
        "machines": sorted({row["machine"] for row in recorded.values()}),
        "versions": sorted(versions),
    }


def _lost(sweeps):
    """The sweeps that lost rows, each once however often it was asked for."""
    lost = []
    for sweep in sweeps:
        one = {name: sweep[name] for name in ("store", "asked", "failed")}
        if one["failed"] and one not in lost:
            lost.append(one)
    return lost


def _arithmetic(sweeps):
    """``bfloat16`` or ``float32``, each once: what the sweeps' devices chose."""
    return sorted({name for sweep in sweeps for name in sweep.get("arithmetic", [])})


def _data(sweeps):
    """Name and checksum of the data set that the sweeps name, or of several of them."""
    sources = []
    for sweep in sweeps:
        if sweep["source"] and sweep["source"] not in sources:
            sources.append(sweep["source"])
    if not sources:
        return None
    return {
        "name": " and ".join(source["name"] for source in sources),
        "checksum": " and ".join(source["checksum"] for source in sources),
    }
