"""What `make bench` measured, as the table of the book's Cost page: each script keeps its own rows of one file."""

import datetime
import json
import math
import os
import platform
from pathlib import Path

import torch

TABLE = Path(__file__).resolve().parent.parent / "book" / "recorded" / "cost.json"
FIELDS = ("what", "n", "seconds", "peer", "times", "low", "high", "memory", "limit", "growth")


def growth(sizes, seconds):
    """Exponent of a power law through the measured times: least-squares slope of ln seconds against ln n."""
    x, y = ([math.log(value) for value in values] for values in (sizes, seconds))
    a, b = sum(x) / len(x), sum(y) / len(y)
    return sum((u - a) * (v - b) for u, v in zip(x, y)) / sum((u - a) ** 2 for u in x)


def record(script, rows, *, path=TABLE):
    """Replaces the rows of a script and says on which machine they were measured.

    Each row is a dict of FIELDS; seconds are the least of several, times how many times as long the peer took (median, with
    the range low to high over turns in the same run), memory in GiB.
    """
    for row in rows:
        if unknown := set(row) - set(FIELDS):
            raise ValueError(f"a row of the Cost page has the fields {', '.join(FIELDS)}; got {', '.join(sorted(unknown))}")
    made = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    made[script] = {
        "processor": _processor(), "cores": len(os.sched_getaffinity(0)), "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0], "date": datetime.date.today().isoformat(),
        "rows": [{name: float(f"{row[name]:.3g}") if isinstance(row.get(name), float) else row.get(name) for name in FIELDS}
                 for row in rows],
    }
    path.parent.mkdir(exist_ok=True)
    spare = path.with_suffix(".new")
    spare.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    spare.replace(path)


def _processor():
    """The processor's family, such as "AMD EPYC"."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor() or "unknown")
