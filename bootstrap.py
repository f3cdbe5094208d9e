"""Make .venv from the exact versions of constraints.txt: standard library only, in
words that any Python 3 can read."""

import json
import os
import shutil
import subprocess
import sys

# What the installation takes at its end, measured: the files (1.8 GB with torch's CPU
# build, 5.8 GB with its CUDA build and NVIDIA's libraries), and twice the wheels, which
# pip downloads and keeps (0.4 and 3.0 GB).
NEEDED_GB = {"cpu": 3, "cuda": 12}
ASK_TORCH = """
import json, torch
print(json.dumps([torch.cuda.is_available(), torch.version.cuda]))
"""


def check_python(version=None):
    """One line if this Python is too old for the book, else None."""
    version = tuple(version or sys.version_info[:2])
    if version < (3, 11):
        needed = "Python 3.11 or newer is needed, this is %d.%d" % version
        return needed + "; name another: make BOOTSTRAP=python3.12"
    return None


def check_disk(has_card, free=None):
    """One line if the disk has no room for the environment, else None."""
    free = shutil.disk_usage(".").free if free is None else free
    build = "cuda" if has_card else "cpu"
    if free < NEEDED_GB[build] * 10**9:
        sizes = (NEEDED_GB[build], free / 1e9)
        return "the environment needs %d GB of disk and %.1f GB are free here" % sizes
    return None


def warn_of_disk(system=sys.platform, free=None):
    """One line if the disk has no room for the torch that pip takes on Linux."""
    free = shutil.disk_usage(".").free if free is None else free
    if system.startswith("linux") and free < NEEDED_GB["cuda"] * 10**9:
        return (
            "pip's torch for Linux is the CUDA build, also without a card; it needs "
            "%d GB of disk and %.1f GB are free here: an index of CPU builds "
            "(PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS) needs less"
        ) % (NEEDED_GB["cuda"], free / 1e9)
    return None


def check_cuda(has_card, usable, built_for):
    """One line if the machine has an NVIDIA card that torch cannot use, else None."""
    if usable or not has_card:
        return None
    if built_for is None:
        return (
            "this machine has an NVIDIA card but the installed torch is a build "
            "without CUDA: chapters will run on the CPU"
        )
    return (
        "this machine has an NVIDIA card but the installed torch, a build for CUDA %s, "
        "cannot use it: the driver is too old for that CUDA, or does not answer "
        "(nvidia-smi tells its version); chapters will run on the CPU"
    ) % built_for


def reason(lines):
    """Why pip failed, from its lines: a silent index is no conflict of versions."""
    if any("Retry(total=0" in line for line in lines):
        return (
            "a package index does not answer; is there a network, and does it need a "
            "proxy (HTTPS_PROXY) or PIP_INDEX_URL?"
        )
    for sign in ("No space left", "ERROR"):
        for line in lines:
            if sign in line:
                return line.strip()
    return "it says nothing"


def install():
    """Make the environment; stop with one line if that fails."""
    has_card = shutil.which("nvidia-smi") is not None
    problem = check_python() or check_disk(has_card)
    if problem:
        sys.exit("bootstrap: " + problem)
    warn(warn_of_disk())
    print("making .venv from constraints.txt (a few minutes, once)", flush=True)
    python = os.path.join(".venv", "bin", "python")
    log = os.path.join(".venv", "install.log")
    if subprocess.call([sys.executable, "-m", "venv", ".venv"]):
        sys.exit(
            "bootstrap: this Python cannot make an environment; on Debian and Ubuntu "
            "it needs the package python3-venv"
        )
    words = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    words += ["-c", "constraints.txt", "-e", ".[book,features,test]"]
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.call(words, stdout=out, stderr=subprocess.STDOUT)
    if status:
        with open(log, encoding="utf-8") as lines:
            why = reason(list(lines))
        told = (
            "bootstrap: pip could not install the environment: %s; all of it is in %s"
        )
        sys.exit(told % (why, log))
    ask = [python, "-W", "ignore", "-c", ASK_TORCH]
    usable, built_for = json.loads(subprocess.check_output(ask).decode())
    warn(check_cuda(has_card, usable, built_for))


def warn(line):
    """Say a line that stops nothing, if there is one."""
    if line:
        print("bootstrap: " + line, file=sys.stderr)


if __name__ == "__main__":
    install()
