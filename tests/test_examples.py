"""The examples in docstrings: the functions that others call have one, and every one shows what it says."""

import doctest
import importlib
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent

# What others call, by the name under which a chapter calls it: a reader of the API page sees each at work.
SHOWN = """
kdlib.logits.effective_logits
kdlib.logits.correction_logits
kdlib.losses.distillation_loss
kdlib.kernels.ntk
kdlib.kernels.nngp
kdlib.kernels.empirical_ntk
kdlib.linearized.LinearizedStudent
kdlib.metrics.data_inefficiency
kdlib.metrics.transfer_risk
kdlib.metrics.transfer_risk_bound
kdlib.metrics.angle_distribution
kdlib.metrics.hard_label_gain
kdlib.metrics.margin
kdlib.intervals.mean_band
kdlib.intervals.jackknife
kdlib.intervals.power_law_exponent
kdlib.self_distillation.label_averaging
kdlib.label_noise.draw
kdlib.training.projected_gradient_descent
companion.sweeps.tidy
""".split()


def modules_with_examples():
    """Names of the modules of both packages that have an example somewhere."""
    names = []
    for package in ("kdlib", "companion"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                names.append(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    return names


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_show_what_they_say(name):
    module = importlib.import_module(name)
    runner, told = doctest.DocTestRunner(), []
    for example in doctest.DocTestFinder().find(module, name, extraglobs={"torch": torch}):
        runner.run(example, out=told.append)
    assert runner.tries > 0 and runner.failures == 0, "".join(told)


def without_example(names):
    """The names whose docstring has no ``Example:`` section with a line that runs, before its source if it has one."""
    parser, lacking = doctest.DocTestParser(), []
    for name in names:
        module, _, function = name.rpartition(".")
        text = getattr(importlib.import_module(module), function).__doc__ or ""
        _, heading, example = text.partition("Example:\n")
        if not heading or not parser.get_examples(example.partition("Source:")[0]):
            lacking.append(name)
    return lacking


def test_what_others_call_has_an_example():
    assert without_example(SHOWN) == []
    assert without_example(["kdlib.kernels.ntk_diagonal"]) == ["kdlib.kernels.ntk_diagonal"]
