"""Polygons that tile a window: their vertices, edges and neighbours, decided exactly, line by line.

All sides on one line are cut at all corners that lie on them. An elementary segment then has at most one
region on its left and one on its right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from .polygons import Label, Line, Point, Polygon

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
    loop_edges : (R,) tuples of edge indices
        The edge that leaves each vertex of the loops.
    edges : (E,) pairs of vertex indices
        Elementary segments between vertices.
    edge_regions : (E,) pairs of region indices
        On the left and on the right of each edge; -1 outside the window.
    labels : (E,) pairs (layer, unit)
        Whose cut made each edge first; `BORDER` on the border of the window.
    """

    vertices: tuple[Point, ...]
    loops: tuple[tuple[int, ...], ...]
    loop_edges: tuple[tuple[int, ...], ...]
    edges: tuple[tuple[int, int], ...]
    edge_regions: tuple[tuple[int, int], ...]
    labels: tuple[Label, ...]

    @property
    def n_vertices(self) -> int:
        """How many vertices there are."""
        return len(self.vertices)

    @property
    def n_edges(self) -> int:
        """How many edges there are."""
        return len(self.edges)

    @cached_property
    def adjacency(self) -> frozenset[tuple[int, int]]:
        """Pairs of regions, i < j, that share a segment of positive length."""
        return frozenset((min(pair), max(pair)) for pair in self.edge_regions if min(pair) >= 0)


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

    >>> from splinegeo.rational import polygon_of
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
    loops, labels = [], []
    for polygon in polygons:
        loop: list[int] = []
        label: list[Label] = []
        for (line, a, b), made_by in zip(_sides(polygon), polygon.labels, strict=True):
            i, j = rank[line][a], rank[line][b]
            loop += [index[point] for point in (order[line][i:j] if i < j else order[line][i:j:-1])]
            label += [made_by] * abs(i - j)
        loops.append(tuple(loop))
        labels.append(label)
    return _with_edges(tuple(index), tuple(loops), labels)


def _sides(polygon: Polygon) -> Iterable[tuple[Line, Point, Point]]:
    """Every side as (its line without orientation, start, end)."""
    points = polygon.points
    for i, (p, q, r) in enumerate(polygon.lines):
        line = (p, q, r) if p > 0 or (p == 0 and q > 0) else (-p, -q, -r)
        yield line, points[i], points[i + 1 - len(points)]


def _sorted_along(line: Line, points: Iterable[Point]) -> list[Point]:
    """Points in their order along a line: by x, or by y where the line is vertical."""
    axis = 0 if line[1] else 1
    keyed = sorted(((point[axis] << RESOLUTION) // point[2], point) for point in points)
    if any(a[0] == b[0] for a, b in pairwise(keyed)):
        keyed.sort(key=lambda pair: Fraction(pair[1][axis], pair[1][2]))
    return [point for _, point in keyed]


def _with_edges(
    vertices: tuple[Point, ...], loops: tuple[tuple[int, ...], ...], labels: Sequence[Sequence[Label]]
) -> Subdivision:
    """Number the steps of the loops: a step and its reverse are the two sides of one edge."""
    number: dict[tuple[int, int], int] = {}
    regions: list[list[int]] = []
    edge_labels: list[Label] = []
    loop_edges = []
    for region, (loop, made_by) in enumerate(zip(loops, labels, strict=True)):
        around = []
        for step, label in zip(pairwise((*loop, loop[0])), made_by, strict=True):
            edge = number.get(step[::-1])
            if edge is None:
                edge = number[step] = len(regions)
                regions.append([region, -1])
                edge_labels.append(label)
            else:
                regions[edge][1] = region
            around.append(edge)
        loop_edges.append(tuple(around))
    beside = tuple((left, right) for left, right in regions)
    return Subdivision(vertices, loops, tuple(loop_edges), tuple(number), beside, tuple(edge_labels))
