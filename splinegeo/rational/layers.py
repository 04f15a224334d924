"""What a network is, in integers: affine layers and layers of piecewise affine units, one after the other.

Every float is a dyadic rational ``n / 2^k``. A whole layer is therefore a table of integers over one power of
two, and no later step ever divides. A network that is no chain becomes one by passing values on, unchanged, through
the layers between their maker and their reader.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .numbers import dyadic

Breaks = Sequence[float]
Pieces = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class AffineLayer:
    """``y = (weight @ x + bias) / 2^exponent``.

    Attributes
    ----------
    weight : tuple of (out,) rows of (column, integer) pairs
        Zeros are left out.
    bias : (out,) integers
    exponent : int
    """

    weight: tuple[tuple[tuple[int, int], ...], ...]
    bias: tuple[int, ...]
    exponent: int

    @cached_property
    def columns(self) -> dict[int, list[tuple[int, int]]]:
        """For each column, its (row, integer) pairs."""
        columns: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for i, row in enumerate(self.weight):
            for column, integer in row:
                columns[column].append((i, integer))
        return columns


@dataclass(frozen=True)
class UnitFunction:
    """A continuous piecewise affine function of one unit, in integers over ``2^exponent`` of its layer.

    Attributes
    ----------
    breaks : (k,) increasing integers
        Where two pieces meet.
    pieces : (k + 1,) pairs (slope, intercept)
        From left to right.
    """

    breaks: tuple[int, ...]
    pieces: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ElementwiseLayer:
    """One `UnitFunction` for every unit (or one shared by all, when `functions` has length 1).

    Attributes
    ----------
    functions : tuple of UnitFunction
        `identity` passes a unit on as it is.
    exponent : int
    """

    functions: tuple[UnitFunction, ...]
    exponent: int


@dataclass(frozen=True)
class MaxLayer:
    """The maximum over every `size` consecutive units.

    Attributes
    ----------
    size : int
    n_groups : int, optional
        How many maxima there are; units after them are passed on as they are. By default all units take part.
    """

    size: int
    n_groups: int | None = None


Layer = AffineLayer | ElementwiseLayer | MaxLayer


def identity(exponent: int) -> UnitFunction:
    """The unit function that changes nothing."""
    return UnitFunction((), ((1 << exponent, 0),))


def elementwise(functions: Sequence[tuple[Breaks, Pieces]], n_passed: int = 0) -> ElementwiseLayer:
    """Write unit functions, given by floats, as one exact layer.

    Parameters
    ----------
    functions : sequence of (breaks, pieces)
        Increasing break points, and the (slope, intercept) of every piece.
    n_passed : int
        Units after them that are passed on as they are.

    Examples
    --------
    >>> elementwise([([0.0], [(0.25, 0.0), (1.0, 0.0)])]).functions
    (UnitFunction(breaks=(0,), pieces=((1, 0), (4, 0))),)
    """
    flat = [x for breaks, pieces in functions for x in (*breaks, *(c for piece in pieces for c in piece))]
    integers, exponent = dyadic(flat)
    numbers = iter(integers)
    exact = []
    for breaks, pieces in functions:
        exact_breaks = tuple(next(numbers) for _ in breaks)
        exact.append(UnitFunction(exact_breaks, tuple((next(numbers), next(numbers)) for _ in pieces)))
    return ElementwiseLayer((*exact, *[identity(exponent)] * n_passed), exponent)
