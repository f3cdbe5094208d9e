"""The image sets as tensors.

Every file is checked against its md5 as it is read, nothing is unpickled, and nothing
is downloaded unasked: ``make data`` (``python -m kdlib.downloads [NAME ...]``) does
that. ``KDLIB_DATA`` names the folder, by default one in the user's cache.
"""

import functools
import gzip
import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from kdlib import places

# md5 of each file's contents; MNIST's are those of the unpacked idx files, which may
# lie there plain or as .gz.
MD5 = {
    "cifar10": {
        "cifar-10-batches-bin/data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "cifar-10-batches-bin/data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "cifar-10-batches-bin/data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "cifar-10-batches-bin/data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "cifar-10-batches-bin/data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "cifar-10-batches-bin/test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
    "mnist": {
        "mnist/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "mnist/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "mnist/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "mnist/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
}
# CIFAR-100's two files, by their bytes: the checksum that its page gives is that of the
# archive alone (md5 03b5dce01913d631647c71ecec9e9cb8).
CIFAR100 = {
    "cifar-100-binary/train.bin": 50_000 * 3074,
    "cifar-100-binary/test.bin": 10_000 * 3074,
}
NAMES = ("digits", "mnist", "cifar10", "cifar100")


# Of each set: images to train and to test, and their shape.
SIZES = {
    "digits": (1442, 355, (1, 8, 8)),
    "mnist": (60_000, 10_000, (1, 28, 28)),
    "cifar10": (50_000, 10_000, (3, 32, 32)),
    "cifar100": (50_000, 10_000, (3, 32, 32)),
}
# SHA-256 of the bytes of the digits' four tensors, which no download checks.
DIGITS = "3baeb8053ef4be8b3373d48b5836a8071b23b35e392d6068b06c37e50f02811d"


class Images:
    """An image set with its official split, read when its pixels are first asked for.

    ``train_images`` and ``test_images`` are uint8 of shape
    ``(n, channels, height, width)``, ``train_labels`` and ``test_labels`` int64 of
    shape ``(n,)`` from 0 on, without a gap.

    Attributes:
        name: one of ``NAMES``.
        train_size: number of images to train.
        test_size: number of images to test.
        shape: ``(channels, height, width)``.
    """

    def __init__(self, name, root=None):
        self.name = name
        self.train_size, self.test_size, self.shape = SIZES[name]
        self._root = root

    @functools.cached_property
    def checksum(self):
        """SHA-256 of the official checksums of the files, in hexadecimal.

        Every file is held against its own when it is read. CIFAR-100's files have none:
        there it is that of the labels and pixels.
        """
        if self.name == "cifar100":
            parts = [part.numpy().tobytes() for part in self._tensors]
            return hashlib.sha256(b"".join(parts)).hexdigest()
        official = json.dumps(MD5.get(self.name, DIGITS), sort_keys=True)
        return hashlib.sha256(official.encode()).hexdigest()

    @property
    def is_on_disk(self):
        """Whether its pixels can be read."""
        files = CIFAR100 if self.name == "cifar100" else MD5.get(self.name, {})
        return all(_on_disk(file, self._root) is not None for file in files)

    @functools.cached_property
    def _tensors(self):
        """The four tensors, their bytes checked."""
        readers = {"digits": _digits, "mnist": _mnist}
        readers |= {"cifar10": _cifar10, "cifar100": _cifar100}
        return [torch.from_numpy(part) for part in readers[self.name](self._root)]

    @property
    def train_images(self):
        """Images to train, ``(train_size, channels, height, width)`` uint8."""
        return self._tensors[0]

    @property
    def train_labels(self):
        """Their labels, ``(train_size,)`` int64."""
        return self._tensors[1]

    @property
    def test_images(self):
        """Images to test, ``(test_size, channels, height, width)`` uint8."""
        return self._tensors[2]

    @property
    def test_labels(self):
        """Their labels, ``(test_size,)`` int64."""
        return self._tensors[3]


def data_folder(root=None):
    """The data folder: ``root``, else ``$KDLIB_DATA``, else the user's cache folder. It
    need not exist.

    Args:
        root: a folder, or None.

    Returns:
        pathlib.Path
    """
    return Path(root).expanduser().absolute() if root else places.data()


def resolve(dataset="auto", *, real="cifar10", root=None):
    """Name of the set that :func:`load` takes, without reading it.

    Args:
        dataset: ``auto`` or one of ``NAMES``; ``auto`` is ``real`` where all its files
            are on disk, or the run is of a profile whose rows of this set are recorded
            with the book; else ``digits``, which need no download.
        real: what ``auto`` looks for; one of ``NAMES``.
        root: the data folder; see :func:`data_folder`.

    Returns:
        str: one of ``NAMES``

    Raises:
        ValueError: an unknown name.
        FileNotFoundError: a set that was asked for by name is not on disk; says in
            which folder and what to do.
    """
    if dataset not in ("auto", *NAMES):
        raise ValueError(
            f"dataset must be one of auto, {', '.join(NAMES)}; got {dataset!r}"
        )
    if real not in NAMES:
        raise ValueError(f"real must be one of {', '.join(NAMES)}; got {real!r}")
    name = real if dataset == "auto" else dataset
    files = CIFAR100 if name == "cifar100" else MD5.get(name, {})
    missing = [file for file in files if _on_disk(file, root) is None]
    if not missing:
        return name
    if dataset == "auto":
        return name if name in places.recorded_sets() else "digits"
    fetched = "run `make data`" if name in MD5 else "unpack its binary version there"
    raise FileNotFoundError(
        f"{name}: {len(missing)} of {len(files)} files missing in "
        f"{data_folder(root)} (the first: {missing[0]}); {fetched}, or let "
        "KDLIB_DATA name the folder that has them"
    )


def check(name, *, root=None):
    """What is wrong with the files of a set, its bytes read and hashed.

    Args:
        name: ``mnist`` or ``cifar10``.
        root: the data folder; see :func:`data_folder`.

    Returns:
        dict: file -> ``"missing"``, or the message with which :func:`load` would refuse
            it; empty where all is right
    """
    wrong = {}
    for file in MD5[name]:
        try:
            if _on_disk(file, root) is None:
                wrong[file] = "missing"
            else:
                _read(name, file, root)
        except ValueError as error:
            wrong[file] = str(error)
    return wrong


def load(dataset="auto", *, real="cifar10", root=None):
    """An image set, its bytes checked when they are first read.

    ``cifar10`` (50,000 + 10,000, 3 x 32 x 32) is read from the official binary version,
    ``mnist`` (60,000 + 10,000, 1 x 28 x 28) from the idx files, plain or gzipped.
    ``cifar100`` (as CIFAR-10, with its 100 fine labels) is read from the official
    binary version where a user has put it; its bytes are counted, not hashed, and
    `make data` does not fetch it.
    ``digits`` (1 x 8 x 8) are scikit-learn's 1,797: their 17 grey levels v become
    ``round(255 v / 16)``, and every fifth image of each class, in the order of the
    file, is for testing (1,442 + 355): a fixed split, without a random number, whose
    parts have every class and run through the whole file.

    Args:
        dataset: ``auto`` or one of ``NAMES``; see :func:`resolve`.
        real: what ``auto`` takes where it is on disk.
        root: the data folder; see :func:`data_folder`.

    Returns:
        Images

    Raises:
        ValueError: an unknown name; when it is read: a truncated or altered file,
            named, with what to do.
        FileNotFoundError: a set that was asked for by name is not on disk, or when it
            is read one of which rows are recorded.

    Source: Krizhevsky, Learning multiple layers of features from tiny images (2009),
    Section 3; LeCun et al., Gradient-based learning applied to document recognition
    (1998), Section III; Alpaydin & Kaynak, Optical recognition of handwritten digits
    (UCI, 1998).
    """
    return Images(resolve(dataset, real=real, root=root), root)


def tensors(images):
    """The four tensors of a set by name, for a sweep's rows.

    Args:
        images: :class:`Images`.

    Returns:
        dict: ``train_images``, ``train_labels``, ``test_images``, ``test_labels``.

    Example:
        >>> sorted(tensors(load("digits")))
        ['test_images', 'test_labels', 'train_images', 'train_labels']
    """
    return {
        "train_images": images.train_images,
        "train_labels": images.train_labels,
        "test_images": images.test_images,
        "test_labels": images.test_labels,
    }


def _on_disk(file, root):
    """Where a file of the table is, plain or gzipped; None where it is not."""
    plain = data_folder(root) / file
    return next(
        (
            path
            for path in (plain, plain.with_name(plain.name + ".gz"))
            if path.is_file()
        ),
        None,
    )


def _read(name, file, root):
    """The bytes of a file, (size,) uint8, hashed as read: what is used is checked."""
    path = _on_disk(file, root)
    if path is None:
        raise FileNotFoundError(
            f"{name}: {file} is not in {data_folder(root)}; `make data` to compute or "
            "verify rows of these images"
        )
    wrong = None
    try:
        data = np.fromfile(path, dtype=np.uint8)
        if path.suffix == ".gz":
            data = np.frombuffer(bytearray(gzip.decompress(data)), dtype=np.uint8)
        if (got := hashlib.md5(data).hexdigest()) != MD5[name][file]:
            wrong = (
                f"its {data.size:,} bytes have md5 {got}, expected {MD5[name][file]}"
            )
    except (EOFError, gzip.BadGzipFile, struct.error, zlib.error) as error:
        wrong = f"it does not unpack ({error})"
    if wrong:
        raise ValueError(
            f"{path} is truncated or altered: {wrong}; delete it and run `make data` "
            "again"
        )
    return data


def _cifar10(root):
    """Rows of 1 label byte + 3072 pixel bytes (red, green, blue planes)."""
    rows = [_read("cifar10", file, root).reshape(-1, 3073) for file in MD5["cifar10"]]
    images = [
        np.concatenate([r[:, 1:] for r in part]).reshape(-1, 3, 32, 32)
        for part in (rows[:-1], rows[-1:])
    ]
    labels = [
        np.concatenate([r[:, 0] for r in part]).astype(np.int64)
        for part in (rows[:-1], rows[-1:])
    ]
    return [images[0], labels[0], images[1], labels[1]]


def _cifar100(root):
    """Rows of a coarse label, a fine label, and pixels as CIFAR-10's."""
    parts = []
    for file, size in CIFAR100.items():
        path = data_folder(root) / file
        data = np.fromfile(path, dtype=np.uint8)
        if data.size != size or data.reshape(-1, 3074)[:, 1].max() > 99:
            raise ValueError(
                f"{path} is truncated or altered: {data.size:,} bytes, expected "
                f"{size:,} with labels below 100"
            )
        rows = data.reshape(-1, 3074)
        pixels = np.ascontiguousarray(rows[:, 2:]).reshape(-1, 3, 32, 32)
        parts += [pixels, rows[:, 1].astype(np.int64)]
    return parts


def _mnist(root):
    """Idx files: 2 zero bytes, type, number of axes, 4 bytes an axis, the bytes."""
    parts = []
    for file in MD5["mnist"]:
        data = _read("mnist", file, root)
        shape = [int(size) for size in data[4 : 4 + 4 * data[3]].view(">u4")]
        body = data[4 + 4 * data[3] :].reshape(shape)
        parts.append(body[:, None] if body.ndim == 3 else body.astype(np.int64))
    return parts


def _digits(root):
    # Imported here: it takes as long as torch, and the other sets do without it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    rank = np.zeros(labels.size, np.int64)  # of each image within its class
    for c in range(10):
        rank[labels == c] = np.arange((labels == c).sum())
    test = rank % 5 == 4
    parts = [images[~test], labels[~test], images[test], labels[test]]
    seen = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    if seen != DIGITS:
        raise ValueError(
            f"scikit-learn's digits must have the SHA-256 {DIGITS}, got {seen}"
        )
    return parts
