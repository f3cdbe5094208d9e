"""The Cost page's table, from a benchmark's rows to the page."""

import importlib.util
from pathlib import Path

import pytest

from companion.press import costpage

SPEC = importlib.util.spec_from_file_location("table", Path(__file__).resolve().parent.parent / "benchmarks" / "table.py")
table = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(table)


def test_growth_is_the_exponent_of_a_power_law():
    assert table.growth([1000, 2000, 8000], [3e-9 * n**2.5 for n in (1000, 2000, 8000)]) == pytest.approx(2.5, abs=1e-12)


def test_rows_come_back_on_the_page_and_a_script_replaces_only_its_own(tmp_path):
    path = tmp_path / "cost.json"
    table.record("one", [dict(what="kernel <a>", n=4096, seconds=0.12345, peer="plain", times=17.94, low=15.2, high=19.5)], path=path)
    table.record("two", [dict(what="factor", n=10, seconds=1.0, growth=2.9)], path=path)
    table.record("one", [dict(what="kernel <a>", n=4096, seconds=0.5, peer="plain", times=18.0, low=15.0, high=20.0)], path=path)
    page = costpage.table(path)
    assert "<td>kernel &lt;a&gt;</td><td>4,096</td><td>0.5</td><td>plain</td><td>18 (15 to 20)</td>" in page
    assert "<td>factor</td>" in page and "<td>n^2.9</td>" in page and "0.123" not in page
    assert costpage.table(tmp_path / "none.json").startswith("Nothing is recorded")
    with pytest.raises(ValueError, match="got ratio"):
        table.record("one", [dict(ratio=3)], path=path)
