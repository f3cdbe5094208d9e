"""A page with some of the book's scripts, opened from disk in Chromium; nothing may be said, asked for, or wider than a phone."""

import shutil
from contextlib import contextmanager
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"


def written(folder, body, *scripts):
    """The address of a page with a body, the style sheets, and the scripts of these names after those that figures share."""
    lines = ['<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>Figures</title>']
    lines += [f'<link rel="stylesheet" href="{(STATIC / name).as_uri()}">' for name in ("kdlib.css", "moving.css")]
    lines += [f'<script src="{(STATIC / name).as_uri()}"></script>' for name in ("moving.js", *scripts)]
    page = folder / "page.html"
    page.write_text("\n".join([*lines, body]), encoding="utf-8")
    return page.as_uri()


@contextmanager
def opened():
    """A page of a browser as wide as a phone."""
    from playwright.sync_api import sync_playwright

    problems = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "blob:")) or problems.append(request.url))
        yield page
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        browser.close()
    assert not problems
