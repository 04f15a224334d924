"""Through the network: refine at every nonlinearity, execute every operator, on all vertices at once.

All the thinking is done elsewhere: `network` says what the function is, `mesh` how a subdivision is refined. What
is left is one short loop that carries the network's live tensors on the vertices.
"""

from __future__ import annotations

import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import NonFiniteError
from ..mesh import EventTable, Refinement, Subdivision, decide_signs, refine
from ..network import Environment, Network, Section, Step
from ..tolerance import Tolerance
from .decisions import Decisions
from .ties import dissolve_lost_ties

# Share of the magnitudes of the input-space computation (of a tolerance) that may be rounding in the plane's base
# point: it moves a line as a whole, so only coincidences of several lines can notice.
_BASE_SHARE = 2.0**-8


def walk(section: Section, mesh: Subdivision, tolerance: Tolerance, progress: bool) -> tuple[Subdivision, Decisions]:
    """Refine the windows until the network is affine on every region.

    Parameters
    ----------
    section : the network on the windows' planes
    mesh : one region per plane, in its normalised coordinates
    """
    network = section.network
    values = section.at(mesh.vertices, torch.repeat_interleave(mesh.offsets.diff()))
    magnitudes = _entry_magnitudes(section)
    decisions = Decisions(tolerance)
    last = max((step.layer for step in network.steps if step.layer is not None), default=-1)
    with tqdm(total=last + 1, disable=not progress, unit="layer") as bar:
        for step in network.steps:
            if step.layer is not None:
                done = step.layer == last
                mesh = _cut(network, step, mesh, values, magnitudes, decisions, done)
                bar.update()
                bar.set_postfix(layer=network.layer_names[step.layer], regions=mesh.n_regions)
                if done:
                    break
            _advance(network, step, values, magnitudes, len(mesh.vertices))
    return mesh, decisions


def _cut(
    network: Network,
    step: Step,
    mesh: Subdivision,
    values: Environment,
    magnitudes: Environment,
    decisions: Decisions,
    done: bool,
) -> Subdivision:
    """Refine until one nonlinearity is affine on every region; `values` follow unless nothing will need them."""
    n_fixed, n_rounds = len(mesh.vertices), network.n_rounds(step, magnitudes)
    for round in range(n_rounds):
        events, refinement = _refine(network, step, round, mesh, values, magnitudes, decisions.tolerance)
        units = network.event_units(step, events.n_events, mesh.vertices.device)
        decisions.record(mesh, events, refinement, units, step.layer or 0)
        mesh = refinement.mesh
        if n_rounds > 1 or not done:
            _carry(values, refinement, step, events.values)
    if n_rounds > 1:
        mesh = dissolve_lost_ties(network, step, mesh, values, magnitudes, decisions.tolerance, n_fixed)
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
    network.execute(step, values, n_rows)
    if step.layer is None:
        network.magnitude(step, magnitudes)
    else:
        magnitudes[step.name] = torch.linalg.vector_norm(values[step.name], torch.inf, dim=0, keepdim=True)
    network.release(step, values)
    network.release(step, magnitudes)


def _entry_magnitudes(section: Section) -> Environment:
    first, second = section.slopes
    return {
        name: (base.abs() + first[name].abs() + second[name].abs()).amax(0, keepdim=True)
        + _BASE_SHARE * section.magnitude[name]
        for name, base in section.base.items()
    }
