"""Students of redrawn samples of Gaussian classes, where noise, bias and variance are
all known."""

import torch

from kdlib import devices, metrics
from kdlib.metrics import bias_variance
from kdlib.models import StackedMLP
from kdlib.papers.zhou import kinds as kinds_of
from kdlib.papers.zhou import variances


def true_probabilities(x, centres):
    r"""Class probabilities of a point between Gaussian classes that are as frequent.

    .. math:: P(y = k \mid x) \propto e^{-\|x - \mu_k\|^2 / 2}

    Args:
        x: ``(…, d)``.
        centres: μ, ``(c, d)``.

    Returns:
        ``(…, c)``, float64.

    Example:
        >>> centres = torch.tensor([[1.0], [-1.0]])
        >>> true_probabilities(torch.tensor([0.0]), centres)
        tensor([0.5000, 0.5000], dtype=torch.float64)

    Source: Bayes' rule.
    """
    x = x.double()
    centres = centres.double()
    logits = x @ centres.T - centres.square().sum(1) / 2
    return torch.softmax(logits, dim=-1)


def draw(count, centres, *, generator):
    """Points of Gaussian classes with their labels.

    Args:
        count: n.
        centres: ``(c, d)``.
        generator: draws labels and points.

    Returns:
        Points ``(n, d)`` and labels ``(n,)``.
    """
    labels = torch.randint(len(centres), (count,), generator=generator)
    spread = torch.randn(count, centres.shape[1], generator=generator)
    return centres[labels] + spread, labels


def parts(
    seed,
    *,
    kinds,
    students,
    classes,
    dimension,
    distance,
    n,
    n_teacher,
    n_test,
    width,
    teacher_width,
    teacher_epochs,
    epochs,
    batch_size,
    rate,
    device,
):
    """Bias and variance of every kind of student along its training.

    Each student has a training set and a teacher of its own; the teacher was trained on
    labels, on that set and on more points.

    Args:
        seed: of the task and of all that is drawn.
        kinds: K dicts, each the fields of ``kinds.Kind``; the first has labels alone.
        students: M, at least 2.
        classes: c, their centres drawn anew.
        dimension: d.
        distance: root mean square distance of two centres.
        n: training points of a student.
        n_teacher: training points of its teacher, at least n.
        n_test: points on which bias and variance are averaged.
        width: neurons of a student.
        teacher_width: neurons of a teacher.
        teacher_epochs: passes of a teacher.
        epochs: passes of a student.
        batch_size: points an update.
        rate: learning rate of both.
        device: where to compute.

    Returns:
        dict of tables over kinds and kept epochs, means over the test points: ``bias``
        and ``variance``, corrected for the number of students, ``loss``, ``error`` (how
        often the mean student's arg-max is not the label, in expectation), and
        ``between``, the term of Zhou et al. between the mean predictions of the first
        kind and of this one; numbers ``noise``, the largest differences ``gap_hard``,
        ``gap_soft`` and ``gap_variance`` of the identities; ``by_count``, the variance
        that 2 … M students of the first kind show at the end, over that of infinitely
        many; and what ``variances.three`` returns.

    Source: Zhou et al. 2021, Section 3; the task is ours.
    """
    device = devices.pick_device(device)
    generator = torch.Generator().manual_seed(seed)
    scale = distance / (2 * dimension) ** 0.5
    centres = scale * torch.randn(classes, dimension, generator=generator)
    drawn = [
        draw(max(n, n_teacher), centres, generator=generator) for _ in range(students)
    ]
    x = torch.stack([points for points, _ in drawn]).to(device)
    labels = torch.stack([given for _, given in drawn]).to(device)
    test_x, test_y = draw(n_test, centres, generator=generator)
    test_x = test_x.expand(students, -1, -1).to(device)
    sizes = {"inputs": dimension, "classes": classes, "device": device}
    starts = [students * seed + m for m in range(students)]
    way = {"seeds": starts, "batch_size": batch_size, "rate": rate}
    teacher = StackedMLP(starts, kinds=1, width=teacher_width, **sizes)
    nobody = x.new_zeros(students, 1, x.shape[1], classes)
    alone = way | {"epochs": teacher_epochs, "kept": []}
    for _ in kinds_of.train(teacher, x, labels, nobody, [kinds_of.Kind()], **alone):
        pass
    with torch.no_grad():
        taught = teacher(x[:, :n])
        teacher_test = teacher(test_x)[:, 0]
    kinds = [kinds_of.Kind(**kind) for kind in kinds]
    kept = kinds_of.kept_epochs(epochs)
    network = StackedMLP(starts, kinds=len(kinds), width=width, **sizes)
    way |= {"epochs": epochs, "kept": kept}
    rows = []
    true = true_probabilities(test_x[0], centres.to(device))
    for _ in kinds_of.train(network, x[:, :n], labels[:, :n], taught, kinds, **way):
        with torch.no_grad():
            logits = network(test_x)
        of_labels = logits[:, 0]
        rows.append([measured(own, of_labels, true) for own in logits.unbind(1)])
    tables = {}
    for name in rows[0][0]:
        values = [[of_kind[name] for of_kind in of_epoch] for of_epoch in rows]
        tables[name] = torch.tensor(values).T
    gaps = {}
    for name in ("gap_hard", "gap_soft", "gap_variance"):
        gaps[name] = tables.pop(name).max().item()
    noise = metrics.decompose(logits[:, 0], true).noise.mean().item()
    three = variances.three(
        network, 0, test_x, test_y.to(device), true, teacher_test.softmax(-1)
    )
    return tables | gaps | {"noise": noise, "by_count": by_count(logits[:, 0])} | three


def measured(logits, of_labels, true):
    """Bias, variance and the identities of one kind of students after an epoch.

    Args:
        logits: of M students, ``(M, t, c)``.
        of_labels: of the students with labels alone, ``(M, t, c)``.
        true: class probabilities, ``(t, c)``.

    Returns:
        dict of floats, see :func:`parts`.
    """
    plain = metrics.decompose(logits, true)
    found = metrics.decompose(logits, true, corrected=True)
    logs = torch.log_softmax(logits.double(), dim=-1)
    loss = -(true * logs).sum(-1).mean(0)
    mean = bias_variance.mean_prediction(logits)
    reference = bias_variance.mean_prediction(of_labels)
    between = (true * (reference - mean)).sum(-1)
    bias_of_labels = metrics.decompose(of_labels, true).bias
    divergence = (mean.exp() * (mean - logs)).sum(-1).mean(0)
    soft_side = plain.noise + bias_of_labels + between + divergence
    error = 1 - true.gather(-1, logits.argmax(-1).T).mean(-1)
    return {
        "bias": found.bias.mean().item(),
        "variance": found.variance.mean().item(),
        "loss": loss.mean().item(),
        "error": error.mean().item(),
        "between": between.mean().item(),
        "gap_hard": (sum(plain) - loss).abs().max().item(),
        "gap_soft": (soft_side - loss).abs().max().item(),
        "gap_variance": (plain.variance - divergence).abs().max().item(),
    }


def by_count(logits):
    """The variance that 2 … M students show, over M/(M − 1) times that of all.

    Disjoint groups of the students are averaged.

    Args:
        logits: ``(M, t, c)``.

    Returns:
        ``(M − 1,)``.
    """
    M = len(logits)
    whole = bias_variance.variance_of(logits).mean() * M / (M - 1)
    found = []
    for count in range(2, M + 1):
        groups = [logits[i : i + count] for i in range(0, M - count + 1, count)]
        shown = [bias_variance.variance_of(group).mean() for group in groups]
        found.append(torch.stack(shown).mean() / whole)
    return torch.stack(found).cpu()
