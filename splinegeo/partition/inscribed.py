"""Regions as half-planes, and the largest disc that each of them holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from .record import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# An interior-point method for so small a program converges in about ten steps; regions handled at once, for the memory.
_MOST_STEPS, _GAP, _CHUNK = 60, 1e-13, 2**14


def half_planes(part: Partition, region: int) -> tuple[Floats, Floats]:
    """See `Partition.half_planes`."""
    if not part.has_convex_regions:
        raise InvalidInputError("a linear region need not be convex: ask the partition that was merged for half-planes")
    normal, level = _sides(part.region(region))
    return normal, level


def _sides(corner: Floats) -> tuple[Floats, Floats]:
    """Outward unit normals (k, 2) and levels (k,) of the sides that have a length."""
    run = np.roll(corner, -1, axis=0) - corner
    length = np.linalg.norm(run, axis=1)
    run, start = run[length > 0] / length[length > 0, None], corner[length > 0]
    normal = np.stack([run[:, 1], -run[:, 0]], axis=1)
    return normal, np.einsum("ki,ki->k", normal, start)


def chebyshev(part: Partition) -> tuple[Floats, Floats]:
    """See `Partition.chebyshev`."""
    if not part.has_convex_regions:
        raise InvalidInputError("a linear region need not be convex: ask the partition that was merged for its discs")
    centre, radius = np.zeros((part.n_regions, 2)), np.zeros(part.n_regions)
    by_size = np.argsort(np.diff(part.region_offsets), kind="stable")
    for start in range(0, part.n_regions, _CHUNK):
        regions = by_size[start : start + _CHUNK]
        centre[regions], radius[regions] = _largest_discs(_padded(part, regions), part.centroids[regions])
    return centre, radius


def _padded(part: Partition, regions: Ints) -> Floats:
    """(n, k, 2) corners; the last one repeated for regions with fewer than k."""
    start, sizes = part.region_offsets[regions], np.diff(part.region_offsets)[regions]
    column = np.minimum(np.arange(sizes.max()), sizes[:, None] - 1)
    return part.vertices[part.region_vertices[start[:, None] + column]]


def _largest_discs(corner: Floats, middle: Floats) -> tuple[Floats, Floats]:
    """Centre (n, 2) and radius (n,) of the largest disc in each of n convex polygons around their middles.

    The linear program: the largest r with normal @ x + r <= level for every side. It is solved in coordinates in
    which each polygon is about as wide as it is long, so that slivers keep their digits.
    """
    p = corner - middle[:, None]
    run = np.roll(p, -1, axis=1) - p
    length = np.linalg.norm(run, axis=2)
    is_side = length > 0
    normal = np.stack([run[..., 1], -run[..., 0]], axis=2) / np.where(is_side, length, 1)[..., None]
    level = np.einsum("rki,rki->rk", normal, p)
    axes, extent = _axes_of(p)
    scaled = np.einsum("rki,rij->rkj", normal, axes * extent[:, None])
    rows = np.concatenate([scaled, np.broadcast_to(extent.min(axis=1)[:, None, None], (*level.shape, 1))], axis=2)
    size = np.linalg.norm(rows, axis=2)
    rows, right = rows / size[..., None], level / size
    # A side of no length bounds nothing: a row that holds for every point of the unit square.
    rows[~is_side], right[~is_side] = (0.0, 0.0, 1.0), 10.0
    inside = _largest_margin(rows, right)[:, :2]
    shift = np.einsum("rij,rj->ri", axes, extent * inside)
    slack = np.where(is_side, level - np.einsum("rki,ri->rk", normal, shift), np.inf)
    return middle + shift, np.maximum(slack.min(axis=1), 0)


def _axes_of(p: Floats) -> tuple[Floats, Floats]:
    """Principal axes (n, 2, 2), as columns, of corners (n, k, 2) around zero; how far they reach along each (n, 2)."""
    _, axes = np.linalg.eigh(np.einsum("rki,rkj->rij", p, p))
    reach = np.abs(np.einsum("rki,rij->rkj", p, axes)).max(axis=1)
    return axes, np.where(reach > 0, reach, np.maximum(reach.max(axis=1, keepdims=True), np.finfo(float).tiny))


def _largest_margin(rows: Floats, right: Floats) -> Floats:
    """(n, 3) y with the largest y[2] under ``rows @ y <= right``, by Mehrotra's predictor and corrector.

    All programs take their steps together; a program that is solved stands still.

    References
    ----------
    S. Mehrotra, On the implementation of a primal-dual interior point method, SIAM J. Optimization 2 (1992).
    """
    n, k, _ = rows.shape
    goal = np.array([0.0, 0.0, 1.0])
    y = np.zeros((n, 3))
    y[:, 2] = (right / rows[..., 2]).min(axis=1) - 1  # well inside
    slack, dual = np.maximum(right - np.einsum("rkj,rj->rk", rows, y), 1e-3), np.full((n, k), 1.0 / k)
    best, smallest = y.copy(), np.full(n, np.inf)
    for _ in range(_MOST_STEPS):
        primal = right - np.einsum("rkj,rj->rk", rows, y) - slack
        feasible = goal - np.einsum("rkj,rk->rj", rows, dual)
        gap = (slack * dual).mean(axis=1)
        error = gap + np.abs(primal).max(axis=1) + np.abs(feasible).max(axis=1)
        better = error < smallest
        best[better], smallest[better] = y[better], error[better]
        going = np.flatnonzero(error > _GAP)
        if not len(going) or not better.any():
            break
        a, s, z = rows[going], slack[going], dual[going]
        matrix = np.einsum("rki,rk,rkj->rij", a, z / s, a)
        # Where many centres are possible one direction decides nothing in the end; it stays solvable.
        matrix += 1e-15 * np.trace(matrix, axis1=1, axis2=2)[:, None, None] * np.eye(3)
        step = _directions(matrix, a, s, z, primal[going], feasible[going], -s * z)
        reach = [np.minimum(1, _longest(s, step[1])), np.minimum(1, _longest(z, step[2]))]
        ahead = ((s + reach[0][:, None] * step[1]) * (z + reach[1][:, None] * step[2])).mean(axis=1)
        centring = (ahead / gap[going]) ** 3 * gap[going]
        target = centring[:, None] - s * z - step[1] * step[2]
        step = _directions(matrix, a, s, z, primal[going], feasible[going], target)
        along = np.minimum(1, 0.995 * _longest(s, step[1]))[:, None]
        y[going] += along * step[0]
        slack[going] += along * step[1]
        dual[going] += np.minimum(1, 0.995 * _longest(z, step[2]))[:, None] * step[2]
    return best


def _directions(
    matrix: Floats, a: Floats, s: Floats, z: Floats, primal: Floats, feasible: Floats, target: Floats
) -> tuple[Floats, Floats, Floats]:
    """Newton's step of y, slack and dual towards slack * dual = slack * dual + target."""
    right = feasible + np.einsum("rki,rk->ri", a, (z * primal - target) / s)
    dy = np.linalg.solve(matrix, right[..., None])[..., 0]
    ds = primal - np.einsum("rki,ri->rk", a, dy)
    return dy, ds, (target - z * ds) / s


def _longest(x: Floats, dx: Floats) -> Floats:
    """(n,) how far one can go from x (n, k) along dx before an entry is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(dx < 0, -x / dx, np.inf).min(axis=1)
