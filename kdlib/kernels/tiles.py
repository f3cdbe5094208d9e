"""The arithmetic of the analytic kernels, tile by tile and layer by layer; :mod:`kdlib.kernels.analytic` says what it means.

A kernel is carried from layer to layer as the cosine between two inputs' features, and the cosine as D = 1 - cos and
S = 1 + cos, which keep their digits where features nearly coincide or oppose: the arccosine of a rounded cosine would
lose half of them. The tangent kernel is carried as T, divided by both norms. All of it happens in place in square
tiles that stay in the cache, and a symmetric matrix is computed once and mirrored.
"""

import contextlib
import math
import mmap
from concurrent.futures import ThreadPoolExecutor

import torch

SIDES = {
    "cpu": 256,
    "cuda": 4096,
}  # of a tile; a thread has five float64 buffers of it: 2.6 MB and 0.7 GB
CLOSE = 1e-6  # D and S under this fraction of their range have lost too many digits to the matrix product
TINY = 1e-300  # for sin^2, so that its root exists; an angle of 1e-150 is as good as 0


def matrix(x1, x2, depth, activation, sigma_w, sigma_b, *, tangent):
    """The kernel between ``(n1, d)`` and ``(n2, d)``; of ``x1`` with itself if ``x2`` is None."""
    side = SIDES.get(x1.device.type, SIDES["cuda"])
    setting = depth, activation, sigma_w, sigma_b
    left, centre = _blocks(x1, *setting, side)
    right = left if x2 is None else _blocks(x2, *setting, side, centre)[0]
    out = _empty(x1, len(x1), len(x1 if x2 is None else x2))
    pairs = [
        (i, j)
        for i in range(len(left))
        for j in range(i if x2 is None else 0, len(right))
    ]
    threads = torch.get_num_threads() if x1.device.type == "cpu" else 1

    def work(share):
        buffers = out.new_empty(
            5, min(side, out.shape[0]) * min(side, out.shape[1]), dtype=torch.float64
        )
        for i, j in share:
            (here, rows), (there, columns), twin = (
                left[i],
                right[j],
                x2 is None and i == j,
            )
            tile = _tile(
                rows, columns, twin, centre, LAYERS[activation][1], buffers, tangent
            )
            if twin:  # the same to the last bit on both sides of the diagonal
                tile = tile.triu_().add_(tile.triu(1).T)
            out[here, there] = tile
            if x2 is None and not twin:
                out[there, here] = tile.T

    def work_alone(share):
        torch.set_num_threads(
            1
        )  # of this thread: inside a tile they would wait for one another at every operation
        try:
            work(share)
        finally:
            torch.set_num_threads(threads)  # what threads that start later take over

    if threads == 1 or len(pairs) == 1:
        work(pairs)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work_alone, [pairs[k::threads] for k in range(threads)]))
    return out


def diagonal(x, depth, activation, sigma_w, sigma_b, *, tangent):
    """The kernel of each of the inputs ``(n, d)`` with itself, ``(n,)``."""
    norm, layers = _layers(
        _features(x, sigma_w, sigma_b)[1], depth, activation, sigma_w, sigma_b
    )
    T = torch.ones_like(norm)
    for share, _ in layers if tangent else []:
        T = 1 + share * T
    return (T * norm.square()).flatten().to(x.dtype)


def _empty(like, rows, columns):
    """Memory for a result, in large pages where there are any: touching small ones takes an eighth of the time."""
    size = rows * columns * like.element_size()
    if like.device.type != "cpu" or size < 2**22 or not hasattr(mmap, "MADV_HUGEPAGE"):
        return like.new_empty(rows, columns)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without large pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=like.dtype).view(rows, columns)


def _features(x, sigma_w, sigma_b):
    """The inputs with their bias as unit vectors, and their norms; a zero vector stays zero."""
    x = torch.cat(
        [
            x.new_full((len(x), 1), sigma_b).double(),
            x.double() * (sigma_w / x.shape[1] ** 0.5),
        ],
        dim=1,
    )
    norm = x.norm(dim=1, keepdim=True)
    return x.div_(torch.where(norm > 0, norm, 1)), norm


def _layers(norm, depth, activation, sigma_w, sigma_b):
    """The norms after all layers, and for each what its T keeps on the diagonal and the vectors that a tile needs."""
    layers = []
    for _ in range(depth):
        norm, share, vectors = LAYERS[activation][0](norm, sigma_w, sigma_b)
        layers.append((share, vectors))
    return norm, layers


def _blocks(x, depth, activation, sigma_w, sigma_b, side, centre=None):
    """For each block of ``side`` inputs its place, and its (units - centre, half their squares, norms, layers)."""
    units, norm = _features(x, sigma_w, sigma_b)
    centre = units.mean(dim=0) if centre is None else centre
    halves = units.sub_(centre).square().sum(dim=1, keepdim=True) / 2
    norm, layers = _layers(norm, depth, activation, sigma_w, sigma_b)
    places = [slice(start, start + side) for start in range(0, len(x), side)]
    return [
        (
            at,
            (
                units[at],
                halves[at],
                norm[at],
                [[v[at] for v in vectors] for _, vectors in layers],
            ),
        )
        for at in places
    ], centre


def _tile(rows, columns, twin, centre, layer, buffers, tangent):
    """One tile of the kernel, in a buffer; ``twin`` says that its rows are its columns."""
    (units1, halves1, norm1, layers1), (units2, halves2, norm2, layers2) = rows, columns
    shape = len(units1), len(units2)
    D, cos, E, W, T = (buffer[: shape[0] * shape[1]].view(shape) for buffer in buffers)
    one, T = D.new_ones(()), T if tangent else None
    torch.addmm(halves2.T, units1, units2.T, alpha=-1, out=D).add_(halves1)
    if twin:
        D.fill_diagonal_(1)
    least, most = (float(end) for end in D.aminmax())
    reach = max(float(halves1.max()), float(halves2.max()))
    if least < CLOSE * reach:
        for i, j in _pairs(D < CLOSE * reach, units1):
            D[i, j] = (units1[i] - units2[j]).square().sum(dim=1) / 2
    if twin:
        D.fill_diagonal_(0)
    torch.sub(one, D, out=cos)
    torch.addcmul(D, D, cos, out=E)
    if most > 2 - CLOSE:
        for i, j in _pairs(D > 2 - CLOSE, units1):
            E[i, j] = (
                D[i, j] * (units1[i] + units2[j] + 2 * centre).square().sum(dim=1) / 2
            )
    if tangent:
        T.copy_(cos)
    for mine, theirs in zip(layers1, layers2):
        layer(D, cos, E, W, T, one, mine, [v.T for v in theirs])
    return (T if tangent else cos).mul_(torch.mul(norm1, norm2.T, out=W))


def _pairs(where, units):
    """The places where ``where`` is true, some at a time: vectors of them together are at most 2^20 numbers."""
    return (pairs.T for pairs in where.nonzero().split(max(1, 2**20 // units.shape[1])))


def _relu_vectors(norm, sigma_w, sigma_b):
    """Norm after the layer; t^2, with (s, t) the bias and the weights in it as a unit vector; t, and its half angle."""
    after = (sigma_b**2 + (sigma_w * norm).square() / 2).sqrt()
    safe = torch.where(
        after > 0, after, 1
    )  # a zero input without a bias: multiplied by its norm, 0, at the end
    t, s = sigma_w / 2**0.5 * norm / safe, sigma_b / safe
    half = ((1 + s) / 2).sqrt()
    return after, t.square(), (t, t / (2 * half), half)


def _relu_layer(D, cos, E, W, T, one, rows, columns):
    """A ReLU layer: cos' = s1 s2 + t1 t2 (sin + (pi - angle) cos) / pi."""
    (t1, sin1, cos1), (t2, sin2, cos2) = rows, columns
    E.mul_(
        torch.rsqrt(E.clamp_min_(TINY), out=W)
    )  # sin: the root, in less time than by sqrt
    angle = torch.atan2(
        E, cos, out=W
    )  # right to its last digits at 0 and at pi, as D and E are
    D.sub_(E.addcmul_(angle, cos, value=-1), alpha=1 / math.pi).mul_(
        torch.mul(t1, t2, out=E)
    )
    if T is not None:
        T.addcmul_(T, angle, value=-1 / math.pi).mul_(E)
    torch.mul(sin1, cos2, out=E).addcmul_(
        cos1, sin2, value=-1
    )  # sine of half the angle from (s1, t1) to (s2, t2)
    D.addcmul_(E, E, value=2)
    torch.sub(one, D, out=cos)
    if T is not None:
        T.add_(cos)
    torch.addcmul(D, D, cos, out=E)


def _erf_vectors(norm, sigma_w, sigma_b):
    """Norm after the layer; what T keeps on the diagonal; sqrt(2) norm and its square; both parts of the norm after."""
    p = 2 * norm.square()
    after = (
        sigma_b**2 + sigma_w**2 * 2 / math.pi * torch.atan2(p, (1 + 2 * p).sqrt())
    ).sqrt()
    safe = torch.where(after > 0, after, 1)
    k = sigma_w * (2 / math.pi) ** 0.5 / safe
    return (
        after,
        p * k.square() / (1 + 2 * p).sqrt(),
        (2**0.5 * norm, p, k, sigma_b / safe),
    )


def _erf_layer(D, cos, E, W, T, one, rows, columns):
    """An erf layer: cos' = s1 s2 + k1 k2 arcsin(r), the arcsine as an arctangent, which is right at both ends."""
    (a1, p1, k1, s1), (a2, p2, k2, s2) = rows, columns
    E.mul_(torch.mul(p1, p2, out=W)).add_(p1).add_(p2).add_(
        1
    ).sqrt_()  # sqrt((1 + p1) (1 + p2) - (2 K12)^2)
    cos.mul_(torch.mul(a1, a2, out=W))  # 2 K12
    if T is not None:
        T.mul_(W).div_(E)
    angle = torch.atan2(cos, E, out=D)
    torch.mul(k1, k2, out=W)
    torch.mul(s1, s2, out=cos).addcmul_(W, angle)
    if T is not None:
        T.mul_(W).add_(cos)
    torch.sub(one, torch.mul(cos, cos, out=W), out=E)
    torch.sub(one, cos, out=D)


LAYERS = {"relu": (_relu_vectors, _relu_layer), "erf": (_erf_vectors, _erf_layer)}
