r"""Wrong labels: corruption matrices, labels drawn from them, and those of people.

A corruption matrix C of K classes has in row k the probabilities of the label that a
sample of class k is given. Every function of a rate returns one; :func:`draw` draws
each label from its row by its own generator, so that the labels are the same whatever
else was drawn before. A nominal rate is not what is in the labels:
:func:`measured_rate` says what is.
"""

import hashlib
import io

import numpy as np
import torch
from scipy.cluster import hierarchy
from scipy.spatial import distance

from kdlib import datasets

# What people said of CIFAR-10's training images: the array of the file, by the label's
# name.
ANNOTATORS = {
    "aggregate": "aggre_label",
    "worst": "worse_label",
    "random 1": "random_label1",
    "random 2": "random_label2",
    "random 3": "random_label3",
}
HUMAN_FILE = "cifar10n/cifar10n_labels.npz"
HUMAN_MD5 = "c8d9d1d8a95ac99d7959195e45c1f129"


def symmetric(classes, rate, *, with_truth=False):
    r"""Noise that goes to every other class alike.

    .. math:: C_{kk} = 1 - \eta, \qquad C_{kk'} = \frac{\eta}{K - 1}

    Some papers draw the wrong label from all classes, the true one included. This is
    the other convention, ``with_truth``: :math:`C_{kk'} = \eta / K` and
    :math:`C_{kk} = 1 - \eta + \eta / K`; with ten classes the real rate is nine tenths
    of η.

    Args:
        classes: K, at least 2.
        rate: η, in [0, 1].
        with_truth: whether the class that is drawn may be the true one.

    Returns:
        float64 tensor ``(c, c)``.

    Raises:
        ValueError: the number of classes or the rate is out of range.

    Example:
        >>> symmetric(3, 0.5)[0].tolist()
        [0.5, 0.25, 0.25]
        >>> (1 - symmetric(10, 0.4, with_truth=True)[0, 0]).item()  # real rate
        0.36

    Source: Jeong & Chung 2025, Section 5; with the truth among them Liu et al. 2020
    (ELR).
    """
    _check(classes, rate)
    others = rate / classes if with_truth else rate / (classes - 1)
    C = torch.full((classes, classes), others, dtype=torch.float64)
    C.fill_diagonal_(1 - rate + (others if with_truth else 0.0))
    return C


def asymmetric(classes, rate):
    r"""Noise that goes to the next class twice as often as to any other.

    .. math::
        C_{kk} = 1 - \eta, \qquad C_{k,k+1} = \frac{2\eta}{K}, \qquad
        C_{kk'} = \frac{\eta}{K} \text{ elsewhere}

    The next class of the last one is the first.

    Args:
        classes: K, at least 2.
        rate: η, in [0, 1].

    Returns:
        float64 tensor ``(c, c)``.

    Raises:
        ValueError: the number of classes or the rate is out of range.

    Example:
        >>> asymmetric(4, 0.4)[3].tolist()
        [0.2, 0.1, 0.1, 0.6]

    Source: Jeong & Chung 2025, Appendix C (their code, ``util.py``).
    """
    _check(classes, rate)
    C = torch.full((classes, classes), rate / classes, dtype=torch.float64)
    C.fill_diagonal_(1 - rate)
    return C + rate / classes * _next(classes)


def pair(classes, rate):
    r"""Noise that goes to the next class only: :math:`C_{k,k+1} = \eta`.

    Args:
        classes: K, at least 2.
        rate: η, in [0, 1].

    Returns:
        float64 tensor ``(c, c)``.

    Raises:
        ValueError: the number of classes or the rate is out of range.

    Example:
        >>> pair(3, 0.25)[2].tolist()
        [0.25, 0.0, 0.75]

    Source: Han et al. 2018 (co-teaching), Section 4; also called asymmetric there.
    """
    _check(classes, rate)
    C = (1 - rate) * torch.eye(classes, dtype=torch.float64)
    return C + rate * _next(classes)


def superclass(clusters, rate):
    r"""Noise that goes to the other classes of the same cluster alike.

    .. math::
        C_{kk} = 1 - \eta, \qquad C_{kk'} = \frac{\eta}{|S_k| - 1} \text{ for }
        k' \in S_k \setminus \{k\}

    A class that is alone in its cluster has no other class to go to: it keeps its
    labels, and the real rate is lower than η.

    Args:
        clusters: ``(c,)``, an integer for each class, the same for the classes of a
            cluster; see :func:`superclasses`.
        rate: η, in [0, 1].

    Returns:
        float64 tensor ``(c, c)``, on the device of ``clusters``.

    Raises:
        ValueError: the clusters are no list of integers of at least two classes, or the
            rate is out of range.

    Example:
        >>> superclass(torch.tensor([0, 0, 1]), 0.25).tolist()
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]

    Source: Jeong & Chung 2025, Section 5 (their code, ``util.py``).
    """
    if clusters.ndim != 1 or clusters.is_floating_point():
        raise ValueError(
            "clusters must be integers of shape (c,), got "
            f"{clusters.dtype} {tuple(clusters.shape)}"
        )
    _check(len(clusters), rate)
    others = (clusters[:, None] == clusters).double().fill_diagonal_(0)
    sizes = others.sum(dim=1, keepdim=True)
    C = rate * others / sizes.clamp(min=1)
    return C + torch.diag(1 - C.sum(dim=1))


def superclasses(features, labels, *, cut=0.8):
    r"""Clusters of classes that look alike, from the features of labelled samples.

    The features are centred and each is scaled to norm one. The distance of two classes
    is one minus the mean cosine of their samples. Complete linkage joins the classes,
    and the tree is cut at ``cut`` of its height.

    Args:
        features: ``(n, d)``.
        labels: ``(n,)``, integers in 0 … c − 1, each class at least once.
        cut: share of the tree's height, in (0, 1].

    Returns:
        int64 tensor ``(c,)``: the cluster of each class, counted from zero in the order
        of the classes.

    Raises:
        ValueError: shapes do not fit, a class is missing, there are fewer than two, or
            the cut is out of range.

    Example:
        >>> features = torch.tensor([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.0]])
        >>> superclasses(features, torch.tensor([0, 1, 2])).tolist()
        [0, 0, 1]

    Source: Jeong & Chung 2025, Section 5 (their code, ``util.py``).
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            "features must have shape (n, d) and labels (n,), got "
            f"{tuple(features.shape)} and {tuple(labels.shape)}"
        )
    if not 0 < cut <= 1:
        raise ValueError(f"cut must be in (0, 1], got {cut}")
    counts = torch.bincount(labels)
    if len(counts) < 2 or (counts == 0).any():
        raise ValueError(
            f"every class needs a sample, and two classes; got {counts.tolist()}"
        )
    directions = torch.nn.functional.normalize(features - features.mean(dim=0))
    means = directions.new_zeros(len(counts), directions.shape[1])
    means.index_add_(0, labels, directions)
    means /= counts[:, None]
    apart = (1 - means @ means.T).double().fill_diagonal_(0)
    tree = hierarchy.linkage(
        distance.squareform(apart.cpu().numpy(), checks=False), "complete"
    )
    height = cut * tree[:, 2].max()
    names = hierarchy.fcluster(tree, height, criterion="distance")
    firsts = list(dict.fromkeys(names.tolist()))
    return torch.tensor([firsts.index(name) for name in names], device=labels.device)


def draw(labels, corruption, *, generator):
    """Labels drawn sample by sample, each from the row of its true class.

    Args:
        labels: true classes, ``(n,)``, integers in 0 … c − 1.
        corruption: C, ``(c, c)``; rows are probabilities.
        generator: torch.Generator on the device of ``labels``.

    Returns:
        int64 tensor ``(n,)``, on the device of ``labels``.

    Raises:
        ValueError: C is not square, a row is no probability, or a label is no class.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> draw(torch.tensor([0, 1, 2]), pair(3, 1.0), generator=generator).tolist()
        [1, 2, 0]

    Source: Jeong & Chung 2025, Section 2 (the corruption matrix).
    """
    K = len(corruption)
    if corruption.ndim != 2 or corruption.shape[1] != K:
        raise ValueError(
            f"corruption must have shape (c, c), got {tuple(corruption.shape)}"
        )
    if (corruption < 0).any() or ((corruption.sum(dim=1) - 1).abs() > 1e-6).any():
        raise ValueError(
            "each row of corruption must be >= 0 and have the sum 1, got rows with the "
            f"sums {corruption.sum(dim=1).tolist()}"
        )
    if labels.is_floating_point() or ((labels < 0) | (labels >= K)).any():
        raise ValueError(
            f"labels must be integers in 0 … {K - 1}, got {labels.dtype} from "
            f"{labels.min().item()} to {labels.max().item()}"
        )
    rows = corruption.to(labels.device)[labels]
    return torch.multinomial(rows, 1, generator=generator)[:, 0]


def human(labels, annotator):
    """CIFAR-10N: the labels that people gave to CIFAR-10's training images.

    Args:
        labels: the official ones, ``(50000,)``, which the file must have too, so that
            it stands in the same order.
        annotator: ``aggregate`` (the majority of three people), ``worst`` (a wrong one
            of the three where there is one), or ``random 1`` to ``random 3``.

    Returns:
        int64 tensor ``(50000,)``, on the device of ``labels``.

    Raises:
        ValueError: an unknown annotator; an altered file; or other labels.
        FileNotFoundError: the file is not in the data folder.

    Example:
        >>> human(torch.tensor([0, 1]), "best")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: annotator must be one of aggregate, ..., random 3; got 'best'

    Source: Wei et al. 2022, Learning with noisy labels revisited (CIFAR-10N).
    """
    if annotator not in ANNOTATORS:
        raise ValueError(
            f"annotator must be one of {', '.join(ANNOTATORS)}; got {annotator!r}"
        )
    path = datasets.data_folder() / HUMAN_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, the labels of CIFAR-10N")
    data = path.read_bytes()
    seen = hashlib.md5(data).hexdigest()
    if seen != HUMAN_MD5:
        raise ValueError(f"{path} is altered: its md5 is {seen}, expected {HUMAN_MD5}")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        official = torch.from_numpy(arrays["clean_label"].astype(np.int64))
        said = torch.from_numpy(arrays[ANNOTATORS[annotator]].astype(np.int64))
    if not torch.equal(official, labels.cpu()):
        raise ValueError(
            "labels must be those of CIFAR-10's 50,000 training images in the official "
            f"order, got other ones of shape {tuple(labels.shape)}"
        )
    return said.to(labels.device)


def measured_rate(noisy, labels):
    """Share of the given labels that are wrong.

    Args:
        noisy: given labels, ``(n,)``.
        labels: true ones, ``(n,)``.

    Returns:
        float in [0, 1]

    Raises:
        ValueError: the shapes differ, or there is no label.

    Example:
        >>> measured_rate(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 2, 3]))
        0.5

    Source: elementary.
    """
    if noisy.shape != labels.shape or not labels.numel():
        raise ValueError(
            "noisy and labels must have one shape, of at least one, got "
            f"{tuple(noisy.shape)} and {tuple(labels.shape)}"
        )
    return (noisy != labels).double().mean().item()


def _next(classes):
    """One where a class meets the next one, the first after the last."""
    return torch.eye(classes, dtype=torch.float64).roll(1, dims=1)


def _check(classes, rate):
    """Raise ValueError where there are too few classes or the rate is out of range."""
    if classes < 2:
        raise ValueError(f"classes must be at least 2, got {classes}")
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in [0, 1], got {rate}")
