"""A front cut into smaller tiles: each keeps the columns that still bend there, the others become what they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log2

import torch
from torch import Tensor

from ...mesh import Array, Cut, Seams, Subdivision, as_array, as_tensor, compact_tiles, cut_into_tiles
from ...mesh.arrays import arange, bincount, positions, take
from ...mesh.order import is_first
from ...network import Environment
from .bounds import Fits
from .front import LARGEST_PAGE, N_AFFINE, PAGES_PER_TILE, SMALLEST_PAGE, Block, Front, extremes, matrix
from .pages import along_a_curve, lay_out

_MATRIX_ELEMENTS = 2**23  # of the changes of basis that are made at once


def divide(front: Front, n_parts: Sequence[int], most_regions: int, seams: Seams) -> Iterator[Front]:
    """The tiles of a front, each cut into so many parts, in several fronts of about `most_regions` regions.

    Each is made when its turn comes.
    """
    parts = compact_tiles(front.mesh, as_array(torch.tensor(n_parts, device=front.plane.device)))
    cut = cut_into_tiles(front.mesh, parts, seams)
    counts = bincount(cut.tile, cut.n_tiles).tolist()
    start = 0
    while start < cut.n_tiles:
        stop, n_regions = start + 1, counts[start]
        while stop < cut.n_tiles and n_regions + counts[stop] <= most_regions:
            n_regions, stop = n_regions + counts[stop], stop + 1
        yield _part(front, cut, start, stop)
        start = stop


def _part(front: Front, cut: Cut, start: int, stop: int) -> Front:
    """Tiles start to stop of a cut front, as a front."""
    mesh, source = cut.part(start, stop)
    parent = as_tensor(mesh.window)
    tile = as_tensor(cut.tile[cut.tile >= start][: mesh.n_regions]) - start
    parent = parent[as_tensor(positions(is_first(as_array(tile))))]  # all regions of a tile come from one
    mesh, source, page_tile = _in_pages(replace(mesh, window=as_array(tile)), source, stop - start)
    values = front.values.index_select(0, as_tensor(source))
    return _restricted(front, parent, mesh, as_tensor(page_tile), values)


def first_front(
    mesh: Subdivision, plane: Tensor, live: dict[str, Tensor], magnitudes: dict[str, Tensor], empty: Tensor
) -> Front:
    """One tile a window, before anything bends."""
    mesh, _, page_tile = _in_pages(mesh, arange(0, len(mesh.vertices), mesh.edges), len(plane))
    tile = as_tensor(page_tile)
    xy = as_tensor(mesh.vertices)
    values = empty.new_zeros(len(xy), 0)
    paged = xy.view(len(tile), -1, 2)
    fits = Fits.of(paged, values.view(*paged.shape[:2], 0))
    return Front(mesh, plane, tile, fits, values, (), live, magnitudes)


def _in_pages(mesh: Subdivision, source: Array, n_tiles: int) -> tuple[Subdivision, Array, Array]:
    """The mesh with its vertices in pages, their sources, and the tile of each page."""
    tile = mesh.vertex_windows()
    size = 2 ** round(log2(max(1.0, len(tile) / n_tiles / PAGES_PER_TILE)))
    layout = lay_out(
        tile, along_a_curve(tile, mesh.vertices, n_tiles), n_tiles, min(max(size, SMALLEST_PAGE), LARGEST_PAGE)
    )
    edges = take(layout.row, mesh.edges.reshape(-1)).reshape(-1, 2)
    mesh = replace(mesh, vertices=take(mesh.vertices, layout.source), edges=edges)
    return mesh, take(source, layout.source), layout.tile


@dataclass(frozen=True)
class Change:
    """From the columns of a front's tiles to those of T' parts of them, of which each has fewer.

    Attributes
    ----------
    parent : (T',) the tile that each part belongs to
    is_on : (T', K) bool, columns that are positive all over a part, or a maximum that has one winner there
    winner : of every block of maxima, by number of its first column, (T', k) the candidate that wins
    keeps : (T', K) bool, columns that bend on a part
    place : (T', K) new number of each column that is kept
    first, size : of every block, its first new column, and how many it has
    column, taken : (T', K') the old number of each new column, and whether a part has it
    """

    parent: Tensor
    is_on: Tensor
    winner: dict[int, Tensor]
    keeps: Tensor
    place: Tensor
    first: list[int]
    size: list[int]
    column: Tensor
    taken: Tensor

    @classmethod
    def of(cls, front: Front, parent: Tensor, paged: Tensor, xy: Tensor, page_tile: Tensor) -> Change:
        """For parts with the front's columns (n_pages, page_size, K) at vertices `xy`."""
        high, low = extremes(paged, page_tile, len(parent))
        keeps, is_on, winner = (high > 0) & (low < 0), (high > 0) & (low >= 0), {}
        for block in front.blocks:
            if block.tolerance is not None:
                wins = _winning_everywhere(front, block, block.tolerance[parent], parent, paged, xy, page_tile)
                keeps[:, block.range], is_on[:, block.range] = ~wins.any(2), wins.any(2)
                winner[block.first] = wins.int().argmax(2)
        first, size, place, n = [], [], torch.zeros_like(keeps, dtype=torch.int64), 0
        for block in front.blocks:
            own = keeps[:, block.range]
            place[:, block.range] = n + own.cumsum(1) - 1
            first.append(n)
            size.append(int(own.sum(1).max()))
            n += size[-1]
        part, old = torch.nonzero(keeps, as_tuple=True)
        column = old.new_zeros(len(parent), n)
        taken = torch.zeros(len(parent), n, dtype=torch.bool, device=old.device)
        column[part, place[part, old]], taken[part, place[part, old]] = old, True
        return cls(parent, is_on, winner, keeps, place, first, size, column, taken)

    def matrices(self, front: Front, some: slice) -> Tensor:
        """(n, 3 + K', 3 + K) matrices M with C = C' M, for C' the columns that some parts keep.

        A column that is kept is itself, one that is off is zero, one that is on is its expansion over the earlier
        ones: M = S + M N, with S the columns kept and N the expansions of those that are on.
        """
        parent, keeps, place = self.parent[some], self.keeps[some], self.place[some]
        width = N_AFFINE + front.n_columns
        system = torch.eye(width, dtype=front.values.dtype, device=parent.device).repeat(len(parent), 1, 1)
        for block in front.blocks:
            on = self.is_on[some, block.range]
            if not on.any():
                continue
            expansion = block.expansion[parent]
            if block.is_maximum:
                index = self.winner[block.first][some][:, :, None, None].expand(-1, -1, 1, expansion.shape[3])
                expansion = expansion.gather(2, index)[:, :, 0]
            columns = slice(N_AFFINE + block.first, N_AFFINE + block.first + block.size)
            system[:, : expansion.shape[2], columns] -= (expansion * on[:, :, None]).transpose(1, 2)
        chosen = system.new_zeros(len(parent), N_AFFINE + self.column.shape[1], width)
        chosen[:, range(N_AFFINE), range(N_AFFINE)] = 1
        part, old = torch.nonzero(keeps, as_tuple=True)
        chosen[part, N_AFFINE + place[part, old], N_AFFINE + old] = 1
        if not self.is_on[some].any():
            return chosen
        return torch.linalg.solve_triangular(system, chosen, upper=True, left=False, unitriangular=True)

    def values(self, paged: Tensor, page_tile: Tensor) -> Tensor:
        """(V, K') the columns that are kept, at the vertices of pages (n_pages, page_size, K)."""
        index = self.column[page_tile][:, None].expand(-1, paged.shape[1], -1)
        return (paged.gather(2, index) * self.taken[page_tile][:, None]).reshape(-1, self.column.shape[1])

    def expand(self, block: Block, number: int, m: Tensor, some: slice, out: Tensor) -> None:
        """Fill expansions (T', k', ..., r') of the columns of a block that some parts keep."""
        first, size = self.first[number], self.size[number]
        own, columns = block.expansion[self.parent[some]], slice(first, first + size)
        index = (self.column[some, columns] - block.first).clamp(min=0)
        index = index.view(*index.shape, *[1] * (own.ndim - 2)).expand(-1, -1, *own.shape[2:])
        own = own.gather(1, index)
        product = own.flatten(1, -2) @ m[:, : N_AFFINE + first, : own.shape[-1]].transpose(1, 2)
        mask = self.taken[some, columns].view(len(own), size, *[1] * (own.ndim - 2))
        out[some] = product.view(*own.shape[:-1], -1) * mask

    def tolerance(self, block: Block, number: int) -> Tensor | None:
        """(T', k') of the columns of a block of maxima."""
        if block.tolerance is None:
            return None
        columns = slice(self.first[number], self.first[number] + self.size[number])
        return block.tolerance[self.parent].gather(1, (self.column[:, columns] - block.first).clamp(min=0))


def _winning_everywhere(
    front: Front, block: Block, tolerance: Tensor, parent: Tensor, paged: Tensor, xy: Tensor, page_tile: Tensor
) -> Tensor:
    """(T', k, n) whether each candidate of a block's maxima is the maximum at every vertex of a part."""
    k, n, r = block.expansion.shape[1:]
    candidates = block.expansion.reshape(-1, k * n, r).transpose(1, 2)[parent]
    c = matrix(paged.reshape(-1, paged.shape[2]), xy, front.blocks)[:, :r].view(*paged.shape[:2], r)
    away = torch.bmm(c, candidates[page_tile]).view(*paged.shape[:2], k, n) - paged[:, :, block.range, None]
    most = extremes(away.abs().flatten(2), page_tile, len(parent))[0].view(-1, k, n)
    return most <= 4 * tolerance[:, :, None]


def _restricted(front: Front, parent: Tensor, mesh: Subdivision, page_tile: Tensor, values: Tensor) -> Front:
    """The front's functions on parts (T',) of its tiles `parent`, in terms of the columns that bend on each part."""
    n, xy, paged = len(parent), as_tensor(mesh.vertices), values.view(len(page_tile), -1, values.shape[1])
    change = Change.of(front, parent, paged, xy, page_tile)
    k = change.column.shape[1]
    live = {name: x.new_zeros(n, N_AFFINE + k, *x.shape[2:]) for name, x in front.live.items()}
    expansions = [
        block.expansion.new_zeros(n, size, *block.expansion.shape[2:-1], N_AFFINE + first)
        for block, first, size in zip(front.blocks, change.first, change.size, strict=True)
    ]
    step = max(1, _MATRIX_ELEMENTS // (N_AFFINE + front.n_columns) ** 2)
    for start in range(0, n, step):
        some = slice(start, start + step)
        m = change.matrices(front, some)
        _fill_live(front, parent[some], m, {name: x[some] for name, x in live.items()})
        for number, block in enumerate(front.blocks):
            if change.size[number]:
                change.expand(block, number, m, some, expansions[number])
    blocks = tuple(
        Block(change.first[i], change.size[i], expansions[i], change.tolerance(block, i))
        for i, block in enumerate(front.blocks)
        if change.size[i]
    )
    own = change.values(paged, page_tile)
    c = matrix(own, xy, blocks)[:, N_AFFINE:]
    fits = Fits.of(xy.view(len(page_tile), -1, 2), c.reshape(*paged.shape[:2], k))
    magnitudes = {name: m[parent] for name, m in front.magnitudes.items()}
    return Front(mesh, front.plane[parent], page_tile, fits, own, blocks, live, magnitudes, front.step)


def _fill_live(front: Front, parent: Tensor, m: Tensor, live: Environment) -> None:
    """Basis rows of all live tensors on some parts: one product for all parts of a tile."""
    parents = parent.tolist()
    bounds = [i for i in range(len(parents)) if i == 0 or parents[i] != parents[i - 1]] + [len(parents)]
    for start, stop in pairwise(bounds):
        for name, x in front.live.items():
            r, place = x.shape[1], live[name][start:stop]
            product = m[start:stop, :, :r].reshape(-1, r) @ x[parents[start]].reshape(r, -1)
            place.copy_(product.view(place.shape))
