r"""A tile of a kernel, and what a layer of the network does to it.

Between two layers a tile holds the angle :math:`\theta` between two inputs' features in
three forms that are kept side by side: the versine :math:`D = 1 - \cos\theta`, the
cosine and :math:`\sin^2\theta`. The versine keeps its digits where features nearly
coincide and :math:`\sin^2\theta` also where they nearly oppose; the arccosine of a
rounded cosine would lose half of them. The tangent kernel is kept as T, divided by both
norms.

A layer works in place, in five buffers. A step that puts another quantity into a buffer
also gives it another name, and the tables in :func:`relu_layer` and :func:`erf_layer`
show line by line what each buffer holds.
"""

import math
from typing import NamedTuple

import torch

# For sin^2, so that its root exists; an angle of 1e-150 is as good as 0.
TINY = 1e-300


class Tile(NamedTuple):
    """What is known of the pairs of two blocks between two layers; each ``(b1, b2)``.

    Attributes:
        versine: D = 1 - cos of the angle between the features.
        cosine: 1 - D.
        sine_squared: D (2 - D).
        spare: nothing; a layer writes what it needs for a while.
        tangent: T, the tangent kernel divided by both norms; None for the NNGP.
    """

    versine: torch.Tensor
    cosine: torch.Tensor
    sine_squared: torch.Tensor
    spare: torch.Tensor
    tangent: torch.Tensor | None


def relu_vectors(norms, sigma_w, sigma_b):
    r"""What a ReLU layer does to the norms, and what it needs to know of each input.

    Args:
        norms: norms of the features before the layer, ``(n, 1)``.
        sigma_w: scale of the weights.
        sigma_b: scale of the biases.

    Returns:
        The norms after the layer; :math:`t^2`, the factor of T on the diagonal; and the
        tuple :math:`t, \sin(\phi / 2), \cos(\phi / 2)`. Bias and weights have the
        shares :math:`s = \cos\phi` and :math:`t = \sin\phi` of the norm after the
        layer.
    """
    after = (sigma_b**2 + (sigma_w * norms).square() / 2).sqrt()
    # A zero input without a bias: all is multiplied by its norm, 0, at the end.
    safe = torch.where(after > 0, after, 1)
    t = sigma_w / 2**0.5 * norms / safe
    s = sigma_b / safe
    cosine_half = ((1 + s) / 2).sqrt()
    sine_half = t / (2 * cosine_half)
    return after, t.square(), (t, sine_half, cosine_half)


def relu_layer(tile, one, rows, columns):
    r"""Take a tile through a ReLU layer, in place.

    .. math:: \cos\theta' = s_1 s_2 + t_1 t_2\, M, \qquad
              M = \tfrac1\pi (\sin\theta + (\pi - \theta) \cos\theta)

    and with s and t the cosine and sine of :math:`\phi`

    .. math:: 1 - \cos\theta' = t_1 t_2 (1 - M) + 2 \sin^2 \tfrac{\phi_1 - \phi_2}2,
              \qquad T' = \cos\theta' + t_1 t_2 (1 - \theta / \pi)\, T

    In the table each line is a step of the code. An empty place holds what stands above
    it, and a dash marks what is not read again::

        versine        cosine  sine_squared         spare    tangent
        D = 1 - cos    cos     sin^2                -        T
                                                    1 / sin
                               sin                  -
                                                    theta
                       -       sin - theta cos
        1 - M                  -
                               t1 t2
        t1 t2 (1 - M)
                               -                    -        t1 t2 (1 - theta/pi) T
                               sin (phi1 - phi2)/2
        D' = 1 - cos'          -
                       cos'
                                                             T'
                               sin'^2

    Args:
        tile: a :class:`Tile`, overwritten by the tile after the layer.
        one: the number 1 as a tensor.
        rows: the vectors of the rows' inputs, each ``(b1, 1)``.
        columns: the vectors of the columns' inputs, each ``(1, b2)``.
    """
    t1, sine_half1, cosine_half1 = rows
    t2, sine_half2, cosine_half2 = columns
    D, cosine, sine_squared, spare, T = tile

    # The product with the reciprocal root takes less time than the root.
    one_over_sine = torch.rsqrt(sine_squared.clamp_min_(TINY), out=spare)
    sine = sine_squared.mul_(one_over_sine)
    # Right to its last digits at 0 and at pi, as sine and cosine are.
    angle = torch.atan2(sine, cosine, out=spare)
    sine_less_arc = sine.addcmul_(angle, cosine, value=-1)
    one_less_M = D.sub_(sine_less_arc, alpha=1 / math.pi)
    t1_t2 = torch.mul(t1, t2, out=sine_squared)
    weighted = one_less_M.mul_(t1_t2)
    if T is not None:
        T.addcmul_(T, angle, value=-1 / math.pi).mul_(t1_t2)
    # Of half the angle from phi2 to phi1.
    sine_half = torch.mul(sine_half1, cosine_half2, out=sine_squared)
    sine_half.addcmul_(cosine_half1, sine_half2, value=-1)
    new_D = weighted.addcmul_(sine_half, sine_half, value=2)
    new_cosine = torch.sub(one, new_D, out=cosine)
    if T is not None:
        T.add_(new_cosine)
    torch.addcmul(new_D, new_D, new_cosine, out=sine_squared)


def erf_vectors(norms, sigma_w, sigma_b):
    r"""What an erf layer does to the norms, and what it needs to know of each input.

    Args:
        norms: norms of the features before the layer, :math:`\sqrt K`, ``(n, 1)``.
        sigma_w: scale of the weights.
        sigma_b: scale of the biases.

    Returns:
        The norms :math:`\sqrt{K'}` after the layer; the factor of T on the diagonal;
        and the tuple :math:`\sqrt{2 K}, 2 K, k, s` with
        :math:`k = \sigma_W \sqrt{2 / \pi} / \sqrt{K'}` and
        :math:`s = \sigma_b / \sqrt{K'}`.
    """
    p = 2 * norms.square()
    arc = torch.atan2(p, (1 + 2 * p).sqrt())
    after = (sigma_b**2 + sigma_w**2 * 2 / math.pi * arc).sqrt()
    safe = torch.where(after > 0, after, 1)
    k = sigma_w * (2 / math.pi) ** 0.5 / safe
    kept = p * k.square() / (1 + 2 * p).sqrt()
    return after, kept, (2**0.5 * norms, p, k, sigma_b / safe)


def erf_layer(tile, one, rows, columns):
    r"""Take a tile through an erf layer, in place.

    With :math:`p = 2 K(x, x)`, :math:`C = 2 K(x, x')` and
    :math:`R = \sqrt{(1 + p_1) (1 + p_2) - C^2}`

    .. math:: \cos\theta' = s_1 s_2 + k_1 k_2 \arctan \frac CR, \qquad
              T' = \cos\theta' + k_1 k_2 \frac{\sqrt{p_1 p_2}}R\, T

    The arctangent is the arcsine of :math:`C / \sqrt{(1 + p_1) (1 + p_2)}`, right to
    its last digits at both ends. :math:`C = \sqrt{p_1 p_2} \cos\theta`, so
    :math:`R^2 = p_1 p_2 \sin^2\theta + p_1 + p_2 + 1`.

    In the table each line is a step of the code. An empty place holds what stands above
    it, and a dash marks what is not read again::

        versine        cosine  sine_squared  spare        tangent
        D = 1 - cos    cos     sin^2         -            T
        -                                    p1 p2
                               R             -
                                             sqrt(p1 p2)
                       C
                                             -            sqrt(p1 p2) T / R
        arctan(C / R)  -       -
                                             k1 k2
                       cos'
        -                                    -            T'
                                             cos'^2
                               sin'^2        -
        D' = 1 - cos'

    Args:
        tile: a :class:`Tile`, overwritten by the tile after the layer.
        one: the number 1 as a tensor.
        rows: the vectors of the rows' inputs, each ``(b1, 1)``.
        columns: the vectors of the columns' inputs, each ``(1, b2)``.
    """
    root1, p1, k1, s1 = rows
    root2, p2, k2, s2 = columns
    D, cosine, sine_squared, spare, T = tile

    p1_p2 = torch.mul(p1, p2, out=spare)
    R = sine_squared.mul_(p1_p2).add_(p1).add_(p2).add_(1).sqrt_()
    root_p1_p2 = torch.mul(root1, root2, out=spare)
    C = cosine.mul_(root_p1_p2)
    if T is not None:
        T.mul_(root_p1_p2).div_(R)
    angle = torch.atan2(C, R, out=D)
    k1_k2 = torch.mul(k1, k2, out=spare)
    new_cosine = torch.mul(s1, s2, out=cosine).addcmul_(k1_k2, angle)
    if T is not None:
        T.mul_(k1_k2).add_(new_cosine)
    cosine_squared = torch.mul(new_cosine, new_cosine, out=spare)
    torch.sub(one, cosine_squared, out=sine_squared)
    torch.sub(one, new_cosine, out=D)


# Of each activation: what it does to the norms, and what it does to a tile.
LAYERS = {"relu": (relu_vectors, relu_layer), "erf": (erf_vectors, erf_layer)}
