"""Make .venv from the exact versions of constraints.txt: standard library only, in
words that any Python 3 can read."""

import os
import shutil
import subprocess
import sys

NEEDED_GB = 4


def check_python(version=None):
    """One line if this Python is too old for the book, else None."""
    version = tuple(version or sys.version_info[:2])
    if version < (3, 11):
        needed = "Python 3.11 or newer is needed, this is %d.%d" % version
        return needed + "; name another: make BOOTSTRAP=python3.12"
    return None


def check_disk(free=None):
    """One line if the disk has no room for the environment, else None."""
    free = shutil.disk_usage(".").free if free is None else free
    if free < NEEDED_GB * 10**9:
        sizes = (NEEDED_GB, free / 1e9)
        return "the environment needs %d GB of disk and %.1f GB are free here" % sizes
    return None


def check_cuda(has_card, torch_cuda):
    """One line if the machine has an NVIDIA card that torch cannot use, else None."""
    if has_card and not torch_cuda:
        return (
            "this machine has an NVIDIA card but the installed torch is a build "
            "without CUDA: chapters will run on the CPU"
        )
    return None


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
    problem = check_python() or check_disk()
    if problem:
        sys.exit("bootstrap: " + problem)
    print("making .venv from constraints.txt (a few minutes, once)", flush=True)
    python = os.path.join(".venv", "bin", "python")
    log = os.path.join(".venv", "install.log")
    if subprocess.call([sys.executable, "-m", "venv", ".venv"]):
        sys.exit(
            "bootstrap: this Python cannot make an environment; on Debian and Ubuntu "
            "it needs the package python3-venv"
        )
    words = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    words += ["-c", "constraints.txt", "-e", ".[book,test]"]
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.call(words, stdout=out, stderr=subprocess.STDOUT)
    if status:
        with open(log, encoding="utf-8") as lines:
            why = reason(list(lines))
        told = (
            "bootstrap: pip could not install the environment: %s; all of it is in %s"
        )
        sys.exit(told % (why, log))
    ask = [python, "-c", "import torch; print(int(torch.cuda.is_available()))"]
    has_cuda = subprocess.check_output(ask).strip() == b"1"
    warning = check_cuda(shutil.which("nvidia-smi"), has_cuda)
    if warning:
        print("bootstrap: " + warning, file=sys.stderr)


if __name__ == "__main__":
    install()
