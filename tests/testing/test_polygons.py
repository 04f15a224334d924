"""Exact polygons and cuts."""

from fractions import Fraction

import pytest

from splinegeo import DegenerateSliceError
from splinegeo.rational.polygons import area, cut, heights, part_above, to_fractions, twice_area
from splinegeo.testing import polygon_of, subdivide

SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]


def test_clockwise_windows_are_turned():
    assert twice_area(polygon_of(SQUARE[::-1])) == 2


def test_repeated_and_straight_corners_are_dropped():
    assert len(polygon_of([(0, 0), (0, 0), (0.5, 0), (1, 0), (1, 1), (0, 1)]).points) == 4


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (1, 1)],
        [(0, 0), (1, 0), (2, 0)],
        [(0, 0), (2, 0), (0.5, 0.5), (0, 2)],
        [(0, 3), (2, -3), (-3, 1), (3, 1), (-2, -3)],
        [(0, 0), (1, 1), (1, 0), (0, 1)],
    ],
    ids=["two corners", "straight", "dent", "pentagram", "bow tie"],
)
def test_windows_that_are_not_convex(corners):
    with pytest.raises(DegenerateSliceError):
        polygon_of(corners)


def test_a_cut_through_two_corners_makes_triangles():
    square, diagonal = polygon_of(SQUARE), (1, -1, 0)
    below, above = cut(square, diagonal, heights(square, diagonal))
    assert len(below.points) == len(above.points) == 3
    assert twice_area(below) == twice_area(above) == 1


def test_a_cut_keeps_the_lines_of_all_sides():
    square, line = polygon_of(SQUARE), (3, 5, -4)
    for part in cut(square, line, heights(square, line)):
        for i, (p, q, r) in enumerate(part.lines):
            for x, y, w in (part.points[i], part.points[i + 1 - len(part.points)]):
                assert p * x + q * y + r * w == 0


def test_a_line_that_touches_a_corner_cuts_nothing():
    square = polygon_of(SQUARE)
    assert part_above(square, (1, 1, 0)) == square
    assert part_above(square, (-1, -1, 0)) is None


def test_thin_areas_are_accurate():
    sliver = polygon_of([(0, 0), (1, 1), (1, 1 + 2**-52)])
    assert twice_area(sliver) == Fraction(1, 2**52)
    assert area(sliver) == 2**-53
    assert to_fractions(sliver)[1] == (1, 1)


def test_points_too_close_for_the_sorting_key_are_told_apart():
    tiny = 2.0**-300
    left = polygon_of([(-1, -1), (0, -1), (0, 0), (-1, 0)])
    right = polygon_of([(0, tiny), (1, tiny), (1, 1), (0, 1)])
    middle = polygon_of([(0, 0), (1, 0), (1, tiny), (0, tiny)])
    assert subdivide([left, right, middle]).adjacency == {(1, 2)}
