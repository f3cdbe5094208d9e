"""How two measures go together, with an interval over settings and seeds."""

import torch

from kdlib import intervals


def rank_correlation(x, y):
    """Spearman's rank correlation over settings, for each seed.

    Args:
        x: ``(seeds, settings)``.
        y: of the same shape.

    Returns:
        ``(seeds,)``, float64; NaN where all settings of a seed have one value.

    Raises:
        ValueError: the shapes differ, or there are fewer than 2 settings.

    Example:
        >>> x = torch.tensor([[1.0, 2.0, 3.0]])
        >>> round(rank_correlation(x, x.square()).item(), 6)
        1.0

    Source: Spearman 1904.
    """
    if x.shape != y.shape or x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(
            "x and y must share one shape (seeds, settings >= 2), got "
            f"{tuple(x.shape)} and {tuple(y.shape)}"
        )
    x = _ranks(x)
    y = _ranks(y)
    norms = x.norm(dim=1) * y.norm(dim=1)
    return (x * y).sum(1) / norms


def over_settings_and_seeds(x, y, *, draws=2000, generator):
    """The mean rank correlation, with an interval over both settings and seeds.

    The bootstrap draws seeds and settings with replacement, so that its interval covers
    other settings of the kind as well as other seeds.

    Args:
        x: ``(seeds, settings)``.
        y: of the same shape.
        draws: number of bootstrap samples.
        generator: of the draws.

    Returns:
        ``intervals.Interval`` of floats: the mean over seeds and the middle 95 % of the
        draws; draws in which a seed has one value alone are left out.

    Raises:
        ValueError: as :func:`rank_correlation`.

    Source: Efron & Tibshirani, An introduction to the bootstrap (1993), Chapter 8; both
    ways at once is ours.
    """
    value = rank_correlation(x, y).mean().item()
    seeds, settings = x.shape
    found = []
    for _ in range(draws):
        rows = torch.randint(seeds, (seeds,), generator=generator)
        columns = torch.randint(settings, (settings,), generator=generator)
        if len(columns.unique()) > 1:
            picked = [table[rows][:, columns] for table in (x, y)]
            found.append(rank_correlation(*picked).mean())
    found = torch.stack(found)
    ends = found.nanquantile(found.new_tensor([0.025, 0.975]))
    return intervals.Interval(value, *ends.tolist())


def _ranks(values):
    """Centred ranks ``(seeds, settings)``, their mean for equal values."""
    values = values.double()
    below = (values[:, None] < values[:, :, None]).double().sum(2)
    equal = (values[:, None] == values[:, :, None]).double().sum(2)
    ranks = below + equal / 2
    return ranks - ranks.mean(1, keepdim=True)
