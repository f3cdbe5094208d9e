"""Downloads from a local server that cuts off, lies, hangs and sends other bytes: the next mirror is then used."""
import collections
import fcntl
import gzip
import hashlib
import http.server
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest

from kdlib import datasets, downloads

BODY = np.random.default_rng(0).bytes(300_000)
SUM = f"md5:{hashlib.md5(BODY).hexdigest()}"
SOON = 2  # seconds that a silent source is given in these tests; with 0.6 a busy machine was taken for one once
PATIENCE = 15  # seconds after which a silent mirror gives up, so that a test of a broken guard fails and does not hang


class Mirror(http.server.BaseHTTPRequestHandler):
    """The first folder of the address says how this mirror misbehaves: ``/no-ranges+cut/file``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, first, file = self.path.split("/")
        how, body, asked = set(first.split("+")), self.server.bodies[file], self.headers["Range"]
        self.server.asked.append((first, file, asked))
        if "mute" in how:
            self.server.over.wait(PATIENCE)
            return
        if "gone" in how:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and "no-ranges" not in how else 0
        start += "shifted" in how
        rest = bytes(len(body)) if "wrong" in how else body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Connection", "close")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if "page" in how:
            self.send_header("Content-Type", "text/html; charset=utf-8")
        elif "chunked" in how:
            self.send_header("Transfer-Encoding", "chunked")
            chunks = (rest[:70_000], rest[70_000:] + b"more" * ("more" in how), b"")
            rest = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
        else:
            self.send_header("Content-Length", str(len(rest) + 10 * ("long" in how) - 10 * ("short" in how)))
        self.end_headers()
        half = len(rest) // 2
        self.wfile.write(rest[:half] if how & {"cut", "hang", "page", "trickle"} else rest)
        if "hang" in how:
            self.server.over.wait(PATIENCE)
        for i in range(PATIENCE * 20 if "trickle" in how else 0):
            self.wfile.write(rest[half + i : half + i + 1])
            self.server.over.wait(0.05)

    def log_message(self, *_):
        """The tests read what was asked, not this."""


class Server(http.server.ThreadingHTTPServer):
    """All mirrors in one."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Mirror)
        self.bodies, self.asked, self.over = collections.defaultdict(lambda: BODY), [], threading.Event()

    def source(self, how, file="file"):
        body = self.bodies[file]
        return f"http://127.0.0.1:{self.server_port}/{how}/{file}", len(body), f"md5:{hashlib.md5(body).hexdigest()}"

    def handle_error(self, *_):
        """Clients that leave early are what these tests are about."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,)).start()
        yield running
        running.over.set()
        running.shutdown()


def fetch(sources, folder):
    return downloads.fetch(sources, folder / "file", timeout=SOON)


BAD = {
    "gone": "HTTP 404 Not Found",
    "page": "a web page instead of the file",
    "cut": "cut off, with 150,000 of 300,000 bytes here",
    "long": "lies about the size or the range (0 + 300010 of 300,000 bytes)",
    "short": "lies about the size or the range (0 + 299990 of 300,000 bytes)",
    "wrong": "wrong bytes (300,000 of them, but not those of md5:",
    "mute": f"no answer for {SOON} s",
    "hang": f"no answer for {SOON} s, with 150,000 of 300,000 bytes here",
    "trickle": "stalled at ",
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_mirror_is_named_and_the_next_one_used(server, tmp_path, capsys, how):
    fetch([server.source(how), server.source("right")], tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY and os.listdir(tmp_path) == ["file"]
    assert f"/{how}/file: {BAD[how]}" in capsys.readouterr().err
    assert [asked[0] for asked in server.asked] == [how, "right"]  # each once: no piece was there to blame
    if how in ("cut", "hang"):
        assert server.asked[-1] == ("right", "file", "bytes=150000-")


class Drip:
    """A body of which each second brings as many bytes as a list says, on a clock of its own."""

    def __init__(self, blocks):
        self.blocks, self.now = list(blocks), 0.0

    def monotonic(self):
        return self.now

    def read1(self, most, decode_content):
        self.now += 1.0
        return bytes(self.blocks.pop(0)) if self.blocks else b""

    read = read1


@pytest.mark.parametrize("slow", [1, 3900, 4300])
@pytest.mark.parametrize("fast", [0, 20])
def test_a_source_is_left_when_it_brings_fewer_than_4096_bytes_a_second(tmp_path, monkeypatch, slow, fast):
    body = Drip([60_000] * fast + [slow] * 20)
    monkeypatch.setattr(downloads, "time", types.SimpleNamespace(monotonic=body.monotonic))
    part, total = tmp_path / "file.part", sum(body.blocks)

    def append():
        downloads._append(body, part, skip=0, size=total, timeout=5)

    if slow < 4096:
        with pytest.raises(ConnectionError, match=r"stalled at ([\d,]+) bytes a second") as told:
            append()
        rate = int(re.search("at (.*) bytes", str(told.value))[1].replace(",", ""))
        assert slow <= rate < 4096 and part.stat().st_size < total
    else:
        append()
        assert part.stat().st_size == total


def test_a_host_that_is_not_there_is_named(server, tmp_path, capsys):
    with Server() as closed:
        nobody = closed.source("right")
    fetch([nobody, server.source("right")], tmp_path)
    assert "/file: cannot be reached (NewConnectionError)" in capsys.readouterr().err


def test_when_all_are_bad_one_error_names_each_and_nothing_has_the_final_name(server, tmp_path):
    with pytest.raises(ConnectionError) as error:
        fetch([server.source(how) for how in ("gone", "cut", "wrong")], tmp_path)
    first, *each = str(error.value).splitlines()
    assert first == "file: no source gave the right bytes"
    assert [line.split("/")[3] for line in each] == ["gone", "cut", "wrong"]
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("how", ["right", "no-ranges", "chunked", "chunked+more"])
def test_a_second_call_goes_on_where_the_first_was_cut_off(server, tmp_path, how):
    with pytest.raises(ConnectionError):
        fetch([server.source("cut")], tmp_path)
    part, = tmp_path.iterdir()
    assert part.read_bytes() == BODY[:150_000]
    fetch([server.source(how)], tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY and os.listdir(tmp_path) == ["file"]
    assert server.asked[-1] == (how, "file", "bytes=150000-")


@pytest.mark.parametrize("how", ["no-ranges+cut", "shifted", "gone"])
def test_a_worse_mirror_does_not_spoil_what_has_arrived(server, tmp_path, how):
    part = tmp_path / f"file.{SUM[-8:]}.part"
    part.write_bytes(BODY[:200_000])
    with pytest.raises(ConnectionError, match="with 200,000 of 300,000 bytes here"):
        fetch([server.source(how)], tmp_path)
    assert part.read_bytes() == BODY[:200_000]


@pytest.mark.parametrize("size", [1000, 300_000, 400_000])
def test_a_spoilt_piece_costs_a_second_try_not_the_mirror(server, tmp_path, size):
    (tmp_path / f"file.{SUM[-8:]}.part").write_bytes(bytes(size))
    fetch([server.source("right")], tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY and server.asked[-1] == ("right", "file", None)


def test_pieces_of_different_archives_do_not_meet(server, tmp_path):
    server.bodies["packed-anew"] = BODY[::-1]
    fetch([server.source("cut"), server.source("right", "packed-anew")], tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY[::-1]
    assert server.asked[-1] == ("right", "packed-anew", None)


def test_a_kill_in_the_middle_loses_nothing(server, tmp_path):
    source = server.source("hang")
    code = f"from kdlib import downloads; downloads.fetch([{source!r}], {str(tmp_path / 'file')!r}, timeout=60)"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    part = tmp_path / f"file.{SUM[-8:]}.part"
    try:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 100_000) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    kept = part.stat().st_size
    assert kept > 100_000 and not (tmp_path / "file").exists()
    fetch([server.source("right")], tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY and server.asked[-1] == ("right", "file", f"bytes={kept}-")


def test_progress_is_drawn_on_a_terminal_only(server, tmp_path, monkeypatch):
    shown = {}
    for terminal in (True, False):
        screen = io.StringIO()
        screen.isatty = lambda terminal=terminal: terminal
        monkeypatch.setattr(sys, "stderr", screen)
        fetch([server.source("right")], tmp_path / str(terminal))
        shown[terminal] = screen.getvalue()
    assert "100%" in shown[True] and shown[False] == server.source("right")[0] + "\n"


def pack(path, members):
    """A .tar.gz of (name, bytes or TarInfo type and link target)."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            if isinstance(data, bytes):
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            else:
                member.type, member.linkname = data
                tar.addfile(member)


def test_unpacking_takes_the_known_files_and_nothing_else(tmp_path):
    outside = tmp_path / "outside"
    (tmp_path / "a" / "b").mkdir(parents=True)
    members = [
        ("set/._one.bin", b"fork"),
        ("../../outside", b"evil"),
        (str(outside), b"evil"),
        ("one.bin/", (tarfile.DIRTYPE, "")),
        ("set/one.bin", (tarfile.SYMTYPE, str(outside))),
        ("../../set/one.bin", b"one"),
        ("two.bin", b"two"),
    ]
    pack(tmp_path / "a.tar.gz", members)
    files = {tmp_path / "a" / "set" / f"{n}.bin": hashlib.md5(n.encode()).hexdigest() for n in ("one", "two")}
    downloads.unpack(tmp_path / "a.tar.gz", files, scratch=tmp_path / "a" / "b")
    written = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert written == ["a.tar.gz", "a/set/one.bin", "a/set/two.bin"]
    assert (tmp_path / "a/set/one.bin").read_bytes() == b"one" and not outside.exists()


@pytest.mark.parametrize("members, words", [([], "lacks one.bin"), ([("one.bin", b"1")], "one.bin in .* has md5")])
def test_an_archive_without_the_right_files_is_refused(tmp_path, members, words):
    pack(tmp_path / "a.tar.gz", members)
    with pytest.raises(ValueError, match=words):
        downloads.unpack(tmp_path / "a.tar.gz", {tmp_path / "one.bin": "0" * 32}, scratch=tmp_path)
    assert os.listdir(tmp_path) == ["a.tar.gz"]


@pytest.fixture
def offered(server, tmp_path, monkeypatch):
    """A CIFAR-10 and an MNIST of a few bytes, offered by a mirror that cuts off and by one that is right."""
    cifar10 = {file: os.urandom(2 * 3073) for file in datasets.MD5["cifar10"]}
    mnist = {file: os.urandom(100) for file in datasets.MD5["mnist"]}
    pack(tmp_path / "archive", cifar10.items())
    server.bodies["cifar-10-binary.tar.gz"] = (tmp_path / "archive").read_bytes()
    for file, data in mnist.items():
        server.bodies[Path(file).name + ".gz"] = gzip.compress(data)
    for name, contents in (("cifar10", cifar10), ("mnist", mnist)):
        monkeypatch.setitem(datasets.MD5, name, {f: hashlib.md5(data).hexdigest() for f, data in contents.items()})
        files = downloads.SOURCES[name]
        mirrors = {f: [server.source("cut", Path(f).name), server.source("right", Path(f).name)] for f in files}
        monkeypatch.setitem(downloads.SOURCES, name, mirrors)
    monkeypatch.setattr(downloads, "UNPACKED", {})
    monkeypatch.setenv("KDLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_make_data_brings_what_is_missing_and_then_nothing(server, offered, capsys):
    assert downloads.main([]) == 0
    assert datasets.check("cifar10") == datasets.check("mnist") == {}
    assert sorted(os.listdir(offered)) == ["cifar-10-batches-bin", "mnist"]
    asked = len(server.asked)
    assert downloads.main(["cifar10", "mnist"]) == 0 and len(server.asked) == asked
    assert f"cifar10: all 6 files are right in {offered}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, file", [("cifar10", "cifar-10-batches-bin/test_batch.bin"), ("mnist", "mnist/t10k-labels-idx1-ubyte")]
)
def test_make_data_names_and_replaces_a_damaged_file_only(server, offered, capsys, name, file):
    downloads.main([name])
    before = {path: path.stat().st_mtime_ns for path in offered.rglob("*") if path.is_file()}
    (offered / file).write_bytes(b"damaged")
    server.asked.clear()
    assert downloads.main([name]) == 0 and datasets.check(name) == {}
    assert f"{offered / file} is truncated or altered" in capsys.readouterr().err
    wanted = "cifar-10-binary.tar.gz" if name == "cifar10" else "t10k-labels-idx1-ubyte.gz"
    assert {asked[1] for asked in server.asked} == {wanted}
    assert all(path.stat().st_mtime_ns == t for path, t in before.items() if not path.name.startswith(Path(file).name))


def test_make_data_answers_an_unknown_name_in_one_line(offered, capsys):
    assert downloads.main(["mnist", "cifar"]) == 2 and not offered.exists()
    assert capsys.readouterr().err == "no data set 'cifar'; one of mnist, cifar10 (digits need no download)\n"
    with pytest.raises(ValueError, match="name must be one of mnist, cifar10; got 'digits'"):
        downloads.download("digits")


def test_the_command_behind_make_data_answers():
    command = [sys.executable, "-W", "error", "-m", "kdlib.downloads", "cifar"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == "no data set 'cifar'; one of mnist, cifar10 (digits need no download)\n"


def test_make_data_goes_on_to_the_next_set_and_says_that_one_failed(server, offered, monkeypatch, capsys):
    monkeypatch.setitem(downloads.SOURCES, "mnist", {"mnist/train-images-idx3-ubyte.gz": [server.source("gone")]})
    assert downloads.main([]) == 1
    assert datasets.check("cifar10") == {} and len(datasets.check("mnist")) == 4
    assert "mnist: train-images-idx3-ubyte.gz: no source gave the right bytes" in capsys.readouterr().err


def test_make_data_can_be_interrupted(offered, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "fetch", interrupt)
    assert downloads.main(["cifar10"]) == 130
    assert capsys.readouterr().err.endswith("cifar10: stopped; the next `make data` goes on from what has arrived\n")


def test_too_little_space_is_said_before_anything_is_asked(server, offered, monkeypatch, capsys):
    monkeypatch.setattr(downloads, "UNPACKED", {"cifar10": 10**18})
    assert downloads.main(["cifar10"]) == 1 and not server.asked
    assert "not enough disk space" in capsys.readouterr().err


@pytest.mark.parametrize("lacking", [0, 1])
def test_what_has_arrived_needs_no_room_again(server, offered, monkeypatch, lacking):
    url, size, checksum = server.source("right", "cifar-10-binary.tar.gz")
    waiting = offered / "cifar10.partial"
    waiting.mkdir(parents=True)
    part = waiting / f"{Path(url).name}.{checksum[-8:]}.part"
    part.write_bytes(server.bodies[Path(url).name][:1000])
    monkeypatch.setattr(downloads, "UNPACKED", {"cifar10": 500})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=size + 500 - 1000 - lacking))
    assert downloads.main(["cifar10"]) == lacking
    assert bool(server.asked) != lacking


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the always-full device of Linux")
@pytest.mark.parametrize("file", ["part", "test_batch.bin.part"])
def test_a_disk_that_fills_up_is_one_line_and_no_half_file(server, offered, capsys, file):
    url, _, checksum = server.source("right", "cifar-10-binary.tar.gz")
    waiting = offered / "cifar10.partial"
    waiting.mkdir(parents=True)
    (waiting / (f"{Path(url).name}.{checksum[-8:]}.part" if file == "part" else file)).symlink_to("/dev/full")
    assert downloads.main(["cifar10"]) == 1
    assert "cifar10: the disk is full: about " in capsys.readouterr().err.splitlines()[-1]
    assert "cifar-10-batches-bin/test_batch.bin" in datasets.check("cifar10")
    assert not (offered / "cifar-10-batches-bin/test_batch.bin").exists()
    shutil.rmtree(waiting)
    assert downloads.main(["cifar10"]) == 0


def test_two_downloads_into_one_folder_take_turns(server, offered, capsys):
    offered.mkdir()
    handle = os.open(offered, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    second = threading.Thread(target=downloads.main, args=(["mnist"],))
    second.start()
    deadline = time.monotonic() + 30
    while "waiting for another download" not in (said := capsys.readouterr().err) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert f"waiting for another download into {offered}" in said
    second.join(0.3)
    assert second.is_alive() and not server.asked
    os.close(handle)
    second.join()
    assert datasets.check("mnist") == {}


def test_every_file_has_several_sources_each_with_size_and_checksum():
    for name, files in downloads.SOURCES.items():
        assert name in datasets.MD5
        for sources in files.values():
            assert len({url.split("/")[2] for url, _, _ in sources}) == len(sources) >= 3
            assert all(url.startswith("https://") and size > 0 for url, size, _ in sources)
            assert all(checksum.split(":")[0] in ("md5", "sha1", "sha256") for _, _, checksum in sources)
    assert {f.removesuffix(".gz") for f in downloads.SOURCES["mnist"]} == set(datasets.MD5["mnist"])


def test_the_sets_that_are_not_on_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("KDLIB_DATA", str(tmp_path))
    assert set(downloads.absent()) == set(downloads.SOURCES)
    for file in datasets.MD5["mnist"]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / f"{file}.gz").touch()
    assert downloads.absent() == ["cifar10"]
