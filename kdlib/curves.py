"""Curves on logarithmic axes: values between points, and distances between curves."""

import numpy


def along(x, y, at):
    """The values of a curve at some points.

    Between its own points the curve is straight in log x and log y.

    Args:
        x: rising positive numbers ``(n,)``.
        y: the curve's values there ``(n,)``, positive.
        at: positive numbers ``(k,)``; beyond the ends of ``x`` the curve goes on level.

    Returns:
        Array ``(k,)``.
    """
    return numpy.exp(numpy.interp(numpy.log(at), numpy.log(x), numpy.log(y)))


def distance(x, y, reference):
    r"""Root mean square of the log ratio of a curve to a reference.

    .. math:: \sqrt{\tfrac1k \sum_{i=1}^k \ln^2\bigl(y(x_i) / y_i\bigr)}

    Args:
        x: rising positive numbers ``(n,)``.
        y: the curve's values there ``(n,)``, positive; between its points as in
            :func:`along`.
        reference: points ``[[x_i, y_i], ...]`` within the range of ``x``; one part in a
            thousand beyond it is let through, which is more than the error of a
            position read from a vector drawing.

    Returns:
        float, 0 where the curve passes through every point, 1 where it lies a factor e
        beside each.

    Raises:
        ValueError: a rule above is broken.
    """
    x = numpy.asarray(x, float)
    y = numpy.asarray(y, float)
    at, target = numpy.asarray(reference, float).T
    _check(x, y)
    if at.min() < 0.999 * x[0] or at.max() > 1.001 * x[-1]:
        raise ValueError(
            f"the curve must reach from x = {at.min():g} to {at.max():g}; got "
            f"{x[0]:g} to {x[-1]:g}"
        )
    ratios = numpy.log(along(x, y, at) / target)
    return float(numpy.sqrt(numpy.mean(ratios**2)))


def _check(x, y):
    """Raise ValueError where x and y are no curve on logarithmic axes."""
    fits = x.ndim == 1 and x.shape == y.shape and len(x) >= 2
    if not fits or not (numpy.diff(x) > 0).all() or not x[0] > 0:
        raise ValueError(
            "a curve has x rising and positive, and as many y; got shapes "
            f"{x.shape} and {y.shape}"
        )
    if not (y > 0).all() or not numpy.isfinite(y).all():
        raise ValueError(
            f"a curve's y are finite and positive; the smallest is {y.min():g}"
        )
