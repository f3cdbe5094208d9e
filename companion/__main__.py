"""The command line: ``kdlib run``, ``kdlib list``, ``kdlib claims``; and the steps of ``make book``."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

try:
    from companion.press import chapters
    from companion.press import keys as chapter_keys
except ModuleNotFoundError as error:
    sys.exit(
        f"kdlib: {sys.executable} has no {error.name}: it needs an environment that environment.yml or make .venv/ready made"
    )


def main(argv=None):
    """Run one command.

    Args:
        argv: the words after ``kdlib``; default: the process's own.

    Returns:
        The exit status: 0, or 1 after one clear line on standard error (2 for words that make no command).
    """
    arguments = _parser().parse_args(argv)
    if threading.current_thread() is threading.main_thread():
        signal.signal(
            signal.SIGTERM, signal.default_int_handler
        )  # a build that is ended ends what it has begun
    try:
        chapters.check_profile(getattr(arguments, "profile", chapters.DEFAULT_PROFILE))
        return arguments.command(arguments) or 0
    except (ValueError, OSError, chapters.Failed) as error:
        return _say(error)
    except KeyboardInterrupt:
        return _say("interrupted; what had finished is kept")


def run(arguments):
    """``kdlib run CHAPTER -p NAME VALUE``: the chapter's page for other parameters, with its record, in ``--out``."""
    chapter = chapters.find(arguments.chapter)
    given = [name for name, _ in arguments.parameter]
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise ValueError(
            f"each parameter is given once; got {', '.join(twice)} more than once"
        )
    values = chapters.check(chapter, dict(arguments.parameter))
    profiled = chapters.profile_values(chapter, arguments.profile)
    out = Path(arguments.out or f"out/{chapter}")

    from companion import claims
    from companion.press import execution, site

    path = execution.execute(
        chapter,
        out,
        profile=arguments.profile,
        values=profiled | values,
        progress=not arguments.quiet,
    )
    import nbformat

    executed = nbformat.read(path, as_version=4)
    (out / "provenance.json").write_text(
        json.dumps(executed.metadata["kdlib"], indent=2) + "\n", encoding="utf-8"
    )
    records = claims.collect(executed)
    (out / "verdicts.json").write_text(
        json.dumps(records, indent=2) + "\n", encoding="utf-8"
    )
    site.build(out, out / "html", chapter_names=[chapter], strict=False)
    print(
        *(
            out / name
            for name in (
                path.name,
                f"html/{chapter}.html",
                "provenance.json",
                "verdicts.json",
            )
        ),
        sep="\n",
    )


def list_chapters(arguments):
    """``kdlib list``: every chapter with its parameters, defaults and meanings."""
    for name in chapters.names():
        print(name)
        for p in chapters.parameters(name).values():
            default = (
                ",".join(map(str, p.default))
                if isinstance(p.default, list)
                else p.default
            )
            print(f"  {p.name} = {default}  # {'; '.join([p.meaning, *p.rules])}")


def claims_report(arguments):
    """``kdlib claims``: the ledger of every claim; with ``--strict`` a verdict that got worse is an error."""
    from companion import claims

    text, status = claims.report(arguments.profile, arguments.strict)
    print(text)
    if arguments.accept:
        print(f"accepted as the baseline: {claims.write_baseline(arguments.profile)}")
    return status


def keys(arguments):
    """A step of ``make book``: the digests of what each chapter depends on, and the notebooks' output-free twins."""
    from companion.claims import file
    from companion.press import execution, trials

    (
        file.read(),
        trials.read(),
    )  # what is wrong with either is said here, and not by the cell that meets it
    chapter_keys.write_keys(
        arguments.profile, Path("_build") / arguments.profile / "keys"
    )
    for name in chapters.names():
        twin = chapters.book() / "notebooks" / f"{name}.ipynb"
        if (
            not twin.exists()
            or twin.stat().st_mtime_ns
            < (chapters.book() / f"{name}.md").stat().st_mtime_ns
        ):
            execution.write_twin(name)
            twin.touch()


def execute(arguments):
    """A step of ``make book``: execute one chapter."""
    from companion.press import execution

    folder = Path("_build") / arguments.profile / "book"
    path = execution.execute(
        chapters.find(arguments.chapter), folder, profile=arguments.profile
    )
    print(f"executed {path}", flush=True)


def html(arguments):
    """A step of ``make book``: the HTML of all executed chapters."""
    from companion.press import site

    folder = Path("_build") / arguments.profile
    site.build(folder / "book", folder / "html", chapter_names=chapters.names())
    print(f"built {folder / 'html' / 'index.html'}")


def try_again(arguments):
    """``kdlib trials``: run the trials that are not recorded, or those that are named."""
    from companion.press import trials

    known, kept = [trial["name"] for trial in trials.read()], trials.recorded()
    if strange := [name for name in arguments.names if name not in known]:
        raise ValueError(
            f"a trial is one of {', '.join(known)}; got {', '.join(strange)}"
        )
    status = 0
    for name in arguments.names or [name for name in known if name not in kept]:
        print(f"trial {name}", flush=True)
        try:
            trials.run(name, Path("_build") / "trials" / name)
        except chapters.Failed as error:
            status = _say(error)  # the others are run all the same
    print(
        f"{len(trials.recorded())} of {len(known)} trials are recorded in {trials.path()}"
    )
    return status


def figure(arguments):
    """``kdlib figure CHAPTER NAME FILE``: one figure of the built book as an SVG file."""
    import nbformat

    from companion.press import site

    path = (
        Path("_build")
        / arguments.profile
        / "book"
        / f"{chapters.find(arguments.chapter)}.ipynb"
    )
    Path(arguments.file).write_text(
        site.standalone_figure(nbformat.read(path, as_version=4), arguments.name),
        encoding="utf-8",
    )


def _parser():
    parser = argparse.ArgumentParser(
        prog="kdlib", description="Run chapters of the book with your parameters."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text, profiled=True):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        if profiled:
            sub.add_argument(
                "--profile",
                default=chapters.DEFAULT_PROFILE,
                help="laptop (default), smoke or paper",
            )
        return sub

    sub = command("run", run, "execute a chapter and write notebook, page and record")
    sub.add_argument("chapter", help="number or name: 1, 01, 01_effective_logits")
    sub.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
    )
    sub.add_argument(
        "--out", help="folder for what the run writes (default: out/CHAPTER)"
    )
    sub.add_argument("--quiet", action="store_true", help="no progress bar")
    command(
        "list",
        list_chapters,
        "every chapter with its parameters, defaults and meanings",
        profiled=False,
    )
    sub = command("claims", claims_report, "the verdict on every claim")
    sub.add_argument(
        "--strict",
        action="store_true",
        help="fail when a verdict got worse than the committed baseline",
    )
    sub.add_argument(
        "--accept",
        action="store_true",
        help="write these verdicts as the baseline to commit",
    )
    sub = command(
        "trials",
        try_again,
        "run chapters with the other parameters of book/trials.yml, and record what came out",
        profiled=False,
    )
    sub.add_argument(
        "names",
        nargs="*",
        help="trials to run again (default: those that are not recorded)",
    )
    sub = command("figure", figure, "write one figure of the built book to an SVG file")
    sub.add_argument("chapter")
    sub.add_argument("name", help="the figure's name, as fig-01-...")
    sub.add_argument("file")
    command("keys", keys, "(make book) digests of what each chapter depends on")
    sub = command("execute", execute, "(make book) execute one chapter")
    sub.add_argument("chapter")
    command("html", html, "(make book) build the pages of the executed chapters")
    return parser


def _say(error):
    if isinstance(error, OSError) and error.filename and error.strerror:
        error = f"{error.filename}: {error.strerror}"
    print(f"kdlib: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
