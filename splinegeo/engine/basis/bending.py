"""A front through a nonlinearity: find the hinges that may bend, decide their signs, refine, and add what bends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from ...mesh import EventTable, Refinement, Subdivision, as_array, as_tensor, decide_signs, refine
from ...mesh.arrays import arange, flags, positions, put, take
from ..decisions import Decisions
from .bounds import Planes
from .front import N_AFFINE, Block, Front, chosen_columns, slots_of
from .growth import Arrivals, grown
from .kinks import Bent

# From so many pages on it pays to look at whole tiles first.
_FEW_PAGES = 3


@dataclass(frozen=True)
class Candidates:
    """Events that may be zero somewhere on a tile, in S slots a tile.

    Attributes
    ----------
    number : (T, S) of the event in each slot
    taken : (T, S) bool, whether there is one
    is_on : (T, n) bool, events that are positive all over a tile, of those that are no candidates
    margin : how many tolerances all others stay away from zero, at least
    size : (T, n) bounds of the magnitude of every event
    """

    number: Tensor
    taken: Tensor
    is_on: Tensor
    margin: float
    size: Tensor

    @classmethod
    def among(cls, planes: Planes, events: Tensor, tolerance: Tensor) -> Candidates:
        """Of events with bases (T, r, n), which are zero within tolerances (T, n)."""
        whole = planes.coarse() if planes.rest.shape[1] > _FEW_PAGES else planes
        upper, lower = whole.bounds(events)
        undecided = _may_vanish(upper, lower, tolerance)
        is_on = (lower > 0) & ~undecided
        margin = margin_of(upper, lower, tolerance, ~undecided)
        size = torch.maximum(upper.abs(), lower.abs())
        number, taken = slots_of(undecided)
        if whole is planes or not taken.any():
            return cls(number, taken, is_on, margin, size)
        some, own = chosen_columns(events, number), tolerance.gather(1, number)
        upper, lower = planes.bounds(some)
        undecided = _may_vanish(upper, lower, own) & taken
        decided = taken & ~undecided
        mark(is_on, number, decided & (lower > 0))
        margin = min(margin, margin_of(upper, lower, own, decided))
        slot, still = slots_of(undecided)
        tile, place = torch.nonzero(taken, as_tuple=True)
        size[tile, number[tile, place]] = torch.maximum(upper.abs(), lower.abs())[tile, place]
        return cls(number.gather(1, slot), still, is_on, margin, size)


def mark(flags: Tensor, number: Tensor, chosen: Tensor) -> Tensor:
    """Set flags (T, n) in place for the chosen of the numbers (T, S) in slots."""
    tile, slot = torch.nonzero(chosen, as_tuple=True)
    flags[tile, number[tile, slot]] = True
    return flags


def _may_vanish(upper: Tensor, lower: Tensor, tolerance: Tensor) -> Tensor:
    return (upper >= -tolerance) & (lower <= tolerance) & (tolerance > 0)


def margin_of(upper: Tensor, lower: Tensor, tolerance: Tensor, decided: Tensor) -> float:
    """The least distance from zero of what is decided, in tolerances."""
    distance = torch.maximum(lower, -upper) / tolerance
    distance = distance[decided & (tolerance > 0)]
    return float(distance.min()) if len(distance) else inf


@dataclass(frozen=True)
class Bending:
    """How a front goes through one round of events.

    Attributes
    ----------
    length : crossings closer than this are one vertex
    decisions : which are told of every close one
    """

    length: float
    decisions: Decisions

    def bend(
        self, front: Front, events: Tensor, tolerance: Tensor, layer: int, n_units: int, refines: bool = True
    ) -> tuple[Front, Bent]:
        """Refine by events, and give every one that bends a column.

        Parameters
        ----------
        events : (T, r, n) bases; event e belongs to unit ``e % n_units``
        tolerance : (T, n) powers of two, within which events are zero; 0 for those that nothing but zeros entered
        refines : whether to refine; if not, the mesh is refined by their zero sets already
        """
        found, signs, own = self._decided(front, events, tolerance)
        if signs is None:
            none = found.number.new_zeros(0)
            return front, Bent(found.is_on, none, none, none, N_AFFINE + front.n_columns, found.size)
        bends, bent = _bent(front, found, as_tensor(signs.values))
        block = _block(front, events, bent)
        more = _columns(front, as_tensor(signs.values), own, bends, block.size)
        if not refines:
            return _widened(front, more, block), bent
        refinement, page = self._refined(front, found, signs, layer, n_units)
        arrivals = Arrivals.at(front, as_array(page[len(more) :]), refinement.mesh.vertices[len(more) :])
        values = more.new_zeros(arrivals.n_rows, front.n_columns + block.size)
        values[: len(more), : front.n_columns] = front.values
        values[: len(more), front.n_columns :] = more
        arrivals.carry(values, refinement.births)
        zero, column = _exact_zeros(front, refinement, page, arrivals, bends)
        values[zero, front.n_columns + column] = 0
        arrivals.fill(values)
        return grown(front, arrivals.renumber(refinement.mesh), arrivals, values, block if block.size else None), bent

    def finish(self, front: Front, events: Tensor, tolerance: Tensor, layer: int, n_units: int) -> Subdivision:
        """The mesh refined by the last events of all: nothing will be asked of the tiles any more."""
        found, signs, _ = self._decided(front, events, tolerance)
        return front.mesh if signs is None else self._refined(front, found, signs, layer, n_units)[0].mesh

    def _decided(self, front: Front, events: Tensor, tolerance: Tensor) -> tuple[Candidates, EventTable | None, Tensor]:
        """Which events may vanish, their signs at the vertices in units of their tolerances (T, S), and these."""
        found = Candidates.among(front.planes(), events, tolerance)
        self.decisions.note(found.margin)
        own = torch.where(found.taken, tolerance.gather(1, found.number), 1.0)
        if not found.number.shape[1]:
            return found, None, own
        basis = chosen_columns(events, found.number) / own[:, None]
        # Slots without an event hold a function that is positive everywhere.
        basis.masked_fill_(~found.taken[:, None], 0)
        basis[:, 0].masked_fill_(~found.taken, 2)
        z = front.evaluate(basis)
        signs = decide_signs(as_array(z), as_array(z.new_ones(z.shape[1])))
        self.decisions.note(signs.smallest_margin)
        return found, signs, own

    def _refined(
        self, front: Front, found: Candidates, signs: EventTable, layer: int, n_units: int
    ) -> tuple[Refinement, Tensor]:
        """The refinement, its new edges labelled by units, and a page of the front near each of its vertices."""
        refinement = refine(front.mesh, signs, arange(0, signs.n_events, front.mesh.edges), layer, self.length)
        page, unit = pages_after(front.page_of_vertices(), refinement), found.number % n_units
        self.enter(front, front.mesh, page, signs, refinement, unit, layer)
        mesh = refinement.mesh
        new = arange(len(front.mesh.edges) + len(refinement.births[0].t), len(mesh.edges), mesh.edges)
        tile = front.page_tile[page[as_tensor(take(mesh.edges[:, 0], new))]]
        label = unit[tile, as_tensor(take(mesh.edge_unit, new))]
        labelled = replace(mesh, edge_unit=put(mesh.edge_unit + 0, new, as_array(label)))
        return replace(refinement, mesh=labelled), page

    def enter(
        self,
        front: Front,
        mesh: Subdivision,
        page: Tensor,
        table: EventTable,
        refinement: Refinement,
        units: Tensor,
        layer: int,
    ) -> None:
        """Tell the books of the close decisions of one refinement.

        Parameters
        ----------
        mesh : that was refined
        page : (V,) of the front, near each vertex of the refined mesh
        units : (T, m) whose event each of m events is on each tile
        """
        plane, tile = front.plane[front.page_tile], front.page_tile
        used = put(flags(len(mesh.vertices), False, mesh.edges), mesh.edges.reshape(-1), True)
        zero = positions((table.n_zero > 0) & used)
        close = (
            (table.snapped[0], table.snapped[1], False),
            (refinement.merged_vertex, refinement.merged_event, True),
        )
        self.decisions.note(refinement.smallest_gap)
        self.decisions.zeros(as_array(plane[page[as_tensor(zero)]]), table.n_zero[zero])
        for vertex, event, merged in close:
            own = page[as_tensor(vertex)]
            unit, at = units[tile[own], as_tensor(event)], take(refinement.mesh.vertices, vertex)
            self.decisions.close(as_array(plane[own]), at, layer, as_array(unit), merged)


def pages_after(page: Tensor, refinement: Refinement) -> Tensor:
    """(V',) a page near each vertex of a refined mesh: its own (V,), or that of the first end of where it was born."""
    for batch in refinement.births:
        page = torch.cat([page, page[as_tensor(batch.parents)[:, 0]]])
    return page


def _bent(front: Front, found: Candidates, z: Tensor) -> tuple[Tensor, Bent]:
    """Which slots (T, S) hold events that bend, by their decided values (V, S) at the vertices."""
    high, low = front.extremes(z)
    bends = (high > 0) & (low < 0) & found.taken
    is_on = mark(found.is_on.clone(), found.number, (high > 0) & (low >= 0) & found.taken)
    tile, slot = torch.nonzero(bends, as_tuple=True)
    first, rank = N_AFFINE + front.n_columns, (bends.cumsum(1) - 1)[tile, slot]
    n_rows = first + int(bends.sum(1).max())
    return bends, Bent(is_on, first + rank, tile, found.number[tile, slot], n_rows, found.size)


def _block(front: Front, events: Tensor, bent: Bent) -> Block:
    """The columns that are new."""
    first = N_AFFINE + front.n_columns
    expansion = events.new_zeros(front.n_tiles, bent.n_rows - first, events.shape[1])
    expansion[bent.tile, bent.row - first] = events[bent.tile, :, bent.event]
    return Block(front.n_columns, bent.n_rows - first, expansion)


def _columns(front: Front, z: Tensor, scale: Tensor, bends: Tensor, n_more: int) -> Tensor:
    """(V, k) values of the events that bend, side by side."""
    tile, slot = torch.nonzero(bends, as_tuple=True)
    rank = (bends.cumsum(1) - 1)[tile, slot]
    source, factor = slot.new_zeros(front.n_tiles, n_more), scale.new_zeros(front.n_tiles, n_more)
    source[tile, rank], factor[tile, rank] = slot, scale[tile, slot]
    if front.n_tiles == 1:
        return z.index_select(1, source[0]) * factor
    index = source[front.page_tile][:, None].expand(-1, front.page_size, -1)
    picked = front.paged(z).gather(2, index)
    return picked.mul_(factor[front.page_tile][:, None]).view(len(z), n_more)


def _exact_zeros(
    front: Front, refinement: Refinement, page: Tensor, arrivals: Arrivals, bends: Tensor
) -> tuple[Tensor, Tensor]:
    """New rows and the new columns that are zero there by construction."""
    vertex, slot = as_tensor(refinement.zero_vertex), as_tensor(refinement.zero_event)
    tile = front.page_tile[page[vertex]]
    has = bends[tile, slot]
    return as_tensor(arrivals.number)[vertex[has]], (bends.cumsum(1) - 1)[tile, slot][has]


def _widened(front: Front, more: Tensor, block: Block) -> Front:
    """The front with more columns on the same mesh."""
    if not block.size:
        return front
    none = arange(0, 0, front.mesh.edges)
    arrivals = Arrivals(len(more), arange(0, len(more), none), none, none, none)
    return grown(front, front.mesh, arrivals, torch.cat([front.values, more], 1), block)
