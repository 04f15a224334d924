"""What distances are measured to: points, or straight segments, of a slice."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInputError
from ..given import real_array
from ..partition import Partition
from .boundary import DecisionBoundary, decision_boundary

Floats = NDArray[np.float64]
Target = str | DecisionBoundary | ArrayLike

# Corners per quarter of the polygons that stand for discs: their area is 2.5e-5 too small.
_CORNERS = 128


class SegmentSet:
    """A set of segments in slice coordinates; a point is a segment of length zero.

    Attributes
    ----------
    segments : (m, 2, 2) float
    """

    def __init__(self, segments: Floats) -> None:
        self.segments = segments

    def __len__(self) -> int:
        return len(self.segments)

    def distances(self, points: Floats, at_most: float = np.inf) -> Floats:
        """(n,) distance of each point (n, 2) to the nearest of the segments; inf if none is at most so far away."""
        found = np.full(len(points), np.inf)
        if len(self) and len(points):
            (index, _), distance = self.tree.query_nearest(
                shapely.points(points),
                max_distance=at_most if at_most < np.inf else None,
                return_distance=True,
                all_matches=False,
            )
            found[index] = distance
        return found

    def area_within(self, distance: float, window: shapely.Polygon) -> float:
        """Area of the window's points that are at most `distance` away."""
        if distance == np.inf:
            return float(window.area)
        if not len(self) or distance <= 0:
            return 0.0
        # One by one: the buffer of a whole polyline is slower, and its concave corners are simplified first.
        around = shapely.union_all(shapely.buffer(self._geometries, distance, quad_segs=_CORNERS))
        return float(shapely.intersection(around, window).area)

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Index of the segments."""
        return shapely.STRtree(self._geometries)

    @cached_property
    def _geometries(self) -> NDArray[np.object_]:
        is_point = (self.segments[:, 0] == self.segments[:, 1]).all(axis=1)
        return np.where(is_point, shapely.points(self.segments[:, 0]), shapely.linestrings(self.segments))


def as_target(part: Partition, to: Target) -> SegmentSet:
    """``"boundary"``, a `DecisionBoundary`, points (n, 2) or segments (n, 2, 2), as segments.

    Raises
    ------
    InvalidInputError
        For anything else, and for coordinates that are not finite.
    """
    if isinstance(to, str) and to != "boundary":
        raise InvalidInputError(f"to={to!r} is not known: choose 'boundary', points (n, 2) or segments (n, 2, 2)")
    if isinstance(to, str):
        to = decision_boundary(part)
    if isinstance(to, DecisionBoundary):
        return SegmentSet(to.segments)
    array = real_array(to, "a target")
    if array.shape[1:] not in ((2,), (2, 2)):
        raise InvalidInputError(f"a target has shape (n, 2) or (n, 2, 2) in slice coordinates, not {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInputError("a target must have finite coordinates")
    return SegmentSet(array if array.ndim == 3 else np.stack([array, array], axis=1))


def as_points(points: ArrayLike) -> Floats:
    """Slice coordinates as an array (n, 2).

    Raises
    ------
    InvalidInputError
        For another shape, which inputs that were not projected onto the slice have, and for NaN or infinity.
    """
    array = real_array(points, "points")
    array = array[None] if array.shape == (2,) else array
    if array.ndim != 2 or array.shape[1] != 2:
        raise InvalidInputError(
            f"points have shape (n, 2), in slice coordinates, not {array.shape}: project inputs with Slice.project"
        )
    if not np.isfinite(array).all():
        raise InvalidInputError("points must have finite coordinates")
    return array
