"""The one verb: the exact partition of a slice, of many slices, or at many checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any, overload

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ..ambient import own_settings
from ..errors import InvalidInputError
from ..mesh import Seams, Subdivision, as_array, windows
from ..network import Captured, Program, Section, Source, full_precision, network_of, points_in, restrict
from ..partition import Frame, Partition, split_windows
from ..slices import Slice
from ..tolerance import Tolerance
from .basis import BasisWalk, is_wide
from .crew import Crew
from .decisions import Book, Decisions
from .eligibility import require_exact
from .exact import settle
from .progress import Progress
from .walk import Walk


def compute_partition(
    model: nn.Module | Captured,
    domain: Slice,
    *,
    until: str | None = None,
    output: str | int | None = None,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: float | None = None,
    progress: bool = False,
    exact: bool = False,
) -> Partition:
    """The exact partition of a slice into the regions on which a network is one affine map.

    A region is a connected set of positive area with one activation pattern (the literature's activation region);
    on a two-dimensional slice it is a convex polygon.

    Parameters
    ----------
    model : nn.Module or Network
        Any module that `torch.export` can follow and that is piecewise affine in eval mode. It is never changed:
        the work is done on a float64 copy of its weights. Or what
        `capture` made of one, which saves capturing it again.
    domain : Slice
        The window to look at.
    until : str, optional
        Name of a submodule: the partition is that of everything before and including it.
    output, inputs
        Which entry of what the module returns is meant, and further inputs that are held fixed; see `capture`.
    device, dtype
        Where, and in which float format, the partition is computed.
    max_memory : number, optional
        Bytes that the network's live tensors on the vertices may take, with what a step makes of them and with the
        events. Where they would take more, the subdivision is cut into tiles that are finished one after the other,
        with the live tensors of each computed anew from its vertices. The subdivision itself, about a kilobyte for each
        region, is not counted.
    progress : bool
        Show a bar, layer by layer, with the number of regions so far.
    exact : bool
        Settle close decisions in rational arithmetic on the given weights: if the certificate shows any, even one,
        the whole subdivision is computed again and is proven, at about a second per 1 000 regions of a network of
        200 units; if it shows none, nothing is done. See ``docs/exactness.md``.

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
        If the module does not take inputs of the slice's shape, or has no outputs; or if `max_memory` is less than 1.
    MemoryBudgetError
        If even the live tensors of one region would take more than `max_memory`; says how much they take at least.

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
        model,
        [domain],
        until=until,
        output=output,
        inputs=inputs,
        device=device,
        dtype=dtype,
        max_memory=max_memory,
        progress=progress,
        exact=exact,
    )[0]


@overload
def compute_partitions(
    model: nn.Module | Captured,
    domains: Slice | Sequence[Slice],
    *,
    states: None = None,
    until: str | None = None,
    output: str | int | None = None,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: float | None = None,
    progress: bool = False,
    exact: bool = False,
) -> list[Partition]: ...
@overload
def compute_partitions(
    model: nn.Module | Captured,
    domains: Slice,
    *,
    states: Iterable[Source],
    until: str | None = None,
    output: str | int | None = None,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: float | None = None,
    progress: bool = False,
    exact: bool = False,
) -> list[Partition]: ...
@overload
def compute_partitions(
    model: nn.Module | Captured,
    domains: Sequence[Slice],
    *,
    states: Iterable[Source],
    until: str | None = None,
    output: str | int | None = None,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: float | None = None,
    progress: bool = False,
    exact: bool = False,
) -> list[list[Partition]]: ...
@own_settings("cpu")
def compute_partitions(
    model: nn.Module | Captured,
    domains: Slice | Sequence[Slice],
    *,
    states: Iterable[Source] | None = None,
    until: str | None = None,
    output: str | int | None = None,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: float | None = None,
    progress: bool = False,
    exact: bool = False,
) -> list[Partition] | list[list[Partition]]:
    """Partitions of many slices, or at many checkpoints, of one architecture.

    Slices are refined together in one batch: after they are embedded nothing in the method knows how many there
    are, so a thousand small ones cost about as much as one of their total size. Checkpoints share one capture of
    the architecture; only the weights are exchanged.

    Parameters
    ----------
    domains : Slice or sequence of Slice
        All of one input shape.
    states : iterable of state dicts or paths, optional
        Checkpoints of `model`, as `load_weights` takes them. By default its own weights are used.

    Returns
    -------
    list of Partition
        One per slice; or one per checkpoint, if `states` are given with one slice.
    list of list of Partition
        Per checkpoint, then per slice, if `states` are given with several slices.

    Other parameters and errors are those of `compute_partition`.
    """
    slices = [domains] if isinstance(domains, Slice) else list(domains)
    if max_memory is not None and not (isinstance(max_memory, Real) and 1 <= max_memory < math.inf):
        raise InvalidInputError(f"max_memory is a number of bytes, at least 1, not {max_memory!r}")
    _common_shape(slices)
    tolerance, n_bytes = Tolerance.of(dtype), max_memory and int(max_memory)
    checkpoints = None if states is None else tqdm(list(states), disable=not progress, unit="checkpoint")
    results = []
    networks = network_of(model, points_in(slices), until=until, output=output, inputs=inputs, states=checkpoints)
    for network in networks:
        if exact:
            require_exact(network.architecture, dtype)
        program, shown = network.program, progress and states is None
        parts = partitions_of(program.to(device, dtype), slices, tolerance, device, shown, n_bytes)
        results.append(settle(parts, program) if exact else parts)
    if states is None:
        return results[0]
    return [parts[0] for parts in results] if isinstance(domains, Slice) else results


def partitions_of(
    network: Program,
    domains: list[Slice],
    tolerance: Tolerance,
    device: torch.device | str | None = None,
    progress: bool = False,
    max_memory: int | None = None,
) -> list[Partition]:
    """Partitions of slices of a captured network, refined together."""
    decisions = Decisions(tolerance)
    frames, mesh = _windows(network, domains, device)
    with full_precision(network.dtype, network.device), torch.no_grad():
        section = _restrict(network, domains, frames, device)
        in_bases = max_memory is None and network.device.type == "cpu" and is_wide(section)
    if in_bases:
        with _shown(network, mesh, progress) as shown:
            walk = BasisWalk.of(section, tolerance, decisions, shown)
            mesh = walk.finish(walk.begin(mesh))
    else:
        mesh = _on_vertices(section, mesh, tolerance, [decisions], progress, max_memory)
    return split_windows(mesh, domains, frames, section, decisions.certificates(frames))


def refine_slices(
    network: Program,
    domains: list[Slice],
    tolerance: Tolerance,
    books: Sequence[Book],
    device: torch.device | str | None = None,
    progress: bool = False,
    max_memory: int | None = None,
) -> tuple[list[Frame], Section, Subdivision]:
    """One subdivision of all slices of a captured network, each in the normalised coordinates of its frame.

    Every sign of every unit at every vertex is decided, and the books see it.
    """
    frames, mesh = _windows(network, domains, device)
    with full_precision(network.dtype, network.device), torch.no_grad():
        section = _restrict(network, domains, frames, device)
    return frames, section, _on_vertices(section, mesh, tolerance, books, progress, max_memory)


def _windows(
    network: Program, domains: list[Slice], device: torch.device | str | None
) -> tuple[list[Frame], Subdivision]:
    """The slices' frames, and their windows as one subdivision in normalised coordinates."""
    frames = [Frame.of(domain) for domain in domains]
    corners = [torch.from_numpy(f.normalise(d.window)) for f, d in zip(frames, domains, strict=True)]
    return frames, windows([as_array(c.to(device=device, dtype=network.dtype)) for c in corners])


def _on_vertices(
    section: Section,
    mesh: Subdivision,
    tolerance: Tolerance,
    books: Sequence[Book],
    progress: bool,
    max_memory: int | None,
) -> Subdivision:
    with _shown(section.network, mesh, progress) as shown:
        walk = Walk(section, tolerance, books, Crew.for_device(section.network.device), shown, Seams())
        return walk.finish(walk.begin(mesh, max_memory))


@contextmanager
def _shown(network: Program, mesh: Subdivision, progress: bool) -> Iterator[Progress]:
    """A walk's settings of the process, and its bar."""
    bar = tqdm(total=len(network.layer_names), disable=not progress, unit="layer")
    with full_precision(network.dtype, network.device), torch.no_grad(), bar:
        yield Progress(bar, network.layer_names, mesh.n_regions)


def _common_shape(domains: Sequence[Slice]) -> tuple[int, ...]:
    if not domains:
        raise InvalidInputError("no slice given: domains is empty")
    shapes = {domain.input_shape for domain in domains}
    if len(shapes) > 1:
        raise InvalidInputError(f"slices of one call share one input shape, not {sorted(shapes)}")
    return domains[0].input_shape


def _restrict(
    network: Program, domains: list[Slice], frames: list[Frame], device: torch.device | str | None
) -> Section:
    origins = torch.cat([d.embed(f.centre[None]) for d, f in zip(domains, frames, strict=True)])
    bases = np.stack([f.scale * d.basis.T for d, f in zip(domains, frames, strict=True)], axis=1)
    shaped = torch.from_numpy(bases).reshape(2, *origins.shape)
    return restrict(network, *(t.to(device=device, dtype=network.dtype) for t in (origins, shaped)))
