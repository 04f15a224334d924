"""What the browser gets to know of a partition: arrays relative to the middle of its window."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from splinegeo import InvalidInputError, Partition, decision_boundary

from ..colouring import quantity
from .maps import with_corner_maps
from .wire import Message

Ints = NDArray[np.int64]


def scene_of(part: Partition) -> Message:
    """Geometry, lines, and whatever is known of the maps.

    Positions are ``(u - centre) / scale`` in float32, so that they resolve 1e-7 of the window, however small it is and
    however far from the origin. Regions, edges and vertices keep their numbers.
    """
    low, high = part.domain.window.min(axis=0), part.domain.window.max(axis=0)
    centre, scale = (low + high) / 2, float((high - low).max() / 2)
    arrays = geometry(part) | values(part)
    arrays["vertices"] = _local(part.vertices, centre, scale)
    if "boundary" in arrays:
        arrays["boundary"] = _local(arrays["boundary"], centre, scale)
    return {"centre": centre.tolist(), "scale": scale}, arrays


def _local(u: NDArray[np.float64], centre: NDArray[np.float64], scale: float) -> NDArray[np.float32]:
    return ((u - centre) / scale).astype(np.float32)


def geometry(part: Partition) -> dict[str, NDArray[Any]]:
    """Loops and edges in the kinds of integers that the page reads."""
    arrays: dict[str, NDArray[Any]] = {
        "loops": part.region_vertices.astype(np.uint32),
        "sizes": np.diff(part.region_offsets).astype(np.uint32),
        "loop_edges": part.region_edges.astype(np.uint32),
        "edges": part.edges.astype(np.uint32),
        "edge_layer": part.edge_layer.astype(np.int16),
        "edge_unit": part.edge_unit.astype(np.int32),
    }
    if not part.has_convex_regions:
        arrays["triangles"] = triangles(part).astype(np.uint32)
    return arrays


def values(part: Partition) -> dict[str, NDArray[Any]]:
    """Slope norms (R,), classes (R,), and the decision boundary (B, 2, 2) in slice coordinates, as far as known."""
    known = with_corner_maps(part)
    arrays: dict[str, NDArray[Any]] = {}
    try:
        arrays["slope_norm"] = known.slope_norm().astype(np.float32)
        arrays["class"] = quantity(known, "class").values.astype(np.uint16)
        arrays["boundary"] = decision_boundary(known).segments
    except InvalidInputError:
        pass  # saved without maps, or merged: what there is until here is what is known
    return arrays


def triangles(part: Partition) -> Ints:
    """(T, 3) corners of triangles that fill regions of any shape, as slots of the loops.

    Constrained Delaunay triangulation adds no corners; each is found again among those of its region by its position.
    """
    filled = shapely.constrained_delaunay_triangles(part.to_shapely())
    pieces, region = shapely.get_parts(filled, return_index=True)
    corners = shapely.get_coordinates(pieces).reshape(-1, 4, 2)[:, :3]
    positions, vertex = np.unique(part.vertices, axis=0, return_inverse=True)
    order = np.argsort(_keys(positions))
    at = order[np.searchsorted(_keys(positions)[order], _keys(corners.reshape(-1, 2)))]
    owner = np.repeat(np.arange(part.n_regions), np.diff(part.region_offsets))
    slots = owner * len(positions) + vertex.reshape(-1)[part.region_vertices]
    by_slot = np.argsort(slots)
    wanted = np.repeat(region, 3) * len(positions) + at
    found: Ints = by_slot[np.searchsorted(slots[by_slot], wanted)].reshape(-1, 3)
    return found


def _keys(positions: NDArray[np.float64]) -> NDArray[np.complex128]:
    return positions[:, 0] + 1j * positions[:, 1]
