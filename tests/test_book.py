"""The smoke book, built by `make book` and opened in a browser with the network blocked."""

import functools
import html.parser
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from companion.press import chapters

ROOT = Path(__file__).resolve().parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: pages are not opened in a browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def site():
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = ["make", "book", "PROFILE=smoke", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "_build" / "smoke" / "html"


@pytest.fixture(scope="module")
def address(site):
    handler = functools.partial(type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None}), directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield running
        running.close()


def pages(site):
    return sorted(path.stem for path in site.glob("*.html") if path.stem not in ("genindex", "search", "py-modindex"))


class Links(html.parser.HTMLParser):
    """The ids of a page, and what it refers to."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.targets = [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if given.get("id") else []
        self.targets += [(tag, given[key]) for key in ("href", "src") if given.get(key)]


def test_no_page_refers_to_another_host_and_no_link_is_dead(site):
    seen = {path.name: Links(path) for path in site.glob("*.html")}
    for name, page in seen.items():
        for tag, target in page.targets:
            if target.startswith(("data:", "mailto:")):
                continue
            if re.match(r"(https?:)?//", target):
                assert tag == "a" or target.startswith("http://www.w3.org/"), f"{name} loads {target}"
                continue
            file, _, anchor = target.partition("#")
            file = (file or name).partition("?")[0]
            assert (site / file).exists(), f"{name} refers to {target}"
            if anchor and file in seen and tag == "a":
                assert anchor in seen[file].ids or anchor == "", f"{name} refers to {target}"


def test_no_id_is_given_twice_by_our_figures(site):
    for path in site.glob("[0-9]*.html"):
        own = [name for name in Links(path).ids if name.startswith(("kd", "fig-", "eq-", "drawer"))]
        assert len(own) == len(set(own)), path.name


def test_every_chapter_is_a_page_with_head_line_card_figures_and_drawers(site):
    for name in chapters.names():
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        assert text.count('class="kd-head') == 1 and "<strong>smoke</strong> profile" in text
        assert text.count("kd-card") == 1 and "injected-parameters" not in text
        figures = re.findall(r"<figure.*?</figure>", text, re.S)
        drawn = [figure for figure in figures if "kd-figure" in figure]
        assert drawn and text.count("kd-drawer") >= len(drawn)
        for figure in drawn:
            assert re.search(r'role="(img|group)" aria-label="[^"]{10,}"', figure) and "<figcaption" in figure
            assert re.search(r'<figure[^>]* id="fig-', figure), "a figure without a name of its own"
        assert "download=" in text and "data:text/csv" in text


def test_the_notation_page_names_code_that_exists():
    import importlib
    import inspect

    text = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
    names = re.findall(r"\{py:\w+\}`(kdlib[\w.]*)\.(\w+)`", text)
    assert len(names) >= 5
    parameters = set("ndmck") | {"p"}
    for room, name in names:
        function = getattr(importlib.import_module(room), name)
        parameters |= set(inspect.signature(function).parameters)
    first = text.split("Letters that change")[0]
    for word in re.findall(r"`([a-z][a-z_, ]*)`", re.sub(r"\{py:\w+\}`[^`]*`", "", first)):
        for name in word.split(", "):
            assert name in parameters, f"no function of the notation page has a parameter {name}"


def test_kdlib_run_writes_notebook_page_record_verdicts_and_rows(tmp_path):
    out = tmp_path / "mine"
    words = ["run", "1b", "--profile", "smoke", "-p", "soft_ratios", "1.0,0.5", "--out", str(out), "--quiet"]
    subprocess.run([sys.executable, "-m", "companion", *words], check=True, capture_output=True, timeout=300)
    record = json.loads((out / "provenance.json").read_text())
    assert record["parameters"]["soft_ratios"] == [1.0, 0.5] and record["changed"] == ["soft_ratios"]
    assert record["profile"] == "smoke" and record["versions"]["torch"] and record["seconds"] > 0
    text = (out / "html" / "01b_one_dimension.html").read_text(encoding="utf-8")
    assert "Parameters: 1 changed" in text and 'class="kd-figure"' in text
    verdicts = json.loads((out / "verdicts.json").read_text())
    assert verdicts and {one["verdict"] for one in verdicts} == {"not tested at this size"}
    rows = [line for path in (out / "rows").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert sum('"seed"' in line for line in rows) == record["seeds"]
    assert (out / "01b_one_dimension.ipynb").exists() and not (out / "failed").exists()


def test_papermill_runs_a_committed_notebook_from_any_folder_and_its_verdicts_say_what_changed(tmp_path):
    from companion import claims

    twin = ROOT / "book" / "notebooks" / "01_effective_logits.ipynb"
    words = [str(twin), "out.ipynb", "-y", "soft_ratios: [1.0, 0.5]", "-p", "descent_steps", "10", "-k", "python3"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KDLIB_")}
    command = [sys.executable, "-m", "papermill", *words]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=300)
    records = claims.collect(tmp_path / "out.ipynb")
    assert records and {one["verdict"] for one in records} == {"run with other parameters"}


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_open_without_errors_or_outside_requests(site, address, browser, theme):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=theme)
    context.set_default_timeout(120_000)  # a slow machine typesets the reference page for long
    context.route(lambda url: not url.startswith(address), lambda route: route.abort())
    for name in pages(site):
        page, wrong = context.new_page(), []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on("request", lambda request: None if request.url.startswith((address, "data:")) else wrong.append(request.url))
        page.on("response", lambda response: wrong.append(response.url) if response.status >= 400 else None)
        page.goto(f"{address}/{name}.html")
        page.wait_for_load_state("load")
        formulas = page.locator(".math.notranslate")
        if formulas.count():
            page.wait_for_selector("mjx-container", state="attached")
            assert page.locator("mjx-merror").count() == 0, name
        assert not wrong, (name, wrong)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1, f"{name} is {wide} px wider than a phone"
        page.close()
    context.close()
