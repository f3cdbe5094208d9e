"""The command line, ``kdlib``: run, list, claims; and the steps of ``make book``."""

import argparse
import importlib
import json
import math
import re
import signal
import sys
import threading
from pathlib import Path

from companion.engine import variables
from companion.terminal import say, show

try:
    from companion.press import chapters, extra
except ModuleNotFoundError as error:
    sys.exit(
        f"kdlib: {sys.executable} has no {error.name}: it needs an environment that "
        "environment.yml or make .venv/ready made"
    )

BUILD = Path("_build")


def main(argv=None):
    """Run one command.

    Args:
        argv: the words after ``kdlib``; default: the process's own.

    Returns:
        The exit status: 0, or 1 after one clear line on standard error (2 for words
        that make no command).
    """
    try:
        arguments = _parsed(argv)
        if threading.current_thread() is threading.main_thread():
            # A build that is ended ends what it has begun.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        variables.check()
        profile = getattr(arguments, "profile", None) or chapters.DEFAULT_PROFILE
        chapters.check_profile(profile)
        if arguments.needs_extra:
            extra.check()
        return arguments.command(arguments) or 0
    except (ValueError, OSError, chapters.Failed) as error:
        return say(error)
    except KeyboardInterrupt:
        return say("interrupted; what had finished is kept")


def run_chapter(arguments):
    """``kdlib run``: a chapter's notebook, page and record for other parameters.

    Args:
        arguments: the words of the command line.

    Raises:
        ValueError: a parameter is given twice, is unknown or out of range.
    """
    chapter = chapters.find(arguments.chapter)
    given = [name for name, _ in arguments.parameter]
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise ValueError(
            f"each parameter is given once; got {', '.join(twice)} more than once"
        )
    texts = {name: text.strip() for name, text in arguments.parameter}
    values = chapters.check(chapter, texts, arguments.profile)
    profiled = chapters.profile_values(chapter, arguments.profile)
    out = Path(arguments.out or f"out/{chapter}")

    from companion.press import locks

    with locks.held(out / "lock"):
        _run_alone(chapter, out, profiled | values, arguments)


def _run_alone(chapter, out, values, arguments):
    """What ``kdlib run`` does in a folder where no other run is at work."""
    import nbformat

    from companion import claims
    from companion.press import execution, jupyterbook, records, site

    # Jupyter Book is loaded while the chapter is executed.
    with jupyterbook.started() as process:
        path = execution.execute(
            chapter,
            out,
            profile=arguments.profile,
            values=values,
            progress=not arguments.quiet,
        )
        executed = nbformat.read(path, as_version=4)
        _write_json(out / "provenance.json", executed.metadata["kdlib"])
        _write_json(out / "verdicts.json", claims.collect(executed))
        site.build_page(out, out / "html", chapter, process)
    for line in records.lost_lines(executed.metadata["kdlib"]):
        say(line)
    pages = [path.name, f"html/{chapter}.html", "provenance.json", "verdicts.json"]
    for name in pages:
        show(out / name)


def list_chapters(arguments):
    """``kdlib list``: every chapter with its recorded rows, and its parameters with
    defaults and meanings; with ``--profile`` what that profile would ask for.

    Args:
        arguments: the words of the command line.
    """
    if arguments.profile:
        extra.check()

        from companion.press import forecast

        for line in forecast.lines(arguments.profile, BUILD):
            show(line)
        return

    from companion.press import recording

    for name in chapters.names():
        counts = recording.rows_of(name)
        told = [f"{count:,} rows of {profile}" for profile, count in counts.items()]
        show(name)
        if told:
            show(f"  # recorded: {', '.join(told)}")
        for parameter in chapters.parameters(name).values():
            default = parameter.default
            if isinstance(default, list):
                default = ",".join(map(str, default))
            comment = "; ".join([parameter.meaning, *parameter.rules])
            show(f"  {parameter.name} = {default}  # {comment}")


def report_claims(arguments):
    """``kdlib claims``: the ledger of every claim.

    Args:
        arguments: the words of the command line.

    Returns:
        1 where ``--strict`` is given and a verdict got worse, else 0.
    """
    from companion import claims

    text, status = claims.report(arguments.profile, arguments.strict)
    show(text)
    if arguments.accept:
        show(f"accepted as the baseline: {claims.write_baseline(arguments.profile)}")
    return status


def run_trials(arguments):
    """``kdlib trials``: run the trials that are not recorded, or those that are named.

    Args:
        arguments: the words of the command line.

    Returns:
        1 where a trial failed, else 0.

    Raises:
        ValueError: there is no trial of a given name.
    """
    from companion.press import locks, trials

    known = [trial["name"] for trial in trials.read()]
    strange = [name for name in arguments.names if name not in known]
    if strange:
        raise ValueError(
            f"a trial is one of {', '.join(known)}; got {', '.join(strange)}"
        )
    kept = trials.recorded()
    chosen = arguments.names or [name for name in known if name not in kept]
    status = 0
    for name in chosen:
        folder = BUILD / "trials" / name
        with locks.held(folder / "lock"):
            if name not in arguments.names and name in trials.recorded():
                # Another command has recorded it meanwhile.
                continue
            show(f"trial {name}")
            try:
                trials.record_trial(name, folder)
            except chapters.Failed as error:
                # The others are run all the same.
                status = say(error)
    count = f"{len(trials.recorded())} of {len(known)} trials"
    show(f"{count} are recorded in {trials.path()}")
    return status


def write_figure(arguments):
    """``kdlib figure``: one figure of the built book as an SVG file.

    Args:
        arguments: the words of the command line.
    """
    import nbformat

    from companion.press import figurefile

    name = chapters.find(arguments.chapter)
    path = BUILD / arguments.profile / "book" / f"{name}.ipynb"
    executed = nbformat.read(path, as_version=4)
    svg = figurefile.standalone_figure(executed, arguments.name)
    Path(arguments.file).write_text(svg, encoding="utf-8")


def _parsed(argv):
    """The words of the command line by name."""
    words = sys.argv[1:] if argv is None else argv
    # With a space before it a negative value is none of argparse's options.
    words = [f" {word}" if re.match(r"-(\d|\.|inf)", word) else word for word in words]
    try:
        return _parser().parse_args(words)
    finally:
        # The reader of a help text may be gone too.
        show("", end="")


def _parser():
    text = "Run chapters of the book with your parameters."
    parser = argparse.ArgumentParser(prog="kdlib", description=text)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    text = "every chapter with its parameters, defaults and meanings"
    words = {"has_profile": False, "needs_extra": False}
    command = _add(commands, "list", list_chapters, text, **words)
    text = "what it sets, how many rows that asks for, and their hours on this machine"
    command.add_argument("--profile", help=text)
    _add_claims(commands)
    _add_trials(commands)
    _add_figure(commands)
    _add_verify(commands)
    text = "keep recorded rows whose code was rewritten, where a random sample agrees"
    command = _add(commands, "adopt", _later("rowcommands", "adopt_rows"), text)
    command.add_argument("--store", help="rows of this store alone")
    command.add_argument("--seed", type=int, help="of the draw (default: a random one)")
    text = "write the rows of a build as text to commit with the book"
    _add(commands, "record", _later("rowcommands", "record_rows"), text)
    text = "(make book) digests of what each chapter depends on"
    _add(commands, "keys", _later("steps", "write_digests"), text)
    text = "(make book) execute one chapter"
    _add(commands, "execute", _later("steps", "execute_chapter"), text).add_argument(
        "chapter"
    )
    text = "(make book) build the pages of the executed chapters"
    _add(commands, "html", _later("steps", "build_pages"), text)
    text = "(make book) publish these pages, with what was verified"
    _add(commands, "publish", _later("steps", "publish_pages"), text)
    text = "print the built book as one PDF; this takes Chromium or Chrome"
    _add(commands, "pdf", _later("steps", "print_book"), text)
    return parser


def _later(module, name):
    """A function of :mod:`companion.press` that is loaded when its command is given."""

    def command(arguments):
        loaded = importlib.import_module(f"companion.press.{module}")
        return getattr(loaded, name)(arguments)

    return command


def _add(commands, name, function, text, has_profile=True, needs_extra=True):
    """A command whose words ``function`` gets; ``needs_extra``: the extra ``book``."""
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function, needs_extra=needs_extra)
    if has_profile:
        profiles = "laptop (default), smoke or paper"
        default = chapters.DEFAULT_PROFILE
        command.add_argument("--profile", default=default, help=profiles)
    return command


def _add_run(commands):
    text = "execute a chapter and write notebook, page and record"
    command = _add(commands, "run", run_chapter, text)
    text = "number or name: 1, 01, 01_effective_logits"
    command.add_argument("chapter", help=text)
    command.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
    )
    text = "folder for what the run writes (default: out/CHAPTER)"
    command.add_argument("--out", help=text)
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_claims(commands):
    text = "the verdict on every claim"
    command = _add(commands, "claims", report_claims, text, needs_extra=False)
    text = "fail when a verdict got worse than the committed baseline"
    command.add_argument("--strict", action="store_true", help=text)
    text = "write these verdicts as the baseline to commit"
    command.add_argument("--accept", action="store_true", help=text)


def _add_trials(commands):
    text = "run chapters with the other parameters of book/trials.yml, and record them"
    command = _add(commands, "trials", run_trials, text, has_profile=False)
    text = "trials to run again (default: those that are not recorded)"
    command.add_argument("names", nargs="*", help=text)


def _add_verify(commands):
    text = "compute recorded rows again on this machine, and compare"
    command = _add(commands, "verify", _verify_what_is_there, text)
    size = command.add_mutually_exclusive_group()
    text = "about how long it may take (default 1)"
    size.add_argument("--minutes", type=_above_zero, default=1.0, help=text)
    text = "of each store, in (0, 1]"
    size.add_argument("--share", type=_share, help=text)
    size.add_argument("--all", action="store_true", help="every recorded row")
    command.add_argument("--store", help="rows of this store alone")
    command.add_argument("--seed", type=int, help="of the draw (default: a random one)")
    text = "nothing is done where this build was verified before"
    command.add_argument("--unless-known", action="store_true", help=text)


def _verify_what_is_there(arguments):
    """``kdlib verify``, which leaves out rows whose images are not on this disk."""
    from kdlib import downloads

    arguments.absent = downloads.absent()
    return _later("rowcommands", "verify_rows")(arguments)


def _above_zero(text):
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text}")
    return number


def _share(text):
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"must be in (0, 1], got {text}")
    return number


def _add_figure(commands):
    text = "write one figure of the built book to an SVG file"
    command = _add(commands, "figure", write_figure, text, needs_extra=False)
    command.add_argument("chapter")
    command.add_argument("name", help="the figure's name, as fig-01-...")
    command.add_argument("file")


def _write_json(path, value):
    from companion.press import files

    files.write_whole(path, json.dumps(value, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
