"""Whether all image sets are there, byte for byte: only then does CI keep them."""

import os
import sys

from kdlib import datasets, downloads


def main():
    """Reads and hashes every file of every set that ``make data`` brings.

    Returns:
        0 where all are right: the step's output ``complete`` is then ``true``. 1 where
        one is missing or damaged, after a line on each.
    """
    wrong = {}
    for name in downloads.SOURCES:
        wrong |= datasets.check(name)
    for file, reason in wrong.items():
        print(f"{file}: {reason}")
    if wrong:
        return 1
    outputs = os.environ.get("GITHUB_OUTPUT")
    if outputs:
        with open(outputs, "a", encoding="utf-8") as file:
            file.write("complete=true\n")
    print(f"{datasets.data_folder()} is complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
