"""How much of a set of segments lies within a distance of a target: exactly, by intervals on each segment."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from .targets import SegmentSet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def length_within(segments: Floats, target: SegmentSet, distances: Floats) -> Floats:
    """Total length (K,) of what lies within each of the distances (K,) of the target.

    Distance to a set is 1-Lipschitz, so a segment of half-length h whose midpoint is at distance D has only
    distances between D − h and D + h: most segments lie inside or outside as a whole. On the others, the points
    within distance d of one segment of the target form an interval (a line meets a convex set, the segment's
    neighbourhood), and those of the whole target the union of the intervals.
    """
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    segments, length = segments[length > 0], length[length > 0]
    middle = segments.mean(axis=1)
    # Nothing farther away than this is within any of the finite distances.
    farthest = max((d for d in distances if d < np.inf), default=0) + length.max(initial=0)
    nearest = target.distances(middle, max(farthest, np.finfo(np.float64).tiny))
    totals = np.zeros(len(distances))
    for k, distance in enumerate(distances):
        whole = nearest + length / 2 <= distance
        cut = np.flatnonzero(~whole & (nearest - length / 2 < distance))
        totals[k] = length[whole].sum()
        if len(cut) and distance > 0:
            totals[k] += length[cut] @ _covered_shares(segments[cut], middle[cut], length[cut], target, distance)
    return totals


def _covered_shares(segments: Floats, middle: Floats, length: Floats, target: SegmentSet, distance: float) -> Floats:
    """Share (n,) of each segment within `distance` of the target."""
    reach = distance + length / 2
    index, near = target.tree.query(shapely.points(middle), predicate="dwithin", distance=reach)
    low, high = _intervals(segments[index], target.segments[near], distance)
    met = high > low
    return _union_lengths(index[met], low[met], high[met], len(segments))


def _intervals(segments: Floats, others: Floats, distance: float) -> tuple[Floats, Floats]:
    """Parameters in [0, 1] between which each segment (n, 2, 2) is within `distance` of its partner (n, 2, 2).

    The neighbourhood of a segment is a rectangle and two discs; it is convex, so what a line has in common with it
    is the hull of what it has in common with the three. Empty: low >= high.
    """
    start, run = segments[:, 0], segments[:, 1] - segments[:, 0]
    pieces = [_in_disc(start - others[:, end], run, distance) for end in (0, 1)]
    pieces.append(_in_rectangle(start - others[:, 0], run, others[:, 1] - others[:, 0], distance))
    low = np.min([np.where(high > low, low, np.inf) for low, high in pieces], axis=0)
    high = np.max([np.where(high > low, high, -np.inf) for low, high in pieces], axis=0)
    return np.maximum(low, 0), np.minimum(high, 1)


def _in_disc(start: Floats, run: Floats, radius: float) -> tuple[Floats, Floats]:
    """Where ``|start + t * run| < radius``, each (n,)."""
    square = (run**2).sum(axis=1)
    foot = -(start * run).sum(axis=1) / square
    apart = (start[:, 0] * run[:, 1] - start[:, 1] * run[:, 0]) ** 2 / square
    half = np.sqrt(np.maximum(radius**2 - apart, 0) / square)
    return foot - half, foot + half


def _in_rectangle(start: Floats, run: Floats, side: Floats, distance: float) -> tuple[Floats, Floats]:
    """Where ``start + t * run`` lies beside `side`, at most `distance` away from its line, each (n,)."""
    size = np.linalg.norm(side, axis=1)
    along = side / np.where(size > 0, size, 1)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    low, high = _in_strip((start * along).sum(axis=1), (run * along).sum(axis=1), 0.0, size)
    near, far = _in_strip((start * across).sum(axis=1), (run * across).sum(axis=1), -distance, distance)
    low, high = np.maximum(low, near), np.minimum(high, far)
    return np.where(size > 0, low, np.inf), np.where(size > 0, high, -np.inf)


def _in_strip(start: Floats, rate: Floats, bottom: float, top: Floats | float) -> tuple[Floats, Floats]:
    """Where ``bottom < start + t * rate < top``, each (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (bottom - start) / rate, (top - start) / rate
    level = rate == 0
    inside = (bottom < start) & (start < top)
    low = np.where(level, np.where(inside, -np.inf, np.inf), np.minimum(first, second))
    return low, np.where(level, np.where(inside, np.inf, -np.inf), np.maximum(first, second))


def _union_lengths(index: Ints, low: Floats, high: Floats, n: int) -> Floats:
    """Length (n,) of the union of the intervals that carry each index.

    In ascending order of (index, low) an interval adds what lies beyond all ends before it. The largest end so far
    is kept as a rank, an integer in which later indices are larger, so that nothing is rounded.
    """
    order = np.lexsort((low, index))
    index, low, high = index[order], low[order], high[order]
    by_end = np.lexsort((high, index))
    rank = np.zeros(len(index), dtype=np.int64)
    rank[by_end] = np.arange(len(index))
    furthest = high[by_end][np.maximum.accumulate(rank)]
    before = np.concatenate([[-np.inf], furthest[:-1]])
    before[np.flatnonzero(np.diff(index)) + 1] = -np.inf
    added = np.maximum(high - np.maximum(low, before), 0)
    return np.bincount(index, weights=added, minlength=n).astype(np.float64)
