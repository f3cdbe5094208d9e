"""Which digits are above four: the task of Mandal et al.'s Table 1, its teacher, and all its students in one stack."""

import torch
import torch.nn.functional as F

from kdlib import devices, models, training

CONFUSABLE = (1, 7, 4, 9)  # left out of the reduced task
PARTS = ("train", "validation", "test")


def task(images, *, components, n_train):
    r"""Both tasks as tensors: all digits, and those without 1, 7, 4 and 9; label 1 above four.

    Pixels are centred at the training mean, turned onto the training set's leading principal components, and each image
    is divided by its norm, as the theory asks. A turn alone changes nothing: the networks start from an isotropic law.
    The last sixth of the official training set is held out for validation.

    Args:
        images: ``datasets.Images``.
        components: number of principal components that are kept, all where there are fewer; all of them lose nothing.
        n_train: images for a student, the first ones of the task's training part.

    Returns:
        A dict of tensors ``<task>_<part>_x`` ``(n, components)`` and ``…_y`` ``(n,)`` in {0, 1} for the tasks ``all`` and
        ``reduced`` and the parts train, validation and test, and ``<task>_students``, their number of images.

    Raises:
        ValueError: components or n_train below 1.

    Source: Mandal, Lin & Srikant 2025, Section 5, Table 1; centring, components and the split are ours.
    """
    if components < 1 or n_train < 1:
        raise ValueError(
            f"components and n_train must be at least 1, got {components} and {n_train}"
        )
    known = len(images.train_images) * 5 // 6
    pixels = (
        torch.cat([images.train_images, images.test_images]).flatten(1).float() / 255
    )
    labels = torch.cat([images.train_labels, images.test_labels])
    centre = pixels[:known].mean(0)
    spread = (pixels[:known] - centre).T @ (pixels[:known] - centre)
    turn = (
        torch.linalg.eigh(spread.double()).eigenvectors.flip(1)[:, :components].float()
    )
    x, made = F.normalize((pixels - centre) @ turn, dim=1), {}
    ends = [known, len(images.train_images) - known, len(images.test_images)]
    for name, left_out in (("all", ()), ("reduced", CONFUSABLE)):
        for part, some, digit in zip(PARTS, x.split(ends), labels.split(ends)):
            kept = ~torch.isin(digit, torch.tensor(left_out, dtype=digit.dtype))
            made |= {
                f"{name}_{part}_x": some[kept],
                f"{name}_{part}_y": (digit[kept] > 4).float(),
            }
        made[f"{name}_students"] = torch.tensor(
            min(n_train, len(made[f"{name}_train_x"]))
        )
    return made


def teach(seed, *, subset, n, width, epochs, learning_rate, device, data):
    """A wide teacher, trained on labels by stochastic gradient descent.

    Args:
        seed: of its start and the order of the images.
        subset: ``all`` or ``reduced``.
        n: its images, the first ones of the training part, all of them if there are fewer.
        width: its neurons.
        epochs: passes in batches of 128, with ``training.fit``'s one-cycle rate.
        learning_rate: the peak of the cycle.
        device: where to compute.
        data: of :func:`task`.

    Returns:
        dict: ``logits`` on the students' images ``(n,)`` and test ``accuracy``.

    Source: Mandal, Lin & Srikant 2025, Table 1; how their teacher was trained is not given.
    """
    draw = torch.Generator(devices.pick_device(device)).manual_seed(seed)
    x, y, xt, yt = (
        data[f"{subset}_{part}"].to(draw.device)
        for part in ("train_x", "train_y", "test_x", "test_y")
    )
    students, x, y = x[: int(data[f"{subset}_students"])], x[:n], y[:n]
    teacher = models.TwoLayerReLU(x.shape[1], width, generator=draw)
    loss = lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none")  # noqa: E731
    training.fit(
        teacher,
        x,
        (y,),
        loss,
        steps=max(epochs * len(x) // 128, 1),
        batch_size=128,
        learning_rate=learning_rate,
        weight_decay=0.0,
        generator=draw,
    )
    return {
        "logits": training.predict(teacher, students).cpu(),
        "accuracy": _accuracy(training.predict(teacher, xt), yt),
    }


def students(
    seeds, *, subset, widths, temperatures, step, radius, stops, symmetric, device, data
):
    r"""Students of every seed, width and kind of label in one stack of projected gradient descent.

    Args:
        seeds: of the starts; students of one seed and width start alike whatever their labels.
        subset: ``all`` or ``reduced``.
        widths: numbers of neurons m.
        temperatures: k kinds of labels: 0 for the hard ones, T for the teacher's probabilities :math:`\mu(z_t / T)`.
        step: k step sizes η.
        radius: k radii B.
        stops: growing numbers of updates after which the accuracies are taken.
        symmetric: whether neurons start in pairs of opposite signs, as in the paper.
        device: where to compute.
        data: of :func:`task`, with ``<subset>_logits``.

    Returns:
        For each seed a dict with ``validation`` and ``test`` accuracies ``(widths, kinds, stops)``.

    Source: Mandal, Lin & Srikant 2025, Section 5, Table 1.
    """
    device = devices.pick_device(device)
    n = int(data[f"{subset}_students"])
    x, y = (data[f"{subset}_train_{name}"][:n].to(device) for name in "xy")
    taught = data[f"{subset}_logits"].to(device)
    labels = torch.stack(
        [torch.sigmoid(taught / T) if T else y for T in temperatures], dim=1
    )
    start = lambda seed: torch.Generator().manual_seed(seed)  # noqa: E731
    kinds = len(temperatures)
    nets = [
        models.TwoLayerReLU(
            x.shape[1], m, generator=start(seed), symmetric=symmetric
        ).to(device)
        for seed in seeds
        for m in widths
        for _ in range(kinds)
    ]
    copies, found, done = len(nets) // kinds, [], 0
    for stop in stops:
        training.projected_gradient_descent(
            nets,
            x,
            labels.repeat(1, copies),
            step=torch.tensor(step).repeat(copies),
            radius=torch.tensor(radius).repeat(copies),
            steps=stop - done,
        )
        done = stop
        found.append(
            {
                part: torch.tensor(
                    [
                        _accuracy(
                            training.predict(
                                net, data[f"{subset}_{part}_x"].to(device)
                            ),
                            data[f"{subset}_{part}_y"].to(device),
                        )
                        for net in nets
                    ]
                )
                for part in ("validation", "test")
            }
        )
    shape = (len(seeds), len(widths), kinds)
    tables = {
        part: torch.stack([one[part].view(shape) for one in found], dim=-1)
        for part in ("validation", "test")
    }
    return [
        {part: table[k] for part, table in tables.items()} for k in range(len(seeds))
    ]


def _accuracy(logits, labels):
    return ((logits > 0) == (labels > 0.5)).double().mean().item()
