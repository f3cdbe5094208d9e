"""Whether ``constraints.txt`` holds all that pip installs: ``python3 tools/lock.py``.

It asks the pip of the Python that runs it, because pip judges the conditions of
requirements by its own Python. ``--write`` also notes in ``needs.json`` what the
packages need that ``.venv`` has not: those of torch's CUDA build, and those that other
Pythons take. ``tests/test_lock.py`` follows all requirements without a network.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDS = ROOT / "tools" / "needs.json"
WANTED = ".[book,features,test]"
INSTALLED = """
from importlib.metadata import distributions
print(*(one.name for one in distributions()))
"""


def plain(name):
    """A package's name as all its spellings agree on."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins():
    """The lock: the version of each package, by its plain name."""
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, version = line.split("==")
        pinned[plain(name)] = version
    return pinned


def needs():
    """What ``needs.json`` knows: lists of requirements, by ``name==version``."""
    return json.loads(NEEDS.read_text(encoding="utf-8"))


def resolved():
    """What pip would install into an empty environment, installing nothing.

    Returns:
        Dict from ``name==version`` to the package's requirements; None for a build of
        a local version (``2.13.0+cpu``), which may need something else.

    Raises:
        ChildProcessError: pip finds no versions that fit together.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = "-m pip install --quiet --dry-run --ignore-installed --report".split()
        words += [str(report), "-c", "constraints.txt", WANTED]
        if subprocess.call([sys.executable, *words], cwd=ROOT):
            raise ChildProcessError("pip could not resolve the lock")
        installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    installs = [one for one in installs if one["metadata"]["name"] != "kdlib"]
    return dict(package(one["metadata"]) for one in installs)


def package(metadata):
    """``name==version`` of a package, and its requirements as in :func:`resolved`."""
    public, _, local = metadata["version"].partition("+")
    asked = None if local else sorted(metadata.get("requires_dist", []))
    return f"{plain(metadata['name'])}=={public}", asked


def problems(found, pinned, noted):
    """How the lock differs from what pip found.

    Args:
        found: of :func:`resolved`.
        pinned: of :func:`pins`.
        noted: of :func:`needs`.

    Returns:
        A list of lines.
    """
    locked = {f"{name}=={version}" for name, version in pinned.items()}
    lines = []
    for name in sorted(found):
        asked = found[name]
        if name not in locked:
            lines.append(f"{name} is not in constraints.txt")
        elif asked is not None and noted.get(name, asked) != asked:
            lines.append(f"{name} needs something else than needs.json says")
    return lines


def write(found):
    """Notes what the packages need that ``.venv`` has not, beside what is noted."""
    python = ROOT / ".venv" / "bin" / "python"
    names = subprocess.check_output([python, "-c", INSTALLED], text=True).split()
    installed = {plain(name) for name in names} - {"torch"}
    locked = {f"{name}=={version}" for name, version in pins().items()}
    public = {name: asked for name, asked in found.items() if asked is not None}
    noted = {}
    for name, asked in (needs() | public).items():
        if name in locked and name.partition("==")[0] not in installed:
            noted[name] = asked
    text = json.dumps(noted, indent=1, sort_keys=True) + "\n"
    NEEDS.write_text(text, encoding="utf-8")


def main(words):
    """Resolves the lock and prints what is wrong with it.

    Args:
        words: of the command line: ``--write``, or none.

    Returns:
        0, or 1 where something is wrong.
    """
    try:
        found = resolved()
    except ChildProcessError as error:
        print(f"lock: {error}", file=sys.stderr)
        return 1
    if words == ["--write"]:
        write(found)
    wrong = problems(found, pins(), needs())
    for line in wrong:
        print(f"lock: {line}", file=sys.stderr)
    version = "{}.{}".format(*sys.version_info)
    print(f"Python {version}: {len(found)} packages, {len(wrong)} problems")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
