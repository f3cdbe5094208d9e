"""What a few runs can show of many: the best of k starts, and one run of each kind."""

from typing import NamedTuple

import torch

from kdlib import intervals


class BestOf(NamedTuple):
    """The law of the best of k starts: its mean, and the ends of its middle 95 %."""

    mean: float
    low: float
    high: float


def best_of(validation, test, number):
    r"""Test accuracy of the start that validation chooses among k starts.

    The k starts are drawn with replacement from the S that were trained. The one with
    rank r in validation, the worst first, is then the best with probability

    .. math:: (r / S)^k - ((r - 1) / S)^k

    With k = 1 this is the law of a single run, and with k = S the bootstrap of the
    best. No draw holds a start that was not trained, so what more starts can reach may
    lie above its upper end.

    Args:
        validation: accuracies of the S starts, ``(S,)``.
        test: their test accuracies, ``(S,)``.
        number: k, at least 1.

    Returns:
        :class:`BestOf`, floats.

    Raises:
        ValueError: the accuracies have two lengths, or k is below 1.

    Example:
        >>> best_of([0.8, 0.9], [0.7, 0.6], 2)
        BestOf(mean=0.625, low=0.6, high=0.7)

    Source: Efron & Tibshirani, An introduction to the bootstrap (1993), Section 7.4.
    """
    validation = torch.as_tensor(validation, dtype=torch.float64)
    test = torch.as_tensor(test, dtype=torch.float64)
    if validation.shape != test.shape or number < 1:
        raise ValueError(
            "accuracies must have one length and number be at least 1, got "
            f"{tuple(validation.shape)}, {tuple(test.shape)} and {number}"
        )
    S = len(test)
    below = (torch.arange(S + 1).double() / S) ** number
    chances = below.diff()
    chosen = test[validation.argsort(stable=True)]
    mean = (chances * chosen).sum().item()
    values, order = chosen.sort()
    reached = chances[order].cumsum(0)
    low = values[min(int((reached < 0.025).sum()), S - 1)].item()
    high = values[min(int((reached < 0.975).sum()), S - 1)].item()
    return BestOf(mean, low, high)


def share_of_pairs(behind, ahead, gap, *, above):
    r"""How often one run is ahead of a run of another kind by a gap, and above a level.

    .. math:: \frac{1}{S (S - 1)} \sum_{i \ne j} 1[y_j - x_i \ge g,\; y_j > l]

    The two runs have different starts, as two runs of a table without a word on starts
    have. The interval is that of ``intervals.jackknife`` over the starts.

    Args:
        behind: x, accuracies of one kind from S starts, ``(S,)``.
        ahead: y, those of the other kind from the same starts, ``(S,)``.
        gap: g, in the unit of the accuracies.
        above: l, so that a pair of two runs that went wrong does not count.

    Returns:
        ``intervals.Interval`` of tensors without dimensions, its ends in [0, 1].

    Raises:
        ValueError: fewer than 3 starts.

    Example:
        >>> hard = [1.0, 2.0, 3.0]
        >>> share, _, _ = share_of_pairs(hard, [2.0, 2.0, 2.0], 1.0, above=0.0)
        >>> round(share.item(), 4)
        0.3333

    Source: none; the question is ours.
    """
    pairs = [torch.as_tensor(one).double() for one in (behind, ahead)]
    runs = torch.stack(pairs, dim=1)
    if len(runs) < 3:
        raise ValueError(f"pairs need at least 3 starts, got {len(runs)}")

    def share(some):
        x = some[:, :1]
        y = some[:, 1]
        counts = (y - x >= gap) & (y > above)
        counts.fill_diagonal_(False)
        return counts.double().sum() / (len(some) * (len(some) - 1))

    value, low, high = intervals.jackknife(share, runs)
    return intervals.Interval(value, low.clamp(min=0), high.clamp(max=1))
