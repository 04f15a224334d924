"""Rises and falls of a curve that are too large for noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
# Whether the change of the curve between two indices is more than a wiggle: > 1 if it is.
Strength = Callable[[NDArray[np.int64], NDArray[np.int64]], Curve]


def turning_points(curve: Curve, strength: Strength) -> list[int]:
    """Indices where the curve turns, such that it changes significantly between any two that follow each other.

    Begins with all local extremes and removes the smallest insignificant change until none is left: one between two
    others joins them, one at an end is cut off. Empty if nothing is significant.
    """
    turns = _local_extremes(curve)
    while len(turns) > 1:
        ends = np.array(turns)
        weak = strength(ends[:-1], ends[1:]) <= 1
        if not weak.any():
            return _snapped(curve, turns)
        sizes = np.where(weak, np.abs(np.diff(curve[ends])), np.inf)
        k = int(sizes.argmin())
        if k == 0:
            del turns[0]
        elif k == len(sizes) - 1:
            del turns[-1]
        else:
            del turns[k : k + 2]
    return []


def trimmed(curve: Curve, start: int, stop: int, margin: float) -> tuple[int, int]:
    """The part of a rise or fall that does it: all but `margin` of it at each end.

    Looked for from the middle of the change outwards, so that wiggles of a long rest before or behind do not count.
    """
    progress = np.abs(curve[start : stop + 1] - curve[start])
    middle = int((progress >= progress[-1] / 2).argmax())
    first = np.flatnonzero(progress[: middle + 1] <= margin)[-1]
    last = middle + np.flatnonzero(progress[middle:] >= progress[-1] - margin)[0]
    return start + int(first), start + int(last)


def longest_halt(curve: Curve, x: Curve, start: int, stop: int, strength: Strength, share: float) -> tuple[int, int]:
    """The longest interval of a fall that takes at most `share` of it, with significant falls before and after.

    Returns equal indices if there is none.
    """
    fall = np.maximum.accumulate(curve[start] - curve[start : stop + 1])
    first = np.arange(len(fall))
    last = np.searchsorted(fall, fall + share * fall[-1], side="right") - 1
    top, bottom = np.full(len(fall), start), np.full(len(fall), stop)
    inside = (strength(top, start + first) > 1) & (strength(start + last, bottom) > 1)
    length = np.where(inside, x[start + last] - x[start + first], 0)
    k = int(length.argmax())
    return (start + k, start + int(last[k])) if length[k] > 0 else (start, start)


def _local_extremes(curve: Curve) -> list[int]:
    """Both ends and every index where the direction changes; where the curve rests there, the last."""
    direction = np.sign(np.diff(curve))
    moving = np.flatnonzero(direction)
    turns = moving[1:][np.diff(direction[moving]) != 0]
    return [0, *turns.tolist(), len(curve) - 1]


def _snapped(curve: Curve, turns: list[int]) -> list[int]:
    """Each turning point moved to the extreme between its neighbours, or between its neighbour and the end."""
    bounds = [0, *turns, len(curve) - 1]
    up = curve[turns[1]] > curve[turns[0]]
    moved = []
    for k, (before, after) in enumerate(zip(bounds[:-2], bounds[2:], strict=True)):
        lowest = up == (k % 2 == 0)
        piece = curve[before : after + 1]
        moved.append(before + int(piece.argmin() if lowest else piece.argmax()))
    return moved
