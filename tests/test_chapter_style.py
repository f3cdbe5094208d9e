"""Cells that can be read: what each chapter's code may not contain, and how dense it may be (habit 23)."""

import ast

import pytest

from companion.press import chapters

WIDEST, LARGEST = 88, 200  # columns of a line, syntax nodes of a cell
DENSEST, LONGEST = 16, 60  # nodes and characters a line, in the mean of all chapters


def cells(chapter):
    """The code cells of a chapter but its parameters, as source and syntax tree."""
    text = (chapters.book() / f"{chapter}.md").read_text(encoding="utf-8")
    return [(source, ast.parse(source)) for source in chapters.code_cells(text)[1:]]


def is_riddle(node):
    """What a syntax node is that a reader has to unpack, in words; None where it is none."""
    if isinstance(node, ast.Lambda):
        return "a lambda"
    if isinstance(node, ast.Assign):
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            return "two statements joined by a tuple"
        if isinstance(target, ast.Name) and target.id == "_":
            return "a result that is thrown away"
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)) and len(node.generators) > 1:
        return "a comprehension over several sources"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        if any(isinstance(side, (ast.JoinedStr, ast.List)) for side in (node.left, node.right)):
            return "a text or list that is multiplied by a condition"
    return None


def riddles(source, tree):
    found = [(node.lineno, is_riddle(node)) for node in ast.walk(tree) if is_riddle(node)]
    size = sum(1 for _ in ast.walk(tree))
    found += [(1, f"a cell of {size} nodes")] * (size > LARGEST)
    found += [(i, f"{len(line)} columns") for i, line in enumerate(source.splitlines(), 1) if len(line) > WIDEST]
    return [f"line {line} of the cell {source[:40]!r}: {what}" for line, what in found]


@pytest.mark.parametrize("chapter", chapters.names())
def test_no_cell_is_a_riddle(chapter):
    told = [line for source, tree in cells(chapter) for line in riddles(source, tree)]
    assert told == []


def test_cells_are_as_dense_as_the_models():
    lines = nodes = characters = 0
    for chapter in chapters.names():
        for source, tree in cells(chapter):
            full = [line for line in source.splitlines() if line.strip()]
            lines += len(full)
            nodes += sum(1 for _ in ast.walk(tree))
            characters += sum(map(len, full))
    assert nodes / lines <= DENSEST and characters / lines <= LONGEST, (nodes / lines, characters / lines)


RIDDLES = ["f = lambda x: x", "a, b = f(x), g(y)", "_ = axis.legend()", "[a for a in x for b in y]", "t = f'{a}' * bool(a)",
           "rows += [1] * (a in b)", "x = 1  " + "#" * 90, "y = [" + "1, " * 110 + "]"]


@pytest.mark.parametrize("source", RIDDLES)
def test_a_riddle_is_found(source):
    assert riddles(source, ast.parse(source))


@pytest.mark.parametrize("source", ["a, b = f(x)", "rows = [f(x) for x in y]", "area = 2 * width"])
def test_plain_code_is_none(source):
    assert riddles(source, ast.parse(source)) == []
