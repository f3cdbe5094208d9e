"""Environment variables that have a form: generated texts, and every door that checks them before any work."""

import random
import re
import string

import pytest

from companion import __main__ as command_line
from companion import sweeps
from companion.engine import cluster, localcluster, variables

BOUNDS = {"KDLIB_WORKERS": ["0", "-1", "abc", "1.5", "1e3", "-0", "3 4", "0x2"],
          "KDLIB_TIME_LIMIT": ["0", "-1", "abc", "nan", "inf", "-inf", "1e400", "0.0", "3 s", "-1e-9"],
          "KDLIB_RETRY": ["2", "-1", "yes", "true", "01", "1.0", "0 1"],
          "KDLIB_FRESH": ["2", "-1", "no", "false", "01", "1.0", "1 0"]}


def is_count(text):
    return re.fullmatch(r"0*[1-9]\d*", text) is not None


def is_limit(text):
    return re.fullmatch(r"\d+(\.\d+)?(e\d)?", text) is not None and re.search("[1-9]", text.partition("e")[0]) is not None


ALLOWED = {"KDLIB_WORKERS": is_count, "KDLIB_TIME_LIMIT": is_limit, "KDLIB_RETRY": {"0", "1"}.__contains__,
           "KDLIB_FRESH": {"0", "1"}.__contains__}


def texts(seed):
    """Whole numbers, decimal ones, ones with an exponent, words, and what is in between."""
    draw = random.Random(seed)
    for _ in range(60):
        number = draw.choice([draw.randint(-3, 3), draw.randint(-10**6, 10**6)])
        decimal = f"{draw.uniform(-2, 50):.{draw.randint(1, 5)}f}"
        word = "".join(draw.choices(string.ascii_letters + string.punctuation, k=draw.randint(1, 9)))
        yield from (str(number), decimal, f"{abs(number)}e{draw.randint(0, 9)}", word, f"{number}{word}")


@pytest.mark.parametrize("name", variables.FORMS)
def test_a_text_gives_a_value_or_one_line_that_names_the_variable_and_what_is_allowed(name, monkeypatch):
    seed = random.SystemRandom().randrange(10**6)
    refused = 0
    for text in [*BOUNDS[name], *texts(seed)]:
        monkeypatch.setenv(name, text)
        if ALLOWED[name](text):
            assert variables.value(name) == float(text), (seed, text)
            continue
        refused += 1
        with pytest.raises(ValueError) as told:
            variables.value(name)
        line = f"{name} must be {variables.FORMS[name].allowed}; got {text!r}"
        assert str(told.value) == line and len(line.splitlines()) == 1, (seed, text)
    assert refused > 100
    monkeypatch.setenv(name, "")
    assert variables.value(name) is None
    monkeypatch.delenv(name)
    assert variables.value(name) is None


def never(seed):
    raise AssertionError("no row is begun")


@pytest.mark.parametrize("name", variables.FORMS)
def test_every_door_refuses_a_wrong_variable_before_any_work(name, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:1")  # a cluster of the user's own makes no difference
    begun = tmp_path / "begun"
    for text in BOUNDS[name]:
        monkeypatch.setenv(name, text)
        line = f"{name} must be {variables.FORMS[name].allowed}; got {text!r}"
        assert command_line.main(["list"]) == 1
        said = capsys.readouterr()
        assert said.out == "" and said.err == f"kdlib: {line}\n"
        assert cluster.main(["serve", "--", "touch", str(begun)]) == f"kdlib: {line}"
        for door in (localcluster.start, lambda: sweeps.run_sweep(never, [{}], store=tmp_path / "s", seeds=1)):
            with pytest.raises(ValueError) as told:
                door()
            assert str(told.value) == line
        assert not any(tmp_path.iterdir())
