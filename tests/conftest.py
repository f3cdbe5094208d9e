"""One thread a test, one process of loaded libraries for all kernels, and how many cases of the parameters cells are run, drawn from which seed."""

import datetime
import os

from companion.engine import warm

# Before torch is loaded: tests run beside each other, and threads of one would wait for those of the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
TEST = "test_a_value_that_is_allowed_runs"


def pytest_addoption(parser):
    parser.addoption("--every-page", action="store_true", help="hold every page of the smoke book against axe's rules, and not a few")
    group = parser.getgroup("cases of the parameters cells")
    group.addoption("--cases", default="10", help="how many are drawn, one a chapter; all: every one that there is")
    group.addoption("--case-seed", type=int, default=int(f"{datetime.date.today():%Y%m%d}"), help="what they are drawn from; by default the date")


def pytest_configure(config):
    """Those that run tests beside each other, which this process starts, find what it has started."""
    loaded = warm.start()
    os.environ.update(loaded.__enter__())
    config.add_cleanup(lambda: loaded.__exit__(None, None, None))


def pytest_terminal_summary(terminalreporter, config):
    reports = [report for some in terminalreporter.stats.values() for report in some]
    if any(TEST in getattr(report, "nodeid", "") for report in reports):
        asked = config.option
        repeat = f"pytest tests/test_parameters.py --cases {asked.cases} --case-seed {asked.case_seed}"
        terminalreporter.write_line(f"cases of the parameters cells: {asked.cases}, case seed {asked.case_seed}; again: {repeat}")
