"""Runs chapters as a kernel does, many in one process, so that their imports are paid for once.

Each line of standard input is a case: ``{"chapter": ..., "values": {...}}``. The answer is a line of standard output:
what went wrong, as JSON text, and null where all went well.
"""

import contextlib
import gc
import json
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path

os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as a kernel has it

import matplotlib.pyplot as plt
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from companion import claims
from companion.press import chapters, execution

GLUED = re.compile(r"\{glue:text\}`([^`:]+)(?::([^`]+))?`")


class Shell(InteractiveShell):
    """A kernel's shell that keeps what it shows; an error while a figure is drawn is an error too."""

    display_pub_class = CapturingDisplayPublisher
    problems = ()

    def showtraceback(self, *words, **options):
        self.problems = [*self.problems, traceback.format_exc()]

    showsyntaxerror = showtraceback

    def run(self, source):
        """What a cell shows, and what went wrong in it, else None."""
        self.display_pub.outputs.clear()
        self.problems = ()
        done = self.run_cell(source)
        error = done.error_before_exec or done.error_in_exec
        if error is not None:
            return [], "".join(traceback.format_exception(error))
        return list(self.display_pub.outputs), "".join(self.problems) or None


def problem_of(shell, chapter, values, scratch):
    """What goes wrong in a chapter with some values; None where nothing does."""
    told = scratch / "sweeps"
    told.unlink(missing_ok=True)
    os.environ |= {"KDLIB_PROFILE": "smoke", "KDLIB_CHANGED": ",".join(values), "KDLIB_SWEEPS": str(told)}
    shell.reset(new_session=False)
    plt.close("all")
    gc.collect()
    notebook = execution.notebook(chapter)
    given = chapters.profile_values(chapter, "smoke") | values
    shown = []
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        sources = [cell.source]
        if "parameters" in cell.metadata.get("tags", []):
            sources.append("\n".join(f"{name} = {value!r}" for name, value in given.items()))
        for source in sources:
            outputs, problem = shell.run(source)
            if problem:
                first = cell.source.strip().partition("\n")[0]
                return f"code cell {number} ({first}): {last_line(problem)}\n\n{problem}"
            shown += outputs
        if "mystnb" in cell.metadata and not any("kd-figure" in output["data"].get("text/html", "") for output in outputs):
            return f"code cell {number} shows no figure"
    if told.exists():
        for line in told.read_text().splitlines():
            failed = json.loads(line)["failed"]
            if failed:
                return f"rows failed, the first: {failed[0]}"
    return missing(chapter, notebook, shown)


def missing(chapter, notebook, shown):
    """What the text or the ledger ask for and no cell has shown, else None."""
    metadata = [output["metadata"] for output in shown]
    recorded = {one["kdlib"]["claim"]["id"] for one in metadata if "claim" in one.get("kdlib", {})}
    asked = {claim["id"] for claim in claims.read() if claim.get("chapter") == chapter}
    if asked - recorded:
        return f"claims without a record: {', '.join(sorted(asked - recorded))}"
    glued = {}
    for output in shown:
        if "scrapbook" in output["metadata"]:
            name = output["metadata"]["scrapbook"]["name"].removeprefix("application/papermill.record/")
            glued[name] = next(iter(output["data"].values()))
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    texts += [str(cell.metadata.get("mystnb", "")) for cell in notebook.cells]
    for name, form in GLUED.findall("\n".join(texts)):
        if name not in glued:
            return f"the text has {name}, which no cell glues"
        if form:
            format(float(glued[name]), form)
    return None


def last_line(problem):
    """The line of a traceback that says what is wrong."""
    lines = [line for line in problem.splitlines() if re.match(r"\w[\w.]*(Error|Exception|Interrupt)\b", line)]
    return lines[-1] if lines else problem.strip().splitlines()[-1]


def main():
    answers = os.fdopen(os.dup(1), "w")  # what chapters print goes nowhere
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        os.environ["IPYTHONDIR"] = scratch
        shell = Shell.instance(config=Config(HistoryManager={"enabled": False}))
        for line in sys.stdin:
            case = json.loads(line)
            problem = problem_of(shell, case["chapter"], case["values"], Path(scratch))
            print(json.dumps(problem), file=answers, flush=True)


if __name__ == "__main__":
    main()
