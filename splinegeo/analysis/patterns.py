"""What the units do on a slice: how much of it changed its activation pattern, and which units never bend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from ..errors import InvalidInputError
from ..partition import Partition, region_pieces
from ..records import Record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class PatternChurn(Record):
    """Shares of the window whose activation pattern changed.

    Attributes
    ----------
    layer_names : names of the nonlinearities
    layers : (L,) share of the window on which some unit of each nonlinearity is on another piece
    total : share of the window on which any unit is
    """

    layer_names: tuple[str, ...]
    layers: Floats
    total: float


def pattern_churn(before: Partition, after: Partition) -> PatternChurn:
    """The share of the window whose activation pattern changed between two checkpoints, exactly.

    Both partitions are laid over each other. On what two regions have in common both patterns are constant, so the
    share is a sum of areas of convex polygons: nothing is sampled.

    Parameters
    ----------
    before, after : Partition
        Of one slice, and of one architecture, with their networks.

    Returns
    -------
    PatternChurn

    Raises
    ------
    InvalidInputError
        If the partitions are of different windows or architectures, or were loaded without their networks.

    Examples
    --------
    One line moves by a quarter of the window:

    >>> import torch, splinegeo as sg
    >>> from splinegeo.testing import line_network
    >>> domain = sg.Slice.box((0, 1), (0, 1))
    >>> parts = [sg.compute_partition(line_network([(1, 0, -x)]), domain) for x in (0.5, 0.75)]
    >>> round(sg.pattern_churn(*parts).total, 12)
    0.25
    """
    if before.domain != after.domain:
        raise InvalidInputError("the two partitions are not of one slice and window: their patterns do not compare")
    if before.layer_names != after.layer_names or before.unit_shapes != after.unit_shapes:
        raise InvalidInputError("the two partitions are of different architectures: their patterns do not compare")
    area, first, second = _overlay(before, after)
    changed = _fingerprints(before)[first] != _fingerprints(after)[second]
    whole = area.sum()
    return PatternChurn(before.layer_names, area @ changed / whole, float(area @ changed.any(axis=1) / whole))


def _overlay(before: Partition, after: Partition) -> tuple[Floats, Ints, Ints]:
    """Area of what each two regions have in common, and which two they are."""
    one, other = before.to_shapely(), after.to_shapely()
    # Slivers that rounding turned over have no area to speak of.
    own, others = np.flatnonzero(shapely.is_valid(one)), np.flatnonzero(shapely.is_valid(other))
    first, second = shapely.STRtree(other[others]).query(one[own], predicate="intersects")
    first, second = own[first], others[second]
    return shapely.area(shapely.intersection(one[first], other[second])), first, second


def _fingerprints(part: Partition) -> Ints:
    """(R, L) one word for the pattern of each nonlinearity: a random linear form modulo 2⁶⁴."""
    rng = np.random.default_rng(0)
    factors = [rng.integers(-(2**62), 2**62, int(np.prod(shape))) for shape in part.unit_shapes]
    found = np.zeros((part.n_regions, len(factors)), dtype=np.int64)
    for regions, pieces in region_pieces(part):
        for layer, (codes, factor) in enumerate(zip(pieces, factors, strict=True)):
            found[regions, layer] = codes @ factor
    return found


@dataclass(frozen=True, eq=False, repr=False)
class UnitActivity(Record):
    """Which units bend on a slice.

    Attributes
    ----------
    layer_names : names of the nonlinearities
    activity : one int array of the shape of its units for each nonlinearity
        0 where a unit bends on the slice; -1 where it is on its lowest piece everywhere (a ReLU that is off: dead on
        the slice); 1 where it is on one other piece everywhere (a ReLU that is always on: linear on the slice).
    """

    layer_names: tuple[str, ...]
    activity: tuple[Ints, ...]

    @property
    def off(self) -> Ints:
        """(L,) number of units that are off on the whole slice."""
        return self._count(-1)

    @property
    def on(self) -> Ints:
        """(L,) number of units that are on, and on one piece, on the whole slice."""
        return self._count(1)

    @property
    def bending(self) -> Ints:
        """(L,) number of units that bend on the slice."""
        return self._count(0)

    def _count(self, kind: int) -> Ints:
        return np.array([(codes == kind).sum() for codes in self.activity], dtype=np.int64)


def unit_activity(part: Partition) -> UnitActivity:
    """Which units are off, or on, on all of the slice, and which bend there: exactly, by the regions' patterns.

    Parameters
    ----------
    part : Partition
        With its network.

    Returns
    -------
    UnitActivity

    Raises
    ------
    InvalidInputError
        If the partition was loaded without its network, or holds linear regions.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo.testing import line_network
    >>> model = line_network([(1, 0, -0.5), (1, 0, 3), (1, 0, -3)])
    >>> found = sg.unit_activity(sg.compute_partition(model, sg.Slice.box((0, 1), (0, 1))))
    >>> found.activity[0].tolist(), found.off.tolist()
    ([0, 1, -1], [1])
    """
    low = [np.full(int(np.prod(shape)), np.iinfo(np.int64).max) for shape in part.unit_shapes]
    high = [np.full(int(np.prod(shape)), -1, dtype=np.int64) for shape in part.unit_shapes]
    for _, pieces in region_pieces(part):
        for least, most, codes in zip(low, high, pieces, strict=True):
            np.minimum(least, codes.min(axis=0), out=least)
            np.maximum(most, codes.max(axis=0), out=most)
    activity = [
        np.where(least < most, 0, np.where(most == 0, -1, 1)).reshape(shape)
        for least, most, shape in zip(low, high, part.unit_shapes, strict=True)
    ]
    return UnitActivity(part.layer_names, tuple(activity))
