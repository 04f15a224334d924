"""Through the network: refine at every nonlinearity, execute every operator, on all vertices at once.

All the thinking is done elsewhere: `network` says what the function is, `mesh` how a subdivision is refined. What
is left is one short loop that carries the network's live tensors on the vertices; once there is much to carry, it
goes on tile by tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import NonFiniteError
from ..mesh import (
    EventTable,
    Refinement,
    Subdivision,
    Tile,
    as_array,
    as_tensor,
    cut_into_tiles,
    decide_signs,
    refine,
)
from ..network import Environment, Section, Step
from ..tolerance import Tolerance
from .allocator import give_back
from .crew import Crew
from .decisions import Book
from .front import Front, bytes_of, crowds, is_outgrown, tiles_to_fit, tiles_to_share
from .progress import Progress
from .ties import dissolve_lost_ties

# Share of the magnitudes of the input-space computation (of a tolerance) that may be rounding in the plane's base
# point: it moves a line as a whole, so only coincidences of several lines can notice.
_BASE_SHARE = 2.0**-8


@dataclass(frozen=True)
class Walk:
    """The walk through a section of a network: what stays the same on the way.

    Attributes
    ----------
    section : the network on the windows' planes
    tolerance : Tolerance
    books : who is told of every refinement
    crew : who does the tiles
    progress : Progress
    """

    section: Section
    tolerance: Tolerance
    books: Sequence[Book]
    crew: Crew
    progress: Progress

    def begin(self, mesh: Subdivision, max_memory: int | None) -> Front:
        """Before the first nonlinearity, with one region per plane in its normalised coordinates."""
        values = self.section.at(as_tensor(mesh.vertices), as_tensor(mesh.vertex_windows()))
        return Front(mesh, values, _entry_magnitudes(self.section), max_memory)

    def finish(self, front: Front, share: float = 1.0) -> Subdivision:
        """Refine until the network is affine on every region; `share` of all windows is in this walk."""
        mesh, values, magnitudes = front.mesh, front.values, dict(front.magnitudes)
        network, steps = self.section.network, self.section.network.steps
        last = max((i for i, step in enumerate(steps) if step.layer is not None), default=-1)
        for index in range(front.step, last + 1):
            self.crew.require_wanted()
            step = steps[index]
            if front.budget is not None:
                give_back()
            here = replace(front, mesh=mesh, values=values, magnitudes=magnitudes)
            if index != front.step:
                here = replace(here, step=index, refined=False, n_foreseen=0)
            n_tiles = max(tiles_to_fit(network, here, self.crew.size), tiles_to_share(network, here, share))
            if n_tiles > 1 or values is None:
                return self._in_tiles(here, n_tiles, share)
            if step.layer is not None and not here.refined:
                grown = self._cut(here, index == last)
                mesh, values = grown.mesh, grown.values
                if grown.refined:
                    self.progress.advance(share, mesh.n_regions - here.mesh.n_regions, step.layer)
                    if index == last:
                        break
                if values is None or tiles_to_fit(network, grown, self.crew.size) > 1:
                    return self.finish(grown, share)
            self._advance(step, values, magnitudes, len(mesh.vertices))
        return mesh

    def _in_tiles(self, here: Front, n_tiles: int, share: float) -> Subdivision:
        """Finish tile by tile; live tensors that take much of the budget are dropped, and computed anew for each."""
        values = here.values
        if values is not None and crowds(values, here.budget):
            values.clear()  # for everybody who still knows of them
            values = None
        if n_tiles <= 1:
            return self.finish(replace(here, values=self._live(here, here.mesh)), share)
        tiling = cut_into_tiles(here.mesh, n_tiles)
        crew = self.crew if share == 1 else self.crew.alone()
        budget = here.budget and (here.budget - bytes_of(values or {})) // crew.size

        def finished(tile: Tile) -> Subdivision:
            own = as_tensor(tile.vertices)
            rows = {name: value.index_select(0, own) for name, value in values.items()} if values else None
            part = share * len(tile.mesh.loops) / len(here.mesh.loops)
            live = rows or self._live(here, tile.mesh)
            return self.finish(replace(here, mesh=tile.mesh, values=live, budget=budget, n_foreseen=0), part)

        return tiling.stitch(crew.each(finished, tiling.tiles), self.tolerance.length)

    def _live(self, here: Front, mesh: Subdivision) -> Environment:
        """The live tensors before the next step, by running the network from its beginning."""
        return self.section.live(as_tensor(mesh.vertices), as_tensor(mesh.vertex_windows()), here.step)

    def _cut(self, here: Front, last: bool) -> Front:
        """Refine until one nonlinearity is affine on every region.

        The live tensors follow, unless nothing will need them. If they would not fit into the budget they are dropped,
        and a nonlinearity that takes several rounds is put off: it has to be begun in smaller tiles.
        """
        network, values, front = self.section.network, here.values, here
        assert values is not None
        step = network.steps[here.step]
        n_fixed, n_rounds = len(here.mesh.vertices), network.n_rounds(step, here.magnitudes)
        for round in range(n_rounds):
            events, refinement = self._refine(front, step, round)
            mesh = refinement.mesh
            if n_rounds == 1 and last:
                return replace(here, mesh=mesh, refined=True)
            if is_outgrown(network, front, mesh):
                values.clear()
                if n_rounds == 1:
                    return replace(here, mesh=mesh, values=None, refined=True)
                return replace(here, values=None, n_foreseen=len(front.mesh.vertices) + len(mesh.vertices))
            _carry(values, refinement, step, as_tensor(events.values))
            front = replace(front, mesh=mesh)
        if n_rounds > 1:
            mesh = dissolve_lost_ties(network, step, mesh, values, here.magnitudes, self.tolerance, n_fixed)
        return replace(here, mesh=mesh, refined=True)

    def _refine(self, here: Front, step: Step, round: int) -> tuple[EventTable, Refinement]:
        """One refinement by one round of events, entered into the books."""
        network, layer, values = self.section.network, step.layer or 0, here.values
        assert values is not None
        z = as_array(network.events(step, values, len(here.mesh.vertices), round))
        magnitude = network.event_magnitudes(step, here.magnitudes, round)
        if not torch.isfinite(magnitude).all():
            name = network.layer_names[layer]
            raise NonFiniteError(f"values overflow before nonlinearity '{name}': scale the weights or the window down")
        events = decide_signs(z, as_array(self.tolerance.value * magnitude))
        units = as_array(network.event_units(step, z.shape[1], magnitude.device))
        refinement = refine(here.mesh, events, units, layer, self.tolerance.length)
        with self.crew.lock:
            for book in self.books:
                book.record(here.mesh, events, refinement, units, layer)
        return events, refinement

    def _advance(self, step: Step, values: Environment, magnitudes: Environment, n_rows: int) -> None:
        """Execute one step on the vertices, and keep track of the magnitudes that enter its values."""
        network = self.section.network
        if step.layer is None:
            network.execute_in_chunks(step, values, n_rows)
            network.magnitude(step, magnitudes)
        else:
            chunks = network.bend(step, values, n_rows)
            magnitudes[step.name] = torch.stack([chunk.abs().amax(dim=0) for chunk in chunks]).amax(dim=0, keepdim=True)
        network.release(step, values)
        network.release(step, magnitudes)


def _carry(values: Environment, refinement: Refinement, step: Step, events: Tensor) -> None:
    """Extend every live tensor to the new vertices; a vertex made by an event is exactly zero for it."""
    for name, value in values.items():
        own = value.data_ptr() == events.data_ptr() and name in step.inputs()
        carried = refinement.carry(value)
        if own:  # the events are this very tensor
            entry = as_tensor(refinement.zero_vertex) * events.shape[1] + as_tensor(refinement.zero_event)
            carried.view(-1).index_fill_(0, entry, 0)
        values[name] = carried


def _entry_magnitudes(section: Section) -> Environment:
    first, second = section.slopes
    return {
        name: (base.abs() + first[name].abs() + second[name].abs()).amax(0, keepdim=True)
        + _BASE_SHARE * section.magnitude[name]
        for name, base in section.base.items()
    }
