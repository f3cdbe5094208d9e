"""Links to other hosts are asked for, again where that may help; a dead one is told with its pages."""

import http.server
import threading

import pytest

from tools import linkcheck


@pytest.fixture
def host():
    """A host on this machine: each path is the status that it answers with, /503 only the first time."""
    asked = []

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            is_again = asked.count(self.path) > 1
            self.send_response(200 if self.path == "/503" and is_again else int(self.path[1:]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_a_dead_link_is_told_with_its_pages_and_a_busy_host_is_asked_again(host, tmp_path, capsys, monkeypatch):
    address, asked = host
    monkeypatch.setattr(linkcheck, "Retry", lambda **more: _retry(more))
    for page, paths in {"a": ["200", "404#there", "503"], "b": ["404#here", "403"]}.items():
        links = "".join(f'<a href="{address}/{path}">x</a>' for path in paths)
        (tmp_path / f"{page}.html").write_text(f'<a href="b.html">in</a><link href="{address}/500">{links}')
    assert linkcheck.main([str(tmp_path)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{address}/404: 404 Not Found (on a.html, b.html)", "4 links lead outside, 1 of them are dead"]
    assert sorted(asked) == ["/200", "/403", "/404", "/503", "/503"]


def _retry(words):
    from urllib3.util import Retry

    return Retry(**words | {"backoff_factor": 0})


def test_a_host_that_does_not_answer_is_a_dead_link(monkeypatch):
    monkeypatch.setattr(linkcheck, "Retry", lambda **more: _retry(more | {"total": 0}))
    assert linkcheck.wrong(linkcheck.session(), "http://127.0.0.1:9/x") == "ConnectionError"
    assert linkcheck.main([]) == 2
