"""Tables of pandas as those need them who hear a page."""

import pandas
import pytest
from bs4 import BeautifulSoup

from companion.press import tables

PLAIN = pandas.DataFrame({"n": [10, 20], "risk": [0.3, 0.1]})
NAMED = PLAIN.set_index("n")
WIDE = pandas.DataFrame({("soft", "low"): [1, 2], ("soft", "high"): [3, 4]}, index=pandas.MultiIndex.from_product([["a"], [1, 2]], names=["kind", "n"]))


def read(frame, heading="The risk"):
    return BeautifulSoup(tables.readable(frame._repr_html_(), heading), "html.parser")


@pytest.mark.parametrize(("frame", "told"), [(PLAIN, "n, risk"), (NAMED, "n, risk"), (WIDE, "kind, n, low, high")])
def test_a_frame_has_a_caption_heads_and_a_keyboard(frame, told):
    page = read(frame)
    box = page.find("div")
    assert box["tabindex"] == "0" and box["aria-label"] == page.caption.get_text() == f"The risk: {told}"
    heads = page.find_all("th")
    assert heads and all(head["scope"] in ("col", "row", "colgroup", "rowgroup") and head.get_text() for head in heads)
    assert len(page.find_all("tr")[-1].find_all(True)) <= len(frame.columns) + frame.index.nlevels
    assert [cell.get_text() for cell in page.tbody.find_all("td")][-1] == str(frame.iloc[-1, -1])


def test_a_name_of_the_index_stands_over_it_and_an_index_that_counts_is_left_out():
    assert len(read(NAMED).thead.find_all("tr")) == 1
    assert [cell.get_text() for cell in read(NAMED).thead.find_all("th")] == ["n", "risk"]
    assert len(read(NAMED.rename_axis(columns="ρ")).thead.find_all("tr")) == 2, "the columns' name has the place"
    assert read(PLAIN).tbody.find("th") is None and read(PLAIN.rename(index={0: 7})).tbody.find("th").get_text() == "7"


def test_text_stays_text():
    page = read(NAMED.rename(columns={"risk": "<i>"}), 'a "<b>"')
    assert page.caption.get_text() == 'a "<b>": n, <i>' and page.find("i") is None and page.find("b") is None
    assert tables.readable("<p>no frame</p>", "x") == "<p>no frame</p>"
