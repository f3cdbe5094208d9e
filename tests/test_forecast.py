"""What a profile would ask for: no row is computed for it, and its hours rest on measured rows."""

import json
import runpy

import numpy
import pytest

from companion import __main__ as command_line
from companion import sweeps
from companion.engine import measured, planned, recorded, rows, sources
from companion.press import chapters, forecast

TOY = '''
```{code-cell}
:tags: [parameters]
n = 10  # size; in [1, 1000]
seeds = 3  # runs; in [1, 100]
```

```{code-cell}
from companion import sweeps
```

```{code-cell}
def first(seed, n):
    """Stops whoever computes it."""
    raise SystemExit("computed")


rows = sweeps.run_sweep(
    first, [{"n": n}], store=sweeps.store("01_first"), seeds=seeds
)
```

```{code-cell}
best = int(rows["x"].max())
```

```{code-cell}
def second(seed, best):
    """As the first."""
    raise SystemExit("computed")
```

```{code-cell}
more = sweeps.run_sweep(
    second, [{"best": best}], store=sweeps.store("01_second"), seeds=2
)
```

```{code-cell}
third = sweeps.run_sweep(
    second, [{"best": 1}], store=sweeps.store("01_third"), seeds=2
)
```
'''


@pytest.fixture
def build(tmp_path, monkeypatch):
    """The builds of a book of one chapter, whose second sweep needs the rows of the first."""
    book = tmp_path / "book"
    (book / "profiles").mkdir(parents=True)
    (book / "01_toy.md").write_text("---\nkernelspec: {name: python3, display_name: Python}\n---\n\n# Toy\n" + TOY)
    (book / "claims.yml").write_text("[]\n")
    (book / "profiles" / "large.yml").write_text("01_toy: {n: 20}\n")
    monkeypatch.setenv("KDLIB_BOOK", str(book))
    monkeypatch.setenv("KDLIB_WORKERS", "2")
    return tmp_path / "_build"


def sweep_lines(profile, build):
    return [line.strip() for line in forecast.lines(profile, build)]


def test_sweeps_are_asked_and_none_computes(build):
    """A sweep without measured rows, one that needs its rows, and one that does not."""
    title, parameter, first, second, third, total = sweep_lines("large", build)
    assert (title, parameter) == ("01_toy", "n = 20")
    assert first == "01_first: 3 rows, 3 not measured"
    assert second == "01_second: needs rows of 01_first"
    assert third == "01_third: 2 rows, 2 not measured"
    assert total.startswith("in all: 5 rows, 5 not measured")

    # Of other sizes: computed on this machine, and recorded with the book.
    other = build / "other" / "book" / "rows" / "01_first"
    row = {"key": "k", "sweep": "s", "seed": 0, "setting": {"n": 5}, "machine": "m", "seconds": 900.0}
    rows.append(other, [{"sweep": "s", "data": None}, row | {"values": {"x": 7.0}}])
    folder = chapters.book() / "recorded" / "rows" / "laptop"
    folder.mkdir(parents=True)
    line = row | {"identity": "an older one", "setting": {"n": 10}, "seconds": 3600.0, "values": {"x": 7.0}}
    text = recorded.text_of([{"sweep": "s", "data": None}], [line])
    (folder / "01_first.jsonl").write_text(text)
    (folder / recorded.INDEX).write_text(json.dumps({"01_first": {"rows": 1, "seconds": 3600.0, "chapters": ["01_toy"]}}))
    *_, first, second, third, total = sweep_lines("large", build)
    assert first == "01_first: 3 rows, 12.00 hours of one core (scaled by n^2 as measured)"
    assert second == "01_second: 2 rows, 2 not measured"
    assert total == "in all: 7 rows, 4 not measured, at least 12.00 hours of one core, 6.00 of 2"


def of_two_sizes():
    """Rows that take n² · 0.5^w seconds, of which w has one value and the data two."""
    for data in ("a", "b"):
        for n in (10, 20, 40):
            for seed in range(3):
                yield {"n": n, "width": 4, "rate": 0.1, "kind": "x"}, data, n**2 * (1 + seed / 10), seed


def test_an_estimate_is_the_nearest_setting_times_powers_that_rows_show():
    store = measured.MeasuredRows(of_two_sizes())
    setting = {"n": 40, "width": 4, "rate": 0.1, "kind": "x", "device": "cuda"}
    assert store.estimate(setting, "a") == (40**2 * 1.1, {}, [], [])
    slope = numpy.polyfit(numpy.log([10, 20, 40]), numpy.log([100, 400, 1600]), 1)[0]
    larger = store.estimate(setting | {"n": 80}, "a")
    assert larger.seconds == pytest.approx(80**slope * 1.1, rel=1e-6) and larger.powers == {"n": 2.0}
    wider = store.estimate(setting | {"width": 12}, "a")
    assert wider == (pytest.approx(3 * 40**2 * 1.1), {}, ["width"], []), "a count, in proportion"
    others = store.estimate(setting | {"rate": 0.4, "kind": "y"}, "c")
    assert others == (40**2 * 1.1, {}, [], ["data", "kind", "rate"]), "what is no count scales nothing, and is told"
    assert measured.MeasuredRows([]).estimate(setting, "a") is None


def test_the_sizes_of_a_setting():
    setting = {"n": 3, "widths": [4, 8], "rates": [0.1, 0.2, 0.7], "rate": 0.1, "kind": "x", "on": True, "device": "cpu"}
    assert measured.sizes_of(setting) == {"n": 3, "widths": 12, "rates": 3, "rate": 0.1, "kind": "x", "on": "True"}


def test_a_row_that_data_need_is_asked_for_with_them(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLIB_PLAN", str(tmp_path / "plan"))
    monkeypatch.setenv("KDLIB_ROWS", str(tmp_path / "rows"))

    def taught(row):
        raise AssertionError("made")

    teacher = sweeps.later(teach, {"n": 4}, store=sweeps.store("toy_teacher"), seed=9)
    data = sweeps.prepare(taught, sweeps.prepare(taught, teacher))
    with pytest.raises(planned.NeedsRows):
        sweeps.run_sweep(learn, [{}], store=sweeps.store("toy_student"), seeds=2, data=data)
    lines = [json.loads(line) for line in (tmp_path / "plan.lines").read_text().splitlines()]
    assert [line["store"] for line in lines] == ["toy_student", "toy_teacher"]
    assert [len(line["settings"][0]["rows"]) for line in lines] == [2, 1]
    assert not (tmp_path / "rows").exists()


def teach(seed, n):
    raise AssertionError("computed")


def learn(seed, data):
    raise AssertionError("computed")


def test_a_function_beside_its_imports_has_the_code_that_it_has_in_a_cell_of_its_own(tmp_path):
    """In one file a call of what is imported is compiled to other instructions."""
    text = "def run(seed):\n    return {'x': math.sqrt(seed)}\n"
    sources_there = []
    for name, opening in (("beside", "import math\n\n\n"), ("alone", "")):
        path = tmp_path / f"{name}.py"
        path.write_text(opening + text)
        sources_there.append(sources.source(runpy.run_path(str(path), run_name="tests_of_forecast")["run"]))
    assert sources_there[0] == sources_there[1] and sources_there[0][0] == "FunctionDef"


def test_a_profile_that_there_is_not_is_refused(capsys):
    assert command_line.main(["list", "--profile", "weekend"]) == 1
    assert capsys.readouterr().err.startswith("kdlib: a profile is one of laptop")
