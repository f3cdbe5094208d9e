"""This Python with these packages, for the processes that the press starts.

An environment may hold the packages of another checkout, or none, and the name
``python3`` may stand for the kernel of another environment.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from companion.engine import sources, warm
from companion.press import chapters, files

ASK = """
import importlib.util
import sys
for name in sys.argv[1:]:
    found = importlib.util.find_spec(name)
    print("found", found and found.origin)
"""


def python_path():
    """The value of ``PYTHONPATH`` with which a process imports this one's packages.

    Returns:
        The folders that hold the packages, then those that were there before, all of
        them absolute. An environment's own folder for packages is left out: every
        process of the environment has it.
    """
    folders = []
    for package in sources.OURS:
        folder = sources.package_folder(package).resolve().parent
        if folder.name not in sources.PACKAGE_FOLDERS:
            folders.append(str(folder))
    for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if folder:
            folders.append(os.path.abspath(folder))
    return os.pathsep.join(dict.fromkeys(folders))


def kernel_variables(folder):
    """Environment variables for a kernel of this Python and of no other.

    Args:
        folder: where what the kernel needs is written.

    Returns:
        Dict of texts.
    """
    from ipykernel.kernelspec import get_kernel_dict

    folder = Path(folder)
    kernel = folder / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    starts = get_kernel_dict()
    starts["argv"] = warm.command("-m", "ipykernel_launcher", "-f", "{connection_file}")
    files.write_whole(kernel, json.dumps(starts))
    return {
        "PYTHONPATH": python_path(),
        # The first place in which Jupyter looks for a kernel.
        "JUPYTER_PATH": str(folder),
        # What somebody's own IPython runs at its start is no part of a chapter.
        "IPYTHONDIR": str(folder / "ipython"),
    }


def check(folder):
    """Refuse a Python that would import these packages from another place.

    Args:
        folder: an empty folder, in which the Python is asked.

    Raises:
        companion.press.chapters.Failed: in one line, both places.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASK, *sources.OURS],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    places = [line[6:] for line in lines if line.startswith("found ")]
    if len(places) < len(sources.OURS):
        why = (done.stderr.splitlines() or ["it says nothing"])[-1]
        raise chapters.Failed(f"{sys.executable} cannot be asked for packages: {why}")
    for package, place in zip(sources.OURS, places, strict=True):
        own = sources.package_folder(package) / "__init__.py"
        if Path(place).resolve() != own.resolve():
            raise chapters.Failed(
                f"a chapter would import {package} from {place}, and this command is "
                f"of {own}: its environment {sys.prefix} puts the other one first"
            )
