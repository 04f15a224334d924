"""Where the predicted class changes along a way on which outputs are piecewise linear."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def predicted_classes(ends: Floats, values: Floats, tolerance: float) -> tuple[Floats, Ints]:
    """Places (C,) at which the argmax changes, and the class (C + 1,) before, between and after them.

    Classes are compared one after the other with the largest of those before, at the ends of pieces; a piece on which
    the order changes is cut there. Ties go to the first class, as with ``argmax``; leads within `tolerance`, relative
    to the largest value, are ties.

    Parameters
    ----------
    ends : (P + 1,) ascending
    values : (P + 1, classes) outputs there, linear between; one output stands for its sign

    Examples
    --------
    >>> predicted_classes(np.array([0.0, 1.0]), np.array([[0.0, -1.0], [0.0, 3.0]]), 1e-12)
    (array([0.25]), array([0, 1]))
    """
    if values.shape[1] == 1:
        values = np.concatenate([np.zeros_like(values), values], axis=1)
    rounding = tolerance * np.abs(values).max(initial=0)
    largest, winner = values[:, 0], np.zeros(len(ends) - 1, dtype=np.int64)
    for k in range(1, values.shape[1]):
        lead = values[:, k] - largest
        lead[np.abs(lead) <= rounding] = 0
        piece = np.flatnonzero(lead[:-1] * lead[1:] < 0)
        share = lead[piece] / (lead[piece] - lead[piece + 1])
        place = piece + 1
        largest = np.insert(np.where(lead > 0, values[:, k], largest), place, _between(largest, piece, share))
        ends = np.insert(ends, place, _between(ends, piece, share))
        values = np.insert(values, place, _between(values, piece, share[:, None]), axis=0)
        lead = np.insert(lead, place, 0.0)
        winner = np.insert(winner, place, winner[piece])
        winner[np.maximum(lead[:-1], lead[1:]) > 0] = k
    changes = np.flatnonzero(np.diff(winner))
    return ends[1:-1][changes], winner[np.concatenate([[0], changes + 1])]


def _between(values: Floats, piece: Ints, share: Floats) -> Floats:
    return values[piece] + share * (values[piece + 1] - values[piece])
