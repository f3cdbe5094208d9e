"""The correlations that the theory speaks of, measured on features."""

from typing import NamedTuple

import torch
import torch.nn.functional as F


class Levels(NamedTuple):
    """Mean correlations of two different samples."""

    within: float  # c, of a class
    between: float  # d, of two classes of a superclass
    across: float  # e, of two superclasses


def of_classes(features, labels, *, centred):
    """Mean correlation of the samples of each pair of classes, two different samples.

    Args:
        features: ``(n, d)``.
        labels: ``(n,)``, each class of 0 … c − 1 at least twice.
        centred: whether the features' mean is taken away and each is scaled to norm
            one, as the paper's correlations are; else inner products as they are, in
            units of the mean squared norm.

    Returns:
        float64 tensor ``(c, c)``.

    Source: Jeong & Chung 2025, the table and maps of feature correlations.
    """
    x = features.double()
    if centred:
        x = F.normalize(x - x.mean(dim=0))
    own = F.one_hot(labels).double()
    counts = own.sum(dim=0)
    sums = own.T @ x
    products = sums @ sums.T
    squares = own.T @ x.square().sum(dim=1)
    pairs = torch.outer(counts, counts)
    # a sample's product with itself is no pair
    products -= torch.diag(squares)
    pairs -= torch.diag(counts)
    return products / pairs / x.square().sum(dim=1).mean()


def measured(correlations, clusters):
    """The three levels of the correlations of classes.

    Args:
        correlations: ``(c, c)``, of :func:`of_classes`.
        clusters: ``(c,)``, the superclass of each class.

    Returns:
        Levels; NaN where no pair of classes is of a level.

    Source: Jeong & Chung 2025, Section 4.
    """
    is_cluster = clusters[:, None] == clusters
    is_class = torch.eye(len(clusters), dtype=torch.bool)
    masks = (is_class, is_cluster & ~is_class, ~is_cluster)
    return Levels(*(correlations[mask].mean().item() for mask in masks))
