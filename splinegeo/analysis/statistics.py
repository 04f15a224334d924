"""A table of shapes: one row per region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..partition import Partition

_COLUMNS = (
    ("region", np.int64),
    ("area", np.float64),
    ("perimeter", np.float64),
    ("n_vertices", np.int64),
    ("eccentricity", np.float64),
    ("distance_to_centre", np.float64),
    ("touches_border", np.bool_),
    ("layer", np.int64),
)


def region_statistics(part: Partition) -> NDArray[np.void]:
    """Size and shape of every region.

    The eccentricity is that of the ellipse with the polygon's second moments of area, ``sqrt(1 − λ₂ / λ₁)`` for
    their eigenvalues λ₁ ≥ λ₂: 0 for a square, towards 1 for a sliver.

    Returns
    -------
    (R,) structured array
        Columns region, area, perimeter, n_vertices, eccentricity, distance_to_centre (from the centroid to the
        centre of the window's bounding box), touches_border, layer (the deepest among the region's edges; -1 if
        only the border bounds it). Lengths in slice coordinates. Bridges to the holes of a linear region do not
        count: its perimeter and vertices are those of its outer side and its holes.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> part = sg.compute_partition(torch.nn.Linear(2, 1), sg.Slice.box((-1, 1), (0, 1)))
    >>> table = sg.region_statistics(part)
    >>> float(table["area"][0]), float(table["perimeter"][0])
    (2.0, 6.0)
    """
    start = part.region_offsets[:-1]
    owner = np.repeat(np.arange(part.n_regions), np.diff(part.region_offsets))
    ends = part.vertices[part.edges]
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    border = part.edge_regions.min(axis=1) < 0
    is_bridge = part.edge_regions[:, 0] == part.edge_regions[:, 1]
    side = ~is_bridge[part.region_edges]
    centre = (part.domain.window.min(0) + part.domain.window.max(0)) / 2

    table = np.zeros(part.n_regions, dtype=list(_COLUMNS))
    table["region"] = np.arange(part.n_regions)
    table["area"] = part.areas
    table["perimeter"] = np.add.reduceat(np.where(side, length[part.region_edges], 0), start)
    table["n_vertices"] = np.add.reduceat(side, start, dtype=np.int64)
    table["eccentricity"] = _eccentricity(part, owner)
    table["distance_to_centre"] = np.linalg.norm(part.centroids - centre, axis=1)
    table["touches_border"] = np.maximum.reduceat(border[part.region_edges], start)
    table["layer"] = np.maximum.reduceat(np.where(side, part.edge_layer[part.region_edges], -1), start)
    return table


def _eccentricity(part: Partition, owner: NDArray[np.int64]) -> NDArray[np.float64]:
    """From the second moments of area about the centroid, summed over the triangles of each loop."""
    p = part.vertices[part.region_vertices] - part.centroids[owner]
    following = np.arange(1, len(p) + 1)
    following[part.region_offsets[1:] - 1] = part.region_offsets[:-1]
    q = p[following]
    cross = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    products = np.stack([p[:, a] * p[:, b] + q[:, a] * q[:, b] + (p + q)[:, a] * (p + q)[:, b] for a, b in _PAIRS])
    xx, xy, yy = (np.add.reduceat(cross * product, part.region_offsets[:-1]) for product in products)
    mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.clip((mean - spread) / (mean + spread), 0, 1)
    return np.sqrt(1 - np.nan_to_num(ratio))


_PAIRS = ((0, 0), (0, 1), (1, 1))
