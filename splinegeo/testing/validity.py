"""What must hold for every partition, checked from its public arrays alone, in NumPy."""

from __future__ import annotations

import numpy as np
from torch import nn

from .arrays import cross, half_edges, polygon_area, require, require_all, window_size
from .contract import PartitionLike
from .validity_maps import check_maps, check_model

LENGTH = 1e-9  # of the window's size: far above rounding, far below anything that matters


def assert_valid_partition(part: PartitionLike, model: nn.Module | None = None) -> None:
    """Check every law that a partition of one window obeys.

    V − E + R = 1. The regions are convex, counter-clockwise, of positive area, and their areas add up to the
    window's. Every inner edge has two regions and every border edge one, and the loops of the regions say the
    same as the list of edges. The affine maps of two neighbours agree on their common edge, so that their
    difference has rank 1 along its normal. Where every inner vertex has at least four edges, the mean number
    of neighbours of a region is below 4. With a model, slope and value are those of the model (by autograd)
    inside every region.

    Parameters
    ----------
    part : PartitionLike
        One window.
    model : nn.Module, optional
        The whole network that was partitioned; a float64 copy is evaluated.

    Raises
    ------
    AssertionError
        With one sentence and the first offending indices.

    Examples
    --------
    >>> from types import SimpleNamespace as Record
    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> part = Record(
    ...     domain=Record(window=square), vertices=square,
    ...     region_vertices=np.arange(4), region_offsets=np.array([0, 4]),
    ...     edges=np.array([[0, 1], [1, 2], [2, 3], [3, 0]]), edge_regions=np.array([[0, -1]] * 4),
    ...     edge_layer=np.full(4, -1), edge_unit=np.full(4, -1),
    ...     slope=np.zeros((1, 1, 2)), offset=np.zeros((1, 1)),
    ...     areas=np.ones(1), centroids=np.array([[0.5, 0.5]]),
    ... )
    >>> assert_valid_partition(part)
    >>> part.areas = np.array([2.0])
    >>> assert_valid_partition(part)
    Traceback (most recent call last):
    ...
    AssertionError: areas differ from those of the loops: regions [0]
    """
    _check_arrays(part)
    _check_edges(part)
    _check_shapes(part)
    _check_border(part)
    _check_degrees(part)
    check_maps(part, LENGTH)
    if model is not None:
        check_model(part, model, LENGTH)


def _check_arrays(part: PartitionLike) -> None:
    """Shapes fit together, indices are in range, numbers are finite, every vertex is used."""
    n_regions, n_edges, n_outputs = len(part.region_offsets) - 1, len(part.edges), part.offset.shape[-1]
    expected = {
        "vertices": (len(part.vertices), 2),
        "edges": (n_edges, 2),
        "edge_regions": (n_edges, 2),
        "edge_layer": (n_edges,),
        "edge_unit": (n_edges,),
        "slope": (n_regions, n_outputs, 2),
        "offset": (n_regions, n_outputs),
        "areas": (n_regions,),
        "centroids": (n_regions, 2),
    }
    for name, shape in expected.items():
        array = np.asarray(getattr(part, name))
        require(array.shape == shape, f"{name} has shape {array.shape}, not {shape}")
        require(bool(np.isfinite(array).all()), f"{name} is not finite")
    offsets = np.asarray(part.region_offsets)
    require(offsets[0] == 0, "region_offsets does not start at 0")
    require(offsets[-1] == len(part.region_vertices), "region_offsets does not end at len(region_vertices)")
    require_all(np.diff(offsets) >= 3, "a loop has fewer than three corners", "regions")
    every = np.arange(len(part.vertices))
    require(np.array_equal(np.unique(part.region_vertices), every), "the loops leave a vertex out")
    euler = len(part.vertices) - n_edges + n_regions
    require(euler == 1, f"V - E + R is {euler}, not 1")


def _check_edges(part: PartitionLike) -> None:
    """Every side of a loop is an edge, every edge is a side, and both name the same regions."""
    start, end, region = half_edges(part)
    n = len(part.vertices)
    side = start * n + end
    order = np.argsort(side, kind="stable")
    side, region = side[order], region[order]
    require_all(np.diff(side) > 0, "two loops run along one side in the same direction", "sides (sorted)")
    a, b = np.asarray(part.edges, dtype=np.int64).T
    undirected = np.sort(np.minimum(a, b) * n + np.maximum(a, b))
    require_all(np.diff(undirected) > 0, "two edges join the same vertices", "edges (sorted)")
    left, right = _owner(a * n + b, side, region), _owner(b * n + a, side, region)
    require_all((left >= 0) | (right >= 0), "no loop runs along an edge", "edges")
    found = np.sort(np.stack([left, right], axis=1), axis=1)
    named = np.sort(np.asarray(part.edge_regions), axis=1)
    require_all((found == named).all(axis=1), "edge_regions names other regions than the loops", "edges")
    require_all(found[:, 0] != found[:, 1], "an edge has the same region on both sides", "edges")
    missing = len(side) - int((found >= 0).sum())
    require(missing == 0, f"{missing} sides of loops are no edges")


def _owner(wanted: np.ndarray, sides: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The region on the left of each directed edge; -1 where there is none."""
    place = np.minimum(np.searchsorted(sides, wanted), len(sides) - 1)
    return np.where(sides[place] == wanted, regions[place], -1)


def _check_shapes(part: PartitionLike) -> None:
    """Convex, counter-clockwise, positive areas that fill the window; areas and centroids fit the loops."""
    start, end, region = half_edges(part)
    n_regions, size = len(part.areas), window_size(part)
    anchor = part.vertices[part.region_vertices[part.region_offsets[:-1]]][region]
    a, b = part.vertices[start] - anchor, part.vertices[end] - anchor
    areas = np.bincount(region, cross(a, b), n_regions) / 2
    close = LENGTH * size**2
    require_all(areas > 0, "the area of the loop is not positive", "regions")
    require_all(np.abs(areas - part.areas) <= close, "areas differ from those of the loops", "regions")
    total, whole = float(np.sum(part.areas)), polygon_area(part.domain.window)
    require(abs(total - whole) <= close, f"areas add up to {total}, the window has {whole}")
    after = np.arange(1, len(start) + 1)
    after[np.asarray(part.region_offsets[1:]) - 1] = part.region_offsets[:-1]
    side, following = b - a, (b - a)[after]
    length = np.linalg.norm(side, axis=1)
    right_turn = cross(side, following) < -LENGTH * size * (length + length[after])
    require_all(np.bincount(region, right_turn, n_regions) == 0, "a loop turns right", "regions")
    outside = cross(side, part.centroids[region] - part.vertices[start]) < -LENGTH * size * length
    require_all(np.bincount(region, outside, n_regions) == 0, "the centroid lies outside", "regions")


def _check_border(part: PartitionLike) -> None:
    """Edges with one region lie on the window's border, and only they have no layer and no unit."""
    outer = (np.asarray(part.edge_regions) < 0).any(axis=1)
    for name in ("edge_layer", "edge_unit"):
        right = (np.asarray(getattr(part, name)) < 0) == outer
        require_all(right, f"{name} must be -1 on the border and only there", "edges")
    corners, close = np.asarray(part.domain.window), LENGTH * window_size(part)
    sides = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1, keepdims=True)
    depth = ((part.vertices[:, None] - corners) * normals).sum(axis=2)
    require_all((depth >= -close).all(axis=1), "a vertex lies outside the window", "vertices")
    a, b = np.asarray(part.edges).T
    on_border = ((np.abs(depth[a]) <= close) & (np.abs(depth[b]) <= close)).any(axis=1)
    require_all(~outer | on_border, "an edge with one region is not on the border", "edges")


def _check_degrees(part: PartitionLike) -> None:
    """Fewer than 4 neighbours on average where lines only cross; fewer than 6 anywhere."""
    regions = np.sort(np.asarray(part.edge_regions), axis=1)
    pairs = np.unique(regions[regions[:, 0] >= 0], axis=0)
    degree = np.bincount(np.asarray(part.edges).ravel(), minlength=len(part.vertices))
    border = np.unique(np.asarray(part.edges)[regions[:, 0] < 0])
    limit = 4 if (np.delete(degree, border) >= 4).all() else 6
    mean = 2 * len(pairs) / len(part.areas)
    require(mean < limit, f"regions have {mean} neighbours on average, not fewer than {limit}")
