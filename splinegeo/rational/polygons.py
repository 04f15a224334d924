"""Convex polygons in exact homogeneous integers, and what is done with them: straight cuts.

A point is ``(X, Y, W)`` with ``W > 0`` and no common factor and stands for ``(X/W, Y/W)``; a line ``(p, q,
r)`` is ``p x + q y + r = 0``. Point on line is ``pX + qY + rW = 0``; the common point of two lines is their
cross product. Equal points are equal tuples. A corner is always computed from the two lines that meet there,
never from other corners, so numbers do not grow with the number of cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import NamedTuple

from ..errors import DegenerateSliceError
from .numbers import dyadic

Point = tuple[int, int, int]
Line = tuple[int, int, int]
Label = tuple[int, int]
Side = tuple[Line, Label]
BORDER: Label = (-1, -1)


class Polygon(NamedTuple):
    """A convex polygon of positive area, counter-clockwise, without collinear corners.

    Attributes
    ----------
    points : (k,) points
    lines : (k,) lines
        ``lines[i]`` carries the side from ``points[i]`` to its successor.
    labels : (k,) pairs (layer, unit)
        Whose cut made each side first; `BORDER` on the border of the window.
    """

    points: tuple[Point, ...]
    lines: tuple[Line, ...]
    labels: tuple[Label, ...]


def primitive(line: Line) -> Line:
    """The line without a common factor; its orientation stays.

    Examples
    --------
    >>> primitive((0, -4, 6))
    (0, -2, 3)
    """
    factor = gcd(*line)
    return line[0] // factor, line[1] // factor, line[2] // factor


def meeting_point(a: Line, b: Line) -> Point:
    """The common point of two lines that are not parallel.

    Examples
    --------
    >>> meeting_point((2, 0, -1), (0, 1, -3))  # x = 1/2, y = 3
    (1, 6, 2)
    """
    x, y, w = _cross(a, b)
    factor = gcd(x, y, w) if w > 0 else -gcd(x, y, w)
    return x // factor, y // factor, w // factor


def heights(polygon: Polygon, line: Line) -> list[int]:
    """``pX + qY + rW`` at every corner: the sign says on which side of the line the corner lies."""
    p, q, r = line
    return [p * x + q * y + r * w for x, y, w in polygon.points]


def cut(polygon: Polygon, line: Line, height: Sequence[int], label: Label = BORDER) -> tuple[Polygon, Polygon]:
    """Cut a polygon along a line that has corners strictly on both of its sides.

    Parameters
    ----------
    polygon : Polygon
    line : Line
        `primitive`.
    height : (k,) integers
        `heights` of the corners; both signs occur.
    label : (layer, unit)
        Of the new side.

    Returns
    -------
    below, above : Polygon
        The parts where the height is negative and positive.

    Examples
    --------
    >>> square = polygon_of([(0, 0), (1, 0), (1, 1), (0, 1)])
    >>> below, above = cut(square, (2, 0, -1), heights(square, (2, 0, -1)))
    >>> below.points
    ((0, 0, 1), (1, 0, 2), (1, 2, 2), (0, 1, 1))
    """
    below: list[tuple[Point, Side]] = []
    above: list[tuple[Point, Side]] = []
    points, lines, labels = polygon
    new = (line, label)
    for i, (here, there) in enumerate(zip(height, (*height[1:], height[0]), strict=True)):
        side = (lines[i], labels[i])
        if here:
            (below if here < 0 else above).append((points[i], side))
            if here < 0 < there or there < 0 < here:
                _turn(below, above, meeting_point(lines[i], line), there, side, new)
        else:
            _turn(below, above, points[i], there, side, new)
    return _closed(below), _closed(above)


def part_above(polygon: Polygon, line: Line, label: Label = BORDER) -> Polygon | None:
    """The part of a polygon where a line's height is positive; None when it has no area.

    Examples
    --------
    >>> square = polygon_of([(0, 0), (1, 0), (1, 1), (0, 1)])
    >>> part_above(square, (1, 0, -1)) is None, part_above(square, (1, 0, 0)) == square
    (True, True)
    """
    height = heights(polygon, line)
    if max(height) <= 0:
        return None
    return cut(polygon, line, height, label)[1] if min(height) < 0 else polygon


def polygon_of(corners: Sequence[Sequence[float]]) -> Polygon:
    """The exact convex polygon with the given corners, taken as the rationals that the floats are.

    Clockwise corners are reversed; corners in the middle of a straight side are dropped.

    Parameters
    ----------
    corners : (n, 2) floats

    Raises
    ------
    DegenerateSliceError
        When the corners span no area or the polygon is not convex.

    Examples
    --------
    >>> len(polygon_of([(0, 0), (0, 1), (0, 2), (1, 0)]).points)
    3
    >>> polygon_of([(0, 0), (1, 1), (2, 2)])
    Traceback (most recent call last):
    ...
    splinegeo.errors.DegenerateSliceError: the window is not a convex polygon of positive area
    """
    points = list(dict.fromkeys(_point(float(x), float(y)) for x, y in corners))
    turns = [_turn_sign(points[i - 1], points[i], points[(i + 1) % len(points)]) for i in range(len(points))]
    if sum(turns) < 0:
        points, turns = points[::-1], [-turn for turn in turns[::-1]]
    kept = [point for point, turn in zip(points, turns, strict=True) if turn]
    if min(turns) < 0 or len(kept) < 3 or not _winds_once(kept):
        raise DegenerateSliceError("the window is not a convex polygon of positive area")
    sides = zip(kept, kept[1:] + kept[:1], strict=True)
    return Polygon(tuple(kept), tuple(primitive(_cross(a, b)) for a, b in sides), (BORDER,) * len(kept))


def twice_area(polygon: Polygon) -> Fraction:
    """Twice the exact area, by triangles from the first corner.

    Examples
    --------
    >>> twice_area(polygon_of([(0, 0), (1, 0), (0, 0.5)]))
    Fraction(1, 2)
    """
    return sum((Fraction(*triangle) for triangle in _triangles(polygon)), Fraction(0))


def area(polygon: Polygon) -> float:
    """The area, correct to a few units in the last place however thin the polygon.

    Every triangle is one correctly rounded quotient of integers, and all are positive: nothing cancels.

    Examples
    --------
    >>> area(polygon_of([(0, 0), (1, 0), (1, 1), (0, 1)]))
    1.0
    """
    return sum(numerator / denominator for numerator, denominator in _triangles(polygon)) / 2


def to_floats(polygon: Polygon) -> list[tuple[float, float]]:
    """The corners, correctly rounded."""
    return [(x / w, y / w) for x, y, w in polygon.points]


def to_fractions(polygon: Polygon) -> tuple[tuple[Fraction, Fraction], ...]:
    """The corners as exact fractions."""
    return tuple((Fraction(x, w), Fraction(y, w)) for x, y, w in polygon.points)


def _turn(
    below: list[tuple[Point, Side]],
    above: list[tuple[Point, Side]],
    point: Point,
    there: int,
    side: Side,
    new: Side,
) -> None:
    """At a corner of the cut one part turns onto the cut, and the other goes on along the side."""
    onward, turning = (above, below) if there > 0 else (below, above)
    onward.append((point, side))
    turning.append((point, new))


def _closed(corners: list[tuple[Point, Side]]) -> Polygon:
    points, sides = zip(*corners, strict=True)
    lines, labels = zip(*sides, strict=True)
    return Polygon(points, lines, labels)


def _cross(a: Point, b: Point) -> Point:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _determinant(a: Point, b: Point, c: Point) -> int:
    p, q, r = _cross(a, b)
    return p * c[0] + q * c[1] + r * c[2]


def _triangles(polygon: Polygon) -> list[tuple[int, int]]:
    """Twice the areas of the fan from the first corner, as (numerator, denominator)."""
    first, *rest = polygon.points
    return [(_determinant(first, a, b), first[2] * a[2] * b[2]) for a, b in pairwise(rest)]


def _point(x: float, y: float) -> Point:
    (numerator_x, numerator_y), exponent = dyadic([x, y])
    return numerator_x, numerator_y, 1 << exponent


def _turn_sign(a: Point, b: Point, c: Point) -> int:
    turn = _determinant(a, b, c)
    return (turn > 0) - (turn < 0)


def _winds_once(points: list[Point]) -> bool:
    """Left turns only can still wind twice (a pentagram): no corner may lie right of any side."""
    sides = zip(points, points[1:] + points[:1], strict=True)
    return all(_determinant(a, b, c) >= 0 for a, b in sides for c in points)
