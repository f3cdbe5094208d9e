"""Formulas word by word: which symbols a formula holds, and where."""

import re

WORD = re.compile(r"\\[a-zA-Z]+|\\.|\S", re.DOTALL)
# Commands that change the letter after them, which then is another symbol.
ACCENTS = set(
    r"\hat \bar \tilde \vec \dot \check \widehat \widetilde \overline \underline"
    r" \mathcal \mathbb \mathbf \mathfrak \mathsf \boldsymbol \bm".split()
)
# Commands that take what stands behind them, and a group of which is no formula.
NAMES = set(
    r"\text \mathrm \operatorname \textrm \textbf \textit \mathit \mathop \begin \end"
    r" \label \tag \ref \eqref \color \hspace \class".split()
)
TAKES = ACCENTS | NAMES | {r"\sqrt", r"\frac", r"\tfrac", r"\dfrac", r"\binom"}


class Word:
    """A word of a formula, and where it stands in the text."""

    def __init__(self, text, start, end):
        self.text = text
        self.start = start
        self.end = end


def read(tex):
    """The words of a formula as texts; ``z_{t}`` and ``z_t`` are the same.

    Args:
        tex: text of the formula.

    Returns:
        List of texts.
    """
    return [word.text for word in _words(tex)]


def plain(tex):
    """A formula's letters as a name: ``z_{s,\\mathrm{eff}}`` is ``z-s-eff``."""
    letters = re.findall(r"[A-Za-z0-9]+", tex)
    return "-".join(word for word in letters if f"\\{word}" not in TAKES).lower()


def marked(tex, symbols):
    """A formula in which each symbol has a class.

    Args:
        tex: text of the formula.
        symbols: dict from a symbol, as a tuple of words of :func:`read`, to its class.

    Returns:
        The text, and the list of symbols that were found.
    """
    words = _words(tex)
    longest_first = sorted(symbols, key=len, reverse=True)
    parts = []
    found = []
    place = 0
    done = 0
    while place < len(words):
        if words[place].text in NAMES:
            place = _behind_group(words, place + 1)
            continue
        symbol = _symbol_at(words, place, longest_first)
        if symbol is None:
            place += 1
            continue
        first, last = words[place], words[place + len(symbol) - 1]
        inner = tex[first.start : last.end]
        parts.append(tex[done : first.start])
        # In braces, as a command before it may take one word: \frac1Z.
        parts.append(rf"{{\class{{kd-symbol {symbols[symbol]}}}{{{inner}}}}}")
        done = last.end
        found.append(symbol)
        place += len(symbol)
    return "".join(parts) + tex[done:], found


def _words(tex):
    """The words, with one in braces behind a sign that takes it as that one alone."""
    raw = [Word(found[0], found.start(), found.end()) for found in WORD.finditer(tex)]
    words = []
    place = 0
    while place < len(raw):
        word = raw[place]
        is_single = (
            [one.text for one in raw[place : place + 3 : 2]] == ["{", "}"]
            and raw[place + 1].text not in ("{", "}")
            and words
            and words[-1].text in ACCENTS | {"_", "^"}
        )
        if is_single:
            words.append(Word(raw[place + 1].text, word.start, raw[place + 2].end))
            place += 3
        else:
            words.append(word)
            place += 1
    return words


def _symbol_at(words, place, longest_first):
    """The symbol that begins at a place; None where none does, or a part of one."""
    before = words[place - 1].text if place else ""
    if before in TAKES | {"_", "^"}:
        return None
    texts = [word.text for word in words[place:]]
    for symbol in longest_first:
        rest = texts[len(symbol) :]
        if tuple(texts[: len(symbol)]) == symbol and not _goes_on(symbol, rest):
            is_part = any(
                len(other) > len(symbol) and other[: len(symbol)] == symbol
                for other in longest_first
            )
            return None if is_part and rest[:1] == ["_"] else symbol
    return None


def _goes_on(symbol, rest):
    """Whether what stands behind a symbol makes another one of it."""
    following = rest[0] if rest else ""
    if following == "'":
        return True
    is_letter = len(symbol) == 1 and symbol[0].isalpha()
    if is_letter and following == "_":
        return True
    if symbol == ("d",):
        return following.isalpha() or following.startswith("\\")  # a differential
    return symbol == ("e",) and following == "^"


def _behind_group(words, place):
    """The place behind the group, or the one word, that begins at a place."""
    if place >= len(words) or words[place].text != "{":
        return place + 1
    depth = 0
    for at in range(place, len(words)):
        depth += {"{": 1, "}": -1}.get(words[at].text, 0)
        if depth == 0:
            return at + 1
    return len(words)
