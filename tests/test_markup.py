"""HTML from one place: text is escaped, markup is not, and a block ends where it should."""

import ast
from pathlib import Path

import pytest

from companion import markup

ROOT = Path(__file__).resolve().parent.parent


def test_text_is_escaped_once_and_markup_stays():
    inner = markup.element("b", "a < b & 'c'")
    assert inner == "<b>a &lt; b &amp; &#x27;c&#x27;</b>"
    assert markup.element("p", inner, " > ", 3) == f"<p>{inner} &gt; 3</p>"
    assert markup.join([inner, "<"], "<br>") == f"{inner}<br>&lt;"
    assert markup.element("p", str(inner) + "") != markup.element("p", inner), "a plain text of tags is text"


def test_attributes_are_named_as_in_html_and_their_values_escaped():
    made = markup.element("a", class_="x y", data_paper='"z"', aria_label="<", hidden=True, open=False, id=None, tabindex=0)
    assert made == '<a class="x y" data-paper="&quot;z&quot;" aria-label="&lt;" hidden tabindex="0"></a>'


def test_a_table_has_heads_rows_and_a_region_where_it_has_a_label():
    row = markup.row(markup.heading("a<"), "<b", markup.element("td", "c", class_="x"), class_="y")
    assert row == '<tr class="y"><th scope="row">a&lt;</th><td>&lt;b</td><td class="x">c</td></tr>'
    assert markup.row("<td>") == "<tr><td>&lt;td&gt;</td></tr>", "a text is no cell that is made already"
    made = markup.table(("one", "<"), [row], caption="&", label="it", class_="kd-claims")
    assert made.startswith('<div class="kd-scroll" tabindex="0" role="group" aria-label="it"><table class="kd-claims">')
    assert "<caption>&amp;</caption><thead><tr>" in made and '<th scope="col">&lt;</th>' in made and row in made
    assert markup.table((), [], caption="it").startswith('<div class="kd-scroll" tabindex="0" role="group" aria-label="it"><table><caption>it')
    assert '<caption class="visually-hidden">it</caption>' in markup.table((), [], label="it")


@pytest.mark.parametrize(("text", "fence"), [("x", "````"), ("```\n", "````"), ("````", "`````"), ("``````", "```````")])
def test_no_text_ends_the_block_that_it_stands_in(text, fence):
    assert markup.raw_block(text, "<") == f"{fence}{{raw}} html\n{text}\n&lt;\n{fence}"


def test_no_other_module_writes_tags_by_hand():
    """Texts with a tag in them are regular expressions and what scripts of the book are told, in these files alone."""
    may = {"companion/markup.py", "companion/press/pages.py", "companion/press/site.py", "companion/plots/svg.py"}
    for path in [*(ROOT / "companion").rglob("*.py"), *(ROOT / "kdlib").rglob("*.py")]:
        name = str(path.relative_to(ROOT))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if name not in may:
            assert "from html import escape" not in path.read_text(encoding="utf-8"), name
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr) and name not in may:
                texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
                assert not any("</" in text or "<div" in text for text in texts), f"{name}:{node.lineno}"
