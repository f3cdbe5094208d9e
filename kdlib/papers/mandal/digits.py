"""Which digits are above four: the task of Mandal et al.'s Table 1, its teacher, and
all its students in one stack."""

import torch
import torch.nn.functional as F

from kdlib import devices, models, training

CONFUSABLE = (1, 7, 4, 9)  # left out of the reduced task
PARTS = ("train", "validation", "test")
# Training images of the reduced task.
REDUCED = {"digits": 722, "mnist": 29_300}


def task(images, *, components, n_train):
    r"""Both tasks as tensors: all digits, and those without 1, 7, 4 and 9; label 1
    above four.

    Pixels are centred at the training mean, turned onto the training set's leading
    principal components, and each image is divided by its norm, as the theory asks. A
    turn alone changes nothing: the networks start from an isotropic law. The last sixth
    of the official training set is held out for validation.

    Args:
        images: ``datasets.Images``.
        components: number of principal components that are kept, all where there are
            fewer; all of them lose nothing.
        n_train: images for a student, the first ones of the task's training part.

    Returns:
        A dict of tensors ``<task>_<part>_x`` ``(n, components)`` and ``…_y`` ``(n,)``
        in {0, 1} for the tasks ``all`` and ``reduced`` and the parts train, validation
        and test, and ``<task>_students``, their number of images.

    Raises:
        ValueError: components or n_train below 1.

    Source: Mandal, Lin & Srikant 2025, Section 5, Table 1; centring, components and the
    split are ours.
    """
    if components < 1 or n_train < 1:
        raise ValueError(
            f"components and n_train must be at least 1, got {components} and {n_train}"
        )
    known = len(images.train_images) * 5 // 6
    pixels = torch.cat([images.train_images, images.test_images])
    pixels = pixels.flatten(1).float() / 255
    labels = torch.cat([images.train_labels, images.test_labels])
    x = _unit_components(pixels, known, components)
    held_out = len(images.train_images) - known
    sizes = [known, held_out, len(images.test_images)]
    data = {}
    for name, left_out in (("all", ()), ("reduced", CONFUSABLE)):
        for part, inputs, digit in zip(PARTS, x.split(sizes), labels.split(sizes)):
            kept = ~torch.isin(digit, torch.tensor(left_out, dtype=digit.dtype))
            data[f"{name}_{part}_x"] = inputs[kept]
            data[f"{name}_{part}_y"] = (digit[kept] > 4).float()
        n = min(n_train, len(data[f"{name}_train_x"]))
        data[f"{name}_students"] = torch.tensor(n)
    return data


def with_teachers(images, logits, *, components, n_train):
    """:func:`task` with the logits of teachers on the students' images.

    Args:
        images: ``datasets.Images``.
        logits: dict from task to logits ``(n,)``.
        components: of :func:`task`.
        n_train: of :func:`task`.

    Returns:
        A dict of tensors, ``<task>_logits`` among them.
    """
    data = task(images, components=components, n_train=n_train)
    for name, values in logits.items():
        data[f"{name}_logits"] = torch.as_tensor(values)
    return data


def teacher_logits(seed, *, subset, n, width, epochs, learning_rate, device, data):
    """Logits and accuracy of a wide teacher, trained on labels by stochastic gradient
    descent.

    Args:
        seed: of its start and the order of the images.
        subset: ``all`` or ``reduced``.
        n: its images, the first ones of the training part, all of them if there are
            fewer.
        width: its neurons.
        epochs: passes in batches of 128, with ``training.fit``'s one-cycle rate.
        learning_rate: the peak of the cycle.
        device: where to compute.
        data: of :func:`task`.

    Returns:
        dict: ``logits`` on the students' images ``(n,)`` and test ``accuracy``.

    Source: Mandal, Lin & Srikant 2025, Table 1; how their teacher was trained is not
    given.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    x, y = _part(data, subset, "train", draw.device)
    students_x = x[: int(data[f"{subset}_students"])]
    x = x[:n]
    y = y[:n]
    teacher = models.TwoLayerReLU(x.shape[1], width, generator=draw)
    training.fit(
        teacher,
        x,
        (y,),
        _cross_entropy,
        steps=max(epochs * len(x) // 128, 1),
        batch_size=128,
        learning_rate=learning_rate,
        weight_decay=0.0,
        generator=draw,
    )
    logits = training.predict(teacher, students_x).cpu()
    accuracy = _accuracy(teacher, *_part(data, subset, "test", draw.device))
    return {"logits": logits, "accuracy": accuracy}


def student_accuracies(
    seeds, *, subset, widths, temperatures, step, radius, stops, symmetric, device, data
):
    r"""Accuracies of students of every seed, width and kind of label, trained in one
    stack of projected gradient descent.

    Args:
        seeds: of the starts; students of one seed and width start alike whatever their
            labels.
        subset: ``all`` or ``reduced``.
        widths: numbers of neurons m.
        temperatures: k kinds of labels: 0 for the hard ones, T for the teacher's
            probabilities :math:`\mu(z_t / T)`.
        step: step size η, or k of them.
        radius: B, or k of them; ``inf`` is no projection.
        stops: growing numbers of updates after which the accuracies are taken.
        symmetric: whether neurons start in pairs of opposite signs, as in the paper.
        device: where to compute.
        data: of :func:`task`, with ``<subset>_logits``.

    Returns:
        For each seed a dict with ``validation`` and ``test`` accuracies ``(widths,
        kinds, stops)``.

    Source: Mandal, Lin & Srikant 2025, Section 5, Table 1.
    """
    device = devices.pick_device(device)
    n = int(data[f"{subset}_students"])
    x, y = _part(data, subset, "train", device)
    x = x[:n]
    teacher = data[f"{subset}_logits"].to(device)
    labels = []
    for T in temperatures:
        labels.append(torch.sigmoid(teacher / T) if T else y[:n])
    nets = _students(seeds, widths, len(labels), x.shape[1], symmetric)
    nets = [net.to(device) for net in nets]
    copies = len(seeds) * len(widths)
    targets = torch.stack(labels, dim=1).repeat(1, copies)
    steps_of_nets = torch.tensor(step).expand(len(labels)).repeat(copies)
    radii_of_nets = torch.tensor(radius).expand(len(labels)).repeat(copies)
    measured = {"validation": [], "test": []}
    done = 0
    for stop in stops:
        training.projected_gradient_descent(
            nets,
            x,
            targets,
            step=steps_of_nets,
            radius=radii_of_nets,
            steps=stop - done,
        )
        done = stop
        for part, columns in measured.items():
            held_out = _part(data, subset, part, device)
            columns.append([_accuracy(net, *held_out) for net in nets])
    shape = (len(stops), len(seeds), len(widths), len(labels))
    tables = {}
    for part, columns in measured.items():
        tables[part] = torch.tensor(columns).view(shape).permute(1, 2, 3, 0)
    return [
        {part: table[k].contiguous() for part, table in tables.items()}
        for k in range(len(seeds))
    ]


def _students(seeds, widths, kinds, inputs, symmetric):
    """Untrained students by seed, then width, then kind of label."""
    nets = []
    for seed in seeds:
        for m in widths:
            for _ in range(kinds):
                draw = torch.Generator().manual_seed(seed)
                net = models.TwoLayerReLU(
                    inputs, m, generator=draw, symmetric=symmetric
                )
                nets.append(net)
    return nets


def _unit_components(pixels, known, components):
    """Principal components of the first ``known`` images, each image at norm one."""
    centre = pixels[:known].mean(0)
    centred = pixels - centre
    spread = centred[:known].T @ centred[:known]
    vectors = torch.linalg.eigh(spread.double()).eigenvectors
    turn = vectors.flip(1)[:, :components].float()
    return F.normalize(centred @ turn, dim=1)


def _part(data, subset, part, device):
    """Inputs and labels of one part of a task, on a device."""
    x = data[f"{subset}_{part}_x"].to(device)
    y = data[f"{subset}_{part}_y"].to(device)
    return x, y


def _cross_entropy(logits, labels):
    """One loss for each example."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def _accuracy(network, inputs, labels):
    """Share of the inputs on whose side the network is right."""
    logits = training.predict(network, inputs)
    return ((logits > 0) == (labels > 0.5)).double().mean().item()
