"""Mandal et al.'s digits with centred and other inputs, and small students from many
starts, by momentum or Adam, all in one stack."""

import math

import torch
import torch.nn.functional as F

from kdlib import devices, models, training
from kdlib.papers.mandal import digits

OPTIMISERS = ("momentum", "adam")


def tasks(images, table, *, components):
    r"""The table's task of all digits with four kinds of inputs.

    ``centred`` are the table's inputs, at norm one. ``pixels`` are pixels of 0 … 1 that
    are not centred, divided by the mean norm of the training part. Each of them has a
    twin with a constant input more, :math:`(x, 1) / \sqrt 2`, which gives each neuron a
    threshold: ``centred+1`` and ``pixels+1``.

    Args:
        images: ``datasets.Images``.
        table: ``digits.task`` of these images.
        components: number of components that ``pixels`` are turned onto, those with the
            largest mean square; all of them where there are fewer.

    Returns:
        A dict of tensors as of ``digits.task``: ``<task>_<part>_x`` ``(n, d)`` and
        ``…_y`` ``(n,)`` for the parts train, validation and test, and
        ``<task>_students``. The training parts are those of the students alone.

    Source: Mandal, Lin & Srikant 2025, Section 5, Table 1; whether their pixels are
    centred or joined by a constant is not given.
    """
    n = int(table["all_students"])
    sizes = [len(table[f"all_{part}_y"]) for part in digits.PARTS]
    pixels = _turned_pixels(images, sizes[0], components).split(sizes)
    data = {}
    for part, plain in zip(digits.PARTS, pixels):
        kept = slice(n) if part == "train" else slice(None)
        inputs = {"centred": table[f"all_{part}_x"][kept], "pixels": plain[kept]}
        for name, x in inputs.items():
            with_constant = F.pad(x, (0, 1), value=1.0) / math.sqrt(2)
            for own, values in {name: x, f"{name}+1": with_constant}.items():
                data[f"{own}_{part}_x"] = values.clone()
                data[f"{own}_{part}_y"] = table[f"all_{part}_y"][kept].clone()
                data[f"{own}_students"] = torch.tensor(n)
    return data


def with_teacher(images, logits, *, components, n_train):
    """:func:`tasks` with the logits of one teacher on the students' images.

    Args:
        images: ``datasets.Images``.
        logits: ``(n,)``, the same for all inputs.
        components: of :func:`tasks`.
        n_train: of ``digits.task``.

    Returns:
        A dict of tensors, ``<inputs>_logits`` among them.
    """
    table = digits.task(images, components=components, n_train=n_train)
    data = tasks(images, table, components=components)
    for name in [name for name in data if name.endswith("_students")]:
        data[name.replace("_students", "_logits")] = torch.as_tensor(logits)
    return data


def accuracies(
    seeds,
    *,
    subset,
    width,
    temperatures,
    symmetric,
    free,
    optimiser,
    rate,
    passes,
    batch_size,
    device,
    data,
):
    r"""Accuracies of students from every start, with every kind of label, trained side
    by side.

    .. math:: f(x; W, a) = \frac1{\sqrt m} \sum_{j=1}^m a_j \max(W_j \cdot x, 0)

    The risk is that of ``digits.student_accuracies``, the mean over the images of
    :math:`\mathrm{KL}(p_i \| \mu(f(x_i)))`, without a projection. The optimisers work
    on each student by itself; the stack only reads the images once for all of them. All
    students see the images in one order.

    Args:
        seeds: of the starts; students of one seed start alike, whatever their labels.
        subset: the name of a task of ``data``.
        width: number of neurons m.
        temperatures: k kinds of labels: 0 for the hard ones, T for the teacher's
            probabilities :math:`\mu(z_t / T)`.
        symmetric: whether neurons start in pairs of opposite signs, as in the paper.
        free: whether the outer weights a are trained too; else they keep their signs.
        optimiser: ``momentum``, stochastic gradient descent with Nesterov momentum 0.9,
            or ``adam``.
        rate: the peak of ``training.one_cycle``.
        passes: over the images.
        batch_size: images an update, all of them where there are fewer.
        device: where to compute.
        data: of :func:`tasks` or ``digits.task``, with ``<subset>_logits``.

    Returns:
        For each seed a dict of lists over the kinds: ``validation`` and ``test``
        accuracy, and ``living``, how many neurons are active on a validation image. A
        student whose weights are no longer finite answers 0 everywhere.

    Raises:
        ValueError: the optimiser is unknown.

    Source: Mandal, Lin & Srikant 2025, Section 5, Table 1; free outer weights, momentum
    and Adam (Kingma & Ba 2015) are ours.
    """
    if optimiser not in OPTIMISERS:
        known = ", ".join(OPTIMISERS)
        raise ValueError(f"optimiser must be one of {known}; got {optimiser!r}")
    device = devices.pick_device(device)
    n = int(data[f"{subset}_students"])
    x = data[f"{subset}_train_x"][:n].to(device)
    targets = _targets(data, subset, temperatures, device).repeat(len(seeds), 1)
    hidden, outer = _starts(seeds, width, len(temperatures), x, symmetric)
    hidden.requires_grad_()
    outer.requires_grad_(free)
    update = _optimiser(optimiser, [hidden, outer] if free else [hidden], rate)
    size = min(batch_size, n)
    steps = passes * (n // size)
    batches = _batches(x, size)
    for step in range(steps):
        update.param_groups[0]["lr"] = rate * training.one_cycle(step, steps)
        index = next(batches)
        losses = F.binary_cross_entropy_with_logits(
            _logits(hidden, outer, x[index]), targets[:, index], reduction="none"
        )
        update.zero_grad()
        losses.mean(1).sum().backward()
        update.step()
    return _measured(hidden, outer, data, subset, len(seeds))


def _targets(data, subset, temperatures, device):
    """Probability of label 1 by kind of label and image, ``(k, n)``."""
    teacher = data[f"{subset}_logits"].to(device)
    hard = data[f"{subset}_train_y"][: len(teacher)].to(device)
    return torch.stack(
        [torch.sigmoid(teacher / T) if T else hard for T in temperatures]
    )


def _starts(seeds, width, kinds, x, symmetric):
    """W(0) ``(K, m, d)`` and a(0) ``(K, m)`` by seed, then by kind of label."""
    hidden = []
    signs = []
    options = {"symmetric": symmetric, "dtype": x.dtype}
    for seed in seeds:
        draw = torch.Generator().manual_seed(seed)
        net = models.TwoLayerReLU(x.shape[1], width, generator=draw, **options)
        hidden.append(net.start)
        signs.append(net.signs)
    hidden = torch.stack(hidden).repeat_interleave(kinds, dim=0)
    signs = torch.stack(signs).repeat_interleave(kinds, dim=0)
    return hidden.to(x.device), signs.to(x.device)


def _optimiser(name, trained, rate):
    """The optimiser of a name, for all students at once."""
    if name == "adam":
        return torch.optim.Adam(trained, lr=rate, foreach=True)
    return torch.optim.SGD(trained, lr=rate, momentum=0.9, nesterov=True, foreach=True)


def _batches(x, size):
    """Indices of whole batches for ever, in a new order each pass."""
    draw = torch.Generator().manual_seed(0)
    while True:
        order = torch.randperm(len(x), generator=draw).to(x.device)
        yield from order[: len(x) - len(x) % size].split(size)


def _logits(hidden, outer, x):
    """Outputs of all students, ``(K, n)``."""
    K, m, d = hidden.shape
    active = torch.relu(hidden.view(K * m, d) @ x.T).view(K, m, len(x))
    return torch.bmm(outer[:, None], active)[:, 0] / math.sqrt(m)


@torch.no_grad()
def _measured(hidden, outer, data, subset, starts):
    """What :func:`accuracies` returns, of trained students."""
    K, m, d = hidden.shape
    found = {}
    for part in ("validation", "test"):
        x = data[f"{subset}_{part}_x"].to(hidden.device)
        y = data[f"{subset}_{part}_y"].to(hidden.device)
        answers = [_logits(hidden, outer, some) > 0 for some in x.split(500)]
        right = torch.cat(answers, dim=1) == (y > 0.5)
        found[part] = right.double().mean(1)
    x = data[f"{subset}_validation_x"].to(hidden.device)
    reached = (hidden.view(K * m, d) @ x.T).amax(1) > 0
    found["living"] = reached.view(K, m).sum(1)
    tables = {name: values.view(starts, -1).tolist() for name, values in found.items()}
    return [{name: table[k] for name, table in tables.items()} for k in range(starts)]


def _turned_pixels(images, known, components):
    """All images' pixels, turned by the first ``known`` and at mean norm one there."""
    pixels = torch.cat([images.train_images, images.test_images])
    pixels = pixels.flatten(1).float() / 255
    products = pixels[:known].T @ pixels[:known]
    vectors = torch.linalg.eigh(products.double()).eigenvectors
    turn = vectors.flip(1)[:, :components].float()
    return pixels @ turn / pixels[:known].norm(dim=1).mean()
