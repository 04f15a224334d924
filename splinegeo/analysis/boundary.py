"""The decision boundary: where the class that a network predicts changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInputError
from ..partition import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class DecisionBoundary:
    """Straight segments on which two classes tie for the largest output.

    Attributes
    ----------
    segments : (B, 2, 2) float
        End points in slice coordinates.
    region : (B,) int
        The region each segment lies in.
    classes : (B, 2) int
        The two classes that tie, the smaller index first; (0, 1) for a network with one output, whose sign decides.
    """

    segments: Floats
    region: Ints
    classes: Ints

    def __len__(self) -> int:
        return len(self.region)

    @property
    def length(self) -> float:
        """Total length, in slice coordinates (those of the input space)."""
        return float(np.linalg.norm(self.segments[:, 1] - self.segments[:, 0], axis=1).sum())


def decision_boundary(part: Partition) -> DecisionBoundary:
    """Where ``argmax`` of the outputs changes; where the sign does, for a network with one output.

    On a region every output is affine, so classes i and j tie along a line. What counts of it is the stretch inside
    the region on which no other class is larger: an intersection of half-lines, solved in closed form for all
    regions at once. A region through which more than one pair of classes meets has several segments.

    Parameters
    ----------
    part : Partition

    Returns
    -------
    DecisionBoundary
        Empty if one class wins everywhere.

    Raises
    ------
    InvalidInputError
        For the result of `linear_regions`, whose regions need not be convex.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> model = torch.nn.Linear(2, 1)
    >>> _ = model.load_state_dict({"weight": torch.tensor([[1., 0.]]), "bias": torch.tensor([-.25])})
    >>> part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    >>> sorted(sg.decision_boundary(part).segments[0].tolist())
    [[0.25, -1.0], [0.25, 1.0]]
    """
    if not part.has_convex_regions:
        raise InvalidInputError("the boundary is found in convex regions: ask the partition that was merged for it")
    slope, offset = part.slope, part.offset
    if slope.shape[1] == 1:  # the sign of f is the argmax of (0, f)
        slope = np.concatenate([np.zeros_like(slope), slope], axis=1)
        offset = np.concatenate([np.zeros_like(offset), offset], axis=1)
    contested = _contested_regions(part, slope, offset)
    found = [_along_edges(part, slope, offset), *_ties(part, slope, offset, contested)]
    segments, regions, classes = (np.concatenate(columns) for columns in zip(*found, strict=True))
    order = np.argsort(regions, kind="stable")
    return DecisionBoundary(segments[order], regions[order], classes[order])


def _along_edges(part: Partition, slope: Floats, offset: Floats) -> tuple[Floats, Ints, Ints]:
    """Edges along which the largest outputs tie, to be left by another class on each side."""
    inner = np.flatnonzero((part.edge_regions >= 0).all(axis=1))
    sides = np.sort(part.edge_regions[inner], axis=1)
    ends = part.vertices[part.edges[inner]]
    values = np.einsum("eoi,eki->eko", slope[sides[:, 0]], ends) + offset[sides[:, 0], None]
    rounding = _rounding(part, slope[sides[:, 0]], offset[sides[:, 0]])
    largest = (values >= values.max(axis=2, keepdims=True) - rounding[:, None, None]).all(axis=1)
    tied = np.flatnonzero(largest.sum(axis=1) > 1)
    sides, ends, largest, rounding = sides[tied], ends[tied], largest[tied], rounding[tied]
    inside = np.einsum("efoi,efi->efo", slope[sides], part.centroids[sides]) + offset[sides]
    winner = np.where(largest[:, None], inside, -np.inf).argmax(axis=2)
    lead = np.take_along_axis(inside, winner[..., None], 2) - np.take_along_axis(inside, winner[:, ::-1, None], 2)
    changes = (winner[:, 0] != winner[:, 1]) & (lead[..., 0] > rounding[:, None]).all(axis=1)
    return ends[changes], sides[changes, 0], np.sort(winner[changes], axis=1)


def _rounding(part: Partition, slope: Floats, offset: Floats) -> Floats:
    """(n,) differences between outputs that rounding could make, for regions with these maps."""
    reach = np.abs(part.domain.window).max()
    return part.certificate.value_tolerance * (reach * np.abs(slope).max(axis=(1, 2)) + np.abs(offset).max(axis=1))


def _contested_regions(part: Partition, slope: Floats, offset: Floats) -> Ints:
    """Regions where no single class is largest at every corner; in the others, by convexity, one class wins."""
    owner = np.repeat(np.arange(part.n_regions), np.diff(part.region_offsets))
    corner = part.vertices[part.region_vertices]
    values = np.einsum("soi,si->so", slope[owner], corner) + offset[owner]
    winner = values.argmax(axis=1)[part.region_offsets[:-1]]
    lead = np.take_along_axis(values, winner[owner][:, None], axis=1) - values
    return np.flatnonzero(np.minimum.reduceat(lead.min(axis=1), part.region_offsets[:-1]) < 0)


def _ties(
    part: Partition, slope: Floats, offset: Floats, regions: Ints
) -> Iterator[tuple[Floats, Ints, NDArray[np.int64]]]:
    """For each pair of classes, its boundary segments in the given regions."""
    if not len(regions):
        return
    polygons = _padded_polygons(part, regions)
    for i, j in combinations(range(slope.shape[1]), 2):
        normal = slope[regions, i] - slope[regions, j]
        level = offset[regions, i] - offset[regions, j]
        tie = np.einsum("rki,ri->rk", polygons, normal) + level[:, None]
        # A tie that only rounding makes cut the region runs along one of its edges.
        rounding = _rounding(part, slope[regions], offset[regions])
        meets = np.flatnonzero((tie.min(axis=1) < -rounding) & (tie.max(axis=1) > rounding))
        if not len(meets):
            continue
        r = regions[meets]
        low, high, start, direction = _clip(polygons[meets], normal[meets], level[meets], slope[r], offset[r], i)
        kept = np.flatnonzero(high > low)
        ends = start[kept, None] + np.stack([low[kept], high[kept]], axis=1)[..., None] * direction[kept, None]
        yield ends, r[kept], np.tile([i, j], (len(kept), 1))


def _padded_polygons(part: Partition, regions: Ints) -> Floats:
    """(n, k, 2) corners, the last one repeated for regions with fewer than k."""
    start, sizes = part.region_offsets[regions], np.diff(part.region_offsets)[regions]
    column = np.minimum(np.arange(sizes.max()), sizes[:, None] - 1)
    return part.vertices[part.region_vertices[start[:, None] + column]]


def _clip(
    polygon: Floats, normal: Floats, level: Floats, slope: Floats, offset: Floats, i: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """The stretch of the line ``normal @ u + level = 0`` inside each polygon where class i is largest.

    Returns parameters low and high along ``start + t * direction``; low >= high where nothing is left.
    """
    norm = np.linalg.norm(normal, axis=1, keepdims=True)
    direction = np.stack([-normal[:, 1], normal[:, 0]], axis=1) / norm
    inside = polygon.mean(axis=1)  # start from the line's point nearest to the polygon, for well-scaled parameters
    start = inside - normal * ((np.einsum("ri,ri->r", normal, inside) + level)[:, None] / norm**2)
    side = np.roll(polygon, -1, axis=1) - polygon
    inward = np.stack([-side[..., 1], side[..., 0]], axis=-1)
    rate = np.einsum("rki,ri->rk", inward, direction)
    height = np.einsum("rki,rki->rk", inward, start[:, None] - polygon)
    lead = slope[:, i, None] - slope
    rates = np.concatenate([rate, np.einsum("roi,ri->ro", lead, direction)], axis=1)
    heights = np.concatenate([height, np.einsum("roi,ri->ro", lead, start) + offset[:, i, None] - offset], axis=1)
    # The two tied classes constrain nothing; rounding would make them.
    rates[:, polygon.shape[1] + i] = heights[:, polygon.shape[1] + i] = 0
    tied = np.abs(rates) <= 1e-12 * np.abs(rates).max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -heights / rates
    low = np.where(~tied & (rates > 0), crossing, -np.inf).max(axis=1)
    high = np.where(~tied & (rates < 0), crossing, np.inf).min(axis=1)
    scale = np.abs(heights).max(axis=1, keepdims=True)
    lost = (tied & (heights < -1e-9 * scale)).any(axis=1)
    return low, np.where(lost, -np.inf, high), start, direction
