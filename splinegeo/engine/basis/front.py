"""Tiles side by side on their way through a network: what each function is there, in a basis of its own.

On a tile a function is ``f(v) = C(v) B``. C has one column for the constant, two for the plane's coordinates, and one
for each unit that bends somewhere on the tile, its positive part; B holds the basis rows of f. Units that do not bend
on the tile take no part, however wide the network is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...chunks import rows_at_once
from ...mesh import Subdivision, as_tensor
from ...network import Environment
from .bounds import Fits, Planes

N_AFFINE = 3  # columns for 1, x and y
# Vertices of a page: small ones bound closely, large ones are few.
SMALLEST_PAGE, LARGEST_PAGE, PAGES_PER_TILE, _MOST_PAGES = 16, 256, 32, 256


@dataclass(frozen=True)
class Block:
    """The columns that one layer has added: k of K, from number `first` on.

    Attributes
    ----------
    first, size : int
    expansion : (T, k, r)
        Basis rows of each column's pre-activation over the columns before it; of a maximum's, (T, k, n, r) of each of
        its candidates.
    tolerance : (T, k) of a maximum's columns, below which two of its candidates are one; None for positive parts
    """

    first: int
    size: int
    expansion: Tensor
    tolerance: Tensor | None = None

    @property
    def is_maximum(self) -> bool:
        """Whether its columns stand in the basis as they are, not by their positive parts."""
        return self.tolerance is not None

    @property
    def range(self) -> slice:
        """Numbers of the columns."""
        return slice(self.first, self.first + self.size)


@dataclass(frozen=True)
class Front:
    """T tiles before some step of a network.

    Attributes
    ----------
    mesh : Subdivision
        Its windows are the tiles; its vertices the rows of pages of equal size, of which some lie on no edge.
    plane : (T,) which of the slices each tile lies in
    page_tile : (n_pages,) which tile each page belongs to
    fits : of the columns on the pages
    values : (V, K) pre-activations of the units that bend; 0 all over a tile that has fewer columns
    blocks : what the columns are, layer by layer
    live : (T, r, ...) basis rows of every tensor that a later step needs, r at most 3 + K
    magnitudes : (T, ...) what entered each of them
    step : index of the next step
    """

    mesh: Subdivision
    plane: Tensor
    page_tile: Tensor
    fits: Fits
    values: Tensor
    blocks: tuple[Block, ...]
    live: Environment
    magnitudes: Environment
    step: int = 0

    @property
    def n_tiles(self) -> int:
        """T."""
        return len(self.plane)

    @property
    def n_columns(self) -> int:
        """K."""
        return int(self.values.shape[1])

    @property
    def page_size(self) -> int:
        """Rows of a page."""
        return len(self.mesh.vertices) // len(self.page_tile)

    @property
    def has_many_pages(self) -> bool:
        """Whether larger pages would do."""
        return len(self.page_tile) > _MOST_PAGES * self.n_tiles and self.page_size < LARGEST_PAGE

    @property
    def xy(self) -> Tensor:
        """(V, 2) vertices."""
        return as_tensor(self.mesh.vertices)

    def paged(self, x: Tensor) -> Tensor:
        """(V, ...) as (n_pages, page_size, ...)."""
        return x.view(len(self.page_tile), self.page_size, *x.shape[1:])

    def page_of_vertices(self) -> Tensor:
        """(V,) the page of each row."""
        return torch.arange(len(self.mesh.vertices), device=self.plane.device) // self.page_size

    def planes(self) -> Planes:
        """The fits as rows, tile by tile."""
        return Planes.of(self.fits, self.page_tile, self.n_tiles)

    def evaluate(self, basis: Tensor) -> Tensor:
        """(V, n) values at the vertices of functions with bases (T, r, n)."""
        r, n = basis.shape[1:]
        result = basis.new_zeros(len(self.mesh.vertices), n)
        size = self.page_size
        step = max(1, rows_at_once(self.values, n + self.n_columns + N_AFFINE) // size)
        for start in range(0, len(self.page_tile), step):
            tile = self.page_tile[start : start + step]
            rows = slice(start * size, (start + len(tile)) * size)
            c = matrix(self.values[rows], self.xy[rows], self.blocks)[:, :r]
            if self.n_tiles == 1:
                torch.mm(c, basis[0], out=result[rows])
            else:
                torch.bmm(c.view(len(tile), size, -1), basis[tile], out=result[rows].view(len(tile), size, n))
        return result

    def extremes(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Greatest and least (T, n) of values (V, n) over each tile's vertices."""
        return extremes(self.paged(values), self.page_tile, self.n_tiles)


def matrix(values: Tensor, xy: Tensor, blocks: tuple[Block, ...]) -> Tensor:
    """(n, 3 + K) matrix C at n vertices, from the columns' pre-activations (n, K) and coordinates (n, 2)."""
    c = values.new_zeros(len(values), N_AFFINE + values.shape[1])
    c[:, 0] = 1
    c[:, 1:3] = xy
    torch.clamp(values, min=0, out=c[:, 3:])
    for block in blocks:
        if block.is_maximum:
            c[:, N_AFFINE:][:, block.range] = values[:, block.range]
    return c


def extremes(paged: Tensor, page_tile: Tensor, n_tiles: int) -> tuple[Tensor, Tensor]:
    """Greatest and least (T, n) of values (n_pages, page_size, n)."""
    high, low = paged.amax(1), paged.amin(1)
    if n_tiles == 1:
        return high.amax(0, keepdim=True), low.amin(0, keepdim=True)
    index, start = page_tile[:, None].expand_as(high), high.new_zeros(n_tiles, high.shape[1])
    return (
        start.scatter_reduce(0, index, high, "amax", include_self=False),
        start.scatter_reduce(0, index, low, "amin", include_self=False),
    )


def slots_of(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """The chosen of (T, n) flags side by side: their numbers (T, S), and which of these slots are taken."""
    tile, number = torch.nonzero(chosen, as_tuple=True)
    count = chosen.sum(1)
    rank = torch.arange(len(tile), device=tile.device) - (count.cumsum(0) - count)[tile]
    shape = (len(chosen), int(count.max()) if len(count) else 0)
    numbers, taken = tile.new_zeros(shape), torch.zeros(shape, dtype=torch.bool, device=tile.device)
    numbers[tile, rank], taken[tile, rank] = number, True
    return numbers, taken


def chosen_columns(basis: Tensor, numbers: Tensor) -> Tensor:
    """(T, r, S) columns of bases (T, r, n), by their numbers (T, S)."""
    if len(basis) == 1:
        return basis.index_select(2, numbers[0])
    return basis.gather(2, numbers[:, None].expand(-1, basis.shape[1], -1))
