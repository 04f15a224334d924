"""The exact partition of a deep network on a plane window, by recursive clipping in rational arithmetic.

Slow, obvious, right: every region is a convex polygon that carries the exact affine map of the current layer;
a unit that takes both signs on the polygon cuts it in two. No tolerance occurs anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .cutting import split
from .layers import AffineLayer, Layer
from .polygons import polygon_of
from .regions import RationalPartition, RationalRegion, Row, difference

Entry = tuple[Sequence[Row], int]
ZERO: Row = (0, 0, 0)
PLANE: Entry = (((1, 0, 0), (0, 1, 0)), 0)


def rational_partition(
    layers: Iterable[Layer], window: Sequence[Sequence[float]], entry: Entry = PLANE
) -> RationalPartition:
    """Partition a window of the plane into the regions of a network, exactly.

    A region is a connected set of positive area with one activation pattern: the sign of every unit (its
    position among the break points, or the candidate that attains the maximum). A unit that is zero on a
    whole region has no sign there and splits nothing.

    Parameters
    ----------
    layers : iterable of Layer
        The network.
    window : (n, 2) floats
        Corners of a convex polygon.
    entry : rows (p, q, r) of integers, and an exponent
        The network's inputs ``(p x + q y + r) / 2^exponent`` on the plane; by default the two coordinates.

    Returns
    -------
    RationalPartition
        The label of a cut is the index of its nonlinearity among the layers that are not affine, and its unit.

    Raises
    ------
    DegenerateSliceError
        When the window is not a convex polygon of positive area.

    Examples
    --------
    Two lines that cross inside the window make four regions, and a constant unit none:

    >>> from splinegeo.rational import AffineLayer, elementwise
    >>> lines = AffineLayer(weight=(((0, 1),), ((1, 1),), ()), bias=(0, 0, 0), exponent=0)
    >>> relu = elementwise([([0.0], [(0.0, 0.0), (1.0, 0.0)])])
    >>> partition = rational_partition([lines, relu], [(-1, -1), (1, -1), (1, 1), (-1, 1)])
    >>> partition.n_regions, partition.total_area(), len(partition.subdivision.adjacency)
    (4, Fraction(4, 1), 4)
    """
    polygon = polygon_of(window)
    rows, exponent = entry
    regions = [RationalRegion(polygon, (), tuple(rows), exponent)]
    number = 0
    for layer in layers:
        if isinstance(layer, AffineLayer):
            regions = list(_apply_affine(layer, regions))
            continue
        regions = [part for region in regions for part in split(layer, region, number)]
        number += 1
    return RationalPartition(polygon, tuple(regions))


def _apply_affine(layer: AffineLayer, regions: Iterable[RationalRegion]) -> Iterator[RationalRegion]:
    """Every region's map after the layer; from a sibling's map where only a few units differ from it."""
    before: tuple[Row, ...] = ()
    after: list[Row] = []
    for region in regions:
        changed = [j for j, (old, new) in enumerate(zip(before, region.rows, strict=False)) if old != new]
        if before and 2 * len(changed) <= len(before):
            after = _updated(layer, after, before, region.rows, changed)
        else:
            after = _product(layer, region)
        before = region.rows
        yield RationalRegion(region.polygon, region.pattern, tuple(after), region.exponent + layer.exponent)


def _product(layer: AffineLayer, region: RationalRegion) -> list[Row]:
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
    return rows


def _updated(
    layer: AffineLayer, after: Sequence[Row], before: Sequence[Row], rows: Sequence[Row], changed: Sequence[int]
) -> list[Row]:
    """The product for `rows`, from the product `after` for `before`, where they differ only in `changed`."""
    result = list(after)
    for column in changed:
        p, q, r = difference(rows[column], before[column])
        for i, weight in layer.columns[column]:
            old = result[i]
            result[i] = old[0] + weight * p, old[1] + weight * q, old[2] + weight * r
    return result
