"""The exact engine: for each nonlinearity, refine the subdivision, then apply the operator.

All the thinking is done elsewhere: `network` says what the function is, `mesh` how a subdivision is refined. What
is left is one short loop that carries the network's live tensors on the vertices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from .errors import InvalidInputError, NonFiniteError
from .mesh import Refinement, Subdivision, decide_signs, refine, windows
from .network import Environment, Network, Section, Step, capture, double_copy, restrict, verify
from .partition import Certificate, Frame, Partition, split_windows
from .slices import Slice
from .tolerance import Tolerance

_N_VERIFIED_POINTS = 4
# Share of the magnitudes of the input-space computation (of a tolerance) that may be rounding in the plane's base
# point: it moves a line as a whole, so only coincidences of several lines can notice.
_BASE_SHARE = 2.0**-8


def compute_partition(
    model: nn.Module,
    domain: Slice,
    *,
    until: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: int | None = None,
    progress: bool = False,
) -> Partition:
    """The exact partition of a slice into the regions on which a network is one affine map.

    A region is a connected set of positive area with one activation pattern (the literature's activation region);
    on a two-dimensional slice it is a convex polygon.

    Parameters
    ----------
    model : nn.Module
        Any module that `torch.export` can follow and that is piecewise affine in eval mode. It is never changed:
        the work is done on a float64 copy of its weights.
    domain : Slice
        The window to look at.
    until : str, optional
        Name of a submodule: the partition is that of everything before and including it.
    device, dtype
        Where, and in which float format, the partition is computed.
    progress : bool
        Show a bar, layer by layer, with the number of regions so far.

    Returns
    -------
    Partition

    Raises
    ------
    NotPiecewiseAffineError
        If the network contains an operator that is not piecewise affine; names it and the nearest `until`.
    CaptureError
        If `torch.export` cannot follow the module, or the captured network differs from it.
    NonFiniteError
        If a weight is NaN or infinite, or a value overflows.
    InvalidInputError
        If the module does not take inputs of the slice's shape.

    References
    ----------
    Balestriero and Baraniuk, "A spline theory of deep learning", ICML 2018.

    Examples
    --------
    Three lines that meet pairwise inside the window make 1 + 3 + 3 regions.

    >>> import torch, splinegeo as sg
    >>> layer = torch.nn.Linear(2, 3)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[1., 0.], [0., 1.], [1., 1.]]),
    ...                            "bias": torch.tensor([0., 0., -.5])})
    >>> model = torch.nn.Sequential(layer, torch.nn.ReLU())
    >>> sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1))).n_regions
    7

    Without biases the three lines meet in one point, which takes the inner triangle away.

    >>> _ = torch.nn.init.zeros_(layer.bias)
    >>> sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1))).n_regions
    6
    """
    return compute_partitions(
        model, [domain], until=until, device=device, dtype=dtype, max_memory=max_memory, progress=progress
    )[0]


@overload
def compute_partitions(
    model: nn.Module,
    domains: Slice | Sequence[Slice],
    *,
    states: None = None,
    until: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: int | None = None,
    progress: bool = False,
) -> list[Partition]: ...
@overload
def compute_partitions(
    model: nn.Module,
    domains: Slice,
    *,
    states: Iterable[Mapping[str, Tensor]],
    until: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: int | None = None,
    progress: bool = False,
) -> list[Partition]: ...
@overload
def compute_partitions(
    model: nn.Module,
    domains: Sequence[Slice],
    *,
    states: Iterable[Mapping[str, Tensor]],
    until: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: int | None = None,
    progress: bool = False,
) -> list[list[Partition]]: ...
def compute_partitions(
    model: nn.Module,
    domains: Slice | Sequence[Slice],
    *,
    states: Iterable[Mapping[str, Tensor]] | None = None,
    until: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: int | None = None,
    progress: bool = False,
) -> list[Partition] | list[list[Partition]]:
    """Partitions of many slices, or at many checkpoints, of one architecture.

    Slices are refined together in one batch: after they are embedded nothing in the method knows how many there
    are, so a thousand small ones cost about as much as one of their total size. Checkpoints share one capture of
    the architecture; only the weights are exchanged.

    Parameters
    ----------
    domains : Slice or sequence of Slice
        All of one input shape.
    states : iterable of state dicts, optional
        Checkpoints of `model`. By default its own weights are used.

    Returns
    -------
    list of Partition
        One per slice; or one per checkpoint, if `states` are given with one slice.
    list of list of Partition
        Per checkpoint, then per slice, if `states` are given with several slices.

    Other parameters and errors are those of `compute_partition`.
    """
    slices = [domains] if isinstance(domains, Slice) else list(domains)
    architecture = capture(model, _common_shape(slices), until)
    tolerance, points, copy = Tolerance.of(dtype), _random_points(slices), double_copy(model)

    def at(state: Mapping[str, Tensor]) -> list[Partition]:
        copy.load_state_dict(state)
        network = architecture.bind(copy.state_dict())
        verify(network, copy, points, until)
        return _partitions(network.to(device, dtype), slices, tolerance, device, progress and states is None)

    if states is None:
        return at(model.state_dict())
    checkpoints = tqdm(list(states), disable=not progress, unit="checkpoint")
    results = [at(state) for state in checkpoints]
    return [parts[0] for parts in results] if isinstance(domains, Slice) else results


def _partitions(
    network: Network,
    domains: list[Slice],
    tolerance: Tolerance,
    device: torch.device | str | None,
    progress: bool,
) -> list[Partition]:
    frames = [Frame.of(domain) for domain in domains]
    section = _restrict(network, domains, frames, device)
    corners = [torch.from_numpy(f.normalise(d.window)) for f, d in zip(frames, domains, strict=True)]
    mesh = windows([c.to(device=device, dtype=network.dtype) for c in corners])
    with torch.no_grad():
        mesh, certificate = _walk(section, mesh, tolerance, progress)
    return split_windows(mesh, domains, frames, section, certificate)


def _walk(section: Section, mesh: Subdivision, tolerance: Tolerance, progress: bool) -> tuple[Subdivision, Certificate]:
    """Through the network: refine at every nonlinearity, execute every operator, on all vertices at once."""
    network = section.network
    values = section.at(mesh.vertices, _plane_of_vertex(mesh))
    magnitudes = _entry_magnitudes(section)
    certificate = Certificate(tolerance.value, tolerance.length, np.inf, 0)
    nonlinearities = [step for step in network.steps if step.layer is not None]
    with tqdm(total=len(nonlinearities), disable=not progress, unit="layer") as bar:
        for step in network.steps:
            if step.layer is not None:
                events, refinement = _refine(network, step, mesh, values, magnitudes, tolerance)
                certificate = certificate.joined(events.smallest_margin, events.n_snapped)
                mesh = refinement.mesh
                bar.update()
                bar.set_postfix(layer=network.layer_names[step.layer], regions=mesh.n_regions)
                if step is nonlinearities[-1]:
                    break
                _carry(values, refinement, step, events.values)
            _advance(network, step, values, magnitudes, len(mesh.vertices))
    return mesh, certificate


def _refine(
    network: Network, step: Step, mesh: Subdivision, values: Environment, magnitudes: Environment, tolerance: Tolerance
) -> tuple[Any, Refinement]:
    z = network.events(step, values, len(mesh.vertices)).contiguous()
    magnitude = network.events(step, magnitudes, 1, minus=_add_magnitudes).reshape(-1)
    if not torch.isfinite(magnitude).all():
        name = network.layer_names[step.layer or 0]
        raise NonFiniteError(f"values overflow before nonlinearity '{name}': scale the weights or the window down")
    events = decide_signs(z, tolerance.value * magnitude)
    n_units = int(np.prod(network.unit_shapes[step.layer or 0]))
    unit = torch.arange(z.shape[1], device=z.device) % n_units
    return events, refine(mesh, events, unit, step.layer or 0, tolerance.length)


def _carry(values: Environment, refinement: Refinement, step: Step, snapped: Tensor) -> None:
    """Extend every live tensor to the new vertices; a vertex made by an event is exactly zero for it."""
    aliases = {name for name, value in values.items() if value.data_ptr() == snapped.data_ptr()}
    for name, value in values.items():
        values[name] = refinement.carry(value)
    if next(step.inputs()) in aliases:
        own = values[next(step.inputs())].view(len(refinement.mesh.vertices), -1)
        own[refinement.zero_vertex, refinement.zero_event] = 0


def _advance(network: Network, step: Step, values: Environment, magnitudes: Environment, n_rows: int) -> None:
    """Execute one step on the vertices, and keep track of the magnitudes that enter its values."""
    network.execute(step, values, n_rows)
    if step.layer is None:
        network.magnitude(step, magnitudes)
    else:
        magnitudes[step.name] = torch.linalg.vector_norm(values[step.name], torch.inf, dim=0, keepdim=True)
    network.release(step, values)
    network.release(step, magnitudes)


def _add_magnitudes(a: Any, b: Any) -> Tensor:
    return a + (b.abs() if isinstance(b, Tensor) else abs(b))


def _entry_magnitudes(section: Section) -> Environment:
    first, second = section.slopes
    return {
        name: (base.abs() + first[name].abs() + second[name].abs()).amax(0, keepdim=True)
        + _BASE_SHARE * section.magnitude[name]
        for name, base in section.base.items()
    }


def _plane_of_vertex(mesh: Subdivision) -> Tensor:
    """(V,) window of each corner, before any refinement."""
    return torch.repeat_interleave(mesh.offsets.diff())


def _common_shape(domains: Sequence[Slice]) -> tuple[int, ...]:
    if not domains:
        raise InvalidInputError("no slice given: domains is empty")
    shapes = {domain.input_shape for domain in domains}
    if len(shapes) > 1:
        raise InvalidInputError(f"slices of one call share one input shape, not {sorted(shapes)}")
    return domains[0].input_shape


def _random_points(domains: Sequence[Slice]) -> Tensor:
    """Network inputs at random points of the first slices' windows."""
    rng = np.random.default_rng(0)
    points = []
    for domain in list(domains)[:_N_VERIFIED_POINTS]:
        weights = rng.dirichlet(np.ones(len(domain.window)), size=_N_VERIFIED_POINTS // min(len(domains), 4))
        points.append(domain.embed(weights @ domain.window))
    return torch.cat(points)


def _restrict(
    network: Network, domains: list[Slice], frames: list[Frame], device: torch.device | str | None
) -> Section:
    origins = torch.cat([d.embed(f.centre[None]) for d, f in zip(domains, frames, strict=True)])
    bases = np.stack([f.scale * d.basis.T for d, f in zip(domains, frames, strict=True)], axis=1)
    shaped = torch.from_numpy(bases).reshape(2, *origins.shape)
    return restrict(network, *(t.to(device=device, dtype=network.dtype) for t in (origins, shaped)))
