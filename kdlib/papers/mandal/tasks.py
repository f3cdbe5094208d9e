"""Two tasks whose margin can be dialled: arcs on the circle and the noisy exclusive
or."""

import itertools
import math

import torch


def arcs(sectors, points, gap):
    r"""Points on the unit circle, in ``sectors`` arcs of alternate labels with ``gap``
    radians between neighbours.

    Two sectors are separated by a line, four are an exclusive or, and six have margin 0
    whatever the gap: tangent features of ReLU neurons without bias have no odd harmonic
    above the first.

    Args:
        sectors: even number of arcs.
        points: points of each arc, evenly spaced from end to end.
        gap: in (0, 2π / sectors]; at the largest each arc is one point.

    Returns:
        inputs ``(n, 2)`` and labels ±1 ``(n,)``, float64.

    Raises:
        ValueError: an odd number of sectors, no points or a gap out of range.

    Source: none; a family for Mandal, Lin & Srikant 2025, Assumption 1, whose margin is
    about a third of the gap.
    """
    span = 2 * math.pi / sectors if sectors else 0
    if sectors < 2 or sectors % 2 or points < 1 or not 0 < gap <= span:
        raise ValueError(
            "sectors must be even, points at least 1 and gap in (0, 2 pi / sectors], "
            f"got {sectors}, {points} and {gap}"
        )
    sector = torch.arange(sectors)
    inside = torch.linspace(gap / 2, span - gap / 2, points, dtype=torch.float64)
    angle = (0.1 + sector.double()[:, None] * span + inside).flatten()
    labels = 1.0 - 2 * (sector % 2).repeat_interleave(points).double()
    return torch.stack([angle.cos(), angle.sin()], dim=1), labels


def noisy_xor(dims):
    r"""All points of the noisy exclusive or: two coordinates decide, ``dims`` − 2 signs
    are noise.

    The first two coordinates are (±1, 0), label 1, or (0, ±1), label −1, the others ±1,
    and all are divided by :math:`\sqrt{d - 1}`, which makes the norm 1. The margin is
    at least 1 / (60 d).

    Args:
        dims: d >= 3.

    Returns:
        inputs ``(2^d, d)`` and labels ±1, float64.

    Raises:
        ValueError: ``dims`` is below 3.

    Source: Ji & Telgarsky 2020 (Polylogarithmic width), Section 5; the example of
    Mandal et al.'s predecessors.
    """
    if dims < 3:
        raise ValueError(f"dims must be at least 3, got {dims}")
    signs = list(itertools.product((-1.0, 1.0), repeat=dims - 2))
    noise = torch.tensor(signs, dtype=torch.float64)
    corners = [[1.0, 0], [-1, 0], [0, 1], [0, -1]]
    parts = []
    for corner in torch.tensor(corners, dtype=torch.float64):
        parts.append(torch.cat([corner.expand(len(noise), 2), noise], dim=1))
    labels = torch.tensor([1.0, 1, -1, -1], dtype=torch.float64)
    inputs = torch.cat(parts) / (dims - 1) ** 0.5
    return inputs, labels.repeat_interleave(len(noise))
