"""What the jobs of CI do: ``python3 tools/ci.py JOB``; standard library only.

A workflow only places these jobs between its caches, so what a GPU runner does is tried
where there is none: ``tests/test_ci.py`` runs each job.
"""

import subprocess
import sys

PYTHON = ".venv/bin/python"
ENVIRONMENT = ["make", ".venv/ready"]
DATA = [["make", "data"], [PYTHON, "tools/data.py"]]
TESTS = [PYTHON, "-m", "pytest", "-q", "-n", "2"]
GPU = [PYTHON, "tools/gpu.py"]

# The commands of each job, one after the other until one fails.
JOBS = {
    "test": [["make", "test"]],
    "data": [ENVIRONMENT, *DATA],
    "book": [["make", "book"], [".venv/bin/kdlib", "claims", "--strict"]],
    # Nothing that came with the book is taken.
    "fresh": [ENVIRONMENT, *DATA, ["make", "book", "FRESH=1"]],
    "verify": [ENVIRONMENT, *DATA, [".venv/bin/kdlib", "verify", "--share", "0.02"]],
    "lock": [["python3", "tools/lock.py"]],
    "parameters": [ENVIRONMENT, [*TESTS, "--cases", "all", "tests/test_parameters.py"]],
    "cuda-smoke": [
        ENVIRONMENT,
        [*GPU, "check"],
        ["make", "test"],
        ["make", "book", "PROFILE=smoke"],
        [*GPU, "built", "smoke"],
    ],
    # The papers' sizes are for the papers' data: without them nothing is begun.
    "cuda-paper": [
        ENVIRONMENT,
        [*GPU, "check"],
        *DATA,
        ["make", "book", "PROFILE=paper"],
        [*GPU, "built", "paper"],
    ],
}


def main(words):
    """Runs the commands of a job until one fails.

    Args:
        words: of the command line; one, the job's name.

    Returns:
        The status of the command that failed, else 0; 2 for another word.
    """
    if len(words) != 1 or words[0] not in JOBS:
        print(f"a job is one of {', '.join(JOBS)}; got {' '.join(words) or 'none'}")
        return 2
    for command in JOBS[words[0]]:
        line = " ".join(command)
        print(f"::group::{line}", flush=True)
        status = subprocess.call(command)
        print("::endgroup::", flush=True)
        if status:
            print(f"::error::{line} ended with status {status}", flush=True)
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
