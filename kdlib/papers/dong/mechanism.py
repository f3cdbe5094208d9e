"""What happens to the labels while networks refine them."""

import math

import torch

from kdlib import self_distillation
from kdlib.papers.dong import pictures

#: Neighbours that say how typical of its class an image is.
NEIGHBOURS = 10


def kept_epochs(epochs, *, places=24):
    """Epochs at which measures are taken: early ones often, the last one always.

    Args:
        epochs: number of epochs, at least 1.
        places: about how many epochs are kept.

    Returns:
        Growing integers from 0 to ``epochs``.

    Example:
        >>> kept_epochs(100, places=6)
        [0, 1, 3, 10, 32, 100]
    """
    steps = [math.log(epochs) * place / (places - 2) for place in range(places - 1)]
    return sorted({0, *(round(math.exp(step)) for step in steps)})


def typical(x, labels):
    """Which images have more neighbours of their own class than the median one has.

    Args:
        x: inputs ``(n, d)``.
        labels: true labels ``(n,)``.

    Returns:
        Booleans ``(n,)``.
    """
    near = torch.cdist(x, x).topk(min(NEIGHBOURS + 1, len(x)), largest=False).indices
    alike = (labels[near[:, 1:]] == labels[:, None]).double().mean(1)
    return alike > alike.median().clamp(max=1 - 1e-9)


def measures(answers, task, losses, epochs):
    """Accuracies of the networks of one seed, and what became of their labels.

    Refined labels are those of the whole training set at once.

    Args:
        answers: logits ``(K, k, n + h + t, c)`` after the epochs of
            :func:`kept_epochs`, for training, held-out and test images.
        task: ``pictures.Task``.
        losses: K names of ``self_distillation.LOSSES``.
        epochs: number of epochs.

    Returns:
        dict of tables over losses and kept epochs, ``(K, k)``:

        - ``test``: accuracy on test images;
        - ``held``: share of the held-out images answered like their given labels;
        - ``memorised``: share of the wrong given labels that the network answers;
        - ``weight``: of the own prediction in the refined labels;
        - ``corrected``: share of the wrong given labels whose refined label is right,
          ``corrected_typical`` and ``corrected_rare`` for images that :func:`typical`
          tells apart;
        - ``overtaken``: share of the wrong given labels whose refined label is another;
        - ``spoiled``: share of the right given labels whose refined label is wrong;
        - ``lead``: weight of the true class less that of the given one in a refined
          label, mean over the wrong given labels;
        - ``net``: corrected less spoiled ones, as a share of all images;

        and the numbers ``rate_measured`` and ``n_wrong``.

    Source: Dong et al. 2019, abstract; what is measured is ours.
    """
    n, h = len(task.given), len(task.held_given)
    logits = answers[:, :, :n]
    said = answers.argmax(-1)
    wrong = task.given != task.labels
    rows = {
        "test": (said[:, :, n + h :] == task.test_y).double().mean(-1),
        "held": (said[:, :, n : n + h] == task.held_given).double().mean(-1),
        "memorised": _share(said[:, :, :n] == task.given, wrong),
    }
    refined = []
    weights = []
    given = pictures.one_hot(task.given).to(logits)
    for loss, of_loss in zip(losses, logits):
        for epoch, outputs in zip(kept_epochs(epochs), of_loss):
            labels, weight = self_distillation.refined_labels(
                given, outputs, loss=loss, epoch=max(epoch, 1), epochs=epochs
            )
            refined.append(labels)
            weights.append(weight)
    refined = torch.stack(refined).view_as(logits)
    rows["weight"] = torch.stack(weights).view(said.shape[:2])
    top = refined.argmax(-1)
    is_typical = typical(task.x[0], task.labels)
    rows["corrected"] = _share(top == task.labels, wrong)
    rows["corrected_typical"] = _share(top == task.labels, wrong & is_typical)
    rows["corrected_rare"] = _share(top == task.labels, wrong & ~is_typical)
    rows["overtaken"] = _share(top != task.given, wrong)
    rows["spoiled"] = _share(top != task.labels, ~wrong)
    at_true = _mass(refined, task.labels)
    at_given = _mass(refined, task.given)
    rows["lead"] = _share(at_true - at_given, wrong)
    change = (top == task.labels).double() - (~wrong).double()
    rows["net"] = change.mean(-1)
    rows = {name: values.cpu() for name, values in rows.items()}
    share = wrong.double().mean().item()
    return rows | {"n_wrong": int(wrong.sum()), "rate_measured": share}


def _share(values, chosen):
    """Mean over the chosen images; NaN where there are none."""
    return values[..., chosen].double().mean(-1)


def _mass(labels, classes):
    """Entry of each label at a class, ``(…, n)``."""
    index = classes.expand(labels.shape[:-1])[..., None]
    return labels.gather(-1, index)[..., 0]
