"""The exact partition of a deep network on a plane window, by recursive clipping in rational arithmetic.

Slow, obvious, right: every region is a convex polygon that carries the exact affine map of the current layer;
a unit that takes both signs on the polygon cuts it in two. No tolerance occurs anywhere and nothing is shared
with the engine, so that the two can witness each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from .adjacency import Subdivision, subdivide
from .layers import AffineLayer, ElementwiseLayer, Layer, MaxLayer, UnitFunction
from .polygons import (
    Line,
    Polygon,
    area,
    cut,
    heights,
    part_above,
    polygon_of,
    primitive,
    to_fractions,
    twice_area,
)

Row = tuple[int, int, int]
Cell = tuple[Polygon, list[int]]
ZERO: Row = (0, 0, 0)


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


def rational_partition(layers: Iterable[Layer], window: Sequence[Sequence[float]]) -> RationalPartition:
    """Partition a window of the plane into the regions of a network, exactly.

    A region is a connected set of positive area with one activation pattern: the sign of every unit (its
    position among the break points, or the candidate that attains the maximum). A unit that is zero on a
    whole region has no sign there and splits nothing.

    Parameters
    ----------
    layers : iterable of Layer
        The network, from `describe`; two inputs.
    window : (n, 2) floats
        Corners of a convex polygon.

    Returns
    -------
    RationalPartition

    Raises
    ------
    DegenerateSliceError
        When the window is not a convex polygon of positive area.

    Examples
    --------
    Two lines that cross inside the window make four regions, and a constant unit none:

    >>> import torch
    >>> from splinegeo.testing import describe
    >>> layer = torch.nn.Linear(2, 3)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])), layer.bias.zero_()
    >>> network = describe(torch.nn.Sequential(layer, torch.nn.ReLU()))
    >>> partition = rational_partition(network, [(-1, -1), (1, -1), (1, 1), (-1, 1)])
    >>> partition.n_regions, partition.total_area(), len(partition.subdivision.adjacency)
    (4, Fraction(4, 1), 4)
    """
    polygon = polygon_of(window)
    regions = [RationalRegion(polygon, (), ((1, 0, 0), (0, 1, 0)), 0)]
    for layer in layers:
        if isinstance(layer, AffineLayer):
            regions = [_apply_affine(layer, region) for region in regions]
        elif isinstance(layer, ElementwiseLayer):
            regions = [part for region in regions for part in _split_elementwise(layer, region)]
        else:
            regions = [part for region in regions for part in _split_max(layer, region)]
    return RationalPartition(polygon, tuple(regions))


def _apply_affine(layer: AffineLayer, region: RationalRegion) -> RationalRegion:
    rows = []
    for weights, bias in zip(layer.weight, layer.bias, strict=True):
        p, q, r = 0, 0, bias << region.exponent
        for column, weight in weights:
            row = region.rows[column]
            if row != ZERO:
                p += weight * row[0]
                q += weight * row[1]
                r += weight * row[2]
        rows.append((p, q, r))
    return RationalRegion(region.polygon, region.pattern, tuple(rows), region.exponent + layer.exponent)


def _split_elementwise(layer: ElementwiseLayer, region: RationalRegion) -> Iterator[RationalRegion]:
    """Cut along every break point of every unit; a unit's code is the sum of 1 + sign over its breaks."""
    functions = layer.functions * (len(region.rows) if len(layer.functions) == 1 else 1)
    cells: list[Cell] = [(region.polygon, [0] * len(region.rows))]
    for unit, (row, function) in enumerate(zip(region.rows, functions, strict=True)):
        for level in function.breaks:
            line = _event(row, level, layer.exponent, region.exponent)
            height = heights(region.polygon, line)
            below, above = min(height) < 0, max(height) > 0
            if below and above:
                cells = _split_cells(cells, unit, primitive(line))
            else:
                _advance(cells, unit, 1 + above - below)
    for polygon, codes in cells:
        units = zip(codes, region.rows, functions, strict=True)
        rows = tuple(_apply_function(code, row, f, region.exponent) for code, row, f in units)
        yield RationalRegion(polygon, (*region.pattern, *codes), rows, region.exponent + layer.exponent)


def _event(row: Row, level: int, layer_exponent: int, exponent: int) -> Line:
    """The line where a unit equals a break point; its height is positive where the unit is larger."""
    p, q, r = row
    return p << layer_exponent, q << layer_exponent, (r << layer_exponent) - (level << exponent)


def _split_cells(cells: list[Cell], unit: int, line: Line) -> list[Cell]:
    """Cut every cell that the line crosses, and advance the unit's code where it lies above."""
    parts: list[Cell] = []
    for polygon, codes in cells:
        height = heights(polygon, line)
        if min(height) < 0 < max(height):
            below, above = cut(polygon, line, height)
            parts.append((below, codes.copy()))
            codes[unit] += 2
            parts.append((above, codes))
        else:
            codes[unit] += 2 * (max(height) > 0)
            parts.append((polygon, codes))
    return parts


def _advance(cells: list[Cell], unit: int, step: int) -> None:
    for _, codes in cells:
        codes[unit] += step


def _apply_function(code: int, row: Row, function: UnitFunction, exponent: int) -> Row:
    """The piece on which the unit lies; on a break point the two neighbours agree."""
    slope, intercept = function.pieces[code >> 1]
    return slope * row[0], slope * row[1], slope * row[2] + (intercept << exponent)


def _split_max(layer: MaxLayer, region: RationalRegion) -> Iterator[RationalRegion]:
    """Cut into the cells where one candidate of every group is the largest; equal candidates are one."""
    cells: list[Cell] = [(region.polygon, [])]
    for start in range(0, len(region.rows), layer.size):
        group = region.rows[start : start + layer.size]
        contenders = [k for k, _ in _argmax_cells(region.polygon, group, range(layer.size))]
        cells = [
            (part, [*codes, k]) for polygon, codes in cells for k, part in _argmax_cells(polygon, group, contenders)
        ]
    for polygon, codes in cells:
        rows = tuple(region.rows[i * layer.size + k] for i, k in enumerate(codes))
        yield RationalRegion(polygon, (*region.pattern, *codes), rows, region.exponent)


def _argmax_cells(polygon: Polygon, group: Sequence[Row], candidates: Iterable[int]) -> list[tuple[int, Polygon]]:
    """The candidates that are largest somewhere on the polygon, each with the cell where it is."""
    distinct = {group[k]: k for k in reversed(list(candidates))}  # the first of equal candidates wins
    cells = []
    for row, k in sorted(distinct.items(), key=lambda item: item[1]):
        cell: Polygon | None = polygon
        for other in distinct:
            if other != row and cell is not None:
                cell = part_above(cell, primitive(_difference(row, other)))
        if cell is not None:
            cells.append((k, cell))
    return cells


def _difference(a: Row, b: Row) -> Line:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]
