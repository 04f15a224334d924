"""Exact counts for one layer: the arrangement of its lines in a convex window.

For L distinct lines that meet the open window and inner crossing points v with m(v) lines through each,

    R = 1 + L + Σ_v (m(v) − 1).

Everything here is `fractions.Fraction` and pairs of lines: it shares no code with the clipping witness.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from torch import nn

Rational3 = tuple[Fraction, Fraction, Fraction]
Rational2 = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Arrangement:
    """Counts of the subdivision that lines make in a convex window.

    Attributes
    ----------
    n_lines : int
        Distinct lines that meet the open window.
    n_regions, n_edges, n_vertices : int
        Each counted by itself; Euler's formula V − E + R = 1 is a check.
    """

    n_lines: int
    n_regions: int
    n_edges: int
    n_vertices: int


def arrangement(lines: Sequence[Sequence[float]], window: Sequence[Sequence[float]]) -> Arrangement:
    """Count the regions, edges and vertices that lines make in a convex window.

    Parameters
    ----------
    lines : (n, 3) floats
        ``(a, b, c)`` for a x + b y + c = 0, exact as given. Repeated lines count once; a = b = 0 is no line.
    window : (k, 2) floats
        Corners of a convex polygon in order, none in the middle of a straight side.

    Returns
    -------
    Arrangement

    Examples
    --------
    Three lines through one point, and one of them twice:

    >>> square = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    >>> arrangement([(1, 0, 0), (0, 1, 0), (1, 1, 0), (2, 2, 0)], square)
    Arrangement(n_lines=3, n_regions=6, n_edges=14, n_vertices=9)

    A line along the border, and none:

    >>> arrangement([(1, 0, 1), (0, 0, 3)], square).n_regions
    1
    """
    corners = [(Fraction(x), Fraction(y)) for x, y in window]
    distinct = {_name(line) for line in lines if line[0] != 0 or line[1] != 0}
    meeting = [line for line in distinct if _meets(line, corners)]
    through: dict[Rational2, set[Rational3]] = defaultdict(set)
    for one, other in combinations(meeting, 2):
        point = _crossing(one, other)
        if point is not None and _strictly_inside(point, corners):
            through[point] |= {one, other}
    border = set(corners).union(*(_border_points(line, corners) for line in meeting))
    on_line = {line: sum(line in lines_here for lines_here in through.values()) for line in meeting}
    return Arrangement(
        n_lines=len(meeting),
        n_regions=1 + len(meeting) + sum(len(lines_here) - 1 for lines_here in through.values()),
        n_edges=len(border) + sum(1 + inner for inner in on_line.values()),
        n_vertices=len(border) + len(through),
    )


def layer_lines(layer: nn.Linear, levels: Sequence[float] = (0.0,)) -> list[tuple[Fraction, Fraction, Fraction]]:
    """The lines where a unit of a layer with two inputs equals a level (a break point of what follows).

    Parameters
    ----------
    layer : nn.Linear
        Two inputs.
    levels : (k,) floats
        ``(0,)`` for ReLU, ``(-1, 1)`` for HardTanh.

    Returns
    -------
    list of (a, b, c)
        ``a x + b y + c = 0``, for every unit and level.

    Examples
    --------
    >>> layer = nn.Linear(2, 5)
    >>> len(layer_lines(layer, levels=(-1, 1)))
    10
    """
    biases = [0.0] * layer.out_features if layer.bias is None else layer.bias.tolist()
    rows = zip(layer.weight.tolist(), biases, strict=True)
    return [(Fraction(a), Fraction(b), Fraction(c) - Fraction(t)) for (a, b), c in rows for t in levels]


def _name(line: Sequence[float]) -> Rational3:
    """One name per line: the first coefficient that is not zero becomes 1."""
    a, b, c = (Fraction(value) for value in line)
    lead = a if a else b
    return a / lead, b / lead, c / lead


def _height(line: Rational3, point: Rational2) -> Fraction:
    return line[0] * point[0] + line[1] * point[1] + line[2]


def _meets(line: Rational3, corners: list[Rational2]) -> bool:
    values = [_height(line, corner) for corner in corners]
    return min(values) < 0 < max(values)


def _crossing(one: Rational3, other: Rational3) -> Rational2 | None:
    (a, b, c), (d, e, f) = one, other
    determinant = a * e - b * d
    return ((b * f - c * e) / determinant, (c * d - a * f) / determinant) if determinant else None


def _strictly_inside(point: Rational2, corners: list[Rational2]) -> bool:
    turns = [
        (bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax)
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    return min(turns) > 0 or max(turns) < 0


def _border_points(line: Rational3, corners: list[Rational2]) -> set[Rational2]:
    """The two points where a line that meets the open window leaves it."""
    points = set()
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        at_a, at_b = _height(line, a), _height(line, b)
        if at_a * at_b <= 0 and at_a != at_b:
            t = at_a / (at_a - at_b)
            points.add((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])))
    return points
