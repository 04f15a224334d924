"""A front through a maximum over many candidates.

Most units of a pooling layer have one winner all over a tile: they take its rows. For the others the candidates that
may win somewhere play a tournament at the vertices: each round refines by the differences of pairs. Ties between losers
leave edges that do not belong to the maximum; comparing the winners on both sides takes them away again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...mesh import Births, Subdivision, as_array, as_tensor, decide_signs, dissolve, refine
from ...mesh.arrays import arange
from ...network.maxima import n_rounds, round_events, winners
from .bending import Bending, margin_of, pages_after
from .bounds import Planes
from .front import N_AFFINE, Block, Front, slots_of
from .growth import Arrivals, grown


@dataclass(frozen=True)
class Contest:
    """The units of a maximum that may have several winners on a tile, in S slots a tile.

    Attributes
    ----------
    unit : (T, S)
    taken : (T, S) bool, whether there is one
    candidates : (T, r, S, k) bases; a unit with fewer repeats one of its own
    tolerance : (T, S) of a difference of two
    """

    unit: Tensor
    taken: Tensor
    candidates: Tensor
    tolerance: Tensor

    @classmethod
    def among(cls, planes: Planes, candidates: Tensor, tolerance: Tensor) -> tuple[Contest, Tensor, float]:
        """Also the number (T, n) of a candidate that may win, and the margin of those that cannot.

        Parameters
        ----------
        candidates : (T, r, n, k)
        tolerance : (T, n)
        """
        t, r, n, k = candidates.shape
        middle = planes.rows[:, :1, :r]  # of each tile's first page: as good a place as any
        best = torch.bmm(middle, candidates.reshape(t, r, n * k)).view(t, n, k).argmax(2)
        base = candidates.gather(3, best[:, None, :, None].expand(-1, r, -1, 1))
        upper, lower = planes.bounds((candidates - base).reshape(t, r, n * k))
        upper, lower = upper.view(t, n, k), lower.view(t, n, k)
        alive = (upper >= -tolerance[:, :, None]) & (upper > lower)
        margin = margin_of(upper, lower, tolerance[:, :, None].expand_as(upper), ~alive & (upper < 0))
        alive.scatter_(2, best[:, :, None], True)
        unit, taken = slots_of(alive.sum(2) > 1)
        alive = alive.gather(1, unit[:, :, None].expand(-1, -1, k)) & taken[:, :, None]
        most = int(alive.sum(2).max()) if alive.numel() else 0
        order = torch.argsort((~alive).to(torch.int8), dim=2, stable=True)[:, :, :most]
        there = alive.gather(2, order)
        order = torch.where(there, order, best.gather(1, unit)[:, :, None])
        own = candidates.gather(2, unit[:, None, :, None].expand(-1, r, -1, k))
        own = own.gather(3, order[:, None].expand(-1, r, -1, -1))
        own = own * taken[:, None, :, None]
        return cls(unit, taken, own, torch.where(taken, tolerance.gather(1, unit), 1.0)), best, margin


def compete(bending: Bending, front: Front, candidates: Tensor, tolerance: Tensor, layer: int) -> tuple[Front, Tensor]:
    """Refine until every unit has one winner on every region; the front then, and the basis (T, r', n) of the maxima.

    Parameters
    ----------
    candidates : (T, r, n, k) bases of the candidates of n units
    tolerance : (T, n) powers of two, within which a difference of two is zero
    """
    contest, best, margin = Contest.among(front.planes(), candidates, tolerance)
    bending.decisions.note(margin)
    r = candidates.shape[1]
    result = candidates.gather(3, best[:, None, :, None].expand(-1, r, -1, 1))[:, :, :, 0]
    if not contest.unit.shape[1]:
        return front, result
    board = _played(bending, front, contest, layer)
    return _with_maxima(front, board, contest, result, layer)


@dataclass(frozen=True)
class Board:
    """A mesh after some rounds. Its vertices are the rows of the front, then those born since, in order.

    Attributes
    ----------
    values : (V, S, k) of the candidates there, in units of their tolerances
    births : of the vertices, batch after batch
    page : (V,) a page of the front near each vertex
    """

    mesh: Subdivision
    values: Tensor
    births: tuple[Births, ...]
    page: Tensor


def _played(bending: Bending, front: Front, contest: Contest, layer: int) -> Board:
    """The board after all rounds; new edges are labelled by slots."""
    t, r, s, k = contest.candidates.shape
    scaled = (contest.candidates / contest.tolerance[:, None, :, None]).reshape(t, r, s * k)
    values = front.evaluate(scaled).view(-1, s, k)
    board = Board(front.mesh, values, (), front.page_of_vertices())
    for round in range(n_rounds(values)):
        z = round_events(board.values, round).contiguous()
        slots = arange(0, z.shape[1], front.mesh.edges) // (z.shape[1] // s)
        table = decide_signs(as_array(z), as_array(z.new_ones(z.shape[1])))
        refinement = refine(board.mesh, table, slots, layer, bending.length)
        page = pages_after(board.page, refinement)
        units = contest.unit.index_select(1, as_tensor(slots))
        bending.enter(front, board.mesh, page, table, refinement, units, layer)
        board = Board(refinement.mesh, refinement.carry(board.values), board.births + refinement.births, page)
    return board


def _winners(mesh: Subdivision, candidates: Tensor) -> Tensor:
    """(R, S) which candidate wins on each region: at the mean of its corners."""
    corner, offsets = as_tensor(mesh.loop_vertices()), as_tensor(mesh.offsets)
    sizes = offsets.diff()
    n, s, k = candidates.shape
    found = []
    step = max(1, 2**22 // max(1, s * k * 4))
    for start in range(0, len(sizes), step):
        stop = min(start + step, len(sizes))
        rows = candidates.reshape(n, -1)[corner[offsets[start] : offsets[stop]]]
        owner = torch.repeat_interleave(sizes[start:stop])
        total = rows.new_zeros(stop - start, rows.shape[1]).index_add_(0, owner, rows)
        mean = (total / sizes[start:stop, None]).view(-1, s, k)
        found.append(winners(mean, mean.new_ones(s)))
    return torch.cat(found)


def _with_maxima(front: Front, board: Board, contest: Contest, result: Tensor, layer: int) -> tuple[Front, Tensor]:
    """The front on the board's mesh without lost ties, a column for every unit that has several winners on a tile."""
    winner = _winners(board.mesh, board.values)
    high, low = _extremes_of_regions(winner, as_tensor(board.mesh.window), front.n_tiles)
    several = (high != low) & contest.taken
    tile, slot = torch.nonzero(contest.taken & ~several, as_tuple=True)
    r, k_old, n_old = contest.candidates.shape[1], front.n_columns, len(front.mesh.vertices)
    result[tile, :, contest.unit[tile, slot]] = contest.candidates[tile, :, slot, high[tile, slot]]

    tile, slot = torch.nonzero(several, as_tuple=True)
    rank, k = (several.cumsum(1) - 1)[tile, slot], int(several.sum(1).max())
    grown_result = result.new_zeros(front.n_tiles, N_AFFINE + k_old + k, result.shape[2])
    grown_result[:, :r] = result
    grown_result[tile, :, contest.unit[tile, slot]] = 0
    grown_result[tile, N_AFFINE + k_old + rank, contest.unit[tile, slot]] = 1
    expansion = result.new_zeros(front.n_tiles, k, contest.candidates.shape[3], r)
    expansion[tile, rank] = contest.candidates[tile, :, slot].transpose(1, 2)
    tolerance = result.new_ones(front.n_tiles, k)
    tolerance[tile, rank] = contest.tolerance[tile, slot]

    mesh, kept = _without_lost_ties(front, board, contest, winner, layer)
    new = kept[kept >= n_old]
    born = as_tensor(board.mesh.vertices)[new]
    arrivals = Arrivals.at(front, as_array(board.page[new]), as_array(born))
    number = torch.arange(len(board.values), device=kept.device)
    number[new] = as_tensor(arrivals.number)[n_old:]
    values = _columns_on_board(front, board)
    here = values.new_zeros(arrivals.n_rows, k_old + k)
    maximum = board.values.amax(2)
    for rows, place in ((torch.arange(n_old, device=kept.device), slice(0, n_old)), (new, number[new])):
        own = maximum.index_select(0, rows)
        of = front.page_tile[board.page[rows]]
        picked = own.new_zeros(len(rows), k)
        source = slot.new_zeros(front.n_tiles, k)
        source[tile, rank] = slot
        factor = own.new_zeros(front.n_tiles, k)
        factor[tile, rank] = contest.tolerance[tile, slot]
        picked = own.gather(1, source[of]) * factor[of]
        here[place, :k_old] = values.index_select(0, rows)
        here[place, k_old:] = picked
    arrivals.fill(here)
    vertices = torch.cat([front.xy, born])
    edges = as_array(number[kept[as_tensor(mesh.edges)]])
    mesh = replace(mesh, vertices=arrivals.vertices(as_array(vertices)), edges=edges)
    block = Block(k_old, k, expansion, tolerance) if k else None
    return grown(front, mesh, arrivals, here, block), grown_result


def _extremes_of_regions(winner: Tensor, window: Tensor, n_tiles: int) -> tuple[Tensor, Tensor]:
    """(T, S) highest and lowest number of a winner on each tile."""
    index, start = window[:, None].expand_as(winner), winner.new_zeros(n_tiles, winner.shape[1])
    return (
        start.scatter_reduce(0, index, winner, "amax", include_self=False),
        start.scatter_reduce(0, index, winner, "amin", include_self=False),
    )


def _columns_on_board(front: Front, board: Board) -> Tensor:
    """(V, K) values of the front's columns at the board's vertices."""
    n = len(front.mesh.vertices)
    values = front.values.new_zeros(len(board.values), front.n_columns)
    values[:n] = front.values
    for batch in board.births:
        batch.interpolate(values[:n], out=values[n : n + len(batch.t)])
        n += len(batch.t)
    return values


def _without_lost_ties(
    front: Front, board: Board, contest: Contest, winner: Tensor, layer: int
) -> tuple[Subdivision, Tensor]:
    """The mesh without edges across which no unit changes its winner, and which of the board's vertices are left."""
    mesh = board.mesh
    own = torch.nonzero(as_tensor(mesh.edge_layer) == layer)[:, 0]
    left, right = as_tensor(mesh.edge_regions())[own].unbind(1)
    differs = winner[left] != winner[right]
    # Where several units tie along one segment, the label may name one of which the tie was lost.
    slot = as_tensor(mesh.edge_unit)[own]
    slot = torch.where(differs.gather(1, slot[:, None])[:, 0], slot, differs.int().argmax(1))
    unit = as_tensor(mesh.edge_unit).clone()
    unit[own] = contest.unit[front.page_tile[board.page[as_tensor(mesh.edges)[own, 0]]], slot]
    drop = torch.zeros(len(mesh.edges), dtype=torch.bool, device=own.device)
    drop[own] = ~differs.any(1)
    result = dissolve(replace(mesh, edge_unit=as_array(unit)), as_array(drop), len(front.mesh.vertices))
    return result.mesh, as_tensor(result.kept_vertices)
