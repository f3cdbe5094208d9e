"""What ``kdlib run`` takes beside the execution of its chapter alone, turn by turn: the rest is the page and the start.

``python benchmarks/bench_run.py [CHAPTER]`` runs a chapter at the smoke profile, each time with no row computed before.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import table

ROUNDS = 3
ROOT = Path(__file__).resolve().parent.parent


def run(chapter):
    """Seconds of one run, those of its chapter, and the processors' seconds of both together."""
    with tempfile.TemporaryDirectory() as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        words = ["run", chapter, "--profile", "smoke", "--out", out, "--quiet"]
        subprocess.run([sys.executable, "-m", "companion", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        whole = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        alone = json.loads((Path(out) / "provenance.json").read_text(encoding="utf-8"))["seconds"]
    return whole, alone, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(chapter):
    turns = [run(chapter) for _ in range(ROUNDS)]
    shares = [alone / whole for whole, alone, _ in turns]
    for whole, alone, processors in turns:
        print(f"chapter {chapter} at smoke: {whole:.1f} s, of which its execution {alone:.1f} s: "
              f"{whole / alone - 1:.0%} more; {processors:.1f} s of the processors")
    row = dict(what=f"kdlib run {chapter} at smoke, with its page", seconds=min(whole for whole, _, _ in turns),
               peer="its chapter's execution alone", times=statistics.median(shares), low=min(shares), high=max(shares),
               limit="the chapter, then the start of Python and Jupyter Book")
    table.record("kdlib run", [row])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "01b")
