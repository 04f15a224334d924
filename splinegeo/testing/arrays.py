"""Readings of a partition's ragged arrays that every check needs."""

from __future__ import annotations

import numpy as np

from .contract import PartitionLike


def require(good: bool, sentence: str) -> None:
    """Raise an AssertionError, also under ``python -O``.

    Examples
    --------
    >>> require(1 + 1 == 2, "arithmetic fails")
    """
    if not good:
        raise AssertionError(sentence)


def require_all(good: np.ndarray, sentence: str, what: str) -> None:
    """Raise an AssertionError that names the first indices where `good` is false.

    Parameters
    ----------
    good : (n,) bool
    sentence : str
    what : str
        What is counted: regions, edges, vertices.

    Examples
    --------
    >>> require_all(np.array([True, False]), "negative area", "regions")
    Traceback (most recent call last):
    ...
    AssertionError: negative area: regions [1]
    """
    bad = np.flatnonzero(~good)
    more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
    require(not len(bad), f"{sentence}: {what} {bad[:10].tolist()}{more}")


def half_edges(part: PartitionLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start vertex, end vertex and region of every side of every loop, each ``(S,)``."""
    start = np.asarray(part.region_vertices, dtype=np.int64)
    counts = np.diff(part.region_offsets)
    region = np.repeat(np.arange(len(counts)), counts)
    end = np.roll(start, -1)
    end[np.asarray(part.region_offsets[1:]) - 1] = start[np.asarray(part.region_offsets[:-1])]
    return start, end, region


def window_size(part: PartitionLike) -> float:
    """Half the larger side of the window's bounding box."""
    return float(np.ptp(np.asarray(part.domain.window), axis=0).max()) / 2


def polygon_area(corners: np.ndarray) -> float:
    """The area of one polygon ``(n, 2)``."""
    centred = corners - corners[0]
    return float(cross(centred, np.roll(centred, -1, axis=0)).sum()) / 2


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a × b`` of vectors ``(n, 2)``: twice the signed area between them, ``(n,)``."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
