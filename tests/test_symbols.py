"""Symbols in formulas: found where they stand, left alone where they are part of another one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "book" / "_ext"))
import searching
import symbols
import texwords

KNOWN = ["n", "d", "T", r"\rho", "z_t", r"z_{s,\mathrm{eff}}", "I(n)", r"\mathcal{R}", r"\Theta", r"\sigma_W", r"\Delta_{\hat w}"]
CLASSES = {tuple(texwords.read(tex)): tex for tex in KNOWN}


@pytest.mark.parametrize(
    ("tex", "found"),
    [
        (r"\frac{\rho}{T}\,\sigma(z/T)", [r"\rho", "T", "T"]),
        (r"z_{t} - z_{s, \mathrm{eff}}", ["z_t", r"z_{s,\mathrm{eff}}"]),
        (r"I(n), \mathcal R\sim n^{-b}", ["I(n)", r"\mathcal{R}", "n"]),
        (r"\Delta_{\hat{w}}^\top \Theta_n^{-1}", [r"\Delta_{\hat w}", r"\Theta"]),
        # Parts of other symbols, words, and what a command takes without braces.
        (r"n_k, x_n, \hat n, T', \sqrt n, z_{t,i}", []),
        (r"\text{if n} \mathrm{d}x \frac{dw}{dt}", []),
    ],
)
def test_symbols_are_found_where_they_stand(tex, found):
    text, seen = texwords.marked(tex, CLASSES)
    assert [CLASSES[symbol] for symbol in seen] == found
    assert text.count(r"\class{kd-symbol ") == len(found)


def test_a_marked_formula_is_the_formula_with_classes():
    text, _ = texwords.marked(r"\rho_t = z_{t}", CLASSES)
    assert text == r"{\class{kd-symbol \rho}{\rho}}_t = {\class{kd-symbol z_t}{z_{t}}}"
    assert texwords.plain(r"z_{s,\mathrm{eff}}") == "z-s-eff"


def test_a_symbol_is_looked_for_as_a_reader_writes_it():
    assert symbols._spellings(r"\rho") == ["rho", "ρ"] and symbols._spellings("I(n)") == ["I(n)"]
    assert symbols._spellings(r"\varepsilon") == ["epsilon", "ε"] and symbols._spellings(r"\Theta") == ["Theta", "Θ"]
    assert symbols._spellings(r"\mathcal{R}") == ["R"] and symbols._spellings(r"\lambda_i") == ["lambda_i"]


def test_a_page_is_split_into_words_that_a_reader_writes():
    words = searching.Words({}).split("Theorem 1 (Fig. S3), ρ = 1 and Table 5")
    assert {"theorem1", "figs3", "table5", "rho", "Theorem"} <= set(words)
    assert not searching.Words({}).word_filter("n") and searching.Words({}).word_filter("ntk")
