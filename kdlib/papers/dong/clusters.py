"""Clusterable data with wrong labels: the setting of the convergence theorem."""

import torch
import torch.nn.functional as F

from kdlib import devices, kernels, label_noise, self_distillation


def points(n, *, classes, dimension, radius, generator):
    """Points close to one centre a class, all of norm one.

    Args:
        n: number of points; classes take turns.
        classes: c, each with a random centre.
        dimension: d.
        radius: typical distance of a point to its centre.
        generator: draws centres and points.

    Returns:
        Points ``(n, d)`` in float64 and their classes ``(n,)``.

    Raises:
        ValueError: a number below 1, or a negative radius.

    Source: Dong et al. 2019 ask for clusterable data; the law is ours.
    """
    if min(n, classes, dimension) < 1 or radius < 0:
        raise ValueError(
            "n, classes and dimension must be at least 1 and radius at least 0, got "
            f"{n}, {classes}, {dimension} and {radius}"
        )
    options = {"generator": generator, "dtype": torch.float64}
    options |= {"device": generator.device}
    centres = F.normalize(torch.randn(classes, dimension, **options))
    labels = torch.arange(n, device=generator.device) % classes
    spread = torch.randn(n, dimension, **options) * radius / dimension**0.5
    return F.normalize(centres[labels] + spread), labels


def distances(
    seed, *, kind, rate, losses, n, dimension, radius, epochs, time, kept, device
):
    r"""Distances to the true labels, and margins, of self-distillation on the kernel.

    Args:
        seed: of the points and the noise.
        kind: of the noise, ``symmetric``, ``asymmetric`` or ``pair``.
        rate: its nominal rate.
        losses: names of ``self_distillation.LOSSES``.
        n: points of ten classes.
        dimension: d.
        radius: of a cluster.
        epochs: of self-distillation.
        time: of an epoch.
        kept: growing epochs that are measured.
        device: where to compute.

    Returns:
        dict of tables over losses and kept epochs: ``distance``, the root mean square
        distance of the outputs to the true labels divided by that of the given labels;
        ``margin``, the smallest output of a true class less the largest of the others;
        ``right``, the share of points whose arg-max is the true class; ``weight``, of
        the own prediction in the epoch before; and the numbers ``rate_measured`` and
        ``lost``, of classes whose commonest given label is another class.

    Source: Dong et al. 2019, convergence theorem (informal).
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    x, labels = points(
        n, classes=10, dimension=dimension, radius=radius, generator=draw
    )
    noise = torch.Generator().manual_seed(2**31 + seed)
    corruption = getattr(label_noise, kind)(10, rate)
    noisy = label_noise.draw(labels.cpu(), corruption, generator=noise).to(x.device)
    truth = F.one_hot(labels, 10).double()
    given = F.one_hot(noisy, 10).double()
    gram = kernels.ntk(x, depth=1, sigma_b=0.0)
    row = {"distance": [], "margin": [], "right": [], "weight": []}
    for loss in losses:
        outputs, weights = self_distillation.refine_by_flow(
            gram, given, loss=loss, epochs=epochs, time=time, kept=kept
        )
        missed = (outputs - truth).square().mean((1, 2))
        of_given = (given - truth).square().mean()
        row["distance"].append((missed / of_given).sqrt())
        row["margin"].append(margins(outputs, labels).amin(1))
        right = outputs.argmax(-1) == labels
        row["right"].append(right.double().mean(1))
        before = torch.tensor(kept).clamp(min=1) - 1
        row["weight"].append(weights[before])
    tables = {name: torch.stack(values) for name, values in row.items()}
    counts = truth.T @ given
    commonest = counts.argmax(1).cpu()
    lost = (commonest != torch.arange(10)).sum().item()
    rate_measured = label_noise.measured_rate(noisy, labels)
    return tables | {"rate_measured": rate_measured, "lost": lost}


def margins(outputs, labels):
    """Output of the true class less the largest of the others, sample by sample.

    Args:
        outputs: ``(…, n, c)``.
        labels: true classes, ``(n,)``.

    Returns:
        ``(…, n)``.

    Example:
        >>> margins(torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([0])).item()
        0.5
    """
    is_true = F.one_hot(labels, outputs.shape[-1]).bool()
    true = outputs.masked_fill(~is_true, 0).sum(-1)
    return true - outputs.masked_fill(is_true, -torch.inf).amax(-1)
