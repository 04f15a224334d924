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
    Seams,
    Subdivision,
    as_array,
    as_tensor,
    cut_into_tiles,
    decide_signs,
    refine,
    runs_along_a_curve,
    side_by_side,
    stitch,
)
from ..network import Environment, Network, Section, Step
from ..tolerance import Tolerance
from .allocator import give_back
from .crew import Crew
from .decisions import Book
from .front import Front, bytes_of, crowds, is_outgrown, tiles_to_fit, tiles_to_share
from .progress import Progress
from .ties import dissolve_lost_ties


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
    seams : Seams
        Of its tiles.
    """

    section: Section
    tolerance: Tolerance
    books: Sequence[Book]
    crew: Crew
    progress: Progress
    seams: Seams

    @property
    def network(self) -> Network:
        """From the first nonlinearity on."""
        return self.section.network

    def begin(self, mesh: Subdivision, max_memory: int | None) -> Front:
        """Before the first nonlinearity, with one region per plane in its normalised coordinates."""
        values = self.section.at(as_tensor(mesh.vertices), as_tensor(mesh.vertex_windows()))
        return Front(mesh, values, self.section.entry_magnitudes(), max_memory)

    def finish(self, front: Front) -> Subdivision:
        """Refine until the network is affine on every region."""
        return stitch(side_by_side(self._leaves(front)), self.seams, self.tolerance.length)

    def _leaves(self, front: Front, share: float = 1.0) -> list[Subdivision]:
        """The finished tiles of a front; `share` of all windows is in this one."""
        network, steps = self.network, self.network.steps
        last = max((i for i, step in enumerate(steps) if step.layer is not None), default=-1)
        here = replace(front, magnitudes=dict(front.magnitudes))
        for index in range(front.step, last + 1):
            self.crew.require_wanted()
            step = steps[index]
            if index > here.step:
                here = replace(here, step=index, refined=False, n_foreseen=0)
            if here.budget is not None:
                give_back()
            n_tiles = max(tiles_to_fit(network, here, self.crew.size), tiles_to_share(network, here, share))
            if n_tiles > 1 or not here.values:
                return self._in_tiles(here, n_tiles, share)
            if step.layer is not None and not here.refined:
                n_before, here = here.mesh.n_regions, self._cut(here, index == last)
                if here.refined:
                    self.progress.advance(share, here.mesh.n_regions - n_before, step.layer)
                    if index == last:
                        break
                if not here.values or tiles_to_fit(network, here, self.crew.size) > 1:
                    return self._leaves(here, share)
            self._advance(here)
        return [here.mesh]

    def _in_tiles(self, here: Front, n_tiles: int, share: float) -> list[Subdivision]:
        """Finish tile by tile; live tensors that take much of the budget are dropped, and computed anew for each."""
        if crowds(here.values, here.budget):
            here.values.clear()
        if n_tiles <= 1:
            return self._leaves(replace(here, values=self._live(here, here.mesh)), share)
        cut = cut_into_tiles(here.mesh, runs_along_a_curve(here.mesh, n_tiles), self.seams)
        crew = self.crew if share == 1 else self.crew.alone()
        budget = here.budget and (here.budget - bytes_of(here.values)) // crew.size

        def finished(tile: int) -> list[Subdivision]:
            mesh, source = cut.part(tile, tile + 1)
            own = as_tensor(source)
            rows = {name: value.index_select(0, own) for name, value in here.values.items()}
            part = share * len(mesh.loops) / len(here.mesh.loops)
            values = rows or self._live(here, mesh)
            return self._leaves(replace(here, mesh=mesh, values=values, budget=budget, n_foreseen=0), part)

        return [leaf for leaves in crew.each(finished, range(cut.n_tiles)) for leaf in leaves]

    def _live(self, here: Front, mesh: Subdivision) -> Environment:
        """The live tensors before the next step, by running the network from its beginning."""
        return self.section.live(as_tensor(mesh.vertices), as_tensor(mesh.vertex_windows()), here.step, here.tolerances)

    def _cut(self, here: Front, last: bool) -> Front:
        """Refine until one nonlinearity is affine on every region.

        The live tensors follow, unless nothing will need them, or they would not fit into the budget.
        """
        network, step = self.network, self.network.steps[here.step]
        if network.n_rounds(step, here.magnitudes) > 1:
            return self._cut_in_rounds(here)
        tolerance = self._event_tolerance(here, 0)
        events, refinement = self._refine(here, 0, tolerance)
        tolerances = {**here.tolerances, step.layer or 0: tolerance}
        there = replace(here, mesh=refinement.mesh, refined=True, tolerances=tolerances)
        if is_outgrown(network, here, there.mesh):
            here.values.clear()
        elif not last:
            _carry(here.values, refinement, step, as_tensor(events.values))
        return there

    def _cut_in_rounds(self, here: Front) -> Front:
        """The same for a maximum, by the rounds of a tournament.

        If these outgrow the budget, the maximum is put off: it has to be begun in smaller tiles.
        """
        network, step = self.network, self.network.steps[here.step]
        there = here
        for round in range(network.n_rounds(step, here.magnitudes)):
            events, refinement = self._refine(there, round, self._event_tolerance(here, round))
            if is_outgrown(network, there, refinement.mesh):
                here.values.clear()
                return replace(here, n_foreseen=len(there.mesh.vertices) + len(refinement.mesh.vertices))
            _carry(here.values, refinement, step, as_tensor(events.values))
            there = replace(there, mesh=refinement.mesh)
        kept = dissolve_lost_ties(network, there, self.tolerance, n_fixed=len(here.mesh.vertices))
        return replace(there, mesh=kept, refined=True)

    def _event_tolerance(self, here: Front, round: int) -> Tensor:
        """(m,) below which the next step's events are zero."""
        network, step = self.network, self.network.steps[here.step]
        magnitude = network.event_magnitudes(step, here.magnitudes, round)[0]
        if not torch.isfinite(magnitude).all():
            name = network.layer_names[step.layer or 0]
            raise NonFiniteError(f"values overflow before nonlinearity '{name}': scale the weights or the window down")
        return self.tolerance.value * magnitude

    def _refine(self, here: Front, round: int, tolerance: Tensor) -> tuple[EventTable, Refinement]:
        """One refinement by one round of events, entered into the books."""
        network, step = self.network, self.network.steps[here.step]
        z = network.events(step, here.values, len(here.mesh.vertices), round)
        units = as_array(network.event_units(step, z.shape[1], z.device))
        events, layer = decide_signs(as_array(z), as_array(tolerance)), step.layer or 0
        refinement = refine(here.mesh, events, units, layer, self.tolerance.length)
        with self.crew.lock:
            for book in self.books:
                book.record(here.mesh, events, refinement, units, layer)
        return events, refinement

    def _advance(self, here: Front) -> None:
        """Execute one step on the vertices, and keep track of the magnitudes that enter its values."""
        network, values, magnitudes = self.network, here.values, here.magnitudes
        step, n_rows = network.steps[here.step], len(here.mesh.vertices)
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
