"""Images with wrong labels, on which the chapters of Dong et al. train and test."""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from kdlib import label_noise

KINDS = ("symmetric", "asymmetric", "pair", "superclass", "human")


class Task(NamedTuple):
    """The images of one run, as inputs of mean square one.

    Attributes:
        x: training inputs, ``(versions, n, d)``: the image, then its shifts.
        labels: their true labels, ``(n,)``.
        given: the labels that are given, ``(n,)``.
        held_x: inputs that are held out, ``(h, d)``.
        held_given: their given labels, as noisy as those of training, ``(h,)``.
        test_x: test inputs, ``(t, d)``.
        test_y: their true labels, ``(t,)``.
        chosen: places of the training images in their set, ``(n,)``.
        held_chosen: places of those that are held out, ``(h,)``.
    """

    x: torch.Tensor
    labels: torch.Tensor
    given: torch.Tensor
    held_x: torch.Tensor
    held_given: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    chosen: torch.Tensor
    held_chosen: torch.Tensor


def draw(
    seed, data, *, kind, rate, n, held_out, n_test, components, shift=0, device="cpu"
):
    r"""Training, held-out and test images of one run, and their given labels.

    The images are drawn by the seed. Pixels are centred at the training mean, turned
    onto the leading principal components of the training images, and each image gets
    the norm :math:`\sqrt d`. The wrong labels come from a generator of their own.

    Args:
        seed: of the run.
        data: dict of ``train_images`` uint8 ``(N, …)``, ``train_labels``,
            ``test_images`` and ``test_labels``.
        kind: of the noise, one of ``KINDS``; ``human`` takes the worst of the three
            labels that people gave to an image of CIFAR-10, whatever the rate is.
        rate: nominal share of wrong labels.
        n: training images, at least 2; fewer where the set has not so many.
        held_out: images that are held out, at most a third of the set's.
        n_test: test images, the first ones of the test set.
        components: d, at most the number of pixels and of training images.
        shift: pixels by which an image is shifted at most, in both directions; each
            shift is a version of the training images.
        device: where the tensors live.

    Returns:
        :class:`Task`, float32 inputs.

    Raises:
        ValueError: an unknown kind, or a number out of range.

    Source: none for the images; the noise is that of ``label_noise``.
    """
    if min(n, held_out, n_test) < 1 or components < 1 or shift < 0:
        raise ValueError(
            "n, held_out, n_test and components must be at least 1 and shift at least "
            f"0, got {n}, {held_out}, {n_test}, {components} and {shift}"
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data["train_labels"]), generator=generator)
    held_out = min(held_out, len(order) // 3)
    chosen = order[: held_out + n]
    pixels = data["train_images"][chosen].to(device)
    labels = data["train_labels"][chosen].to(device)
    tests = data["test_images"][:n_test].to(device)
    mean, turn = _components(pixels[held_out:], components)
    versions = [_turned(some, mean, turn) for some in _shifted(pixels, shift)]
    x = torch.stack(versions)
    if kind == "human":
        given = label_noise.human(data["train_labels"], "worst")[chosen].to(device)
    else:
        corruption = corruption_of(kind, rate, x[0], labels)
        draws = torch.Generator().manual_seed(2**31 + seed)
        given = label_noise.draw(labels.cpu(), corruption, generator=draws).to(device)
    return Task(
        x=x[:, held_out:],
        labels=labels[held_out:],
        given=given[held_out:],
        held_x=x[0, :held_out],
        held_given=given[:held_out],
        test_x=_turned(tests, mean, turn),
        test_y=data["test_labels"][:n_test].to(device),
        chosen=chosen[held_out:],
        held_chosen=chosen[:held_out],
    )


def corruption_of(kind, rate, features, labels, *, classes=10):
    """The corruption matrix of a kind of noise.

    Args:
        kind: one of ``KINDS`` but ``human``; ``superclass`` clusters the classes by the
            features.
        rate: nominal share of wrong labels.
        features: ``(n, d)``.
        labels: true labels, ``(n,)``.
        classes: c.

    Returns:
        float64 tensor ``(c, c)``.

    Raises:
        ValueError: an unknown kind.

    Source: see ``label_noise``.
    """
    drawn = KINDS[:-1]
    if kind not in drawn:
        raise ValueError(f"kind must be one of {', '.join(drawn)}; got {kind!r}")
    if kind == "superclass":
        clusters = label_noise.superclasses(features, labels)
        return label_noise.superclass(clusters.cpu(), rate)
    return getattr(label_noise, kind)(classes, rate)


def one_hot(labels, *, classes=10):
    """Labels as targets: 1 for the class, 0 for the others.

    Args:
        labels: ``(n,)``.
        classes: c.

    Returns:
        float64 tensor ``(n, c)``.
    """
    return F.one_hot(labels, classes).double()


def _components(pixels, number):
    """Mean ``(d0,)`` and leading principal components ``(d0, d)`` of some images."""
    rows = pixels.flatten(1).double() / 255
    mean = rows.mean(0)
    rows = rows - mean
    n, d0 = rows.shape
    if n > d0:
        vectors = torch.linalg.eigh(rows.T @ rows).eigenvectors.flip(1)
        return mean.float(), vectors[:, :number].float()
    # fewer images than pixels: the smaller matrix has the same eigenvalues
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    d = max(min(number, n - 1), 1)
    turn = rows.T @ vectors.flip(1)[:, :d] / values.flip(0)[:d].clamp(min=1e-9).sqrt()
    return mean.float(), turn.float()


def _turned(pixels, mean, turn):
    """Images as inputs of mean square one, ``(n, d)``."""
    rows = (pixels.flatten(1).float() / 255 - mean) @ turn
    return turn.shape[1] ** 0.5 * F.normalize(rows)


def _shifted(pixels, shift):
    """The images, then copies shifted by up to so many pixels, zeros moving in."""
    size = pixels.shape[-2:]
    padded = F.pad(pixels, (shift, shift, shift, shift))
    moves = [(i, j) for i in range(2 * shift + 1) for j in range(2 * shift + 1)]
    moves.sort(key=(shift, shift).__ne__)  # the image itself comes first
    for top, left in moves:
        yield padded[..., top : top + size[0], left : left + size[1]]
