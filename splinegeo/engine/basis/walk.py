"""Through the network: execute every operator on the basis of every tile, refine at every nonlinearity.

All the thinking is done elsewhere: `network` says what the function is, `mesh` how a subdivision is refined, and the
other files of this folder what a nonlinearity does to a basis. What is left is one short loop; once there is much to
carry, it goes on in smaller tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import torch
from torch import Tensor

from ...errors import NonFiniteError
from ...mesh import Seams, Subdivision, as_array, as_tensor, side_by_side, stitch
from ...mesh.arrays import take
from ...network import Environment, Program, Section, Step
from ...network.maxima import MAXIMA
from ...network.table import COMPARISONS, PRODUCTS
from ...tolerance import Tolerance
from ..decisions import Decisions
from ..progress import Progress
from .affine import Linear
from .bending import Bending
from .division import divide, first_front
from .front import Front
from .kinks import Comparison, bend_of, operands_of
from .tournament import compete

_CUT_AT, _REGIONS_PER_FRONT = 4, 20_000
# Multiply-adds of a row that cost as much as one vertex in one column: rows and vertices of a tile then cost the same.
_VERTEX_COST, _FEWEST_REGIONS, _MOST_REGIONS = 250, 150, 20_000
# From so many multiply-adds of a row and layer on the basis is the cheaper walk: measured, docs/performance.md.
_WIDE = 100_000


@dataclass(frozen=True)
class BasisWalk:
    """The walk through a section of a network: what stays the same on the way.

    Attributes
    ----------
    section : the network on the windows' planes
    linear : its affine steps on rows of bases
    bending : its nonlinearities
    seams : of its tiles
    value_tolerance : share of the magnitudes that entered a value below which it is zero
    regions_per_tile : that a tile had better have
    progress : Progress
    """

    section: Section
    linear: Linear
    bending: Bending
    seams: Seams
    value_tolerance: float
    regions_per_tile: int
    progress: Progress

    @classmethod
    def of(cls, section: Section, tolerance: Tolerance, decisions: Decisions, progress: Progress) -> BasisWalk:
        """The walk that a network's widths suggest."""
        network = section.network
        entry = {name: x[:1] for name, x in section.base.items()}
        return cls(
            section,
            Linear(network, names_in_rows(network, entry)),
            Bending(tolerance.length, decisions),
            Seams(),
            tolerance.value,
            min(max(row_cost(network, entry) // _VERTEX_COST, _FEWEST_REGIONS), _MOST_REGIONS),
            progress,
        )

    @property
    def network(self) -> Program:
        """From the first nonlinearity on."""
        return self.section.network

    @property
    def last(self) -> int:
        """The last nonlinearity among the steps; -1 if there is none."""
        return max((i for i, step in enumerate(self.network.steps) if step.layer is not None), default=-1)

    def begin(self, mesh: Subdivision) -> Front:
        """Before the first nonlinearity, with one region per plane in its normalised coordinates."""
        section = self.section
        live = {n: torch.stack([b, *(s[n] for s in section.slopes)], 1) for n, b in section.base.items()}
        magnitudes = section.entry_magnitudes_by_plane()
        plane = torch.arange(mesh.n_regions, device=self.network.device)
        return first_front(mesh, plane, live, magnitudes, as_tensor(mesh.vertices))

    def finish(self, front: Front) -> Subdivision:
        """Refine until the network is affine on every region; one subdivision of all windows."""
        leaves = [_by_plane(leaf) for leaf in self._leaves(front)]
        return stitch(side_by_side(leaves), self.seams, self.bending.length)

    def _leaves(self, front: Front, share: float = 1.0) -> Iterator[Front]:
        """Finished fronts, in order; `share` of all regions is in this one."""
        steps, last = self.network.steps, self.last
        for index in range(front.step, last + 1):
            step = steps[index]
            front = replace(front, step=index)
            if step.layer is None:
                self._execute(step, front)
                continue
            parts = self._parts(front)
            if parts is not None:
                for part in divide(front, parts, _REGIONS_PER_FRONT // 4, self.seams):
                    yield from self._leaves(part, share * part.mesh.n_regions / front.mesh.n_regions)
                return
            before = front.mesh.n_regions
            front = self._bend(step, front) if index < last else self._finished(step, front)
            self.progress.advance(share, front.mesh.n_regions - before, step.layer)
        yield front

    def _parts(self, front: Front) -> list[int] | None:
        """Into how many tiles every tile had better be cut now; None if they may stay as they are."""
        regions = torch.bincount(as_tensor(front.mesh.window), minlength=front.n_tiles).tolist()
        per_tile = self.regions_per_tile
        crowded = len(regions) > 1 and sum(regions) > _REGIONS_PER_FRONT
        if max(regions) <= _CUT_AT * per_tile and not crowded:
            return [1] * front.n_tiles if front.has_many_pages else None
        at = _CUT_AT // 2 * per_tile if crowded else per_tile
        return [ceil(n / per_tile) if n > at else 1 for n in regions]

    def _execute(self, step: Step, front: Front) -> None:
        """Execute one affine step, and keep track of the magnitudes that enter its values."""
        network = self.network
        self.linear.execute(step, front.live, front.n_tiles, 3 + front.n_columns)
        network.magnitude(step, front.magnitudes, front.n_tiles)
        network.release(step, front.live)
        network.release(step, front.magnitudes)

    def _bend(self, step: Step, front: Front) -> Front:
        """Refine until a nonlinearity is affine on every region, and execute it."""
        network, layer = self.network, step.layer or 0
        shape = network.unit_shapes[layer]
        live, magnitudes = dict(front.live), dict(front.magnitudes)
        inputs = {name: magnitudes[name] for name in step.inputs() if name in magnitudes}
        if step.operator in MAXIMA:
            front, result = self._maximum(step, front, inputs)
            size = _size(front, result)
        elif step.operator in COMPARISONS or _is_clamped_by_activations(step, live):
            front, result = self._comparison(step, front, inputs)
            size = _size(front, result)
        else:
            bend = bend_of(network, step, live)
            tolerance = self._tolerance(step, inputs, front.n_tiles)[:, : bend.events.shape[2]]
            front, bent = self.bending.bend(front, bend.events, tolerance, layer, bend.operand.shape[2])
            result = bend.result(bent)
            size = bend.size(bent)
        live[step.name] = result.view(front.n_tiles, result.shape[1], *shape)
        magnitudes[step.name] = size.view(front.n_tiles, *shape)
        network.release(step, live)
        network.release(step, magnitudes)
        return replace(front, live=live, magnitudes=magnitudes)

    def _finished(self, step: Step, front: Front) -> Front:
        """A front that has been refined for the last nonlinearity: only its mesh is right."""
        if step.operator in MAXIMA or step.operator in COMPARISONS or _is_clamped_by_activations(step, front.live):
            return self._bend(step, front)
        bend = bend_of(self.network, step, front.live)
        inputs = {name: front.magnitudes[name] for name in step.inputs() if name in front.magnitudes}
        tolerance = self._tolerance(step, inputs, front.n_tiles)[:, : bend.events.shape[2]]
        mesh = self.bending.finish(front, bend.events, tolerance, step.layer or 0, bend.operand.shape[2])
        return replace(front, mesh=mesh)

    def _tolerance(self, step: Step, inputs: Environment, n_tiles: int, round: int = 0) -> Tensor:
        """(T, m) below which a step's events are zero: powers of two."""
        magnitude = self.network.event_magnitudes(step, inputs, round, n_tiles)
        if not torch.isfinite(magnitude).all():
            name = self.network.layer_names[step.layer or 0]
            raise NonFiniteError(f"values overflow before nonlinearity '{name}': scale the weights or the window down")
        return power_above(self.value_tolerance * magnitude)

    def _comparison(self, step: Step, front: Front, inputs: Environment) -> tuple[Front, Tensor]:
        network, layer = self.network, step.layer or 0
        tolerance = self._tolerance(step, inputs, front.n_tiles)
        bounds = _bounds_of(step)
        if bounds is None:
            one, other = operands_of(network, step, front.live, [*step.args, *step.kwargs.values()][:2])
            comparison = Comparison(one, other, COMPARISONS[step.operator])
            front, bent = self.bending.bend(front, comparison.events, tolerance, layer, one.shape[2])
            return front, comparison.result(bent)
        x, low, high = operands_of(network, step, front.live, [step.args[0], *bounds])
        n = x.shape[2]
        events = torch.cat([x - low, x - high, low - high], 2)
        front, bent = self.bending.bend(front, events, tolerance, layer, n)
        first = bent.among_first(n)
        above = Comparison(x, low, 1).result(first)
        high = torch.cat([high, high.new_zeros(len(high), above.shape[1] - high.shape[1], n)], 1)
        below = Comparison(above, high, -1)
        front, bent = self.bending.bend(front, below.events, tolerance[:, :n], layer, n, refines=False)
        return front, below.result(bent)

    def _maximum(self, step: Step, front: Front, inputs: Environment) -> tuple[Front, Tensor]:
        network, n_tiles = self.network, front.n_tiles
        operands = {name: front.live[name] for name in step.inputs() if name in front.live}
        (x,) = operands.values()
        r = x.shape[1]
        flat = {name: x.flatten(0, 1) for name, x in operands.items()}
        candidates = network.candidates(step, flat, n_tiles * r)
        size = network.candidates(step, inputs, n_tiles).abs().amax(2)
        tolerance = power_above(2 * self.value_tolerance * size)
        candidates = candidates.view(n_tiles, r, *candidates.shape[1:])
        front, result = compete(self.bending, front, candidates, tolerance, step.layer or 0)
        return front, -result if step.operator in ("amin", "min.dim") else result


def power_above(x: Tensor) -> Tensor:
    """The least powers of two that are not below x; 0 for 0."""
    mantissa, exponent = torch.frexp(x)
    exponent = exponent - (mantissa == 0.5).to(exponent.dtype)
    return torch.where(x > 0, torch.ldexp(torch.ones_like(x), exponent), 0.0)


def _bounds_of(step: Step) -> tuple[Any, Any] | None:
    """The lower and the upper bound of a clamp; None for a comparison of two."""
    if step.operator in COMPARISONS:
        return None
    named = {**dict(zip(("min", "max"), step.args[1:], strict=False)), **step.kwargs}
    return named.get("min"), named.get("max")


def _is_clamped_by_activations(step: Step, live: Environment) -> bool:
    return step.operator in ("clamp", "clip") and len({n for n in step.inputs() if n in live}) > 1


def _size(front: Front, basis: Tensor) -> Tensor:
    """(T, U) bounds of the magnitude of what has a basis (T, r, U)."""
    upper, lower = front.planes().coarse().bounds(basis)
    return torch.maximum(upper.abs(), lower.abs())


def _by_plane(front: Front) -> Subdivision:
    """A finished front's mesh, its windows numbered as the planes are."""
    return replace(front.mesh, window=take(as_array(front.plane), front.mesh.window))


def is_wide(section: Section) -> bool:
    """Whether a basis on each tile is cheaper than values at all vertices: by the multiply-adds of a row and layer."""
    network = section.network
    if not section.base or all(step.layer is None for step in network.steps):
        return False
    return row_cost(network, {name: x[:1] for name, x in section.base.items()}) >= _WIDE


def row_cost(network: Program, entry: Environment) -> int:
    """Multiply-adds of one row and layer, on average over a network that is entered by tensors (1, ...)."""
    work, n_layers, env = 0, 1, dict(entry)
    for step in network.steps:
        network.execute(step, env, 1)
        result = env[step.name]
        if isinstance(result, Tensor):
            work += result.numel() * _patch(network, step)
        n_layers += step.layer is not None
        network.release(step, env)
    return work // n_layers


def _patch(network: Program, step: Step) -> int:
    """How many numbers of its operand enter one number of a step's result."""
    if step.operator not in PRODUCTS:
        return 1
    weight = network.constants.get(getattr(step.args[1], "name", ""))
    return 1 if weight is None else weight[0].numel()


def names_in_rows(network: Program, entry: Environment) -> frozenset[str]:
    """Results that have one row for each row of the batch, whatever their number is."""
    found: list[set[str]] = []
    for n in (2, 3):
        env = {name: x.expand(n, *x.shape[1:]) for name, x in entry.items()}
        in_rows = set()
        for step in network.steps:
            network.execute(step, env, n)
            result = env[step.name]
            parts = [result] if isinstance(result, Tensor) else [part for part in result if part.numel()]
            if all(part.ndim > 0 and len(part) == n for part in parts):
                in_rows.add(step.name)
            network.release(step, env)
        found.append(in_rows)
    return frozenset(found[0] & found[1])
