"""A front after its mesh was refined: new vertices get their pages, columns and fits follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...chunks import rows_at_once
from ...mesh import Array, Births, Subdivision, as_array, as_tensor
from ...mesh.arrays import arange, concat, positions, put, take
from .bounds import Fits
from .front import Block, Front, matrix
from .pages import along_a_curve, lay_out


@dataclass(frozen=True)
class Arrivals:
    """New vertices of a front, in pages of their own behind the old ones.

    Attributes
    ----------
    n_old : number of rows before
    number : (n_old + n,) row of every vertex, the old ones first
    page_tile : (n_pages,) tiles of the new pages
    copies, originals : (d,) rows at the ends of pages, and the rows that they repeat
    """

    n_old: int
    number: Array
    page_tile: Array
    copies: Array
    originals: Array

    @classmethod
    def at(cls, front: Front, page: Array, xy: Array) -> Arrivals:
        """Of vertices at `xy` (n, 2), each of the tile that a page (n,) of the front belongs to."""
        n_old, tile = len(front.mesh.vertices), take(as_array(front.page_tile), page)
        layout = lay_out(tile, along_a_curve(tile, xy, front.n_tiles), front.n_tiles, front.page_size)
        number = concat([arange(0, n_old, page), n_old + layout.row])
        row = n_old + take(layout.row, layout.source)
        here = arange(n_old, n_old + len(row), row)
        copies = positions(row != here)
        return cls(n_old, number, layout.tile, take(here, copies), take(row, copies))

    @property
    def n_rows(self) -> int:
        """Rows there are now, if any page is new."""
        return len(self.number) + len(self.copies)

    def vertices(self, vertices: Array) -> Array:
        """(n_rows, 2) from the vertices in the order of their birth."""
        rows = concat([vertices, take(vertices, self.copies * 0)])
        source = put(arange(0, self.n_rows, self.number), self.number, arange(0, len(self.number), self.number))
        result = take(rows, source)
        result[self.copies] = take(result, self.originals)
        return result

    def carry(self, values: Tensor, births: Sequence[Births]) -> None:
        """Fill the new rows of (n_rows, k) values, affine on every old region, from the old ones."""
        n, number = self.n_old, as_tensor(self.number)
        for batch in births:
            t = as_tensor(batch.t).to(values.dtype)[:, None]
            first, second = (number[as_tensor(batch.parents)[:, i]] for i in (0, 1))
            place = number[n : n + len(t)]
            step = rows_at_once(values, values.shape[1])
            for start in range(0, len(t), step):
                some = slice(start, start + step)
                ends = values.index_select(0, first[some]), values.index_select(0, second[some])
                values.index_copy_(0, place[some], torch.lerp(*ends, t[some]))
            n += len(t)

    def fill(self, values: Tensor) -> None:
        """Fill the rows that repeat another."""
        values.index_copy_(0, as_tensor(self.copies), values.index_select(0, as_tensor(self.originals)))

    def renumber(self, mesh: Subdivision) -> Subdivision:
        """The mesh with its vertices in their rows."""
        edges = take(self.number, mesh.edges.reshape(-1)).reshape(-1, 2)
        return replace(mesh, vertices=self.vertices(mesh.vertices), edges=edges)


def grown(front: Front, mesh: Subdivision, arrivals: Arrivals, values: Tensor, block: Block | None) -> Front:
    """The front on a refined mesh, with columns (n_rows, K + k) of which the last k are those of a new block."""
    blocks = front.blocks + ((block,) if block is not None else ())
    page_tile = torch.cat([front.page_tile, as_tensor(arrivals.page_tile)])
    there = replace(front, mesh=mesh, page_tile=page_tile, values=values, blocks=blocks)
    return replace(there, fits=_fits(front, there))


def _fits(front: Front, there: Front) -> Fits:
    """The old pages' fits with the new columns, and those of the new pages."""
    n_pages, n_rows, k = len(front.page_tile), len(front.mesh.vertices), front.n_columns
    xy = there.paged(there.xy)
    new = tuple(replace(block, first=block.first - k) for block in there.blocks if block.first >= k)
    fits = front.fits
    if there.n_columns > k:
        more = matrix(there.values[:n_rows, k:], front.xy, new)[:, 3:]
        fits = fits.with_columns(xy[:n_pages], front.paged(more.contiguous()))
    if len(there.page_tile) > n_pages:
        every = matrix(there.values[n_rows:], there.xy[n_rows:], there.blocks)[:, 3:]
        shape = len(there.page_tile) - n_pages, there.page_size, -1
        fits = fits.joined(Fits.of(xy[n_pages:], every.reshape(shape[0], shape[1], there.n_columns)))
    return fits
