"""Which regions share a side, decided exactly, line by line.

All sides on one line are cut at all corners that lie on them. An elementary segment then has at most one
region on its left and one on its right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from .polygons import Line, Point, Polygon

RESOLUTION = 256  # bits of the quick sorting key; equal keys are compared as fractions


@dataclass(frozen=True)
class Subdivision:
    """The combinatorics of a partition.

    Attributes
    ----------
    vertices : tuple of Point
        The distinct corners of all regions.
    loops : (R,) tuples of vertex indices
        Counter-clockwise, with the corners of other regions that lie on a side.
    n_edges : int
        Elementary segments between vertices.
    adjacency : frozenset of (i, j)
        Pairs of regions, i < j, that share a segment of positive length.
    """

    vertices: tuple[Point, ...]
    loops: tuple[tuple[int, ...], ...]
    n_edges: int
    adjacency: frozenset[tuple[int, int]]

    @property
    def n_vertices(self) -> int:
        """How many vertices there are."""
        return len(self.vertices)


def subdivide(polygons: Sequence[Polygon]) -> Subdivision:
    """Vertices, edges and adjacency of convex polygons that tile a window without overlap.

    Parameters
    ----------
    polygons : (R,) polygons

    Returns
    -------
    Subdivision

    Examples
    --------
    A square beside two smaller ones, whose common corner stands on its side:

    >>> from splinegeo.testing import polygon_of
    >>> boxes = (0, 2, 0, 2), (2, 3, 0, 1), (2, 3, 1, 2)
    >>> tiles = subdivide([polygon_of([(a, c), (b, c), (b, d), (a, d)]) for a, b, c, d in boxes])
    >>> tiles.n_vertices, tiles.n_edges, sorted(tiles.adjacency), len(tiles.loops[0])
    (8, 10, [(0, 1), (0, 2), (1, 2)], 5)
    """
    ends: dict[Line, set[Point]] = defaultdict(set)
    for polygon in polygons:
        for line, a, b in _sides(polygon):
            ends[line] |= {a, b}
    order = {line: _sorted_along(line, points) for line, points in ends.items()}
    rank = {line: {point: i for i, point in enumerate(points)} for line, points in order.items()}
    index = {point: i for i, point in enumerate(dict.fromkeys(p for polygon in polygons for p in polygon.points))}
    loops = []
    for polygon in polygons:
        loop: list[int] = []
        for line, a, b in _sides(polygon):
            i, j = rank[line][a], rank[line][b]
            loop += [index[point] for point in (order[line][i:j] if i < j else order[line][i:j:-1])]
        loops.append(tuple(loop))
    beside = _regions_beside(loops)
    adjacency = frozenset((min(pair), max(pair)) for pair in beside.values() if len(pair) == 2)
    return Subdivision(tuple(index), tuple(loops), len(beside), adjacency)


def _sides(polygon: Polygon) -> Iterable[tuple[Line, Point, Point]]:
    """Every side as (its line without orientation, start, end)."""
    points, lines = polygon
    for i, (p, q, r) in enumerate(lines):
        line = (p, q, r) if p > 0 or (p == 0 and q > 0) else (-p, -q, -r)
        yield line, points[i], points[i + 1 - len(points)]


def _sorted_along(line: Line, points: Iterable[Point]) -> list[Point]:
    """Points in their order along a line: by x, or by y where the line is vertical."""
    axis = 0 if line[1] else 1
    keyed = sorted(((point[axis] << RESOLUTION) // point[2], point) for point in points)
    if any(a[0] == b[0] for a, b in pairwise(keyed)):
        keyed.sort(key=lambda pair: Fraction(pair[1][axis], pair[1][2]))
    return [point for _, point in keyed]


def _regions_beside(loops: Sequence[tuple[int, ...]]) -> dict[tuple[int, int], list[int]]:
    """The one or two regions beside every edge (a, b), a < b."""
    beside: dict[tuple[int, int], list[int]] = defaultdict(list)
    for region, loop in enumerate(loops):
        for a, b in pairwise((*loop, loop[0])):
            beside[min(a, b), max(a, b)].append(region)
    return beside
