"""Rows that travel: written from a build, found on another machine, refused where a byte was changed, and computed again."""

import gzip
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy
import pandas
import pytest
import torch

from companion import sweeps
from companion.engine import adopted as engine_adopted
from companion.engine import cluster, recorded, rowprocess, rows
from companion.engine import verified as engine_verified
from companion.engine.asked import AskedRows, FinishedRow, Task
from companion.engine.prepared import Prepared
from companion.press import (
    adoption,
    agreement,
    cells,
    chapters,
    draws,
    recording,
    verification,
)
from processes import until


@pytest.fixture(scope="module", autouse=True)
def _no_cluster_left():
    yield
    cluster.close()


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one chapter, whose build has told of its sweeps."""
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path / "book"))
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "claims.yml").write_text("[]\n")
    monkeypatch.setattr(chapters, "names", lambda: ["01_toy"])
    (tmp_path / "built" / "sweeps").mkdir(parents=True)
    monkeypatch.setenv("KDLIB_SWEEPS", str(tmp_path / "built" / "sweeps" / "01_toy.jsonl"))
    monkeypatch.setenv("KDLIB_ROWS", str(tmp_path / "built" / "rows"))
    return tmp_path


def measured(seed, scale, data=None):
    log = Path(scale["log"]) if isinstance(scale, dict) else None
    if log:
        with open(log, "a") as file:
            file.write(f"{seed}\n")
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(40, generator=draw)
    return {"curve": x.double() / 3, "single": x, "count": torch.arange(3), "flags": x[:4] > 0, "third": 1 / 3, "nan": math.nan,
            "text": "a\nb", "inf": -math.inf, "none": None}


def asked(folder, name="toy", seeds=3, **options):
    options.setdefault("data", None)
    return sweeps.run_sweep(measured, [{"scale": {"log": str(folder / "log")}}], store=sweeps.store(name), seeds=seeds, **options)


def computed(folder):
    """How many rows have been computed since the last question."""
    log = folder / "log"
    lines = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return len(lines)


def elsewhere(book, monkeypatch):
    """Another machine: no rows of its own, and a new file for what sweeps tell."""
    monkeypatch.setenv("KDLIB_ROWS", str(book / "elsewhere" / str(random.random())))
    told = book / f"told-{random.random()}"
    monkeypatch.setenv("KDLIB_SWEEPS", str(told))
    return told


def told_by(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("limit", [10, 10**9])
def test_recorded_rows_are_the_same_numbers_and_nothing_is_computed(book, monkeypatch, limit):
    monkeypatch.setattr(recorded, "PLAIN_BYTES", limit)
    here = asked(book)
    assert computed(book) == 3
    index = recording.record("laptop", book / "built")
    assert index["toy"]["rows"] == 3 and list((book / "book/recorded/rows/laptop").glob("toy.jsonl*"))
    told = elsewhere(book, monkeypatch)
    with monkeypatch.context() as other_versions:
        other_versions.setattr(rowprocess, "versions", lambda: {"torch": "9.9", "numpy": "9.9", "scipy": "9.9"})
        there = asked(book)
    assert computed(book) == 0
    pandas.testing.assert_frame_equal(here.drop(columns="seconds"), there.drop(columns="seconds"))
    for name in ("curve", "single", "count", "flags"):
        assert all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(here[name], there[name]))
    (line,) = told_by(told)
    assert len(line["recorded"]) == 3 and {"torch", "numpy", "scipy"} == set(next(iter(line["recorded"].values()))["versions"])
    asked(book, seeds=5)
    assert computed(book) == 2, "only what is not recorded"
    monkeypatch.setenv("KDLIB_FRESH", "1")
    elsewhere(book, monkeypatch)
    asked(book)
    assert computed(book) == 3


def test_recording_again_on_another_machine_keeps_the_rows_that_travelled(book, monkeypatch):
    asked(book)
    recording.record("laptop", book / "built")
    path = recorded.file_of(book / "book/recorded/rows/laptop", "toy")
    before = path.read_bytes()
    told = elsewhere(book, monkeypatch)
    asked(book)
    (book / "built/sweeps/01_toy.jsonl").write_bytes(told.read_bytes())
    (book / "built/rows/toy").rename(book / "built/rows/gone")
    recording.record("laptop", book / "built")
    assert path.read_bytes() == before


def changed(text):
    """Hand-edited: another number in a row."""
    return re.sub(r'"third": 0\.3', '"third": 0.4', text, count=1)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("fault", ["edited", "cut", "gone", "line"])
def test_what_is_wrong_with_a_file_is_told_by_name_and_its_rows_are_computed(book, monkeypatch, fault, packed):
    monkeypatch.setattr(recorded, "PLAIN_BYTES", 0 if packed else 10**9)
    asked(book)
    computed(book)
    recording.record("laptop", book / "built")
    path = recorded.file_of(book / "book/recorded/rows/laptop", "toy")
    content = path.read_bytes()
    text = gzip.decompress(content).decode() if packed else content.decode()
    if fault == "edited":
        text = changed(text)
    elif fault == "line":
        text = "".join(line + "\n" for line in text.splitlines()[:-1])
    content = gzip.compress(text.encode()) if packed else text.encode()
    path.write_bytes(content[:-30] if fault == "cut" else content)
    if fault == "gone":
        path.unlink()
    recorded._read_file.cache_clear()
    told = elsewhere(book, monkeypatch)
    table = asked(book)
    (line,) = told_by(told)
    assert len(line["wrong"]) == 1 and "toy" in line["wrong"][0]
    assert table["third"].tolist() == [1 / 3] * 3
    count = computed(book)
    assert count == 3 if fault == "gone" else 1 <= count <= 3 if fault == "cut" else count == 1


def other(seed, scale):
    return measured(seed, scale) | {"third": 1 / 3 + 1e-6}


def test_rows_of_other_code_setting_or_data_are_never_taken(book, monkeypatch):
    asked(book, data={"x": numpy.arange(3)})
    recording.record("laptop", book / "built")
    elsewhere(book, monkeypatch)
    setting = {"scale": {"log": str(book / "log")}}
    for run, given, data in ((other, setting, None), (measured, {"scale": 2}, {"x": numpy.arange(3)}), (measured, setting, {"x": numpy.arange(1, 4)})):
        path = Path(sweeps.store("toy")) / "rows.jsonl"
        path.unlink(missing_ok=True)
        sweeps.run_sweep(run, [given], store=sweeps.store("toy"), seeds=1, data=data)
        assert len([row for row in rows.read(path.parent)[0] if "values" in row]) == 1


def heavy(images, log):
    Path(log).write_text("made")
    return {"x": torch.ones(2)}


class Set:
    """An image set that is known by name and checksum, and is not on disk."""

    def __init__(self, checksum):
        self.name, self.checksum = "mnist", checksum


def test_prepared_data_are_made_only_for_rows_that_are_not_there(book, monkeypatch):
    made = book / "made"

    def ask(checksum="abc"):
        return asked(book, data=sweeps.prepare(heavy, Set(checksum), str(made)))

    ask()
    assert made.exists() and computed(book) == 3
    recording.record("laptop", book / "built")
    made.unlink()
    elsewhere(book, monkeypatch)
    ask()
    assert not made.exists() and computed(book) == 0
    ask("other bytes")
    assert made.exists() and computed(book) == 3


def wide(seed):
    return {"logits": torch.full((5,), float(seed))}


def doubled(row, factor):
    return {"x": factor * torch.as_tensor(row["logits"])}


def total(seed, data):
    return {"total": data["x"].sum()}


def test_a_row_that_others_need_is_computed_for_them_alone_and_not_recorded(book, monkeypatch):
    def ask(factor=2):
        row = sweeps.later(wide, {}, store=sweeps.store("wide"), seed=7)
        data = sweeps.prepare(doubled, row, factor)
        return sweeps.run_sweep(total, [{}], store=sweeps.store("totals"), seeds=1, data=data)

    assert ask()["total"].tolist() == [70.0]
    assert list(recording.record("laptop", book / "built")) == ["totals"]
    elsewhere(book, monkeypatch)
    assert ask()["total"].tolist() == [70.0] and not sweeps.store("wide").exists()
    assert ask(3)["total"].tolist() == [105.0] and sweeps.store("wide").exists()


def test_a_time_that_a_row_measured_is_not_held_against_another_machine():
    here, there = {"x": 1.0, "later_seconds": 2.0}, {"x": 1.0, "later_seconds": 9.0}
    assert engine_verified.differences(here, there) == {"x": 0.0} and engine_verified.means(here) == {"x": 1.0}


def noisy(seed, shift):
    accuracy = torch.randn((), generator=torch.Generator().manual_seed(seed)) + shift
    return {"accuracy": accuracy, "never": math.nan, "some": torch.tensor([math.inf, 1.0])}


@pytest.mark.parametrize("trained", [False, True])
def test_a_planted_number_is_found_when_its_row_is_computed_again(book, monkeypatch, trained):
    def ask():
        return sweeps.run_sweep(noisy, [{"shift": 0.0}], store=sweeps.store("toy"), seeds=12, trained=trained)

    ask()
    original = rows.decode
    for planted, agrees in ((0.0, True), (1e-3 if trained else 1e-7, trained), (30.0, False)):
        monkeypatch.setattr(rows, "decode", lambda folder, values: original(folder, values) | {"accuracy": values["accuracy"] + planted})
        monkeypatch.setenv("KDLIB_ROWS", str(book / "built" / "rows"))
        for path in (book / "book/recorded/rows").glob("laptop/*"):
            path.unlink()
        recorded._read_file.cache_clear()
        recording.record("laptop", book / "built")
        monkeypatch.setattr(rows, "decode", original)
        recorded._read_file.cache_clear()
        found = draws.recorded_rows("laptop")
        file = book / f"identities-{planted}"
        file.write_text(json.dumps([row.identity for row in found]))
        monkeypatch.setenv("KDLIB_VERIFY", str(file))
        sweeps_file = elsewhere(book, monkeypatch)
        ask()
        monkeypatch.delenv("KDLIB_VERIFY")
        lines = [json.loads(line) | {"store": "toy", "error": None} for line in Path(f"{file}.lines").read_text().splitlines()]
        assert len(lines) == 12 and sweeps_file.exists()
        (line,) = agreement.table(pandas.DataFrame(lines), found, "laptop").to_dict("records")
        assert (line["agreed"] == 12) == agrees, planted
        one = [lines[0] | {"means": {**lines[0]["means"], "accuracy": lines[0]["means"]["accuracy"] + 40}, "differences": {"accuracy": 9.0}}]
        assert agreement.disagreeing(pandas.DataFrame(one + lines[1:]), recorded.read("toy").rows, trained), "one row of twelve"
        assert line["verified"] == 12 and line["kind"] == ("trained" if trained else "exact")


def without_images(images):
    raise FileNotFoundError("faces: a.bin is not in the data folder")


def test_rows_whose_images_are_not_on_this_disk_are_left_out_of_a_verification(book, monkeypatch):
    def ask(source):
        data = sweeps.prepare(heavy, source, str(book / "made"))
        return asked(book, data=data, source=source)

    ask(Set("abc"))
    recording.record("laptop", book / "built")
    (row, *_) = found = draws.recorded_rows("laptop")
    assert len(found) == 3 and row.images == Set("abc").name
    words = SimpleNamespace(store=None, unless_known=False, seed=1, all=True, share=None, minutes=1.0, absent=[row.images])
    text, status = verification.check("laptop", book / "no build yet", words)
    assert status == 0 and f"3 rows need images that are not on this disk ({row.images})" in text
    assert "No recorded row was computed again: 0 of 3 recorded rows" in text
    file = book / "identities"
    file.write_text(json.dumps([one.identity for one in found]))
    monkeypatch.setenv("KDLIB_VERIFY", str(file))
    (book / "made").unlink()
    monkeypatch.setattr(Prepared, "values", without_images)
    ask(Set("abc"))
    lines = [json.loads(line) for line in Path(f"{file}.lines").read_text().splitlines()]
    assert [line["left_out"] for line in lines] == ["faces: a.bin is not in the data folder"] * 3


@pytest.mark.parametrize(("shift", "moved", "agrees"), [(2.0, 1, True), (2.0, 32, False), (7.0, 1, False), (0.5, 32, True)])
def test_the_mean_of_many_trained_rows_must_be_closer_than_one_of_them(shift, moved, agrees):
    spread = numpy.random.default_rng(0).normal(size=32)
    spread = (spread - spread.mean()) / spread.std(ddof=1)  # a seed moves the number by one
    kept, compared = {}, []
    for seed, value in enumerate(spread.tolist()):
        line = {"identity": str(seed), "setting": {}, "seed": seed}
        kept[str(seed)] = recorded.RecordedRow(FinishedRow({"accuracy": value}, 1.0, "here"), line, {})
        new = value + shift * (seed < moved)
        compared.append({"identity": str(seed), "error": None, "differences": {"accuracy": 1.0}, "means": {"accuracy": new}})
    # one row may be 6 away, the mean of 32 rows 3 (2 / 32)^½ = .75
    assert (agreement.disagreeing(pandas.DataFrame(compared), kept, True) == []) == agrees


def test_every_store_has_its_turn_and_the_seed_repeats_the_draw():
    found = [draws.Row(store, f"{store}{k}", f"chapter {store}", 1.0) for store, n in (("a", 500), ("b", 3), ("c", 40)) for k in range(n)]
    drawn = draws.draw(found, random.Random(3), seconds=60.0)
    assert {row.store for row in drawn} == {"a", "b", "c"} and drawn == draws.draw(found, random.Random(3), seconds=60.0)
    assert 60 - 2 <= sum(row.seconds for row in drawn) + 3 * draws.CELLS <= 60 and len(set(drawn)) == len(drawn)
    slow = [*found, draws.Row("d", "d0", "chapter d", 500.0)]
    assert all(row.store != "d" for row in draws.draw(slow, random.Random(0), seconds=60.0))
    assert len(draws.draw(slow, random.Random(0))) == len(slow)
    counts = pandas.Series([row.store for row in draws.draw(slow, random.Random(0), share=0.01)]).value_counts().to_dict()
    assert counts == {"a": 5, "b": 1, "c": 1, "d": 1}
    firsts = {draws.draw(found, random.Random(seed), seconds=13.5)[0].store for seed in range(30)}
    assert firsts == {"a", "b", "c"}


def test_the_cells_of_a_sweep_draw_nothing():
    text = cells.script_of("09_resnet_cifar", "smoke", {"09_students"})
    compile(text, "script", "exec")
    assert "scores_of_student" in text and "subplots" not in text and "claims.record" not in text
    assert len(text.splitlines()) < 0.6 * sum(len(cell.splitlines()) for cell in chapters.code_cells((chapters.book() / "09_resnet_cifar.md").read_text()))


def test_too_many_bytes_are_refused_and_the_earlier_record_stays(book, monkeypatch):
    asked(book)
    recording.record("laptop", book / "built")
    before = {path.name: path.read_bytes() for path in (book / "book/recorded/rows/laptop").iterdir()}
    monkeypatch.setattr(recording, "LIMIT", 100)
    with pytest.raises(chapters.Failed, match=r"would take [\d,]+ bytes, of which [\d,]+ are toy; at most 100 are allowed"):
        recording.record("laptop", book / "built")
    assert {path.name: path.read_bytes() for path in (book / "book/recorded/rows/laptop").iterdir()} == before


def test_a_night_is_recorded_in_parts(book, monkeypatch):
    monkeypatch.setattr(chapters, "names", lambda: ["01_toy", "02_other"])
    asked(book)
    first = recording.record("laptop", book / "built")
    assert list(first) == ["toy"] and first["toy"]["chapters"] == ["01_toy"]
    recorded._read_file.cache_clear()
    for path in (book / "built").rglob("*.jsonl"):
        path.unlink()
    monkeypatch.setenv("KDLIB_SWEEPS", str(book / "built" / "sweeps" / "02_other.jsonl"))
    asked(book, name="more", seeds=2)
    asked(book, seeds=[7])
    both = recording.record("laptop", book / "built")
    assert {name: (store["rows"], store["chapters"]) for name, store in both.items()} == {
        "more": (2, ["02_other"]), "toy": (4, ["01_toy"])}
    shutil.rmtree(book / "built")
    with pytest.raises(chapters.Failed, match="no chapter has been executed"):
        recording.record("laptop", book / "built")


def powers(seed, k):
    return {"x": (1.0 + seed) ** k}


def rewritten(seed, k):
    base = seed + 1.0
    return {"x": base**k}


def off_by_little(seed, k):
    return {"x": (1.0 + seed) ** k * (1 + 1e-6)}


def off_once(seed, k):
    return {"x": (1.0 + seed) ** k + (k == 3)}


def ask_powers(run):
    settings = sweeps.grid(k=[1, 2, 3, 4, 5])
    return sweeps.run_sweep(run, settings, store=sweeps.store("powers"), seeds=4)


def adopted(book, monkeypatch, run, seed=0):
    """``kdlib adopt`` where a chapter's cells are one sweep."""

    def run_chapter(chapter, profile, stores, built, *, variable, content):
        file = book / f"asked-{random.random()}"
        file.write_text(json.dumps(content))
        with monkeypatch.context() as asking:
            asking.setenv(variable, str(file))
            ask_powers(run)
        lines = Path(f"{file}.lines")
        return [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []

    monkeypatch.setattr(adoption.cells, "run_chapter", run_chapter)
    return adoption.adopt("laptop", book / "built", None, seed)


@pytest.fixture
def recorded_powers(book, monkeypatch):
    ask_powers(powers)
    recording.record("laptop", book / "built")
    elsewhere(book, monkeypatch)
    return book


def test_rows_of_rewritten_code_are_adopted_after_a_sample_and_taken_from_then_on(recorded_powers, monkeypatch):
    text, status = adopted(recorded_powers, monkeypatch, rewritten)
    assert status == 0 and "3 of 20 stale rows were computed by the new code and agree" in text
    assert "with probability 0.73" in text  # 0.9 ** 3
    recorded._read_file.cache_clear()
    kept = recorded.read("powers")
    assert not kept.wrong and len(kept.rows) == 20
    (note,) = next(iter(kept.rows.values())).sweep["adopted"]
    assert len(note["sample"]) == 3 and set(note["sample"]) <= kept.rows.keys() and note["rows"] == 20
    told = elsewhere(recorded_powers, monkeypatch)
    assert ask_powers(rewritten)["x"].tolist() == ask_powers(powers)["x"].tolist()
    first, _ = told_by(told)
    assert len(first["recorded"]) == 20
    assert adopted(recorded_powers, monkeypatch, rewritten) == ("no recorded row is of earlier code", 0)


@pytest.mark.parametrize(
    ("others", "is_taken"),
    [
        ([{}], True),
        ([{}, {}], False),  # of which nobody knows which one it is
        ([{"setting": {"k": 2, "device": "cuda"}}], True),
        ([{"setting": {"k": 3}}], False),
        ([{"seed": 8}], False),
        ([{"dtype": "float64"}], False),
        ([{"batched": True}], False),
        ([{"source": "digits"}], False),
        ([{"identity": "today"}], False),  # it is no row of earlier code
        ([{}, {"seed": 8}, {"setting": {"k": 3}}], True),
    ],
)
def test_a_row_of_earlier_code_is_known_by_all_but_its_code(tmp_path, others, is_taken):
    sweep = {"batched": False, "dtype": "float32", "source": None}
    travelled = {}
    for number, changed in enumerate(others):
        line = {"identity": f"before {number}", "setting": {"k": 2, "device": "cpu"}, "seed": 7} | changed
        travelled[line["identity"]] = recorded.RecordedRow(None, line, {name: line.get(name, sweep[name]) for name in sweep})
    results = AskedRows(tmp_path, {"key": Task({"k": 2, "device": "cpu"}, 7, "cpu", identity="today")})
    stale = engine_adopted._stale(results, sweep, travelled)
    assert stale == ({"key": travelled["before 0"]} if is_taken else {})


def test_a_formula_that_changed_by_a_millionth_is_not_adopted(recorded_powers, monkeypatch):
    path = recorded.file_of(recorded_powers / "book/recorded/rows/laptop", "powers")
    before = path.read_bytes()
    text, status = adopted(recorded_powers, monkeypatch, off_by_little)
    assert status == 1 and text.startswith("powers: not adopted; 3 of 3 of 20 stale rows differ, the first of setting {'k': ")
    assert path.read_bytes() == before


def test_a_formula_that_changed_for_one_setting_of_five_is_found_as_often_as_three_settings_are_drawn(recorded_powers, monkeypatch):
    stale = {(k, seed): None for k in range(5) for seed in range(4)}
    tasks = {key: Task({"k": key[0]}, key[1], "cpu") for key in stale}
    drawn = [engine_adopted.draw(stale, tasks, random.Random(seed)) for seed in range(2000)]
    assert all(len({k for k, _ in sample}) == 3 for sample in drawn), "different settings first"
    found = sum(any(k == 3 for k, _ in sample) for sample in drawn) / 2000
    assert abs(found - 3 / 5) < 0.04  # four standard errors
    seed = next(seed for seed in range(99) if "not adopted" in adopted(recorded_powers, monkeypatch, off_once, seed)[0])
    assert seed < 10


def where(seed):
    time.sleep(0.3)
    return {"process": os.environ["WORKER"], "square": seed**2}


def test_rows_of_two_machines_are_recorded_where_the_build_is(book, monkeypatch):
    """The commands of the page: a scheduler and two workers, started by ``dask``."""
    file = book / "scheduler.json"
    folder = str(Path(sys.executable).parent)
    started = []

    def dask(*words, **variables):
        environment = rowprocess.environment() | variables
        command = [f"{folder}/python", "-m", "dask", *words, "--scheduler-file", str(file)]
        started.append(subprocess.Popen(command, env=environment, cwd=book, stderr=subprocess.DEVNULL))

    try:
        dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        for name in ("first", "second"):
            dask("worker", "--nthreads", "1", "--no-dashboard", WORKER=name)
        until(file.exists, "the scheduler")
        cluster.close()
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", json.loads(file.read_text())["address"])
        rows_there = sweeps.run_sweep(where, [{}], store=sweeps.store("toy"), seeds=12)
        assert set(rows_there["process"]) == {"first", "second"}
        assert recording.record("laptop", book / "built")["toy"]["rows"] == 12
        cluster.close()
        monkeypatch.delenv("DASK_SCHEDULER_ADDRESS")
        elsewhere(book, monkeypatch)
        assert sweeps.run_sweep(where, [{}], store=sweeps.store("toy"), seeds=12)["process"].tolist() == rows_there["process"].tolist()
    finally:
        cluster.close()
        for process in started:
            process.kill()
            process.wait()


def test_rows_of_another_profile_are_neither_drawn_nor_rewritten_and_an_altered_list_is_told(recorded_powers, monkeypatch):
    top = recorded_powers / "book/recorded/rows"
    shutil.copytree(top / "laptop", top / "overnight")
    other = recorded.file_of(top / "overnight", "powers")
    other.write_text("".join(line + "\n" for line in other.read_text().splitlines()[:6]))
    before = other.read_bytes()
    assert len(draws.recorded_rows("laptop")) == 20 and len(draws.recorded_rows("overnight")) == 5
    assert adopted(recorded_powers, monkeypatch, rewritten)[1] == 0 and other.read_bytes() == before
    (top / "overnight/stores.json").write_text("{")
    recorded._read_file.cache_clear()
    kept = recorded.read("powers")
    assert len(kept.rows) == 20 and kept.wrong == [f"{top / 'overnight/stores.json'} was altered, so none of its rows are taken"]


def test_recording_rows_again_changes_no_byte(book, monkeypatch):
    asked(book)
    recording.record("laptop", book / "built")
    files = sorted((book / "book/recorded/rows/laptop").iterdir())
    before = [path.read_bytes() for path in files]
    monkeypatch.setattr(recording, "_today", lambda: "2100-01-01")
    recorded._read_file.cache_clear()
    recording.record("laptop", book / "built")
    assert [path.read_bytes() for path in files] == before
