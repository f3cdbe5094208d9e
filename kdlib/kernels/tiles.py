"""The arithmetic of the analytic kernels, tile by tile.

:func:`kdlib.kernels.ntk` says what is computed. Each thread computes square tiles in
five buffers that stay in the processor's cache: the tile of the inputs first, then one
layer after the other (``kdlib.kernels.layers``). A symmetric matrix is computed once
and mirrored.
"""

import contextlib
import mmap
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch

from kdlib.kernels.layers import LAYERS, Tile

# Side of a tile. A thread has five float64 buffers of this size: 2.6 MB and 0.7 GB.
SIDES = {"cpu": 256, "cuda": 4096}

# D and 2 - D below this fraction of their range have lost too many digits to the matrix
# product.
CLOSE = 1e-6


class Block(NamedTuple):
    """Some neighbouring inputs, at most a tile's side of them.

    Attributes:
        place: the slice of the inputs.
        units: unit vectors of the inputs with their bias, less the centre,
            ``(b, d+1)``.
        halves: half the squared norms of ``units``, ``(b, 1)``.
        norms: norms of the features after the last layer, ``(b, 1)``.
        layers: the vectors ``(b, 1)`` that each layer needs, a tuple a layer.
    """

    place: slice
    units: torch.Tensor
    halves: torch.Tensor
    norms: torch.Tensor
    layers: list


def matrix(x1, x2, depth, activation, sigma_w, sigma_b, *, tangent):
    """The kernel between ``(n1, d)`` and ``(n2, d)``, checked arguments assumed.

    Args:
        x1: inputs ``(n1, d)``.
        x2: inputs ``(n2, d)``; None for the kernel of ``x1`` with itself.
        depth: number of hidden layers.
        activation: a name in ``LAYERS``.
        sigma_w: scale of the weights.
        sigma_b: scale of the biases.
        tangent: True for the NTK, False for the NNGP.

    Returns:
        ``(n1, n2)``, dtype and device of ``x1``.
    """
    side = SIDES.get(x1.device.type, SIDES["cuda"])
    setting = depth, activation, sigma_w, sigma_b
    symmetric = x2 is None
    left, centre = _blocks(x1, *setting, side)
    right = left if symmetric else _blocks(x2, *setting, side, centre)[0]
    out = _empty(x1, len(x1), len(x1 if symmetric else x2))
    largest = min(side, out.shape[0]) * min(side, out.shape[1])
    layer = LAYERS[activation][1]

    def fill(pairs):
        """Write the tiles of some pairs of blocks into the result."""
        buffers = out.new_empty(5, largest, dtype=torch.float64)
        for i, j in pairs:
            here, there = left[i].place, right[j].place
            twin = symmetric and i == j
            tile = _tile(left[i], right[j], twin, centre, layer, buffers, tangent)
            if twin:
                # The same to the last bit on both sides of the diagonal.
                tile = tile.triu_().add_(tile.triu(1).T)
            out[here, there] = tile
            if symmetric and not twin:
                out[there, here] = tile.T

    pairs = []
    for i in range(len(left)):
        first = i if symmetric else 0
        pairs.extend((i, j) for j in range(first, len(right)))
    _share(fill, pairs, torch.get_num_threads() if x1.device.type == "cpu" else 1)
    return out


def diagonal(x, depth, activation, sigma_w, sigma_b, *, tangent):
    """The kernel of each of the inputs ``(n, d)`` with itself, without the matrix.

    Args:
        x: inputs ``(n, d)``.
        depth: number of hidden layers.
        activation: a name in ``LAYERS``.
        sigma_w: scale of the weights.
        sigma_b: scale of the biases.
        tangent: True for the NTK, False for the NNGP.

    Returns:
        ``(n,)``, dtype and device of ``x``.
    """
    _, norms = _features(x, sigma_w, sigma_b)
    norms, layers = _layers(norms, depth, activation, sigma_w, sigma_b)
    T = torch.ones_like(norms)
    if tangent:
        for kept, _ in layers:
            T = 1 + kept * T
    return (T * norms.square()).flatten().to(x.dtype)


# ---- memory and threads


def _share(fill, pairs, threads):
    """Call ``fill`` with all pairs, dealt out to threads where there are several."""
    if threads == 1 or len(pairs) == 1:
        fill(pairs)
        return

    def fill_on_one_thread(share):
        # Torch's own threads would wait for one another at every step inside a tile.
        torch.set_num_threads(1)
        try:
            fill(share)
        finally:
            # Threads that start later take this number over.
            torch.set_num_threads(threads)

    with ThreadPoolExecutor(threads) as pool:
        shares = [pairs[k::threads] for k in range(threads)]
        list(pool.map(fill_on_one_thread, shares))


def _empty(like, rows, columns):
    """Memory for a result, on the CPU in large pages where the system has any."""
    # The first touch of small pages would take an eighth of the time of a whole kernel.
    size = rows * columns * like.element_size()
    if like.device.type != "cpu" or size < 2**22 or not hasattr(mmap, "MADV_HUGEPAGE"):
        return like.new_empty(rows, columns)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # An operating system without large pages refuses.
    with contextlib.suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=like.dtype).view(rows, columns)


# ---- blocks of inputs


def _features(x, sigma_w, sigma_b):
    """The inputs with their bias as unit vectors, and their norms.

    Args:
        x: inputs ``(n, d)``.
        sigma_w: scale of the weights.
        sigma_b: scale of the biases.

    Returns:
        Unit vectors ``(n, d+1)``, where a zero vector stays zero, and norms ``(n, 1)``.
    """
    bias = x.new_full((len(x), 1), sigma_b).double()
    x = torch.cat([bias, x.double() * (sigma_w / x.shape[1] ** 0.5)], dim=1)
    norms = x.norm(dim=1, keepdim=True)
    return x.div_(torch.where(norms > 0, norms, 1)), norms


def _layers(norms, depth, activation, sigma_w, sigma_b):
    """What the layers do to the norms of some inputs.

    Args:
        norms: ``(n, 1)``, before the first layer.
        depth: number of hidden layers.
        activation: a name in ``LAYERS``.
        sigma_w: scale of the weights.
        sigma_b: scale of the biases.

    Returns:
        The norms after all layers, and a pair for each layer: the factor ``(n, 1)`` of
        T on the diagonal, and the vectors that a tile's layer takes.
    """
    vectors_of = LAYERS[activation][0]
    layers = []
    for _ in range(depth):
        norms, kept, vectors = vectors_of(norms, sigma_w, sigma_b)
        layers.append((kept, vectors))
    return norms, layers


def _blocks(x, depth, activation, sigma_w, sigma_b, side, centre=None):
    """The inputs as blocks of ``side``, and the centre of their unit vectors."""
    units, norms = _features(x, sigma_w, sigma_b)
    if centre is None:
        centre = units.mean(dim=0)
    units.sub_(centre)
    halves = units.square().sum(dim=1, keepdim=True) / 2
    norms, layers = _layers(norms, depth, activation, sigma_w, sigma_b)
    blocks = []
    for start in range(0, len(x), side):
        at = slice(start, start + side)
        parts = [tuple(vector[at] for vector in vectors) for _, vectors in layers]
        blocks.append(Block(at, units[at], halves[at], norms[at], parts))
    return blocks, centre


# ---- one tile


def _tile(rows, columns, twin, centre, layer, buffers, tangent):
    """One tile of the kernel, in a buffer; ``twin`` says that rows are columns."""
    # torch.sub writes into a buffer only if both operands are tensors.
    one = buffers.new_ones(())
    tile = _inputs_tile(rows, columns, twin, centre, one, buffers, tangent)
    for of_rows, of_columns in zip(rows.layers, columns.layers):
        layer(tile, one, of_rows, [vector.T for vector in of_columns])
    result = tile.tangent if tangent else tile.cosine
    return result.mul_(torch.mul(rows.norms, columns.norms.T, out=tile.spare))


def _inputs_tile(rows, columns, twin, centre, one, buffers, tangent):
    """The tile of the inputs themselves, before the first layer.

    There are three steps: the versine D, which is half the squared distance of two unit
    vectors; the cosine, 1 - D; and sin^2 = D (2 - D). Pairs that lost their digits in
    the matrix product are computed again from the vectors, the close ones for D and the
    opposite ones for sin^2. T is the cosine.

    Args:
        rows: a :class:`Block`.
        columns: a :class:`Block`.
        twin: whether they are one block.
        centre: what was subtracted from both blocks' unit vectors, ``(d+1,)``.
        one: the number 1 as a tensor.
        buffers: ``(5, …)``, each long enough for the tile.
        tangent: whether the tile has a T.

    Returns:
        A :class:`Tile` in the buffers.
    """
    b1, b2 = len(rows.units), len(columns.units)
    D, cosine, sine_squared, spare, T = buffers[:, : b1 * b2].view(5, b1, b2)
    largest = _versines(rows, columns, twin, D)
    torch.sub(one, D, out=cosine)
    _sines_squared(rows, columns, centre, largest, D, cosine, out=sine_squared)
    if tangent:
        T.copy_(cosine)
    return Tile(D, cosine, sine_squared, spare, T if tangent else None)


def _versines(rows, columns, twin, D):
    r"""Write :math:`D = \frac12 \|u - u'\|^2` for unit vectors u and u'.

    The matrix product gives :math:`\frac12 \|u\|^2 + \frac12 \|u'\|^2 - u \cdot u'`,
    with u less the centre.

    Args:
        rows: a :class:`Block`.
        columns: a :class:`Block`.
        twin: whether they are one block.
        D: written, ``(b1, b2)``.

    Returns:
        The largest D, a float.
    """
    torch.addmm(columns.halves.T, rows.units, columns.units.T, alpha=-1, out=D)
    D.add_(rows.halves)
    if twin:
        # On the diagonal D is 0 and needs no second look.
        D.fill_diagonal_(1)
    least, most = (float(end) for end in D.aminmax())
    reach = max(float(rows.halves.max()), float(columns.halves.max()))
    if least < CLOSE * reach:
        for i, j in _pairs(D < CLOSE * reach, rows.units):
            D[i, j] = (rows.units[i] - columns.units[j]).square().sum(dim=1) / 2
    if twin:
        D.fill_diagonal_(0)
    return most


def _sines_squared(rows, columns, centre, largest, D, cosine, *, out):
    r"""Write :math:`D + D \cos`, and :math:`D \|u + u'\|^2 / 2` for opposite pairs."""
    torch.addcmul(D, D, cosine, out=out)
    if largest > 2 - CLOSE:
        for i, j in _pairs(D > 2 - CLOSE, rows.units):
            both = rows.units[i] + columns.units[j] + 2 * centre
            out[i, j] = D[i, j] * both.square().sum(dim=1) / 2


def _pairs(where, units):
    """Index vectors i and j of the places where ``where`` is true, some at a time."""
    # Their unit vectors together are at most 2^20 numbers.
    at_a_time = max(1, 2**20 // units.shape[1])
    for pairs in where.nonzero().split(at_a_time):
        yield pairs.T
