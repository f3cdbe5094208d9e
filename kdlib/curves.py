"""Curves drawn on logarithmic axes: their values between the points, and how far one lies from another."""

import numpy


def along(x, y, at):
    """The values of a curve at the points ``at``; between its own points it is straight in log x and log y.

    Args:
        x: rising positive numbers ``(n,)``.
        y: the curve's values there ``(n,)``, positive.
        at: positive numbers ``(k,)``; beyond the ends of ``x`` the curve goes on level.

    Returns:
        Array ``(k,)``.
    """
    return numpy.exp(numpy.interp(numpy.log(at), numpy.log(x), numpy.log(y)))


def distance(x, y, reference):
    r"""Root mean square of the log ratio of a curve to a reference, at the reference's x.

    .. math:: \sqrt{\tfrac1k \sum_{i=1}^k \ln^2\bigl(y(x_i) / y_i\bigr)}

    Args:
        x: rising positive numbers ``(n,)``.
        y: the curve's values there ``(n,)``, positive; between its points as in :func:`along`.
        reference: points ``[[x_i, y_i], ...]`` within the range of ``x``; one part in a thousand beyond it is let
            through, which is more than the error of a position read from a vector drawing.

    Returns:
        float, 0 where the curve passes through every point, 1 where it lies a factor e beside each.

    Raises:
        ValueError: a rule above is broken.
    """
    x, y, (at, target) = (
        numpy.asarray(x, float),
        numpy.asarray(y, float),
        numpy.asarray(reference, float).T,
    )
    if (
        x.ndim != 1
        or x.shape != y.shape
        or len(x) < 2
        or not (numpy.diff(x) > 0).all()
        or not x[0] > 0
    ):
        raise ValueError(
            f"a curve has x rising and positive, and as many y; got shapes {x.shape} and {y.shape}"
        )
    if at.min() < 0.999 * x[0] or at.max() > 1.001 * x[-1]:
        raise ValueError(
            f"the curve must reach from x = {at.min():g} to {at.max():g}; got {x[0]:g} to {x[-1]:g}"
        )
    if not (y > 0).all() or not numpy.isfinite(y).all():
        raise ValueError(
            f"a curve's y are finite and positive; the smallest is {y.min():g}"
        )
    return float(numpy.sqrt(numpy.mean(numpy.log(along(x, y, at) / target) ** 2)))
