"""Whether the pages outside the book are there: ``python3 tools/linkcheck.py HTML``.

Each address is asked for once, and three times more where a host does not answer or is
too busy. A host that answers but wants no program to read it is no dead link.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

# Not for programs, or not for this one now: the page is there.
REFUSED = {401, 403, 405, 406, 418, 429, 999}
SECONDS = 20
AGENT = {"User-Agent": "Mozilla/5.0 (link check of the book)"}


class Links(HTMLParser):
    """The addresses of other hosts to which a page links."""

    def __init__(self, text):
        """Read the text of a page."""
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Note where a link leads."""
        address = dict(attributes).get("href") or ""
        if tag == "a" and address.startswith(("http://", "https://")):
            self.found.add(address.partition("#")[0])


def outside(folder):
    """Address -> the pages that link to it, over all pages of a folder."""
    pages = {}
    for path in sorted(Path(folder).rglob("*.html")):
        if "_static" not in path.parts:
            for address in Links(path.read_text(encoding="utf-8")).found:
                pages.setdefault(address, []).append(path.name)
    return pages


def session():
    """A session that asks again where that may help."""
    again = Retry(total=3, backoff_factor=2, status_forcelist=[500, 502, 503, 504])
    asking = requests.Session()
    asking.headers.update(AGENT)
    for scheme in ("http://", "https://"):
        asking.mount(scheme, HTTPAdapter(max_retries=again))
    return asking


def wrong(asking, address):
    """What is wrong with an address in a few words; nothing if the page is there."""
    try:
        with asking.get(address, timeout=SECONDS, stream=True) as answer:
            is_there = answer.ok or answer.status_code in REFUSED
            return "" if is_there else f"{answer.status_code} {answer.reason}"
    except requests.RequestException as error:
        return type(error).__name__


def main(words):
    """Check every link.

    Args:
        words: of the command line; one, the folder of the pages.

    Returns:
        1 if a link is dead, else 0; 2 for other words.
    """
    if len(words) != 1 or not Path(words[0]).is_dir():
        print("linkcheck wants one word, the folder of the pages")
        return 2
    pages = outside(words[0])
    asking = session()
    dead = 0
    for address in sorted(pages):
        reason = wrong(asking, address)
        if reason:
            dead += 1
            print(f"{address}: {reason} (on {', '.join(pages[address])})")
    print(f"{len(pages)} links lead outside, {dead} of them are dead")
    return int(dead > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
