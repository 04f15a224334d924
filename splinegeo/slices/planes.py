"""Planes and convex windows in numbers: what a `Slice` is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import DegenerateSliceError
from ..given import real_number

# Rounding in a difference of two anchors is a few units in the last place; a plane or a window thinner than this
# share of its own size has no direction, or no area, that float64 could tell.
_THIN = 2.0**-40
# Coordinates beyond this have squares, and windows areas, that overflow.
_LARGEST = 2.0**500


def square(half: float) -> NDArray[np.float64]:
    """The square window (4, 2) of a half-width, around zero."""
    half = real_number(half, "half_width")
    if not 0 < half <= _LARGEST:
        raise DegenerateSliceError(f"a window of half-width {half} has no area that float64 can hold")
    return half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def orthonormal(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal basis (D, 2) of the span of two vectors, the first keeping its direction."""
    size = max(np.linalg.norm(first), np.linalg.norm(second))
    if np.linalg.norm(first) <= _THIN * size:
        raise DegenerateSliceError("the three anchors of a slice must not be collinear: two of them coincide")
    e1 = first / np.linalg.norm(first)
    rest = second - (second @ e1) * e1
    if np.linalg.norm(rest) <= _THIN * size:
        raise DegenerateSliceError("the three anchors of a slice must not be collinear: they lie on one line")
    rest -= (rest @ e1) * e1  # a second pass restores orthogonality where the first cancelled digits
    return np.stack([e1, rest / np.linalg.norm(rest)], axis=1)


def convex_counter_clockwise(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same polygon, oriented counter-clockwise, corners on straight sides dropped."""
    if window.ndim != 2 or window.shape[1] != 2 or len(window) < 3:
        raise DegenerateSliceError(f"a window needs at least three corners (N, 2), not shape {window.shape}")
    if np.abs(window).max() > _LARGEST:
        raise DegenerateSliceError(f"a window has no area that float64 can hold: {window.tolist()}")
    centred = window - window.mean(axis=0)
    size = np.abs(centred).max()
    following = np.roll(centred, -1, axis=0)
    area = 0.5 * float(np.sum(centred[:, 0] * following[:, 1] - centred[:, 1] * following[:, 0]))
    if abs(area) <= _THIN * size**2:
        raise DegenerateSliceError(f"the window has no area: {window.tolist()}")
    if area < 0:
        window, centred = window[::-1].copy(), centred[::-1]
    sides = np.roll(centred, -1, axis=0) - centred
    before = np.roll(sides, 1, axis=0)
    turn = before[:, 0] * sides[:, 1] - before[:, 1] * sides[:, 0]
    straight = np.abs(turn) <= _THIN * size**2
    angles = np.arctan2(turn, np.sum(before * sides, axis=1))
    if (turn[~straight] < 0).any() or abs(angles.sum() - 2 * np.pi) > 1e-6:
        raise DegenerateSliceError(f"the window is not convex: {window.tolist()}")
    return window[~straight].copy()


def centroid(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre of mass (2,) of a polygon."""
    p = window - window[0]
    q = np.roll(p, -1, axis=0)
    cross = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    return window[0] + (p + q).T @ cross / (3 * cross.sum())


def nearest_plane(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal basis (D, 2) of the plane through the mean with the least sum of squared distances."""
    centred = points - points.mean(axis=0)
    _, size, directions = np.linalg.svd(centred, full_matrices=False)
    if len(size) < 2 or size[1] <= _THIN * size[0]:
        raise DegenerateSliceError("the anchors of a slice must not be collinear: they lie on one line")
    plane = directions[:2].T
    first, third = ((centred[k] - centred[0]) @ plane for k in (1, 2))
    if np.linalg.norm(first) <= _THIN * size[0]:
        first = np.array([1.0, 0.0])
    first /= np.linalg.norm(first)
    across = np.array([-first[1], first[0]])
    return plane @ np.stack([first, across if third @ across >= 0 else -across], axis=1)


def half_plane(polygon: NDArray[np.float64], axis: int, sign: int, level: float) -> NDArray[np.float64]:
    """What of a convex polygon (k, 2) has ``sign * u[axis] >= sign * level``."""
    if not len(polygon):
        return polygon
    height = sign * (polygon[:, axis] - level)
    following, beyond = np.roll(polygon, -1, axis=0), np.roll(height, -1)
    kept: list[NDArray[np.float64]] = []
    for corner, after, h, g in zip(polygon, following, height, beyond, strict=True):
        if h >= 0:
            kept.append(corner)
        if h * g < 0:
            crossing = corner + h / (h - g) * (after - corner)
            crossing[axis] = level
            kept.append(crossing)
    return np.array(kept).reshape(-1, 2)
