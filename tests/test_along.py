"""What a page offers to take along: files, links that need the repository's address, and citations."""

import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion.press import along, figurefile, records, references, repository

RECORD = {"chapter": "01_toy", "profile": "smoke", "commit": "abc1234", "device": "cpu", "data": None, "seeds": 2, "seconds": 1.0,
          "parameters": {}}  # fmt: skip
BIB = """@inproceedings{ji2020knowledge,
  author = {Ji, Guangda and Zhu, Zhanxing},
  title = {Wide},
  year = {2020},
  eprint = {2010.10090},
  doi = {10.1/a_b}
}
@article{three, author = {Gabriel, Cl{\\'e}ment and B, C and D, E}, title = {T}, journal = {J}, year = {2001}}
"""
SVG = '<svg class="kd-wide" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 72 36" version="1.1" role="img" aria-label="A." style="width:100%">' \
    '<path style="stroke: var(--kd-soft, #1f6fb4); fill: color-mix(in srgb, var(--kd-hard, #c4432b) 25.0%, var(--kd-soft, #1f6fb4))"/></svg>'


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Gives the repository an address, or none; the toy book cites two works."""
    folder = tmp_path / "book"
    (folder / "profiles").mkdir(parents=True)
    (folder / "claims.yml").write_text("[]\n")
    (folder / "references.bib").write_text(BIB)
    monkeypatch.setenv("KDLIB_BOOK", str(folder))

    def address(url):
        config = {"title": "A book", "author": "Some people", "copyright": "2026", "repository": {"url": url}}
        (tmp_path / "_config.yml").write_text(yaml.safe_dump(config))

    address("")
    return address


@pytest.fixture
def executed():
    figure = {"figure": {"name": "fig-01-toy", "caption": "It falls."}}
    rows = {"text/html": {"kdlib": {"rows": {"a b/c": "n\n1\n"}}}}
    html = f'<div class="kd-figure">{SVG}</div>'
    drawn = new_output("display_data", {"text/html": html}, metadata=rows)
    cells = [
        new_markdown_cell("# Toy\n\nSource: {cite:t}`ji2020knowledge`."),
        new_code_cell("seeds = 2", metadata={"tags": ["injected-parameters"], "papermill": {"duration": 1}}),
        new_code_cell("draw()", metadata={"mystnb": figure}, outputs=[drawn], execution_count=7),
    ]
    return new_notebook(cells=cells, metadata={"kdlib": RECORD, "kernelspec": {"name": "python3", "display_name": "Python 3"}})


def test_a_page_offers_its_notebook_its_rows_and_its_drawings(book, executed):
    files = along.files(executed)
    folder = "files/01_toy"
    assert list(files) == [f"{folder}/01_toy.ipynb", f"{folder}/fig-01-toy-a-b-c.csv", f"{folder}/fig-01-toy.svg"]
    assert files[f"{folder}/fig-01-toy-a-b-c.csv"] == "n\n1\n"
    notebook = nbformat.reads(files[f"{folder}/01_toy.ipynb"], as_version=4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in executed.cells]
    assert notebook.cells[1].metadata == {"tags": ["injected-parameters"]} and notebook.cells[2].outputs == []
    assert executed.cells[2].outputs, "the executed notebook itself stays as it is"


def test_a_drawing_that_opens_alone_has_its_colours_and_its_size():
    text = figurefile.in_light_colors(SVG)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and (root.get("width"), root.get("height")) == ("72", "36")
    assert "var(" not in text and "color-mix" not in text
    assert root[0].get("style") == "stroke: #1f6fb4; fill: #486492"


def test_two_drawings_of_a_cell_are_two_files():
    drawn = [new_output("display_data", {"text/html": f'<div class="kd-figure">{SVG}</div>'})] * 2
    assert list(figurefile.drawing_files("fig-a", drawn)) == ["fig-a-1.svg", "fig-a-2.svg"]
    assert figurefile.drawing_files("fig-a", [new_output("display_data", {"text/html": '<div class="kd-figure kd-moving"></div>'})]) == {}


def test_without_an_address_nothing_leads_to_the_repository(book):
    assert repository.launchers("01_toy", "abc1234") == {} and repository.tree("abc1234") is None
    line = along.line(RECORD)
    assert "Notebook" in line and "Cite" in line and "http" not in line
    assert "commit `abc1234`" in records.head_line(RECORD)


@pytest.mark.parametrize(
    ("address", "places"),
    [
        ("https://github.com/a/b.git", ["https://colab.research.google.com/github/a/b/blob/abc1234/book/notebooks/01_toy.ipynb",
                                        "https://mybinder.org/v2/gh/a/b/abc1234?labpath=book%2Fnotebooks%2F01_toy.ipynb"]),
        ("https://git.example/a/b/", ["https://mybinder.org/v2/git/https%3A%2F%2Fgit.example%2Fa%2Fb/HEAD?labpath=book%2Fnotebooks%2F01_toy.ipynb"]),
    ],
)  # fmt: skip
def test_with_an_address_pages_lead_to_the_commit_and_to_where_the_notebook_runs(book, address, places):
    book(address)
    assert list(repository.launchers("01_toy", "abc1234+").values()) == places
    line = along.line(RECORD)
    assert all(place in line for place in places)
    tree = f"{address.rstrip('/').removesuffix('.git')}/tree/abc1234"
    assert f'href="{tree}"' in line and f"commit [`abc1234`]({tree})" in records.head_line(RECORD)
    assert repository.launchers("01_toy", None)["Binder"].partition("?")[0].endswith("/HEAD")


def test_a_source_line_says_where_to_read_what_it_cites(book):
    text = references.with_links("\nSource: {cite:t}`ji2020knowledge`, Sec. 2 and {cite:t}`three`.\n\nText on {cite:t}`three`.")
    links = "[arXiv:2010.10090](https://arxiv.org/abs/2010.10090), [doi:10.1/a_b](https://doi.org/10.1/a_b)"
    assert text == f"\nSource: {{cite:t}}`ji2020knowledge`, Sec. 2 and {{cite:t}}`three`.\nRead Ji & Zhu 2020: {links}.\n\nText on {{cite:t}}`three`."
    assert references.name("three") == "Gabriel et al. 2001"
    assert references.with_links("\nSource: mine.\n") == "\nSource: mine.\n"


def test_a_citation_has_the_page_and_the_paper_and_can_be_read_as_bibtex(book):
    from html import unescape

    from pybtex.database import parse_string

    book("https://git.example/a/b")
    text = unescape(along.citation(RECORD, "Toy", "Source: {cite:t}`ji2020knowledge`."))
    entries = parse_string(text.partition("<pre")[2].partition(">")[2].partition("</pre>")[0], "bibtex").entries
    assert list(entries) == ["kdlib-01_toy", "ji2020knowledge"]
    own = entries["kdlib-01_toy"]
    assert own.fields["title"] == "A book. Toy" and own.fields["url"] == "https://git.example/a/b" and "abc1234" in own.fields["note"]
    assert str(own.persons["author"][0]) == "{Some people}"
