"""Sentences of a chapter's text that compare, order, count or name a trend.

Such a sentence is computed (``prose.say``), or it is a general truth: a definition, a
theorem, what a paper says, how something is done. ``book/truths/PAGE.yml`` lists these,
each with its kind, and nothing else may compare in typed words.
"""

import ast
import re

import yaml

from companion.press import chapters, origins

COMPARING = re.compile(
    r"""\b(
    nearer|nearest|closer|closest|same|alike|both|neither
    |more|(?<!at\ )most|less|(?<!at\ )least(?!-squares)|fewer|fewest
    |best|better|worst|worse
    |larger|largest|bigger|biggest|smaller|smallest|higher|highest|lower|lowest
    |greater|greatest|faster|fastest|slower|slowest|longer|longest|shorter|shortest
    |earlier|later|sooner|wider|widest|narrower|steeper|flatter|easier|harder|hardest
    |falls?|fell|falling|rises?|rose|rising|grows?|grew|growing|shrinks?|shrinking
    |increas\w+|decreas\w+|drops?|dropped|declin\w+|settles?|settled|levels?\ off
    |constant|flat|parallel|overlap\w*|agrees?|agreed|disagree\w*|differs?|differed
    |equals?|exceeds?|twice|double\w*|half|third|tenth|times|always|never|only
    |overtakes?|crosses|outperform\w*|beats?|confirm\w*|contradict\w*
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
KINDS = ("definition", "theorem", "paper", "method")
# What is no sentence: formulas, code, roles whose content is computed, addresses.
_FORMULA = r"\$\$.*?\$\$(?: \([\w-]+\))?|\$[^$]*\$"
_NO_WORDS = re.compile(rf"{_FORMULA}|\{{[\w:]+\}}`[^`]*`|`[^`]*`", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_ABBREVIATION = r"(?<!Fig\.)(?<!Figs\.)(?<!Eq\.)(?<!Eqs\.)(?<!Sec\.)(?<!al\.)"
_SENTENCE_END = re.compile(rf"(?<=[.?!]){_ABBREVIATION}[)*\"]*\s+(?=[^a-z\s])")


def comparing(text):
    """The typed sentences of a chapter that compare.

    Args:
        text: a chapter's text, or a page's.

    Returns:
        A list of sentences: of captions and alternative texts, of the text, and of what
        is glued into it without a condition; formulas are ``…``. A question compares
        nothing.
    """
    body = re.sub(r"\A---\n.*?^---\n", "", text, flags=re.MULTILINE | re.DOTALL)
    passages = _captions(body) + _paragraphs(_FENCE.sub("\n\n", body)) + _glued(text)
    found = []
    for passage in passages:
        for sentence in _SENTENCE_END.split(passage):
            is_question = sentence.rstrip("*) ").endswith("?")
            if COMPARING.search(sentence) and not is_question:
                found.append(sentence.strip())
    return found


def unconditional(text):
    """The calls of ``prose.say`` whose condition reads no row.

    Args:
        text: a chapter's text.

    Returns:
        The first argument of each such call, as source text.
    """
    found = []
    for call in _calls(text, "say"):
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        condition = given.get("holds")
        names = [node for node in ast.walk(condition) if isinstance(node, ast.Name)]
        if not names:
            found.append(ast.unparse(call.args[0]))
    return found


def truths(page):
    """The comparing sentences of a page that are general truths.

    Args:
        page: the page's name.

    Returns:
        A dict from a sentence, or its beginning that ends in ``...``, to its kind, as
        ``book/truths/PAGE.yml`` has them; empty without the file.
    """
    path = chapters.book() / "truths" / f"{page}.yml"
    if not path.exists():
        return {}
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def problems(page, text):
    """What is wrong with a page's typed words.

    Args:
        page: the page's name.
        text: its text.

    Returns:
        A line for each comparing sentence that is no general truth, for each truth that
        is not on the page, and for each kind that there is not.
    """
    known = truths(page)
    sentences = comparing(text)
    lines = []
    for sentence in sentences:
        if not any(_is(sentence, truth) for truth in known):
            word = COMPARING.search(sentence)[0]
            lines.append(f"{page}: {word!r} is typed, and nothing checks: {sentence}")
    for name in unconditional(text):
        lines.append(f"{page}: the condition of {name} reads nothing of the run")
    for truth, kind in known.items():
        if kind not in KINDS:
            kinds = ", ".join(KINDS)
            lines.append(f"{page}: a truth is one of {kinds}; got {kind!r}: {truth}")
        if not any(_is(sentence, truth) for sentence in sentences):
            lines.append(f"{page}: no sentence of the page any more: {truth}")
    return lines


def _is(sentence, truth):
    """Whether a sentence is the truth, or begins with it where it ends in dots."""
    if truth.endswith("..."):
        return sentence.startswith(truth.removesuffix("..."))
    return sentence == truth


def _calls(text, verb):
    """The calls of a verb of ``prose`` in a chapter's code cells."""
    calls = []
    for cell in chapters.code_cells(text):
        for node in ast.walk(ast.parse(origins.python(cell))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"prose.{verb}":
                calls.append(node)
    return calls


def _glued(text):
    """The words that code cells glue into the text as they are."""
    found = []
    for call in _calls(text, "glue"):
        for keyword in call.keywords:
            for node in ast.walk(keyword.value):
                is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
                # A single word is the name of a column.
                if is_text and " " in node.value.strip():
                    found.append(node.value)
    return found


def _captions(body):
    """The captions and alternative texts in the heads of a text's code cells."""
    found = []
    for head in re.findall(r"^```\{code-cell\}\n---\n(.*?)^---$", body, re.M | re.S):
        about = yaml.safe_load(head).get("mystnb", {})
        found.append(about.get("figure", {}).get("caption", ""))
        found.append(about.get("image", {}).get("alt", ""))
    return [_words(text) for text in found if text]


def _paragraphs(body):
    """The paragraphs, list items and table rows of a text without code."""
    body = re.sub(r"^(\s*)([-*|]|\d+\.)\s", r"\n\1", body, flags=re.MULTILINE)
    body = re.sub(r"^(#.*)$", r"\n\1\n", body, flags=re.MULTILINE)
    body = re.sub(r"^\(.*\)=$", "", body, flags=re.MULTILINE)
    return [_words(part) for part in re.split(r"\n\s*\n", body) if part.strip()]


def _words(passage):
    """A passage on one line; formulas and code are dots, links are their words."""
    passage = _NO_WORDS.sub("…", passage)
    passage = _LINK.sub(r"\1", passage)
    return " ".join(passage.split())
