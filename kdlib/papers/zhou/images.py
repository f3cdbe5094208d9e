"""Students on images with every kind of soft loss, and what their samples are."""

import torch
import torch.nn.functional as F

from kdlib import devices, losses
from kdlib.models import StackedMLP
from kdlib.papers.zhou import kinds as kinds_of
from kdlib.papers.zhou import samples

CORNER = 6  # samples of a seed whose images are shown, of each sort


def task(images, *, components, known=10000):
    r"""The images of a set as inputs of mean square one.

    Images of 16 and more pixels a side are averaged over squares of two. Pixels are
    centred and turned onto the leading principal components of the first images of the
    training set, and each image gets the norm :math:`\sqrt d`.

    Args:
        images: ``datasets.Images``.
        components: d, all of them where there are fewer pixels.
        known: how many training images give mean and components.

    Returns:
        dict of tensors: ``train_x`` ``(n, d)``, ``train_y`` ``(n,)``, ``test_x`` and
        ``test_y``.

    Source: none; the paper's networks see whole images.
    """
    pixels = torch.cat([images.train_images, images.test_images])
    size = 2 if pixels.shape[-1] >= 16 else 1
    rows = [F.avg_pool2d(some.float() / 255, size) for some in pixels.split(10000)]
    rows = torch.cat(rows).flatten(1)
    first = rows[: min(known, len(images.train_labels))]
    mean = first.mean(0)
    products = (first - mean).T @ (first - mean)
    turn = torch.linalg.eigh(products.double()).eigenvectors.flip(1)[:, :components]
    x = F.normalize((rows - mean) @ turn.float()) * turn.shape[1] ** 0.5
    train_x, test_x = x.split([len(images.train_labels), len(images.test_labels)])
    return {
        "train_x": train_x.clone(),
        "train_y": images.train_labels,
        "test_x": test_x.clone(),
        "test_y": images.test_labels,
    }


def students(
    seed,
    *,
    kinds,
    shown,
    n,
    n_teacher,
    n_test,
    width,
    teacher_width,
    teacher_epochs,
    smoothing,
    epochs,
    batch_size,
    rate,
    device,
    data,
):
    """Accuracies and samples of every kind of student along its training.

    The teachers learn from labels, one from plain ones and one from smoothed ones, on
    the student's images and on more. Each of them teaches as it is after each of the
    epochs of ``kinds.kept_epochs``: teacher j is the plain one after the j-th of these
    J epochs, and teacher J + j the smoothed one.

    Args:
        seed: of the images, the starts and the orders.
        kinds: K dicts, each the fields of ``kinds.Kind``; students of one seed start
            alike.
        shown: which kind's samples are followed one by one.
        n: images of a student.
        n_teacher: images of a teacher, at least n, or all that there are.
        n_test: test images, the first ones.
        width: neurons of a student.
        teacher_width: neurons of a teacher.
        teacher_epochs: passes of a teacher.
        smoothing: of the second teacher's labels.
        epochs: passes of a student.
        batch_size: images an update.
        rate: learning rate of both.
        device: where to compute.
        data: of :func:`task`.

    Returns:
        dict. Tables over kinds and kept epochs, see :func:`measured`; ``teachers``,
        test accuracies ``(2 J,)``; ``varies``, for each kind the share of samples that
        are regularization samples (by the coordinate of the label) in some kept epochs
        and not in others; ``a`` and ``b`` at the coordinate of the label of the first
        200 samples of the kind that is shown, ``(epochs, samples)``; and ``corner``, of
        that kind's clearest regularization samples and clearest others in the last
        epoch: the image's place, its label, the teacher's and the student's
        probability of it and what they answer.

    Source: Zhou et al. 2021, Sections 3 and 4; the settings are ours.
    """
    device = devices.pick_device(device)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(data["train_y"]), generator=generator)
    chosen = chosen[: max(n, n_teacher)]
    x = data["train_x"][chosen].to(device)
    y = data["train_y"][chosen].to(device)
    test_x = data["test_x"][:n_test].to(device)
    test_y = data["test_y"][:n_test].to(device)
    sizes = {"inputs": x.shape[1], "classes": int(data["train_y"].max()) + 1}
    sizes |= {"device": device}
    way = {"seeds": [seed], "batch_size": batch_size, "rate": rate}
    teacher = StackedMLP([seed + 2**20], kinds=2, width=teacher_width, **sizes)
    stages = kinds_of.kept_epochs(teacher_epochs)
    plain = kinds_of.Kind()
    two = [plain, plain._replace(smoothing=smoothing)]
    nobody = x.new_zeros(1, 1, len(x), sizes["classes"])
    taught = []
    right = []
    pausing = way | {"epochs": teacher_epochs, "kept": stages}
    for _ in kinds_of.train(teacher, x[None], y[None], nobody, two, **pausing):
        with torch.no_grad():
            taught.append(teacher(x[None, :n])[0])
            right.append(accuracy(teacher(test_x[None])[0], test_y))
    taught = torch.stack(taught, dim=1).flatten(0, 1)
    kinds = [kinds_of.Kind(**kind) for kind in kinds]
    x = x[:n]
    y = y[:n]
    network = StackedMLP([seed], kinds=len(kinds), width=width, **sizes)
    of_kind = taught[[kind.teacher for kind in kinds]]
    tables = []
    marks = []
    plane = []
    way |= {"epochs": epochs, "kept": kinds_of.kept_epochs(epochs)}
    for _ in kinds_of.train(network, x[None], y[None], taught[None], kinds, **way):
        with torch.no_grad():
            logits = network(x[None])[0]
            tests = network(test_x[None])[0]
        found, marked = measured(logits, of_kind, y, kinds)
        tables.append(found | {"test": accuracy(tests, test_y)})
        marks.append(marked)
        own = [logits[shown], of_kind[shown], y]
        tau = kinds[shown].temperature
        plane.append(torch.stack(samples.label_coordinates(*own, temperature=tau)))
    marks = torch.stack(marks)
    row = {name: torch.stack([table[name] for table in tables], 1) for name in found}
    row["test"] = torch.stack([table["test"] for table in tables], dim=1)
    row["varies"] = (marks.any(0) & ~marks.all(0)).double().mean(-1)
    a, b = torch.stack(plane, dim=1)
    row["corner"] = corner(*own, a[-1], b[-1], chosen)
    row |= {"a": a[:, :200], "b": b[:, :200]}
    row["teachers"] = torch.stack(right, dim=1).flatten()
    return {name: value.cpu() for name, value in row.items()}


def accuracy(logits, labels):
    """Share of right answers.

    Args:
        logits: ``(…, t, c)``.
        labels: ``(t,)``.

    Returns:
        ``(…,)``, float64.
    """
    return (logits.argmax(-1) == labels).double().mean(-1)


def measured(logits, teacher_logits, labels, kinds):
    """What the samples of each kind of student are.

    Args:
        logits: ``(K, n, c)``.
        teacher_logits: of each kind's teacher, ``(K, n, c)``.
        labels: ``(n,)``.
        kinds: K of ``kinds.Kind``.

    Returns:
        dict of tensors ``(K,)``, and which samples are regularization samples by the
        coordinate of the label, ``(K, n)``. The dict has ``by_label`` and ``by_norm``,
        the share of regularization samples in the two readings; ``agree``, the share
        on which these agree; ``weight_on`` and ``weight_off``, the mean weight on
        regularization samples (by the coordinate of the label) and on others;
        ``outside``, the number of weights outside [0, 1]; and ``broken``, at
        temperature 1 the number of samples on which the reading and the comparison of
        the two losses differ.
    """
    columns = {}
    marks = []
    for kind, student, teacher in zip(kinds, logits, teacher_logits):
        given = [student, teacher, labels]
        way = {"temperature": kind.temperature}
        by_label = samples.are_regularization(*given, reading="label", **way)
        by_norm = samples.are_regularization(*given, reading="norm", **way)
        weights = losses.soft_label_weights(*given)
        ahead, close = student_is_ahead(*given)
        broken = (by_label != ahead) & ~close & (kind.temperature == 1)
        numbers = {
            "by_label": by_label.double().mean(),
            "by_norm": by_norm.double().mean(),
            "agree": (by_label == by_norm).double().mean(),
            "weight_on": weights[by_label].double().mean(),
            "weight_off": weights[~by_label].double().mean(),
            "outside": ((weights < 0) | (weights > 1)).double().sum(),
            "broken": broken.double().sum(),
        }
        for name, number in numbers.items():
            columns.setdefault(name, []).append(number)
        marks.append(by_label)
    stacked = {name: torch.stack(column) for name, column in columns.items()}
    return stacked, torch.stack(marks)


def student_is_ahead(student_logits, teacher_logits, labels):
    """Where the student's loss on the label is below the teacher's, and where close.

    Args:
        student_logits: ``(n, c)``.
        teacher_logits: ``(n, c)``.
        labels: ``(n,)``.

    Returns:
        Two tensors of truth values, ``(n,)``; close are probabilities of the label
        within a millionth.
    """
    place = labels[:, None]
    student = student_logits.softmax(-1).gather(-1, place)[:, 0]
    teacher = teacher_logits.softmax(-1).gather(-1, place)[:, 0]
    return student > teacher, (student - teacher).abs() < 1e-6


def corner(student_logits, teacher_logits, labels, a, b, chosen):
    """The clearest regularization samples, then the clearest others.

    Args:
        student_logits: ``(n, c)``.
        teacher_logits: ``(n, c)``.
        labels: ``(n,)``.
        a: at the coordinate of the label, ``(n,)``.
        b: likewise.
        chosen: places of the images in their set, at least n.

    Returns:
        ``(2 · CORNER, 6)``: place, label, teacher's and student's probability of it,
        teacher's and student's answer.
    """
    order = (b.abs() - a.abs()).argsort(descending=True)
    size = min(CORNER, len(order) // 2)
    picked = torch.cat([order[:size], order[-size:]])
    label = labels[picked, None]
    columns = [chosen.to(picked.device)[picked], label[:, 0]]
    for logits in (teacher_logits[picked], student_logits[picked]):
        columns.append(logits.softmax(-1).gather(-1, label)[:, 0])
    for logits in (teacher_logits[picked], student_logits[picked]):
        columns.append(logits.argmax(-1))
    return torch.stack([column.double() for column in columns], dim=1)
