"""What makes a chapter's page another one, and what does not; an executed notebook knows what it was executed for."""

import ast
import json
import os
import shutil

import nbformat
import pytest

from companion.engine import sources
from companion.press import chapters, checksums, execution, keys

CELL = """
```{code-cell}
:tags: [parameters]
seeds = 3  # independent runs; in [1, 100]
```
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    folder = tmp_path / "book"
    (folder / "profiles").mkdir(parents=True)
    for name in ("01_first", "02_second"):
        (folder / f"{name}.md").write_text("# Title\n" + CELL)
    (folder / "claims.yml").write_text("[]\n")
    monkeypatch.setenv("KDLIB_BOOK", str(folder))
    monkeypatch.setenv("KDLIB_DATA", str(tmp_path / "data"))
    return folder


@pytest.fixture
def images(tmp_path):
    """Files of two image sets, written long enough ago."""
    paths = []
    for name in ("mnist/train-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz", "cifar10/data_batch_1.bin"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
        paths.append(path)
    return paths


@pytest.fixture
def settled(monkeypatch):
    """Files count as written long ago at once."""
    monkeypatch.setattr(checksums, "SETTLED", -1)


CLAIM = """
- id: one
  paper: ji_zhu_2020
  place: here
  statement: It is so.
  quantity: a number
  rule: {kind: sign, sign: positive}
  chapter: 01_first
"""


def test_a_key_changes_with_the_text_and_the_data_and_not_otherwise(book, monkeypatch, tmp_path):
    first, second = (keys.input_key(name, "laptop") for name in ("01_first", "02_second"))
    assert keys.input_key("01_first", "laptop") == first
    (book / "01_first.md").write_text("# Other\n" + CELL)
    assert keys.input_key("01_first", "laptop") != first
    assert keys.input_key("02_second", "laptop") == second
    (book / "claims.yml").write_text(CLAIM)
    ruled = keys.input_key("01_first", "laptop")
    (book / "claims.yml").write_text(CLAIM.replace("positive", "negative"))
    assert keys.input_key("01_first", "laptop") != ruled and keys.input_key("02_second", "laptop") == second
    (book / "profiles" / "tiny.yml").write_text("01_first: {seeds: 2}\n")
    tiny = {name: keys.input_key(name, "tiny") for name in ("01_first", "02_second")}
    (book / "profiles" / "tiny.yml").write_text("01_first: {seeds: 4}\n")
    assert keys.input_key("01_first", "tiny") != tiny["01_first"]
    assert keys.input_key("02_second", "tiny") == tiny["02_second"], "another chapter's values are not its own"
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    (tmp_path / "data" / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"new")
    assert keys.input_key("02_second", "laptop") != second


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A copy of both packages from which digests are taken."""
    root = tmp_path / "packages"
    for package in sources.OURS:
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(sources.package_folder(package), root / package, ignore=caches)
    monkeypatch.setattr(sources, "package_folder", lambda package: root / package)
    return root


def changed_chapters(path, text):
    """The chapters of the book whose digest another text of a file changes."""
    before = {name: keys.input_key(name, "laptop") for name in chapters.names()}
    old = path.read_text(encoding="utf-8")
    path.write_text(text(old), encoding="utf-8")
    after = {name: keys.input_key(name, "laptop") for name in chapters.names()}
    path.write_text(old, encoding="utf-8")
    return [name for name in before if before[name] != after[name]]


def test_the_code_that_dresses_pages_and_comments_change_no_chapters_key(packages):
    assert changed_chapters(packages / "companion/press/pages.py", lambda text: text + "\nNEW = 1\n") == []
    assert changed_chapters(packages / "companion/press/site.py", lambda text: text + "\nNEW = 1\n") == []
    assert changed_chapters(packages / "kdlib/logits.py", lambda text: f"# a word more\n{text}\n# and at the end\n") == []


def test_code_changes_the_keys_of_the_chapters_that_can_reach_it_and_of_no_other(packages):
    tiles = changed_chapters(packages / "kdlib/kernels/tiles.py", lambda text: text + "\nNEW = 1\n")
    assert "02_transfer_risk" in tiles and "01_effective_logits" not in tiles
    everything = changed_chapters(packages / "companion/press/execution.py", lambda text: text + "\nNEW = 1\n")
    assert everything == chapters.names()


def test_a_papers_curves_change_the_keys_of_what_can_read_them(packages, book):
    (book / "01_first.md").write_text("# Title\n" + CELL + "```{code-cell}\nfrom kdlib import published\n```\n")
    (book / "02_second.md").write_text("# Title\n" + CELL + "```{code-cell}\nfrom kdlib import losses\n```\n")
    another = packages / "kdlib/papers/of_another_paper.json"
    another.write_text("{}")
    for curves in (packages / "kdlib/papers/ji_zhu_2020.json", another):
        assert changed_chapters(curves, lambda text: text + " ") == ["01_first"]


def with_other_words(text):
    """The same code without a comment of before, with another docstring wherever there can be one."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *sources.DEFINITIONS)):
            had_one = ast.get_docstring(node) is not None
            node.body[:had_one] = [ast.Expr(ast.Constant("Other words."))]
    return f"# A comment\n{ast.unparse(tree)}\n"


def test_other_comments_and_docstrings_in_every_module_change_no_chapters_key(packages):
    everything = "".join((chapters.book() / f"{name}.md").read_text(encoding="utf-8") for name in chapters.names())
    before = keys.code_under(everything)
    edited = 0
    for path in packages.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(with_other_words(text), encoding="utf-8")
        edited += path.read_text(encoding="utf-8") != text
    assert edited > 80 and len(before) > 60
    assert keys.code_under(everything) == before


@pytest.mark.parametrize("broken", ["x = = 1", "def f(:\n    pass", "%matplotlib inline", "x = '\\ud800'; (", "\0"])
def test_code_that_is_not_python_is_told_by_who_executes_it_and_not_by_its_digest(book, packages, broken):
    text = book / "01_first.md"
    text.write_text(text.read_text() + f"\n```{{code-cell}}\nimport kdlib.losses\n```\n\n```{{code-cell}}\n{broken}\n```\n")
    first = keys.input_key("01_first", "laptop")
    (packages / "kdlib" / "losses.py").write_text(broken)
    second = keys.input_key("01_first", "laptop")
    (packages / "kdlib" / "losses.py").write_text(f"{broken}\n# more")
    assert len({first, second, keys.input_key("01_first", "laptop")}) == 3


def test_a_touched_data_file_changes_no_key_and_is_read_once(book, images, settled, monkeypatch):
    read = []
    checksum = checksums._checksum
    monkeypatch.setattr(checksums, "_checksum", lambda path: read.append(path.name) or checksum(path))
    before = keys.input_key("01_first", "laptop")
    assert len(read) == 3
    assert keys.input_key("02_second", "laptop") and len(read) == 3
    for path in images:
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))
        assert keys.input_key("01_first", "laptop") == before
    images[0].rename(images[0].with_suffix(".moved"))
    images[0].with_suffix(".moved").rename(images[0])
    assert keys.input_key("01_first", "laptop") == before
    assert len(read) == 7, "once each, and once more for each file that was touched"


def test_other_bytes_change_the_key_whatever_their_number_and_date(book, images, settled):
    seen = [keys.input_key("01_first", "laptop")]
    for path in images:
        stat = path.stat()
        contents = bytearray(path.read_bytes())
        contents[7] ^= 1
        path.write_bytes(contents)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        seen.append(keys.input_key("01_first", "laptop"))
    images[0].rename(images[0].with_name("train.gz"))
    seen.append(keys.input_key("01_first", "laptop"))
    images[1].unlink()
    seen.append(keys.input_key("01_first", "laptop"))
    assert len(set(seen)) == len(seen)


def test_a_file_that_is_written_again_within_a_tick_of_the_clock_is_read_again(book, images, monkeypatch):
    """Size, dates and place are the same here; what has just been written is not trusted to stay."""
    stat = images[0].stat()
    monkeypatch.setattr("pathlib.Path.stat", lambda path, **_: stat)
    found = []
    for byte in (b"a", b"b"):
        images[0].write_bytes(byte * stat.st_size)
        found.append(checksums.of_files(images[0].parent.parent, images[:1]))
    assert found[0] != found[1]


@pytest.mark.parametrize("kept", ["", "[]", "3", "{", '{"mnist/train-images-idx3-ubyte.gz": 3}', '{"mnist/train-images-idx3-ubyte.gz": [1]}'])
def test_what_is_kept_of_checksums_may_be_broken_or_impossible_to_keep(book, images, settled, kept, tmp_path, monkeypatch):
    expected = checksums.of_files(tmp_path / "data", images)
    assert set(json.loads((tmp_path / "data" / checksums.KEPT).read_text())) == set(expected)
    (tmp_path / "data" / checksums.KEPT).write_text(kept)
    assert checksums.of_files(tmp_path / "data", images) == expected

    def refused(*_):
        raise OSError(30, "Read-only file system")

    (tmp_path / "data" / checksums.KEPT).write_text(kept)
    monkeypatch.setattr("companion.press.files.write_whole", refused)
    assert checksums.of_files(tmp_path / "data", images) == expected


NOTEBOOKS = {
    "of today's digest": ("{{\"metadata\": {{\"kdlib\": {{\"key\": \"{key}\"}}}}}}", True),
    "of another digest": ("{{\"metadata\": {{\"kdlib\": {{\"key\": \"0{key}\"}}}}}}", False),
    "of an unknown digest": ("{{\"metadata\": {{\"kdlib\": {{\"key\": null}}}}}}", False),
    "of an earlier version": ("{{\"metadata\": {{\"kdlib\": {{}}}}}}", False),
    "executed by another program": ("{{\"metadata\": {{}}}}", False),
    "cut off": ("{{\"metadata\": {{\"kdlib\": {{\"key\": \"{key}\"", False),
    "no notebook": ("[3]", False),
}


@pytest.mark.parametrize(("notebook", "is_current"), NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_make_executes_a_chapter_whose_notebook_is_not_of_todays_digest_whenever_that_was_written(book, tmp_path, notebook, is_current):
    path = tmp_path / "executed" / "01_first.ipynb"
    path.parent.mkdir()
    path.write_text(notebook.format(key=keys.input_key("01_first", "laptop")))
    for _ in range(2):
        keys.write_keys("laptop", tmp_path / "keys", path.parent)
        assert ((tmp_path / "keys" / "01_first").stat().st_mtime_ns < path.stat().st_mtime_ns) == is_current
    assert (tmp_path / "keys" / "02_second").exists() and not (path.parent / "02_second.ipynb").exists()


def rewrite(path):
    path.write_bytes(path.read_bytes())


def there_and_back(path):
    text = path.read_text()
    path.write_text(text + "\nANOTHER = 1\n")
    path.write_text(text)


MEANWHILE = {
    "nothing": (lambda book, packages, images: None, True),
    "another chapter": (lambda book, packages, images: (book / "02_second.md").write_text("# New"), True),
    "code that it cannot reach": (lambda book, packages, images: rewrite(packages / "companion/press/pages.py"), True),
    "its text": (lambda book, packages, images: (book / "01_first.md").write_text("# Other\n" + CELL), False),
    "its text, there and back": (lambda book, packages, images: there_and_back(book / "01_first.md"), False),
    "its text, for one that cannot be read": (lambda book, packages, images: (book / "01_first.md").write_text("# No cell"), False),
    "its text, which is gone": (lambda book, packages, images: (book / "01_first.md").unlink(), False),
    "its claims": (lambda book, packages, images: (book / "claims.yml").write_text(CLAIM), False),
    "code": (lambda book, packages, images: (packages / "companion/press/execution.py").write_text("NEW = 1\n"), False),
    "code, there and back": (lambda book, packages, images: there_and_back(packages / "companion/press/execution.py"), False),
    "data": (lambda book, packages, images: images[0].write_bytes(b"x"), False),
    "data, by the same": (lambda book, packages, images: rewrite(images[0]), False),
}


@pytest.mark.parametrize(("edit", "is_known"), MEANWHILE.values(), ids=MEANWHILE)
def test_a_notebook_has_the_key_of_what_nobody_wrote_while_it_was_executed(book, packages, images, tmp_path, monkeypatch, edit, is_known):
    def run(chapter, *_):
        edit(book, packages, images)
        return nbformat.v4.new_notebook()

    monkeypatch.setattr(execution, "_run_cells", run)
    key = keys.input_key("01_first", "laptop")
    path = execution.execute("01_first", tmp_path / "executed", inputs=keys.inputs)
    assert keys.executed_key(path) == (key if is_known else None)
