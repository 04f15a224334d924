"""Exact regions: polygons with an activation pattern and an affine map, all in integers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from .polygons import Polygon, area, to_fractions, twice_area
from .subdivision import Subdivision, subdivide

Row = tuple[int, int, int]


@dataclass(frozen=True)
class RationalRegion:
    """A convex region, its activation pattern and its affine map, all exact.

    Attributes
    ----------
    polygon : Polygon
        Counter-clockwise corners and the lines of the sides, in homogeneous integers.
    pattern : tuple of int
        One code per unit of every nonlinearity, in order. With break points b_1 < … < b_k the code is 2j on
        the j-th open piece, and 2j + 1 where the unit equals b_{j+1} on the whole region; for a maximum it is
        the first candidate that attains it.
    rows : (out,) tuples (p, q, r) of integers
        ``output = (p x + q y + r) / 2**exponent``.
    exponent : int
    """

    polygon: Polygon
    pattern: tuple[int, ...]
    rows: tuple[Row, ...]
    exponent: int

    @property
    def corners(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """The corners as fractions, counter-clockwise."""
        return to_fractions(self.polygon)

    @property
    def area(self) -> Fraction:
        """The exact area."""
        return twice_area(self.polygon) / 2

    @property
    def affine_map(self) -> tuple[tuple[Fraction, Fraction, Fraction], ...]:
        """``(p, q, r)`` per output: ``output = p x + q y + r``."""
        unit = 1 << self.exponent
        return tuple((Fraction(p, unit), Fraction(q, unit), Fraction(r, unit)) for p, q, r in self.rows)


@dataclass(frozen=True)
class RationalPartition:
    """Every region of a network on a convex window.

    Attributes
    ----------
    window : Polygon
    regions : tuple of RationalRegion
    """

    window: Polygon
    regions: tuple[RationalRegion, ...]

    @property
    def n_regions(self) -> int:
        """How many regions there are."""
        return len(self.regions)

    @cached_property
    def subdivision(self) -> Subdivision:
        """Numbers of vertices and edges, and which regions share a side of positive length."""
        return subdivide([region.polygon for region in self.regions])

    @cached_property
    def areas(self) -> list[float]:
        """Areas of the regions, each correct to a few units in the last place."""
        return [area(region.polygon) for region in self.regions]

    def total_area(self) -> Fraction:
        """The exact sum of the exact areas; slow beyond some hundred regions."""
        sums = [region.area for region in self.regions]
        while len(sums) > 1:  # pairwise: only the last few additions see the largest denominators
            sums = [sum(sums[i : i + 2], Fraction(0)) for i in range(0, len(sums), 2)]
        return sums[0]


def difference(a: Row, b: Row) -> Row:
    """One affine form minus another."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]
