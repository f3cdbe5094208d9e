"""What else was tried: from book/trials.yml through one run to the section of the page."""

import functools
import json
import shutil
import threading
import time
from html import escape

import nbformat
import pytest
import yaml

from companion import __main__, claims
from companion.press import execution, files, locks, trials
from kdlib import places

TRIAL = {"name": "short", "chapter": 1, "question": "Fewer <steps>", "parameters": {"descent_steps": 200},
         "shows": ["ji-zhu-eq3-unique-root"]}  # fmt: skip


def test_the_trials_of_the_book_are_recorded_as_they_are_written():
    kept = trials.recorded()
    for trial in trials.read():
        assert trial["name"] in kept, f"make trials, and commit {trials.path().name}: {trial['name']} is not recorded"
        made = kept[trial["name"]]
        assert list(made["claims"]) == trial["shows"]
        assert made["finding"] and made["data"] != "digits" and "+" not in made["commit"]


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A copy of the book whose only trial is a short run of chapter 01."""
    shutil.copytree(places.book(), tmp_path / "book", ignore=shutil.ignore_patterns("notebooks"))
    (tmp_path / "book" / "recorded" / "trials.json").unlink(missing_ok=True)
    monkeypatch.setenv("KDLIB_BOOK", str(tmp_path / "book"))
    monkeypatch.chdir(tmp_path)

    def write(*changes):
        (tmp_path / "book" / "trials.yml").write_text(yaml.safe_dump([TRIAL | change for change in changes]))

    write({})
    return write


def test_a_trial_is_run_kept_and_shown_beside_the_page(book, tmp_path, capsys):
    assert "Not recorded yet" in trials.section("01_effective_logits", [])
    assert __main__.main(["trials"]) == 0
    made = json.loads(trials.path().read_text())["short"]
    run = nbformat.read(tmp_path / "_build" / "trials" / "short" / "01_effective_logits.ipynb", as_version=4)
    assert run.metadata["kdlib"]["parameters"]["descent_steps"] == 200 and run.metadata["kdlib"]["profile"] == "laptop"
    found = {one["id"]: one for one in claims.collect(run)}[TRIAL["shows"][0]]
    assert made["claims"] == {found["id"]: {"estimate": found["estimate"], "interval": found["interval"]}}
    own = found | {"estimate": {"violations": 77, "trials": 1000}}
    text = trials.section("01_effective_logits", [own])
    assert "kdlib run 01 -p descent_steps 200" in text and "Fewer &lt;steps&gt;" in text and escape(made["finding"]) in text
    assert text.index("violated in 77 of 1,000 cases") < text.index(f"violated in {found['estimate']['violations']:,} of")
    assert "<table" not in trials.section("01_effective_logits", []), "no table without a claim to show"
    assert trials.section("02_transfer_risk", []) == ""

    before = trials.path().read_bytes()
    assert __main__.main(["trials", "shrot"]) == 1
    assert "a trial is one of short; got shrot" in capsys.readouterr().err
    book({}, {"name": "broken"})
    text = (tmp_path / "book" / "01_effective_logits.md").read_text()
    (tmp_path / "book" / "01_effective_logits.md").write_text(text.replace("plots.use_style()", "1 / 0"))
    assert __main__.main(["trials"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err and trials.path().read_bytes() == before
    book({"parameters": {"descent_steps": 300}})
    assert trials.recorded() == {}  # what was measured with 200 says nothing of 300


@pytest.fixture
def quick(book, monkeypatch):
    """Trials whose chapters take no time, and whose record takes some to write."""

    def write_slowly(path, text, write=files.write_whole):
        time.sleep(0.05)
        write(path, text)

    monkeypatch.setattr(locks, "PAUSE", 0.01)
    monkeypatch.setattr(execution, "execute", lambda *_, **__: time.sleep(0.05))
    monkeypatch.setattr(nbformat, "read", lambda *_, **__: None)
    monkeypatch.setattr(trials, "_measured", lambda trial, _: {"parameters": trial["parameters"]})
    monkeypatch.setattr(files, "write_whole", write_slowly)
    return book


def at_once(*commands):
    threads = [threading.Thread(target=command) for command in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def test_trials_that_end_at_once_are_all_kept_in_their_order(quick, tmp_path):
    names = ["three", "short", "a"]
    quick(*({"name": name, "parameters": {"descent_steps": 100 + len(name)}} for name in names))
    at_once(*(functools.partial(trials.record_trial, name, tmp_path / name) for name in names))
    assert list(trials.recorded()) == names


def test_a_trial_that_was_added_while_another_ran_is_kept(quick, tmp_path, monkeypatch):
    def meanwhile(*_, **__):
        monkeypatch.setattr(execution, "execute", lambda *_, **__: None)
        quick({"name": "new"}, {})
        trials.record_trial("new", tmp_path)

    monkeypatch.setattr(execution, "execute", meanwhile)
    trials.record_trial("short", tmp_path)
    assert list(trials.recorded()) == ["new", "short"]


def test_two_commands_run_each_trial_once_unless_it_is_named(quick, capsys):
    at_once(*[functools.partial(__main__.main, ["trials"])] * 2)
    assert capsys.readouterr().out.count("trial short\n") == 1
    __main__.main(["trials", "short"])
    assert capsys.readouterr().out.count("trial short\n") == 1


@pytest.mark.parametrize(
    "changes, told",
    [
        ([{"why": "?"}], "a trial has the fields chapter, name"),
        ([{"parameters": {"descent_steps": -1}}], "trial short: descent_steps must be in"),
        ([{"chapter": 77}], "trial short: a chapter is one of"),
        ([{"shows": ["mandal-lemma3"]}], "trial short: shows claims of 01_effective_logits; got mandal-lemma3"),
        ([{}, {}], "each trial has a name of its own; got short, short"),
    ],
)
def test_a_trial_that_cannot_be_run_is_told_before_any_work(book, monkeypatch, capsys, changes, told):
    book(*changes)
    monkeypatch.setattr(execution, "execute", None)
    assert __main__.main(["trials"]) == 1
    assert told in capsys.readouterr().err
