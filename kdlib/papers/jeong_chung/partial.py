"""The partial-label student: the teacher's outputs become a few labels of fixed
weights."""

import torch


def partial_labels(outputs, weights):
    """Targets with given weights on each sample's largest outputs.

    Args:
        outputs: of the teacher, ``(…, n, c)``.
        weights: of the largest, the second largest, …; with the sum 1. The paper's
            student has [.5, .5].

    Returns:
        ``(…, n, c)``, zero on all other classes. Of outputs that tie, those of the
        smaller classes come first.

    Raises:
        ValueError: the weights do not have the sum 1, or there are more of them than
            classes.

    Example:
        >>> partial_labels(torch.tensor([[0.2, 0.5, 0.3]]), [0.5, 0.5]).tolist()
        [[0.0, 0.5, 0.5]]

    Source: Jeong & Chung 2025, Section 5.
    """
    if abs(sum(weights) - 1) > 1e-9 or len(weights) > outputs.shape[-1]:
        raise ValueError(
            f"weights must have the sum 1 and be at most {outputs.shape[-1]}, got "
            f"{list(weights)}"
        )
    # outputs that differ by rounding alone tie
    order = (
        outputs.double().round(decimals=9).argsort(dim=-1, descending=True, stable=True)
    )
    largest = order[..., : len(weights)]
    values = outputs.new_tensor(weights).expand(largest.shape)
    return torch.zeros_like(outputs).scatter(-1, largest, values)
