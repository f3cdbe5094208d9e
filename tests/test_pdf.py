"""The book as one PDF: what is printed, where its links lead, and what is said where no browser is."""

import pytest

from companion.press import pdf


def test_links_of_the_one_long_page_lead_inside_it_or_are_words():
    text = '<i id="document-ledger"></i><i id="kdlib.f"></i><i id="fig-1"></i>'
    links = {
        '<a href="ledger.html">l</a>': '<a href="#document-ledger">l</a>',
        '<a class="b" href="api.html#kdlib.f"><code>f</code></a>': '<a href="#kdlib.f"><code>f</code></a>',
        '<a href="ledger.html#chapter=01_toy">all</a>': "all",
        '<a href="rerun.html">again</a>': "again",
        '<a href="#fig-1">Fig. 1</a>': '<a href="#fig-1">Fig. 1</a>',
        '<a href="https://a.example/x.html">x</a>': '<a href="https://a.example/x.html">x</a>',
    }
    assert pdf.with_links_inside(text + "|".join(links)) == text + "|".join(links.values())


def test_where_no_browser_is_one_line_says_so_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="printed by Chromium or Chrome; here is none"):
        pdf.write(tmp_path, tmp_path / "deep" / "book.pdf", chapter_names=[])
    assert not (tmp_path / "deep").exists()
