"""From executed chapters to the book's HTML: gather the sources, build them strictly, and only then replace the old pages."""

import os
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path

import yaml

from companion.press import chapters, costpage, pages, trials


class BuildFailed(chapters.Failed):
    """The pages could not be built; the message has one line for each thing that is wrong."""


def build(executed, out, *, chapter_names, strict=True):
    """Build the HTML of the book from executed chapters, and put it at ``out`` whole or not at all.

    Args:
        executed: folder of the executed notebooks ``NAME.ipynb``.
        out: folder of the finished HTML; an earlier one is replaced only by a build that succeeded.
        chapter_names: the chapters to show; the others are left out of the contents.
        strict: every warning is an error, and so is a figure or a claim that is not complete.

    Raises:
        BuildFailed: what is wrong, a line each; the HTML at ``out`` is as it was.
    """
    executed, out = Path(executed), Path(out)
    recover(out)
    source, new, old = (
        out.with_name(out.name + suffix) for suffix in ("-source", "-new", "-old")
    )
    for folder in (source, new):
        shutil.rmtree(folder, ignore_errors=True)
    problems = gather(executed, source, chapter_names)
    if problems and strict:
        raise BuildFailed("\n".join(problems))
    flags = ["-n", "-W", "--keep-going"] if strict else []
    program = "from jupyter_book.cli.main import main; main()"
    command = [
        sys.executable,
        "-c",
        program,
        "build",
        str(source),
        "--path-output",
        str(new),
        "-q",
        *flags,
    ]
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        lines = (
            re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
            .replace(f"{source.resolve()}/", "")
            .splitlines()
        )
        told = [
            line for line in lines if re.search(r"WARNING|ERROR|Error|CRITICAL", line)
        ] or lines[-15:]
        raise BuildFailed("\n".join(told))
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    (new / "_build" / "html").rename(out)
    for folder in (source, new, old):
        shutil.rmtree(folder, ignore_errors=True)


def recover(out):
    """Bring back the pages of a build that was killed between its two renames."""
    out = Path(out)
    if not out.exists() and (old := out.with_name(out.name + "-old")).exists():
        old.rename(out)


def gather(executed, source, chapter_names):
    """Write the sources of a book to the folder ``source``: pages, dressed chapters, contents and configuration.

    Returns:
        The problems of the chapters' figures and claims, one line each.
    """
    import nbformat

    book = chapters.book()
    source.mkdir(parents=True)
    for folder in ("_static", "_ext"):
        shutil.copytree(
            book / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(book / "references.bib", source)
    problems = []
    for name in chapter_names:
        page, wrong = pages.dress(
            nbformat.read(executed / f"{name}.ipynb", as_version=4)
        )
        problems += wrong
        nbformat.write(page, source / f"{name}.ipynb")
    for path in sorted(
        set(book.glob("*.md")) - {book / f"{name}.md" for name in chapters.names()}
    ):
        text = path.read_text(encoding="utf-8")
        text = re.sub(
            r"^<!-- kdlib: (\w+) -->$",
            lambda found: _GENERATED[found[1]](executed),
            text,
            flags=re.M,
        )
        (source / path.name).write_text(text, encoding="utf-8")
    config = yaml.safe_load(
        re.sub(
            r"\bbook/", "", (book.parent / "_config.yml").read_text(encoding="utf-8")
        )
    )
    del config["sphinx"]["config"]["html_theme_options"]["announcement"]
    (source / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    contents = yaml.safe_load(
        re.sub(r"\bbook/", "", (book.parent / "_toc.yml").read_text(encoding="utf-8"))
    )
    for part in contents["parts"]:
        files = (entry["file"] for entry in part["chapters"])
        part["chapters"] = [
            {"file": file}
            for file in files
            if not file[0].isdigit() or file in chapter_names
        ]
    contents["parts"] = [part for part in contents["parts"] if part["chapters"]]
    (source / "_toc.yml").write_text(
        yaml.safe_dump(contents, sort_keys=False), encoding="utf-8"
    )
    return problems


def standalone_figure(executed, name):
    """One figure of an executed chapter as an SVG file of its own, which follows the viewer's light or dark theme.

    Args:
        executed: the executed notebook (``nbformat.NotebookNode``).
        name: the figure's name, ``fig-01-...``.

    Returns:
        The SVG as text.

    Raises:
        ValueError: the chapter has no figure of that name.
    """
    named = {
        cell.metadata.get("mystnb", {}).get("figure", {}).get("name"): cell
        for cell in executed.cells
    }
    if name not in named:
        raise ValueError(
            f"a figure of this chapter is one of {', '.join(filter(None, named))}; got {name!r}"
        )
    html = next(
        output.data["text/html"]
        for output in named[name].outputs
        if "text/html" in output.get("data", {})
    )
    svg = re.search(r"<svg.*</svg>", html, re.S)[0]
    css = (chapters.book() / "_static" / "kdlib.css").read_text(encoding="utf-8")
    light, dark = (
        re.search(rf'html\[data-theme="{theme}"\] {{(.*?)}}', css, re.S)[1]
        for theme in ("light", "dark")
    )
    style = f"<style>svg {{{light}}} @media (prefers-color-scheme: dark) {{ svg {{{dark}}} }}</style>"
    return re.sub(r"(<svg[^>]*>)", rf"\1{style}", svg, count=1) + "\n"


def _parameter_lists(executed):
    """Every chapter's parameters with default, what is allowed, and meaning: the same lists as ``kdlib list``."""
    html = []
    for name in chapters.names():
        rows = "".join(
            f'<tr><th scope="row"><code>{p.name}</code></th><td>{escape(str(p.default))}</td>'
            f"<td>{escape('; '.join(p.rules))}</td><td>{escape(p.meaning)}</td></tr>"
            for p in chapters.parameters(name).values()
        )
        heads = "".join(
            f'<th scope="col">{head}</th>'
            for head in ("name", "default", "allowed", "meaning")
        )
        table = f'<div class="kd-scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        html.append(
            f'<details class="kd-card"><summary>{name}</summary>{table}</details>'
        )
    return "````{raw} html\n" + "\n".join(html) + "\n````"


def _ledger(executed):
    from companion import claims

    return f"````{{raw}} html\n{claims.ledger_html(claims.ledger(executed))}\n````"


def _counts(executed):
    from companion import claims

    frame = claims.counts(claims.ledger(executed))
    heads = "".join(
        f'<th scope="col">{escape(head)}</th>' for head in ("paper", *frame.columns)
    )
    rows = (
        f'<tr><th scope="row">{escape(paper)}</th>'
        + "".join(f"<td>{count or ''}</td>" for count in counts)
        + "</tr>"
        for paper, counts in zip(frame.index, frame.to_numpy(), strict=True)
    )
    table = f'<table class="kd-claims"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'````{{raw}} html\n<div class="kd-scroll">{table}</div>\n````'


def _findings(executed):
    """Each chapter's own sentence on what it found, and the paper's claims that did not hold there."""
    import nbformat

    from companion import claims

    ledger, lines = claims.ledger(executed), []
    for path in filter(
        Path.exists, (executed / f"{name}.ipynb" for name in chapters.names())
    ):
        cells = nbformat.read(path, as_version=4).cells
        title = cells[0].source.splitlines()[0].removeprefix("# ")
        said = trials.finding({"cells": cells}) or "No finding is recorded."
        lines.append(f"- **[{title}]({path.stem})**. {said}")
        failing = ledger[
            (ledger["chapter"] == path.stem) & (ledger["verdict"] == "not reproduced")
        ]
        lines += [
            f"  - Does not hold: {row.statement} ({row.place})"
            for row in failing.itertuples()
        ]
    return "\n".join(lines)


_GENERATED = {
    "findings": _findings,
    "counts": _counts,
    "ledger": _ledger,
    "parameters": _parameter_lists,
    "cost": lambda executed: costpage.table(),
}
