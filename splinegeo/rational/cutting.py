"""Regions cut where the units of one nonlinearity bend, or where a maximum changes hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .layers import ElementwiseLayer, MaxLayer, UnitFunction
from .polygons import Label, Line, Polygon, cut, heights, part_above, primitive
from .regions import RationalRegion, Row, difference

Cell = tuple[Polygon, list[int]]


def split(layer: ElementwiseLayer | MaxLayer, region: RationalRegion, number: int) -> Iterator[RationalRegion]:
    """The parts of a region on each of which a nonlinearity is affine, each with its map after it.

    Parameters
    ----------
    number : index of the nonlinearity, for the labels of its cuts
    """
    if isinstance(layer, MaxLayer):
        return _split_max(layer, region, number)
    return _split_elementwise(layer, region, number)


def _split_elementwise(layer: ElementwiseLayer, region: RationalRegion, number: int) -> Iterator[RationalRegion]:
    """Cut along every break point of every unit; a unit's code is the sum of 1 + sign over its breaks."""
    functions = layer.functions * (len(region.rows) if len(layer.functions) == 1 else 1)
    cells: list[Cell] = [(region.polygon, [0] * len(region.rows))]
    for unit, (row, function) in enumerate(zip(region.rows, functions, strict=True)):
        for level in function.breaks:
            line = _event(row, level, layer.exponent, region.exponent)
            height = heights(region.polygon, line)
            below, above = min(height) < 0, max(height) > 0
            if below and above:
                cells = _split_cells(cells, unit, primitive(line), (number, unit))
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


def _split_cells(cells: list[Cell], unit: int, line: Line, label: Label) -> list[Cell]:
    """Cut every cell that the line crosses, and advance the unit's code where it lies above."""
    parts: list[Cell] = []
    for polygon, codes in cells:
        height = heights(polygon, line)
        if min(height) < 0 < max(height):
            below, above = cut(polygon, line, height, label)
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


def _split_max(layer: MaxLayer, region: RationalRegion, number: int) -> Iterator[RationalRegion]:
    """Cut into the cells where one candidate of every group is the largest; equal candidates are one."""
    cells: list[Cell] = [(region.polygon, [])]
    n_groups = len(region.rows) // layer.size if layer.n_groups is None else layer.n_groups
    for unit in range(n_groups):
        group = region.rows[unit * layer.size : (unit + 1) * layer.size]
        label = (number, unit)
        contenders = [k for k, _ in _argmax_cells(region.polygon, group, range(layer.size), label)]
        if len(contenders) == 1:
            for _, codes in cells:
                codes += contenders
        else:
            cells = [
                (part, [*codes, k])
                for polygon, codes in cells
                for k, part in _argmax_cells(polygon, group, contenders, label)
            ]
    passed = region.rows[n_groups * layer.size :]
    for polygon, codes in cells:
        rows = tuple(region.rows[i * layer.size + k] for i, k in enumerate(codes))
        yield RationalRegion(polygon, (*region.pattern, *codes), (*rows, *passed), region.exponent)


def _argmax_cells(
    polygon: Polygon, group: Sequence[Row], candidates: Iterable[int], label: Label
) -> list[tuple[int, Polygon]]:
    """The candidates that are largest somewhere on the polygon, each with the cell where it is."""
    distinct = {group[k]: k for k in reversed(list(candidates))}  # the first of equal candidates wins
    cells = []
    for row, k in sorted(distinct.items(), key=lambda item: item[1]):
        cell: Polygon | None = polygon
        for other in distinct:
            if other != row and cell is not None:
                cell = part_above(cell, primitive(difference(row, other)), label)
        if cell is not None:
            cells.append((k, cell))
    return cells
