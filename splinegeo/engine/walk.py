"""Through the network: refine at every nonlinearity, execute every operator, on all vertices at once.

All the thinking is done elsewhere: `network` says what the function is, `mesh` how a subdivision is refined. What
is left is one short loop that carries the network's live tensors on the vertices.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import MemoryBudgetError, NonFiniteError
from ..mesh import CACHE_ELEMENTS, EventTable, Refinement, Subdivision, decide_signs, refine
from ..network import Environment, Network, Section, Step
from ..tolerance import Tolerance
from .decisions import Book
from .ties import dissolve_lost_ties

# Share of the magnitudes of the input-space computation (of a tolerance) that may be rounding in the plane's base
# point: it moves a line as a whole, so only coincidences of several lines can notice.
_BASE_SHARE = 2.0**-8


def walk(
    section: Section,
    mesh: Subdivision,
    tolerance: Tolerance,
    books: Sequence[Book],
    progress: bool,
    max_memory: int | None,
) -> Subdivision:
    """Refine the windows until the network is affine on every region.

    Parameters
    ----------
    section : the network on the windows' planes
    mesh : one region per plane, in its normalised coordinates
    books : who is told of every refinement
    """
    network = section.network
    values = section.at(mesh.vertices, torch.repeat_interleave(mesh.offsets.diff()))
    magnitudes = _entry_magnitudes(section)
    last = max((step.layer for step in network.steps if step.layer is not None), default=-1)
    with tqdm(total=last + 1, disable=not progress, unit="layer") as bar:
        for step in network.steps:
            if step.layer is not None:
                done = step.layer == last
                mesh = _cut(network, step, mesh, values, magnitudes, tolerance, books, done, max_memory)
                bar.update()
                bar.set_postfix(layer=network.layer_names[step.layer], regions=mesh.n_regions)
                if done:
                    break
            _advance(network, step, values, magnitudes, len(mesh.vertices))
    return mesh


def _cut(
    network: Network,
    step: Step,
    mesh: Subdivision,
    values: Environment,
    magnitudes: Environment,
    tolerance: Tolerance,
    books: Sequence[Book],
    done: bool,
    max_memory: int | None,
) -> Subdivision:
    """Refine until one nonlinearity is affine on every region; `values` follow unless nothing will need them."""
    n_fixed, n_rounds = len(mesh.vertices), network.n_rounds(step, magnitudes)
    for round in range(n_rounds):
        events, refinement = _refine(network, step, round, mesh, values, magnitudes, tolerance)
        units = network.event_units(step, events.n_events, mesh.vertices.device)
        for book in books:
            book.record(mesh, events, refinement, units, step.layer or 0)
        mesh = refinement.mesh
        if n_rounds > 1 or not done:
            _require_memory(network, step, values, len(mesh.vertices), max_memory)
            _carry(values, refinement, step, events.values)
    if n_rounds > 1:
        mesh = dissolve_lost_ties(network, step, mesh, values, magnitudes, tolerance, n_fixed)
    return mesh


def _refine(
    network: Network,
    step: Step,
    round: int,
    mesh: Subdivision,
    values: Environment,
    magnitudes: Environment,
    tolerance: Tolerance,
) -> tuple[EventTable, Refinement]:
    z = network.events(step, values, len(mesh.vertices), round).contiguous()
    magnitude = network.event_magnitudes(step, magnitudes, round)
    layer = step.layer or 0
    if not torch.isfinite(magnitude).all():
        name = network.layer_names[layer]
        raise NonFiniteError(f"values overflow before nonlinearity '{name}': scale the weights or the window down")
    events = decide_signs(z, tolerance.value * magnitude)
    units = network.event_units(step, z.shape[1], z.device)
    return events, refine(mesh, events, units, layer, tolerance.length)


def _require_memory(network: Network, step: Step, values: Environment, n_vertices: int, max_memory: int | None) -> None:
    """Refuse to let the live tensors grow beyond the budget, before anything is allocated."""
    rows = sum(value[:1].numel() * value.element_size() for value in values.values())
    held = sum(value.numel() * value.element_size() for value in values.values())
    needed = rows * n_vertices + held
    if max_memory is not None and needed > max_memory:
        raise MemoryBudgetError(
            f"live tensors at nonlinearity '{network.layer_names[step.layer or 0]}' need {needed / 2**30:.2f} GiB for "
            f"{n_vertices:,} vertices, more than max_memory = {max_memory / 2**30:.2f} GiB: take a smaller window, "
            "stop earlier with until=, or compute in float32"
        )


def _carry(values: Environment, refinement: Refinement, step: Step, events: Tensor) -> None:
    """Extend every live tensor to the new vertices; a vertex made by an event is exactly zero for it."""
    for name, value in values.items():
        own = value.data_ptr() == events.data_ptr() and name in step.inputs()
        carried = refinement.carry(value)
        if own:  # the events are this very tensor
            carried.view(len(carried), -1)[refinement.zero_vertex, refinement.zero_event] = 0
        values[name] = carried


def _advance(network: Network, step: Step, values: Environment, magnitudes: Environment, n_rows: int) -> None:
    """Execute one step on the vertices, and keep track of the magnitudes that enter its values."""
    if step.layer is None:
        network.execute(step, values, n_rows)
        network.magnitude(step, magnitudes)
    else:
        # After `carry` every live tensor has memory of its own: one that nobody needs any more can be overwritten.
        network.execute_in_chunks(step, values, n_rows, CACHE_ELEMENTS)
        magnitudes[step.name] = _largest(values[step.name])
    network.release(step, values)
    network.release(step, magnitudes)


def _largest(values: Tensor) -> Tensor:
    """(1, ...) largest magnitude over the rows, chunk by chunk within the cache."""
    rows = len(values) if values.is_cuda else max(1, CACHE_ELEMENTS // max(1, values[0].numel()))
    return torch.stack([chunk.abs().amax(dim=0) for chunk in values.split(rows)]).amax(dim=0, keepdim=True)


def _entry_magnitudes(section: Section) -> Environment:
    first, second = section.slopes
    return {
        name: (base.abs() + first[name].abs() + second[name].abs()).amax(0, keepdim=True)
        + _BASE_SHARE * section.magnitude[name]
        for name, base in section.base.items()
    }
