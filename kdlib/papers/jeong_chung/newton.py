"""Several functions of one shape minimised side by side by a quasi-Newton method."""

import torch

# Pairs of steps and changes of slope that are kept.
MEMORY = 10
# Most steps, and most halvings of one.
STEPS = 1000
HALVINGS = 20


def minimise(objective, start, is_done):
    r"""Points where b functions are least, each from its own start.

    The step :math:`-H \nabla f` has H from the last
    steps and changes of the slope (L-BFGS).
    A step that does not lower its function enough is halved. A function that is done,
    or that no step lowers, stays where it is, so that each goes its way as if it were
    alone.

    Args:
        objective: takes points ``(b, …)``; returns values ``(b,)`` and slopes
            ``(b, …)``.
        start: ``(b, …)``. The closer the curvature there is to the identity, the fewer
            steps are needed.
        is_done: takes slopes ``(b, …)``; returns booleans ``(b,)``.

    Returns:
        Points ``(b, …)``.

    Example:
        >>> def square(x):
        ...     return (x - 3).square().sum(dim=1) / 2, x - 3
        >>>
        >>> def is_flat(slope):
        ...     return slope.abs().amax(dim=1) < 1e-6
        >>> minimise(square, torch.zeros(1, 2), is_flat)
        tensor([[3., 3.]])

    Source: Nocedal & Wright 2006, Algorithms 3.1 and 7.4.
    """
    shape = (-1, *[1] * (start.ndim - 1))
    point = start
    value, slope = objective(point)
    rest = ~is_done(slope)
    pairs = []
    for _ in range(STEPS):
        if not rest.any():
            break
        step = -_scaled(slope, pairs)
        gain = _dot(step, slope).flatten()
        slack = 8 * torch.finfo(slope.dtype).eps * value.abs()  # of rounding
        size = rest.to(slope.dtype)
        for _ in range(HALVINGS):
            new = point + size.view(shape) * step
            new_value, new_slope = objective(new)
            falls = (new_value <= value + 1e-4 * size * gain + slack) | ~rest
            if falls.all():
                break
            size = torch.where(falls, size, size / 2)
        size = torch.where(falls, size, 0).view(shape)
        moved = size * step
        change = torch.where(size > 0, new_slope - slope, 0)
        pairs = [*pairs, _pair(moved, change)][-MEMORY:]
        point = point + moved
        slope = slope + change
        value = torch.where(size.flatten() > 0, new_value, value)
        rest = rest & falls & ~is_done(slope)
    return point


def _pair(moved, change):
    """A step, the change of the slope, one over their product, and the scale of it."""
    # where the slope does not grow along the step the pair is not used
    product = _dot(moved, change)
    is_used = product > 1e-10 * _dot(change, change)
    inverse = torch.where(is_used, 1 / product, 0)
    scale = torch.where(is_used, product / _dot(change, change), 1)
    return moved, change, inverse, scale


def _scaled(slope, pairs):
    """The slope times the inverse curvature that the pairs tell, ``(b, …)``."""
    left = slope
    shares = []
    for moved, change, inverse, _ in reversed(pairs):
        share = inverse * _dot(moved, left)
        left = left - share * change
        shares.append(share)
    if pairs:
        left = left * pairs[-1][3]
    for (moved, change, inverse, _), share in zip(pairs, reversed(shares)):
        left = left + moved * (share - inverse * _dot(change, left))
    return left


def _dot(a, b):
    """Inner products, ``(b, 1, …)``."""
    return (a * b).sum(dim=tuple(range(1, a.ndim)), keepdim=True)
