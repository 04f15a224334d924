"""Vertices of many tiles in pages: each page holds a few neighbours of one tile, so that what is true of all is near.

The vertices of a front are the rows of its pages, page after page. A row that is left over at the end of a page repeats
the page's last vertex: it lies on no edge, and changes no extreme.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...mesh import Array, as_array, as_tensor
from ...mesh.arrays import arange, argsort, bincount, minimum, put, repeat, take, tiny, whole, zeros
from ...mesh.order import owners, starts_of
from ...mesh.tiles import spread_bits


@dataclass(frozen=True)
class Layout:
    """Where some vertices go.

    Attributes
    ----------
    tile : (n_pages,) the tile of each page, ascending
    source : (n_pages * size,) which of the vertices stands in each row
    row : (n,) the row of each vertex
    """

    tile: Array
    source: Array
    row: Array


def lay_out(tile: Array, key: Array, n_tiles: int, size: int) -> Layout:
    """Pages for n vertices of several tiles.

    Parameters
    ----------
    tile : (n,) of each vertex
    key : (n,) integers below 2**31; vertices with near keys go to one page
    size : rows of a page
    """
    order = argsort((tile << 31) + key)
    count = bincount(tile, n_tiles)
    pages = (count + size - 1) // size
    first_page, first = starts_of(pages), starts_of(count)
    ordered = take(tile, order)
    rank = arange(0, len(order), order) - take(first, ordered)
    row = put(zeros(len(order), order), order, take(first_page, ordered) * size + rank)
    page_tile = owners(pages)
    slot = (arange(0, len(page_tile), order) - take(first_page, page_tile)) * size
    within = (slot[:, None] + arange(0, size, order)[None, :]).reshape(-1)
    owner = repeat(page_tile, size)
    source = take(order, take(first, owner) + minimum(within, take(count, owner) - 1))
    return Layout(page_tile, source, row)


def along_a_curve(tile: Array, xy: Array, n_tiles: int) -> Array:
    """(n,) keys for points (n, 2): their order along a space-filling curve, in each tile's own bounds."""
    bits = 14
    result = zeros(len(tile), tile)
    for axis in (0, 1):
        column = xy[:, axis]
        low, high = _bounds(tile, column, n_tiles)
        extent = (high - low).clip(min=tiny(column))
        step = ((column - take(low, tile)) / take(extent, tile) * (2**bits - 1)).clip(0, 2**bits - 1)
        result = result + (spread_bits(whole(step)) << axis)
    return result


def _bounds(tile: Array, x: Array, n: int) -> tuple[Array, Array]:
    t, index = as_tensor(x), as_tensor(tile)
    low = t.new_zeros(n).scatter_reduce_(0, index, t, "amin", include_self=False)
    high = t.new_zeros(n).scatter_reduce_(0, index, t, "amax", include_self=False)
    return as_array(low), as_array(high)


def by_tile(page_tile: Tensor, n_tiles: int) -> Tensor:
    """(n_tiles, m) pages of each tile; those with fewer than m pages repeat their first one."""
    tile = as_array(page_tile)
    order = argsort(tile)
    count = bincount(tile, n_tiles)
    first = starts_of(count)
    m = int(count.max())
    rank = minimum(arange(0, m, tile)[None, :] + count[:, None] * 0, count[:, None] - 1)
    return as_tensor(take(order, (first[:-1][:, None] + rank).reshape(-1)).reshape(-1, m))
