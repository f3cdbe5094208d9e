"""Features of an image set: computed once by an ImageNet network, kept as their
principal components in half precision.

``python -m kdlib.papers.jeong_chung.features`` computes them again and writes them.
"""

import hashlib
import io
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from kdlib import datasets, label_noise, places
from kdlib.models import efficientnet_lite
from kdlib.papers.jeong_chung import probe

BATCH = 50
SIDE = 224
SIDES = (64, 96, 128, 224)  # of the images of whose size the cost is measured
FEW = 2000  # images of each part for that
TRAIN, TEST, COMPONENTS = 10_000, 5_000, 240
FILE = "cifar10_efficientnet_lite0.npz"
SHA256 = "9ff56788e5bbcf72e494dfde75200727c7d8dec8cf88fb7072797f62c8a4605a"


class Features(NamedTuple):
    """Features of a labelled set, their mean squared norm over the training part 1.

    ``train`` ``(n, d)`` and ``test`` ``(k, d)`` are float32 and turned so that the
    training part's columns are orthogonal; labels are int64; ``checksum`` is that of
    the file or of the image set that they come from.
    """

    name: str
    train: torch.Tensor
    train_labels: torch.Tensor
    test: torch.Tensor
    test_labels: torch.Tensor
    checksum: str


def load(dataset="auto"):
    """Features of a data set: recorded ones of CIFAR-10, or the pixels of the digits.

    Args:
        dataset: ``auto`` or ``recorded`` for features of EfficientNet-Lite0 of
            CIFAR-10's first 10,000 training and 5,000 test images, which come with the
            book; ``digits`` for scikit-learn's digits, whose pixels are their features.

    Returns:
        Features

    Raises:
        ValueError: an unknown name, or an altered file.
    """
    if dataset == "digits":
        images = datasets.load("digits")
        parts = [images.train_images, images.test_images]
        parts = [part.flatten(1).float() for part in parts]
        labels = [images.train_labels, images.test_labels]
        return _scaled("digits", parts, labels, images.checksum)
    if dataset not in ("auto", "recorded"):
        raise ValueError(
            f"dataset must be one of auto, digits, recorded; got {dataset!r}"
        )
    arrays, seen = _recorded()
    parts = [torch.from_numpy(arrays[name]).float() for name in ("train", "test")]
    names = ("train_labels", "test_labels")
    labels = [torch.from_numpy(arrays[name]).long() for name in names]
    return _scaled("cifar10", parts, labels, seen)


def tensors(known, clusters):
    """Features and labels by name, for a sweep's rows.

    Args:
        known: :class:`Features`.
        clusters: superclass of each class, ``(c,)``.

    Returns:
        dict: ``train``, ``train_labels``, ``test``, ``test_labels``, ``clusters``.
    """
    return {
        "train": known.train,
        "train_labels": known.train_labels,
        "test": known.test,
        "test_labels": known.test_labels,
        "clusters": clusters,
    }


def people_are_known():
    """Whether CIFAR-10N and the images are on disk, or rows of them are recorded.

    Returns:
        True or False.
    """
    if "cifar10" in places.recorded_sets():
        return True
    has_images = datasets.resolve("auto", real="cifar10") == "cifar10"
    return has_images and (datasets.data_folder() / label_noise.HUMAN_FILE).is_file()


def with_people(known, images, clusters, annotators):
    """:func:`tensors` with the labels that people gave to CIFAR-10's images.

    Args:
        known: :class:`Features` of CIFAR-10.
        images: ``datasets.Images`` of CIFAR-10, whose labels those of people go with.
        clusters: superclass of each class, ``(c,)``.
        annotators: names as of ``label_noise.human``.

    Returns:
        dict with the labels ``(n,)`` of each annotator under its name.

    Raises:
        FileNotFoundError: the labels or the images are not on disk.
    """
    data = tensors(known, clusters)
    for annotator in annotators:
        said = label_noise.human(images.train_labels, annotator)
        data[annotator] = said[: len(known.train)]
    return data


def notes():
    """What was measured when the features were recorded.

    Returns:
        dict: accuracies in percent of a softmax probe on clean labels, by what it sees:
        ``raw pixels``, ``all features`` and ``recorded features`` of all recorded
        images; and, of the first 2,000 images of each part, features of images
        enlarged to ``64 pixels`` and more.
    """
    arrays, _ = _recorded()
    start = "accuracy of "
    names = [name for name in arrays if name.startswith(start)]
    return {name.removeprefix(start): float(arrays[name]) for name in names}


def compute(model, images, *, side=SIDE):
    """Features of images that are enlarged to the size that the network is used to.

    Args:
        model: a network with ``features``, in evaluation mode.
        images: uint8, ``(n, 3, h, w)``.
        side: pixels of a side after bilinear interpolation.

    Returns:
        float32 tensor ``(n, d)``.

    Source: Jeong & Chung 2025, Section 5, who enlarge to 224 pixels.
    """
    rows = []
    with torch.inference_mode():
        for batch in images.split(BATCH):
            enlarged = F.interpolate(batch.float(), size=(side, side), mode="bilinear")
            grey = (enlarged / 127.5 - 1).contiguous(memory_format=torch.channels_last)
            rows.append(model.features(grey))
    return torch.cat(rows)


def compressed(train, test, components=COMPONENTS):
    """Principal components in half precision, and the turn that gives them.

    Nothing is centred: the mean of the features is a direction like others.

    Args:
        train: ``(n, d)``, which decides the directions.
        test: ``(k, d)``.
        components: how many are kept.

    Returns:
        Three float16 tensors: ``(n, components)``, ``(k, components)``, and the turn
        ``(d, components)``.
    """
    _, turn = probe.principal(train)
    turn = turn[:, :components].half()
    return (train @ turn.float()).half(), (test @ turn.float()).half(), turn


def clean_accuracy(train, train_labels, test, test_labels, *, weight_decay=1e-5):
    """Accuracy in percent of a softmax probe on clean labels.

    Args:
        train: features, ``(n, d)``, scaled here as :func:`load` does.
        train_labels: ``(n,)``.
        test: ``(k, d)``.
        test_labels: ``(k,)``.
        weight_decay: λ.

    Returns:
        float
    """
    labels = [train_labels, test_labels]
    scaled = _scaled("", [train.float(), test.float()], labels, "")
    targets = F.one_hot(train_labels).float()[:, None]
    weights = probe.train(scaled.train, targets, weight_decay=weight_decay)
    right = (scaled.test @ weights[:, 0]).argmax(dim=1) == test_labels
    return 100 * right.double().mean().item()


def main():
    """Compute the features of CIFAR-10, and write them with what was measured."""
    images = datasets.load("cifar10")
    parts = [images.train_images[:TRAIN], images.test_images[:TEST]]
    model = efficientnet_lite.pretrained().to(memory_format=torch.channels_last)
    by_side = {}
    for side in SIDES:
        by_side[side] = [compute(model, part[:FEW], side=side) for part in parts]
    record(images, *[compute(model, part) for part in parts], by_side)


def record(images, train, test, by_side):
    """Write features into the book, and the accuracies of :func:`notes`.

    Args:
        images: CIFAR-10.
        train: features of its first training images, ``(n, d)``.
        test: those of its first test images, ``(k, d)``.
        by_side: side in pixels -> features of fewer images of both parts.
    """
    labels = [images.train_labels[: len(train)], images.test_labels[: len(test)]]
    small, small_test, turn = compressed(train, test)
    arrays = {"train": small, "test": small_test, "turn": turn}
    arrays |= {"train_labels": labels[0].byte(), "test_labels": labels[1].byte()}
    pixels = [images.train_images[: len(train)], images.test_images[: len(test)]]
    seen = {
        "raw pixels": [part.flatten(1) for part in pixels],
        "all features": [train, test],
        "recorded features": [small, small_test],
    }
    for side, parts in by_side.items():
        seen[f"{side} pixels"] = parts
    for name, (known, new) in seen.items():
        of_these = [labels[0][: len(known)], labels[1][: len(new)]]
        accuracy = clean_accuracy(known, of_these[0], new, of_these[1])
        arrays[f"accuracy of {name}"] = torch.tensor(accuracy).double()
    _path().parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: array.numpy() for name, array in arrays.items()}
    np.savez_compressed(_path(), **arrays)


def _scaled(name, parts, labels, checksum):
    """Features of norm one in the mean, turned to their principal directions."""
    train, test = parts
    size = train.square().sum(dim=1).mean().sqrt()
    turned, turn = probe.principal(train / size)
    new = (test / size) @ turn
    return Features(name, turned, labels[0], new, labels[1], checksum)


def _recorded():
    """The arrays of the recorded file, its bytes checked, and their checksum."""
    data = _path().read_bytes()
    seen = hashlib.sha256(data).hexdigest()
    if seen != SHA256:
        raise ValueError(
            f"{_path()} is altered: its SHA-256 is {seen}, expected {SHA256}"
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays), seen


def _path():
    return places.book() / "recorded" / "features" / FILE


if __name__ == "__main__":
    main()
