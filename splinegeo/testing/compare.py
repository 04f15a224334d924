"""A partition against the rational witness, or against another of the same network: equal regions, close numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from torch import nn

from ..rational import RationalPartition, rational_partition
from .arrays import require
from .contract import PartitionLike
from .layers import describe

POSITION = 1e-6  # of the window's size: a corner of two nearly parallel lines slides far along them
AREA = 1e-8  # of the window's area
MAP = 1e-8  # of the largest entry


def rational_witness(model: nn.Module, window: ArrayLike) -> RationalPartition:
    """The exact partition of a sequential network with two inputs, in rational arithmetic.

    Parameters
    ----------
    model : nn.Module
        See `describe` for the modules that are understood.
    window : (n, 2) floats
        Corners of a convex polygon.

    Returns
    -------
    RationalPartition

    Examples
    --------
    >>> from splinegeo.testing import tent_map
    >>> rational_witness(tent_map(3), [(0, 0), (1, 0), (1, 1), (0, 1)]).n_regions
    64
    """
    return rational_partition(describe(model), np.asarray(window, dtype=np.float64).tolist())


def assert_matches_rational(part: PartitionLike, witness: RationalPartition) -> None:
    """Check that a partition is the one that rational arithmetic yields.

    The numbers of regions, vertices and edges are equal; vertices stand at the same places; regions have the
    same vertices, areas, neighbours and affine maps.

    Parameters
    ----------
    part : PartitionLike
        From the engine, in the plane itself.
    witness : RationalPartition
        From `rational_witness`, of the same network and window.

    Raises
    ------
    AssertionError
        With one sentence that says what differs, and where.
    """
    exact = witness.subdivision
    for name, found, wanted in (
        ("regions", len(part.region_offsets) - 1, witness.n_regions),
        ("vertices", len(part.vertices), exact.n_vertices),
        ("edges", len(part.edges), exact.n_edges),
    ):
        require(found == wanted, f"{found} {name}, and {wanted} in rational arithmetic")
    vertex = _match_vertices(part, np.array([(x / w, y / w) for x, y, w in exact.vertices]))
    region = _match_regions(_loops(part, vertex), exact.loops)
    _compare_areas(part, np.array(witness.areas)[region])
    _compare_neighbours(part, exact.adjacency, region)
    _compare_maps(part, _exact_maps(witness)[region])


def assert_same_partition(part: PartitionLike, other: PartitionLike) -> None:
    """Check that two partitions are one and the same to rounding, whatever the numbers of their parts.

    This is what every other way of computing promises (threads, tiles, budgets, batches, processes, processors): the
    same regions, edges and vertices, with the same neighbours and the same units on the edges; coordinates, areas and
    affine maps are equal to rounding, and numbering is free.

    Parameters
    ----------
    part, other : PartitionLike
        Of one network, on one slice.

    Raises
    ------
    AssertionError
        With one sentence that says what differs, and where.

    Examples
    --------
    >>> import splinegeo as sg
    >>> from splinegeo.testing import tent_map
    >>> square = sg.Slice.box((0, 1), (0, 1))
    >>> assert_same_partition(*(sg.compute_partition(tent_map(2), square, max_memory=m) for m in (None, 1e5)))
    >>> assert_same_partition(*(sg.compute_partition(tent_map(depth), square) for depth in (1, 2)))
    Traceback (most recent call last):
    ...
    AssertionError: 4 regions, and 16 in the other
    """
    for name, found, wanted in (
        ("regions", len(part.region_offsets) - 1, len(other.region_offsets) - 1),
        ("vertices", len(part.vertices), len(other.vertices)),
        ("edges", len(part.edges), len(other.edges)),
    ):
        require(found == wanted, f"{found} {name}, and {wanted} in the other")
    vertex = _match_vertices(part, other.vertices)
    region = _match_regions(_loops(part, vertex), _loops(other, np.arange(len(other.vertices))))
    missing = _labelled_edges(part, vertex, region) ^ _labelled_edges(
        other, np.arange(len(vertex)), np.arange(len(region))
    )
    require(not missing, f"edges with another unit or neighbour: {sorted(missing)[:5]}")
    _compare_areas(part, other.areas[region])
    _compare_maps(part, np.concatenate([other.slope, np.asarray(other.offset)[:, :, None]], axis=2)[region])


def _match_vertices(part: PartitionLike, wanted: np.ndarray) -> np.ndarray:
    """The wanted vertex at the place of each vertex of the partition."""
    distance, nearest = cKDTree(wanted).query(part.vertices)
    far = np.flatnonzero(distance > POSITION * np.ptp(wanted, axis=0).max())
    require(not len(far), f"no vertex is wanted near vertices {far[:10].tolist()}")
    crowd = np.flatnonzero(np.bincount(nearest, minlength=len(wanted)) != 1)
    require(not len(crowd), f"vertices do not correspond one to one near {wanted[crowd[:5]].tolist()}")
    return nearest


def _loops(part: PartitionLike, vertex: np.ndarray) -> list[list[int]]:
    """The corners of each region, by the given numbers of the vertices."""
    loops = np.split(vertex[np.asarray(part.region_vertices)], np.asarray(part.region_offsets)[1:-1])
    return [loop.tolist() for loop in loops]


def _match_regions(loops: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> np.ndarray:
    """The wanted region with the same corners as each loop."""
    number = {frozenset(loop): i for i, loop in enumerate(wanted)}
    match = np.array([number.get(frozenset(loop), -1) for loop in loops])
    strange = np.flatnonzero(match < 0)
    require(not len(strange), f"no region is wanted with the corners of regions {strange[:10].tolist()}")
    require(len(np.unique(match)) == len(match), "two regions have the same corners")
    return match


def _labelled_edges(part: PartitionLike, vertex: np.ndarray, region: np.ndarray) -> set[tuple[int, ...]]:
    """Each edge as its two ends, its two regions (-1: none), its layer and its unit, by the given numbers."""
    ends = np.sort(vertex[part.edges], axis=1)
    sides = np.sort(np.append(region, -1)[part.edge_regions], axis=1)
    rows = np.column_stack([ends, sides, part.edge_layer, part.edge_unit])
    return set(map(tuple, rows.tolist()))


def _compare_areas(part: PartitionLike, wanted: np.ndarray) -> None:
    wrong = np.flatnonzero(np.abs(part.areas - wanted) > AREA * wanted.sum())
    require(not len(wrong), f"areas differ: regions {wrong[:10].tolist()}")


def _compare_neighbours(part: PartitionLike, adjacency: frozenset[tuple[int, int]], region: np.ndarray) -> None:
    inner = np.asarray(part.edge_regions)[(np.asarray(part.edge_regions) >= 0).all(axis=1)]
    pairs = {(min(i, j), max(i, j)) for i, j in region[inner].tolist()}
    too_many, too_few = len(pairs - adjacency), len(adjacency - pairs)
    require(pairs == adjacency, f"{too_many} pairs of neighbours too many, {too_few} too few")


def _exact_maps(witness: RationalPartition) -> np.ndarray:
    """``(R, out, 3)``; integers divide with correct rounding, however long they are."""
    return np.array([[[c / (1 << r.exponent) for c in row] for row in r.rows] for r in witness.regions])


def _compare_maps(part: PartitionLike, wanted: np.ndarray) -> None:
    found = np.concatenate([part.slope, np.asarray(part.offset)[:, :, None]], axis=2)
    error = np.abs(found - wanted).max(axis=(1, 2), initial=0.0)
    wrong = np.flatnonzero(error > MAP * np.abs(wanted).max(initial=0.0))
    require(not len(wrong), f"affine maps differ: regions {wrong[:10].tolist()}")
