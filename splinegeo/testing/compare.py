"""The engine's partition against the rational witness: equal counts, equal regions, equal neighbours."""

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
    vertex = _match_vertices(part, witness)
    region = _match_regions(part, exact.loops, vertex)
    _compare_areas(part, witness, region)
    _compare_neighbours(part, exact.adjacency, region)
    _compare_maps(part, witness, region)


def _match_vertices(part: PartitionLike, witness: RationalPartition) -> np.ndarray:
    """The witness's vertex at the place of each vertex of the partition."""
    exact = np.array([(x / w, y / w) for x, y, w in witness.subdivision.vertices])
    distance, nearest = cKDTree(exact).query(part.vertices)
    far = np.flatnonzero(distance > POSITION * np.ptp(exact, axis=0).max())
    require(not len(far), f"no vertex of the witness near vertices {far[:10].tolist()}")
    crowd = np.flatnonzero(np.bincount(nearest, minlength=len(exact)) != 1)
    require(not len(crowd), f"vertices do not correspond one to one near {exact[crowd[:5]].tolist()}")
    return nearest


def _match_regions(part: PartitionLike, loops: Sequence[Sequence[int]], vertex: np.ndarray) -> np.ndarray:
    """The witness's region with the same vertices as each region of the partition."""
    number = {frozenset(loop): i for i, loop in enumerate(loops)}
    found = np.split(vertex[np.asarray(part.region_vertices)], np.asarray(part.region_offsets)[1:-1])
    match = np.array([number.get(frozenset(loop.tolist()), -1) for loop in found])
    strange = np.flatnonzero(match < 0)
    require(not len(strange), f"no region of the witness has the corners of regions {strange[:10].tolist()}")
    require(len(np.unique(match)) == len(match), "two regions have the same corners")
    return match


def _compare_areas(part: PartitionLike, witness: RationalPartition, region: np.ndarray) -> None:
    exact = np.array(witness.areas)
    wrong = np.flatnonzero(np.abs(part.areas - exact[region]) > AREA * exact.sum())
    require(not len(wrong), f"areas differ from the exact ones: regions {wrong[:10].tolist()}")


def _compare_neighbours(part: PartitionLike, adjacency: frozenset[tuple[int, int]], region: np.ndarray) -> None:
    inner = np.asarray(part.edge_regions)[(np.asarray(part.edge_regions) >= 0).all(axis=1)]
    pairs = {(min(i, j), max(i, j)) for i, j in region[inner].tolist()}
    too_many, too_few = len(pairs - adjacency), len(adjacency - pairs)
    require(pairs == adjacency, f"{too_many} pairs of neighbours too many, {too_few} too few")


def _compare_maps(part: PartitionLike, witness: RationalPartition, region: np.ndarray) -> None:
    """Integers divide with correct rounding, however long they are."""
    rows = [[[c / (1 << r.exponent) for c in row] for row in r.rows] for r in witness.regions]
    exact = np.array(rows)[region]
    found = np.concatenate([part.slope, np.asarray(part.offset)[:, :, None]], axis=2)
    error = np.abs(found - exact).max(axis=(1, 2), initial=0.0)
    wrong = np.flatnonzero(error > MAP * np.abs(exact).max(initial=0.0))
    require(not len(wrong), f"the affine map differs from the exact one: regions {wrong[:10].tolist()}")
