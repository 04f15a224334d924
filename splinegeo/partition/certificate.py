"""What was decided within rounding, and where."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..records import Record

CLOSE_DECISION = np.dtype([("layer", np.int64), ("unit", np.int64), ("u", np.float64, (2,)), ("merged", np.bool_)])


@dataclass(frozen=True, eq=False, repr=False)
class Certificate(Record):
    """What was decided within rounding.

    Attributes
    ----------
    value_tolerance : float
        Relative: a pre-activation of at most this share of the magnitudes that entered it counts as zero.
    length_tolerance : float
        In half-widths of the window: crossings closer than this on one line are one vertex.
    smallest_margin : float
        The closest decision that was *not* made within a tolerance, as a multiple of that tolerance (at least 1).
    n_zero : int
        Signs decided to be zero, exact zeros included: units that pass through old vertices. A vertex between two
        tiles of a large subdivision is decided in both.
    n_snapped : int
        How many of them were not exactly zero in floating point.
    n_merged : int
        Crossings merged with a neighbour on the same line.
    close : (n_snapped + n_merged,) structured array
        Where: layer, unit, slice coordinates u, and whether it was a merger. Counts and places are those of this
        slice; the smallest margin is that of all slices that were refined together.
    proven : bool
        Whether the subdivision is that of rational arithmetic on the given weights: the close decisions counted
        here are those that floating point left open, and they have been settled.
    """

    value_tolerance: float
    length_tolerance: float
    smallest_margin: float
    n_zero: int
    n_snapped: int
    n_merged: int
    close: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, CLOSE_DECISION))
    proven: bool = False

    @property
    def is_generic(self) -> bool:
        """Whether no decision at all was made within a tolerance."""
        return self.n_zero == self.n_merged == 0

    def numbers(self) -> dict[str, float | int]:
        """Everything but the places."""
        return {name: value for name, value in vars(self).items() if name != "close"}
