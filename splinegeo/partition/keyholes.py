"""Regions with holes: from one weakly simple loop to a shell and its holes."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def keyhole_polygon(loop: Ints, vertices: Floats) -> shapely.Polygon:
    """The region that a loop surrounds which may run along a bridge to a hole and back, or touch itself.

    Parameters
    ----------
    loop : (k,) int
        Vertices in order, the outer side counter-clockwise and the holes clockwise.
    vertices : (V, 2) float

    Examples
    --------
    A square with a square hole, and the bridge between the vertices 0 and 4 that joins them into one loop:

    >>> outer, inner = np.array([[0, 0], [3, 0], [3, 3], [0, 3]]), np.array([[1, 1], [1, 2], [2, 2], [2, 1]])
    >>> loop = np.array([0, 1, 2, 3, 0, 4, 5, 6, 7, 4])
    >>> polygon = keyhole_polygon(loop, np.concatenate([outer, inner]).astype(float))
    >>> polygon.is_valid, polygon.area, len(polygon.interiors)
    (True, 8.0, 1)
    """
    rings = [vertices[ring] for ring in _simple_cycles(loop.tolist()) if len(ring) > 2]
    rings.sort(key=_doubled_area, reverse=True)
    return shapely.Polygon(rings[0], rings[1:])


def _simple_cycles(loop: list[int]) -> list[list[int]]:
    """The cycles without a repeated vertex that a closed walk consists of; a bridge makes cycles of two."""
    cycles, walk, place = [], list[int](), dict[int, int]()
    for vertex in loop:
        if vertex in place:
            cycle = walk[place[vertex] :]
            cycles.append(cycle)
            del walk[place[vertex] :]
            for left in cycle:
                del place[left]
        place[vertex] = len(walk)
        walk.append(vertex)
    return [*cycles, walk]


def _doubled_area(ring: Floats) -> float:
    p = ring - ring[0]
    q = np.roll(p, -1, axis=0)
    return float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum())
