"""How far a walk has come, and into how many tiles it had better go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from operator import itemgetter

from torch import Tensor

from ..chunks import on_gpu
from ..errors import MemoryBudgetError
from ..mesh import Subdivision
from ..network import Environment, Network

# Cutting into tiles is worth its while when they have enough to do: this many regions to refine, over all layers behind
# the next one; or where the next layer's events are so many elements that they had better not all exist at once. Fewer
# tiles bring less than cutting and stitching cost, more would help no crew. Numbers that do not depend on the crew:
# regions are numbered tile after tile, on every machine alike.
_REGIONS_PER_TILE, _ELEMENTS_PER_TILE, _FEWEST_TILES, _MOST_TILES = 4000, 2**24, 4, 16
# Of a budget, what a tile takes when it begins: its subdivision will grow.
_SHARE_TO_BEGIN_WITH = 0.25


@dataclass(frozen=True)
class Front:
    """How far a walk has come.

    Attributes
    ----------
    mesh : Subdivision
    values : live tensors on its vertices before the next step; empty if they have to be computed anew
    magnitudes : (1, ...) each: what entered them
    budget : bytes that live tensors may take from here on, or None
    step : index of the next step
    refined : whether the mesh is refined for that step already
    tolerances : (m,) for the events of every layer for which the mesh is refined: closer to zero they are zero
    n_foreseen : on how many vertices they have to fit into the budget during that step, if it was begun in vain
    """

    mesh: Subdivision
    values: Environment
    magnitudes: Environment
    budget: int | None
    step: int = 0
    refined: bool = False
    tolerances: Mapping[int, Tensor] = field(default_factory=dict)
    n_foreseen: int = 0

    @property
    def is_in_rows(self) -> bool:
        """Whether every live tensor has one row for each vertex; between two nonlinearities rows may lie otherwise."""
        n_rows = len(self.mesh.vertices)
        return all(
            isinstance(value, Tensor) and len(value) == n_rows and len(self.magnitudes[name]) == 1
            for name, value in self.values.items()
        )


def bytes_of(live: Environment) -> int:
    """What tensors take; of magnitudes, what one vertex takes."""
    return sum(value.numel() * value.element_size() for value in live.values() if isinstance(value, Tensor))


def crowds(values: Environment, budget: int | None) -> bool:
    """Whether live tensors leave too little of a budget for what comes after them."""
    return budget is not None and bytes_of(values) > _SHARE_TO_BEGIN_WITH * budget


def tiles_to_fit(network: Network, here: Front, crew_size: int) -> int:
    """Into how many tiles to go so that the live tensors and the next step's result fit into the budget.

    Raises
    ------
    MemoryBudgetError
        If they do not fit although only one region is left.
    """
    if here.budget is None or not here.is_in_rows:
        return 1
    needed = _bytes_of_row(network, here) * max(len(here.mesh.vertices), here.n_foreseen)
    if needed <= here.budget:
        return 1
    if here.mesh.n_regions == 1:
        raise _refusal(network, here, here.budget)
    return min(here.mesh.n_regions, max(2, ceil(needed * crew_size / max(1, _SHARE_TO_BEGIN_WITH * here.budget))))


def is_outgrown(network: Network, here: Front, refined: Subdivision) -> bool:
    """Whether live tensors on a refined mesh exceed the budget, beside those of the front and its events."""
    live, events = bytes_of(here.magnitudes), _bytes_of_events(network, here)
    needed = live * len(refined.vertices) + (live + events) * len(here.mesh.vertices)
    return here.budget is not None and needed > here.budget


def tiles_to_share(network: Network, here: Front, share: float) -> int:
    """Into how many tiles to go, at the beginning of a layer, so that a crew has enough to do side by side."""
    step = network.steps[here.step]
    if share < 1 or step.layer is None or here.refined or on_gpu(here.mesh.vertices):
        return 1
    to_refine = here.mesh.n_regions * (len(network.layer_names) - 1 - step.layer)
    n_elements = len(here.mesh.vertices) * network.n_units(step)
    n_tiles = min(here.mesh.n_regions, max(to_refine // _REGIONS_PER_TILE, n_elements // _ELEMENTS_PER_TILE))
    return min(n_tiles, _MOST_TILES) if n_tiles >= _FEWEST_TILES else 1


def _refusal(network: Network, here: Front, budget: int) -> MemoryBudgetError:
    """Says what the vertices that there are will take at the most demanding of the steps that are left."""
    needed, row, worst = 0, dict(here.magnitudes), network.steps[here.step]
    for index, step in enumerate(network.steps[here.step :], here.step):
        there = replace(here, step=index, magnitudes=row, refined=here.refined and index == here.step)
        takes = _bytes_of_row(network, there) * max(len(here.mesh.vertices), here.n_foreseen)
        needed, worst = max((needed, worst), (takes, step), key=itemgetter(0))
        network.execute(step, row, 1)
        network.release(step, row)
    return MemoryBudgetError(
        f"the live tensors of one region take {needed:,} bytes at '{worst.name}' in '{worst.module}', and max_memory "
        f"leaves {budget:,} for it: allow at least {ceil(needed / max(1, budget))} times as much, stop earlier with "
        "until=, or compute in float32"
    )


def _bytes_of_row(network: Network, here: Front) -> int:
    """What one vertex takes while the next step is executed: what is live, and the result or the events."""
    step, live = network.steps[here.step], dict(here.magnitudes)
    if step.layer is not None:
        result = network.dtype.itemsize * network.n_units(step)
        return bytes_of(live) + max(result, 0 if here.refined else _bytes_of_events(network, here))
    network.magnitude(step, live)
    return bytes_of(live)


def _bytes_of_events(network: Network, here: Front) -> int:
    """What the next step's events take at one vertex, beside what is live."""
    return network.dtype.itemsize * network.n_event_numbers(network.steps[here.step], here.magnitudes)
