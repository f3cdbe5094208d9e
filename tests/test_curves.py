"""Curves on logarithmic axes: between their points, at their ends, beyond them."""

import math

import numpy
import pytest

from kdlib import curves

X = numpy.array([1.0, 10.0, 100.0])


def test_a_curve_is_straight_on_logarithmic_axes_and_goes_on_level():
    values = curves.along(X, X**-0.5, [0.5, 1, 3, 20, 1000])
    assert values == pytest.approx([1, 1, 3**-0.5, 20**-0.5, 0.1], rel=1e-12)


@pytest.mark.parametrize("beyond, fits", [(0.0, True), (0.0009, True), (0.0011, False), (0.05, False)])
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_published_point_may_lie_a_thousandth_beyond_the_curve(end, beyond, fits):
    at = {"first": 1 - beyond, "last": 100 * (1 + beyond)}[end]
    published = [[10.0, math.e], [at, math.e]]
    if fits:
        assert curves.distance(X, numpy.ones(3), published) == pytest.approx(1.0, rel=1e-12)
    else:
        with pytest.raises(ValueError, match="must reach from x = .* got 1 to 100"):
            curves.distance(X, numpy.ones(3), published)


@pytest.mark.parametrize(
    "x, y, rule",
    [
        ([1, 1, 2], [1, 1, 1], "rising and positive"),
        ([0, 1, 2], [1, 1, 1], "rising and positive"),
        ([1, 2, 3], [1, 1], r"got shapes \(3,\) and \(2,\)"),
        ([1], [1], "rising and positive"),
        ([1, 2], [1, 0], "finite and positive; the smallest is 0"),
        ([1, 2], [1, math.inf], "finite and positive"),
    ],
)
def test_what_is_no_curve_is_refused(x, y, rule):
    with pytest.raises(ValueError, match=rule):
        curves.distance(x, y, [[1, 1]])
