"""A process that has loaded the libraries already, and hands out copies of itself.

To load torch, pandas and seaborn takes longer than most chapters whose rows are there.
``python -m companion.engine.warm -m MODULE WORDS ...`` does what ``python -m MODULE
WORDS ...`` does: in a copy of the process that :func:`start` has made, where there is
one, and else by itself. A copy has loaded libraries only, never a module of ours, which
may have changed since.
"""

import contextlib
import gc
import hashlib
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

# Where the process listens, and the digest of what a copy cannot change any more.
ADDRESS = "KDLIB_WARM"
# What a chapter, and the command that executes it, import first.
LIBRARIES = (
    "distributed",
    "ipykernel.kernelapp",
    "jupytext",
    "papermill",
    "seaborn",
    "sklearn.datasets",
    "torch",
    "yaml",
)
# Libraries read these when they are loaded.
READ_AT_LOADING = (
    "ATEN_",
    "CUDA_",
    "DNNL_",
    "LD_",
    "MALLOC_",
    "MKL_",
    "MPL",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
    "PYTHON",
    "TORCH_",
    "VECLIB_",
)
# But for these: a copy has its client's path, and the other one is the Makefile's.
NOT_READ = ("PYTHONPATH", "PYTHON")
# What a client passes on to its copy.
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LENGTH = struct.Struct("<I")
NUMBER = struct.Struct("<i")


@contextlib.contextmanager
def start():
    """Starts the process, and ends it with the ``with`` block; where the environment
    names one already, that one serves.

    Yields:
        Dict of environment variables by which others find it.
    """
    if ADDRESS in os.environ:
        yield {}
        return
    folder = tempfile.mkdtemp(prefix="kdlib-")
    address = os.path.join(folder, "warm")
    words = ["companion.engine.warm", "serve", address, *LIBRARIES]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        # Ctrl-C reaches the commands themselves, and they pass it on.
        start_new_session=True,
    )
    try:
        yield {ADDRESS: f"{address} {_unchangeable()}"}
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        shutil.rmtree(folder, ignore_errors=True)


def command(*words):
    """The words of a command that runs a module in a copy.

    Args:
        *words: ``-m``, the module's name, and what follows it.

    Returns:
        List of texts.
    """
    return [sys.executable, "-m", "companion.engine.warm", *words]


def main(words):
    """Runs ``serve ADDRESS LIBRARIES ...`` or ``-m MODULE WORDS ...``.

    Args:
        words: of the command line.

    Returns:
        The exit status.
    """
    if words[:1] == ["serve"]:
        request = _serve(*words[1:])
        return _run(request) if request else 0
    connection = _connection()
    if connection is None:
        return _run({"words": words})
    # A signal that comes before the copy is known waits until it can be passed on.
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    _send(connection, words)
    return _status(connection)


def _unchangeable():
    """Digest of this Python and of the variables that libraries read when loaded."""
    variables = []
    for name, value in sorted(os.environ.items()):
        if name.startswith(READ_AT_LOADING) and name not in NOT_READ:
            variables.append((name, value))
    known = repr((sys.executable, sys.prefix, variables))
    return hashlib.sha256(known.encode()).hexdigest()[:16]


# The process that is copied.


def _serve(address, *libraries):
    """Makes copies until standard input ends; then None, and in a copy its request."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    _load(libraries)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    connections = {}
    while True:
        ready, _, _ = select.select([0, woken, listener], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _report_the_ended(connections)
        if 0 in ready:
            return None
        if listener in ready:
            connection, _ = listener.accept()
            copy = os.fork()
            if copy == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for handle in (woken, wake):
                    os.close(handle)
                for other in (listener, *connections.values()):
                    other.close()
                return _receive(connection)
            connections[copy] = connection


def _load(libraries):
    """Imports what is installed of the libraries."""
    # The kernel of a notebook draws with this one, and says so too late for a library
    # that is loaded already.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for name in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def _report_the_ended(connections):
    """Tells the clients of copies that have ended how they ended."""
    for copy in list(connections):
        ended, status = os.waitpid(copy, os.WNOHANG)
        if ended:
            with connections.pop(copy) as connection, contextlib.suppress(OSError):
                connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))


def _receive(connection):
    """In a copy: becomes what the client is; returns its request."""
    length, handles, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
    message = bytearray()
    while len(message) < LENGTH.unpack(length)[0]:
        message += connection.recv(1 << 16)
    request = json.loads(message)
    for number, handle in enumerate(handles):
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["variables"])
    sys.path[:] = request["path"]
    # What a shell has started with & is deaf to interrupts, and so are its copies.
    hears = request["hears_interrupts"]
    heard = signal.default_int_handler if hears else signal.SIG_IGN
    signal.signal(signal.SIGINT, heard)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    for name in list(sys.modules):
        if name.partition(".")[0] in ("companion", "kdlib"):
            del sys.modules[name]
    if "dask" in sys.modules:
        sys.modules["dask"].config.refresh()
    connection.sendall(NUMBER.pack(os.getpid()))
    _end_with(connection)
    return request


def _end_with(connection):
    """Ends this copy when its client has ended."""

    def wait():
        with contextlib.suppress(OSError):
            connection.recv(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _run(request):
    """Runs a module as ``python -m`` does."""
    option, module, *words = request["words"]
    if option != "-m":
        return "usage: python -m companion.engine.warm -m MODULE WORDS ..."
    sys.argv = [module, *words]
    importlib.invalidate_caches()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


# Its client.


def _connection():
    """A connection to the process that is copied.

    Returns:
        None where there is no such process, or a copy would be another Python than this
        one.
    """
    address, _, digest = os.environ.get(ADDRESS, "").partition(" ")
    if not address or digest != _unchangeable():
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
    except OSError:
        return None
    return connection


def _send(connection, words):
    request = {
        "words": words,
        "folder": os.getcwd(),
        "hears_interrupts": signal.getsignal(signal.SIGINT) != signal.SIG_IGN,
        "variables": dict(os.environ),
        "path": sys.path,
    }
    message = json.dumps(request).encode()
    socket.send_fds(connection, [LENGTH.pack(len(message))], [0, 1, 2])
    connection.sendall(message)


def _status(connection):
    """Waits for the end of a copy, and passes signals on to it.

    Returns:
        Its exit status; 128 + n where signal n ended it, as a shell has it.
    """
    copy = _number(connection)
    if copy is None:
        return _lost()

    def pass_on(number, frame):
        with contextlib.suppress(ProcessLookupError):
            os.kill(copy, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    parent = os.getppid()
    # Nobody waits for a client whose parent has gone; its copy ends with it.
    while os.getppid() == parent:
        ready, _, _ = select.select([connection], [], [], 1)
        if ready:
            status = _number(connection)
            if status is None:
                return _lost()
            return status if status >= 0 else 128 - status
    return 1


def _number(connection):
    """The next number that comes; None where the other end is gone."""
    with contextlib.suppress(OSError):
        answer = connection.recv(NUMBER.size)
        if len(answer) == NUMBER.size:
            return NUMBER.unpack(answer)[0]
    return None


def _lost():
    print("kdlib: the process that had loaded the libraries has ended", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
