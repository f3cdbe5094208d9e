"""The smoke book, built by `make book` and opened in a browser with the network blocked."""

import functools
import html.parser
import http.server
import importlib
import inspect
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas
import pytest

from companion import claims
from companion.press import chapters

ROOT = Path(__file__).resolve().parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: pages are not opened in a browser")
BESIDE = [f"beside_{name}" for name in ("ji_zhu", "mandal", "zhou", "dong", "jeong_chung")]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def site():
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = ["make", "book", "PROFILE=smoke", "FRESH=1", f"PYTHON={sys.executable}"]
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
    """The ids of a page, what it refers to, and what its filters offer as ``name, value``."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.targets, self.choices = [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if given.get("id") else []
        if tag == "select":
            self.filter = given.get("name")
        if tag == "option":
            self.choices.append((self.filter, given.get("value")))
        self.targets += [(tag, given[key]) for key in ("href", "src") if given.get(key)]


def dead_links(site):
    """What pages refer to that is not there, and what they load from another host; and how many anchors they name."""
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    seen = {path.relative_to(site).as_posix(): Links(path) for path in paths}
    wrong, anchors = [], 0
    for name, page in seen.items():
        for tag, target in page.targets:
            if target.startswith(("data:", "mailto:")):
                continue
            if re.match(r"(https?:)?//", target):
                if tag != "a" and not target.startswith("http://www.w3.org/"):
                    wrong.append(f"{name} loads {target}")
                continue
            file, _, anchor = target.partition("#")
            file = file.partition("?")[0]
            file = posixpath.normpath(posixpath.join(posixpath.dirname(name), file)) if file else name
            if not (site / file).exists():
                wrong.append(f"{name} refers to {target}")
            elif anchor and file in seen:
                anchors += 1
                chosen = urllib.parse.parse_qsl(anchor)  # what the ledger's script sets its filters to
                if not set(chosen) <= set(seen[file].choices) or not chosen and anchor not in seen[file].ids:
                    wrong.append(f"{name} refers to {target}")
    return wrong, anchors


def test_no_page_refers_to_another_host_and_no_link_is_dead(site):
    wrong, anchors = dead_links(site)
    assert wrong == []
    assert anchors > 20 * len(chapters.names()), "the links into pages were not found"


def test_a_dead_link_is_found(tmp_path):
    links = ["b.html", "b.html#there", "b.html?q=1#there", "#here", "#", "b.html#", "https://x.example/", "b.html#kind=a+b"]
    dead = ["c.html", "b.html#gone", "#gone", "b.html?q=1#gone", "b.html#kind=a", "b.html#sort=a+b", "#kind=a+b"]
    anchors = "".join(f'<a href="{target}">x</a>' for target in [*links, *dead])
    (tmp_path / "a.html").write_text(f'<p id="here"></p>{anchors}<script src="//x.example/a.js"></script>')
    (tmp_path / "b.html").write_text('<p id="there"></p><select name="kind"><option value="a b">a</option></select>')
    wrong, anchors = dead_links(tmp_path)
    assert wrong == [f"a.html refers to {target}" for target in dead] + ["a.html loads //x.example/a.js"]
    assert anchors == 10


def test_no_id_is_given_twice_by_our_figures(site):
    for name in chapters.names():
        ids = Links(site / f"{name}.html").ids
        own = [one for one in ids if one.startswith(("kd", "fig-", "eq-", "drawer", "claim-"))]
        assert any(one.startswith("fig-") for one in own), f"{name} has no figure with an id"
        assert len(own) == len(set(own)), name


def test_the_page_beside_each_paper_has_its_places_pairs_and_cards_and_is_light(site):
    judged = sum(len(re.findall('class="kd-claim ', (site / f"{name}.html").read_text(encoding="utf-8"))) for name in BESIDE)
    assert judged == len(claims.read())
    for name in BESIDE:
        path = site / f"{name}.html"
        text, page = path.read_text(encoding="utf-8"), Links(path)
        places = re.findall('<li><a href="#(beside-[^"]+)"', text)
        assert len(set(places)) == len(places) > 5 and set(places) <= set(page.ids)
        own = [one for one in page.ids if one.startswith("kdb")]
        assert own and len(own) == len(set(own)), name
        assert text.count('class="kd-side') > 3 and "What we find." in text and len(text) < 1_500_000


def test_every_chapter_is_a_page_with_head_line_card_figures_and_drawers(site):
    for name in chapters.names():
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        assert text.count('class="kd-head') == 1 and "<strong>smoke</strong> profile" in text
        assert text.count('class="kd-card"') == 1 and "injected-parameters" not in text
        assert "kd-lost" not in text, f"{name} lost rows"
        figures = re.findall(r"<figure.*?</figure>", text, re.S)
        drawn = [figure for figure in figures if "kd-figure" in figure]
        assert drawn and text.count('class="kd-drawer"') == len(drawn), f"{name}: a drawer for each figure"
        for figure in drawn:
            assert re.search(r'role="(img|group)" aria-label="[^"]{10,}"', figure) and "<figcaption" in figure
            assert re.search(r'<figure[^>]* id="fig-', figure), "a figure without a name of its own"


def test_each_figures_rows_can_be_read_back(site):
    """The files behind figures hold as many rows as the page says, single values, and no name twice."""
    for name in chapters.names():
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        drawers = re.findall(r'<details class="kd-drawer">.*?</details>', text, re.S)
        files = []
        for drawer in drawers:
            entries = re.findall(r'<li><a download="([^"]+)" href="([^"]+\.csv)">[^<]*</a>, (\d+) rows</li>', drawer)
            assert entries and len(entries) == drawer.count('.csv"') / 2, f"{name}: a drawer without rows"
            for file, address, count in entries:
                files.append(file)
                assert address == f"files/{name}/{file}"
                frame = pandas.read_csv(site / address)
                assert len(frame) == int(count) > 0, f"{name}, {file}: {len(frame)} rows, and the page says {count}"
                assert len(frame.columns) == len(set(frame.columns)) and not any("Unnamed" in one for one in frame.columns)
                assert not arrays(frame), f"{name}, {file}: {arrays(frame)} hold arrays"
        assert len(files) == len(set(files)), f"{name} offers two files of one name"


def test_each_drawing_that_stands_still_is_a_file_that_opens_alone(site):
    drawings = sorted((site / "files").glob("*/*.svg"))
    assert len(drawings) > len(chapters.names())
    for path in drawings:
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
        assert root.tag.endswith("}svg") and float(root.get("width")) > 100, path.name
        assert "var(--" not in text and "color-mix" not in text and "class=" not in text.partition(">")[0], path.name


def test_no_page_weighs_more_than_a_megabyte_and_a_half(site):
    heavy = {path.name: path.stat().st_size for path in site.glob("*.html") if path.stat().st_size > 1.5e6}
    assert heavy == {}


def test_a_page_keeps_the_science_open_and_folds_the_rest(site):
    text = (site / "01_effective_logits.html").read_text(encoding="utf-8")
    folded = re.findall(r'<details class="admonition hide above-input">(.*?)</details>', text, re.S)
    everything = " ".join(re.sub("<[^>]*>", "", part) for part in folded)
    assert "import matplotlib" in everything and "claims.record" in everything and "prose.say" in everything
    assert "def stopped_descent" not in everything and "def stopped_descent" in re.sub("<[^>]*>", "", text)


def test_each_page_is_described_for_previews_of_its_links(site):
    for name in pages(site):
        head = (site / f"{name}.html").read_text(encoding="utf-8").partition("</head>")[0]
        told = dict(re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)"', head))
        assert told["og:title"] and told["description"] == told["og:description"] and len(told["description"]) > 30, name
        assert "favicon.svg" in head and "Run with" not in told["description"]


def arrays(frame):
    """The columns of a frame in which a text looks like an array."""
    texts = frame.select_dtypes(exclude="number")
    return [name for name in texts if texts[name].astype(str).str.contains(r"^\s*(?:[\[(]|array|tensor)|\.\.\.|\n").any()]


@pytest.mark.parametrize("text", ["[0.1 0.2", "[0.1, 0.2]", "(1, 2)", "array([1.])", "tensor([0.1])", "0.1 ... 0.3"])
def test_a_text_of_an_array_is_known_as_one(text):
    assert arrays(pandas.DataFrame({"n": [1, 2], "label": ["soft labels (3 of 4 seeds)", "ρ = 0.5"], "bad": ["", text]})) == ["bad"]


def test_the_notation_page_names_code_that_exists():
    text = (chapters.book() / "notation.md").read_text(encoding="utf-8")
    table = text.split("Letters that change")[0]
    named = r"\{py:\w+\}`(kdlib[\w.]*)\.(\w+)`"
    rows = [(row.split("|")[2], row) for row in table.splitlines() if row.startswith("| $")]
    functions = {row: [getattr(importlib.import_module(room), name) for room, name in re.findall(named, row)] for _, row in rows}
    known = [function for found in functions.values() for function in found]
    assert len(rows) >= 20 and len(known) >= 10
    for words, row in rows:
        words, shapes = re.sub(named, "", words), "in shapes" in words
        names = re.findall(r"`(\w+)`", words)
        assert names or functions[row], f"no code is named: {row}"
        candidates = functions[row] or known
        for name in names:
            if shapes:
                assert any(re.search(rf"\((\w+, )*{name}[,)]", function.__doc__) for function in known), f"no shape has {name}"
            else:
                assert any(name in inspect.signature(one).parameters for one in candidates), f"no parameter {name}: {row}"


def test_kdlib_run_writes_notebook_page_record_verdicts_and_rows(tmp_path):
    out = tmp_path / "mine"
    words = ["run", "1b", "--profile", "smoke", "-p", "soft_ratios", "1.0,0.5", "--out", str(out), "--quiet"]
    subprocess.run([sys.executable, "-m", "companion", *words], check=True, capture_output=True, timeout=300)
    record = json.loads((out / "provenance.json").read_text())
    assert record["parameters"]["soft_ratios"] == [1.0, 0.5] and record["changed"] == ["soft_ratios"]
    assert record["profile"] == "smoke" and record["versions"]["torch"] and record["seconds"] > 0
    text = (out / "html" / "01b_one_dimension.html").read_text(encoding="utf-8")
    assert "Parameters: 1 changed" in text and 'class="kd-figure"' in text
    assert dead_links(out / "html")[0] == []
    beside = ["bibliography", "genindex", "index", "ledger", "rerun", "search"]  # and not the pages that take longest
    assert sorted(path.stem for path in (out / "html").rglob("*.html") if "_static" not in path.parts) == ["01b_one_dimension", *beside]
    verdicts = json.loads((out / "verdicts.json").read_text())
    assert verdicts and {one["verdict"] for one in verdicts} == {"not tested at this size"}
    rows = [line for path in (out / "rows").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert sum('"seed"' in line for line in rows) == record["seeds"]
    assert (out / "01b_one_dimension.ipynb").exists() and not (out / "failed").exists()


def test_papermill_runs_a_committed_notebook_from_any_folder_and_its_verdicts_say_what_changed(tmp_path):
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


@needs_browser
def test_the_ledger_keeps_its_choices_in_the_address_and_opens_the_claim_that_is_asked_for(site, address, browser):
    page = browser.new_page()
    page.goto(f"{address}/ledger.html#chapter=01_effective_logits&words=threshold")
    shown = page.locator("details.kd-claim:visible")
    assert 1 < shown.count() < 20 and page.input_value(".kd-filters [name=words]") == "threshold"
    for card in shown.all():
        assert card.get_attribute("data-chapter") == "01_effective_logits" and "threshold" in card.text_content().lower()
    page.fill(".kd-filters [name=words]", "no such words")
    assert shown.count() == 0 and page.locator(".kd-ledger section:visible").count() == 0
    assert page.url.endswith("#words=no+such+words&chapter=01_effective_logits")

    claim = page.locator("details.kd-claim").nth(30).get_attribute("id")
    page.goto(f"{address}/index.html")
    page.goto(f"{address}/ledger.html#{claim}")
    assert page.locator("details.kd-claim[open]").evaluate_all("all => all.map(one => one.id)") == [claim]
    assert page.inner_text(".kd-filters output") == f"{page.locator('details.kd-claim').count()} claims"
    page.close()


@needs_browser
def test_one_switch_shows_the_code_of_a_page_and_another_one_that_of_all_pages(site, browser):
    context = browser.new_context()
    context.set_default_timeout(120_000)
    page = context.new_page()

    def opened(name):
        page.goto((site / f"{name}.html").as_uri())
        return page.locator("details.above-input[open]").count()

    assert opened("02_transfer_risk") == 0
    drawers = page.locator("details.above-input")
    page.focus("details.above-input >> nth=0 >> summary")
    page.keyboard.press("Enter")
    assert drawers.nth(0).get_attribute("open") is not None, "a drawer opens by keyboard"
    page.check("text=Show all code")
    assert page.locator("details.above-input[open]").count() == drawers.count() > 5
    assert opened("05_neurons") == 0
    page.check("text=on every page")
    assert opened("02_transfer_risk") == page.locator("details.above-input").count() and page.is_checked("text=Show all code")
    page.uncheck("text=on every page")
    assert page.locator("details.above-input[open]").count() == 0 == opened("05_neurons")
    context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked'); }})")
    assert opened("05_neurons") == 0
    page.check("text=on every page")
    assert page.locator("details.above-input[open]").count() == page.locator("details.above-input").count()
    context.close()


# ---------------------------------------------------------------- for everyone

AXE_PAGES = ["08_bias_variance", "bibliography", "_modules/kdlib/losses"]
# What depends on the theme; every other rule is about what stands on the page.
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def opened(browser, width, url):
    """A page with every drawer open, its formulas set and nothing that moves, and its context."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.evaluate("for (const drawer of document.querySelectorAll('details')) drawer.open = true")
    if page.locator(".math.notranslate").count():
        page.wait_for_function("window.MathJax?.startup?.promise?.then(() => true)")
    return page, context


def faults(page):
    """What axe-core finds on a page in both themes, the rule and the element, and formulas that cannot be set: a line each."""
    from axe_playwright_python.sync_playwright import Axe

    lines = [f"formula: {told}" for told in page.locator("mjx-merror").all_text_contents()]
    for theme, options in (("light", {}), ("dark", OF_COLOURS)):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
        lines += [f"{theme}, {one['id']}: {node['target']} {node['html'][:120]}" for one in found for node in one["nodes"]]
    return lines


@needs_browser
@pytest.mark.parametrize("width", [1280, 375])
def test_axe_finds_nothing(site, address, browser, width, request):
    """On a few pages; with ``--every-page`` (``make test-pages``) on each, and on a phone too."""
    names = AXE_PAGES
    if request.config.getoption("--every-page"):
        names = sorted({*AXE_PAGES, *(path.stem for path in site.glob("*.html")), "_modules/index"})
    elif width == 375:
        pytest.skip("make test-pages looks at pages of this width")
    wrong = {}
    for name in names:
        page, context = opened(browser, width, f"{address}/{name}.html")
        found = faults(page)
        if found:
            wrong[name] = found
        context.close()
    assert wrong == {}


@needs_browser
def test_axe_finds_a_fault(browser):
    page = browser.new_page()
    page.set_content('<html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"></main>')
    assert [line.partition(":")[0] for line in faults(page)] == ["light, image-alt"]
    page.set_content('<html lang="en"><title>x</title><main><h1>x</h1><style>[data-theme="dark"] p {color: #777; background: #888}</style><p>words')
    assert [line.partition(":")[0] for line in faults(page)] == ["dark, color-contrast"]
    page.close()


@needs_browser
def test_a_formula_is_no_stop_and_its_symbols_explain_themselves(site, address, browser):
    page, context = opened(browser, 1280, f"{address}/02_transfer_risk.html")
    formulas = page.locator("mjx-container")
    stops = page.locator("mjx-container[tabindex]").evaluate_all("all => all.map(one => one.scrollWidth > one.clientWidth)")
    assert formulas.count() > 20 and all(stops) and len(stops) <= 3, "only what is too wide is a stop, so that it can be scrolled"
    assert page.locator("mjx-container mjx-assistive-mml math").count() == formulas.count(), "read aloud as MathML"
    listed = page.locator(".kd-symbols dt")
    assert listed.count() > 3 and page.locator(".kd-symbols summary").text_content() == "Symbols on this page"
    symbol = page.locator("main p mjx-math .kd-symbol").first
    name = next(one for one in symbol.get_attribute("class").split() if re.fullmatch(r"kd-s\d+", one))
    told = page.evaluate("name => document.getElementById(name).nextElementSibling.textContent", name)
    symbol.hover()
    box = page.locator(".kd-symbol-box")
    assert box.is_visible() and told.split(";")[0].strip() in box.text_content()
    page.keyboard.press("Escape")
    assert not box.is_visible()
    assert page.locator(".kd-symbol[tabindex]").count() == 0
    context.close()


# ---------------------------------------------------------------- found by search

QUERIES = {
    "effective logits": "01_effective_logits",
    "NTK": "notation",
    "rho": "notation#symbol-rho",
    "ρ": "notation#symbol-rho",
    "I(n)": "notation#symbol-i-n",
    "data inefficiency": "03_data_inefficiency",
    "vacuous": "02_transfer_risk",
    "Theorem 1": "02_transfer_risk",
    "overfitting": "06_early_stopping",
    "soft label": "00_primer",
    "ledger": "ledger",
}


@needs_browser
def test_a_query_finds_its_page_among_the_first_three_from_a_disk_too(site, browser):
    page, wrong = browser.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for query, wanted in QUERIES.items():
        page.goto(f"{(site / 'search.html').as_uri()}?q={urllib.parse.quote(query)}")
        page.wait_for_function("document.querySelector('.search-summary')?.textContent.startsWith('Search finished')")
        links = page.locator("ul.search a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        first = [link.replace(".html", "") for link in links[:3]]
        assert any(link.partition("#")[0] == wanted or link == wanted for link in first), (query, first)
        assert len(links) <= 40, f"{query}: {len(links)} results"
    assert wrong == []
    page.close()


@needs_browser
def test_a_query_loads_little_beyond_what_every_page_has(site, address, browser):
    context = browser.new_context()
    page, loaded = context.new_page(), []
    page.on("response", lambda response: loaded.append(response.url.partition("?")[0]))
    page.goto(f"{address}/index.html")
    page.wait_for_load_state("load")
    shared = set(loaded)
    page.goto(f"{address}/search.html?q=effective+logits")
    page.wait_for_function("document.querySelector('.search-summary')?.textContent.startsWith('Search finished')")
    paths = [site / url.removeprefix(f"{address}/") for url in set(loaded) - shared]
    assert sum(path.stat().st_size for path in paths) < 1_000_000
    assert (site / "search.html") in paths
    context.close()


@needs_browser
def test_paper_is_light_and_has_no_closed_drawers(site, browser):
    page = browser.new_page(color_scheme="dark")
    page.set_default_timeout(120_000)
    page.goto((site / "03_data_inefficiency.html").as_uri())
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.emulate_media(media="print")
    for what in (".bd-article p", ".bd-article figcaption", ".kd-figure svg text", "details.kd-claim summary"):
        color = page.locator(what).first.evaluate("node => getComputedStyle(node).color")
        assert max(map(int, re.findall(r"\d+", color)[:3])) < 110, f"{what} is printed in {color}"
    for drawer in ("kd-drawer", "kd-card", "above-input"):
        assert page.locator(f"details.{drawer}").count() and not page.locator(f"details.{drawer}:visible").count()
    assert page.locator("details.kd-claim summary:visible").count() and not page.locator(".kd-along:visible").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.close()


@needs_browser
def test_a_query_is_split_as_the_pages_are(site, browser, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    words = importlib.import_module("searching").Words({})
    page = browser.new_page()
    page.goto((site / "search.html").as_uri())
    for text in ("Theorem 1", "ρ and Θ_n", "Fig. S3, Tables 5", "I(n)", "soft-label_loss of n = 10"):
        split = {word.lower() for word in words.split(text) if words.word_filter(word.lower()) or word.lower() in words.stopwords}
        assert set(page.evaluate("text => splitQuery(text)", text)) <= split, text
    page.close()
