"""What a network does on each region: which piece every unit is on, and how steep it is in input space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..ambient import TRACING
from ..chunks import rows_at_once
from ..errors import InvalidInputError
from ..network import Environment, Network, Section, Step, full_precision

if TYPE_CHECKING:
    from .record import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Of derivatives in reverse, everything on the way is kept: so many elements at once.
_KEPT = 2**22


@runtime_checkable
class UnitFunction(Protocol):
    """A network as a function of slice coordinates that knows its units, too."""

    def pieces(self, u: Floats, tolerance: float) -> list[Ints]:
        """For each nonlinearity the piece (n, units) that every unit is on, at points (n, 2) inside regions."""
        ...

    def input_slope_norms(self, x: Tensor) -> Floats:
        """(n,) Frobenius norm of the derivative of the outputs by the inputs, at inputs (n, *input_shape)."""
        ...


def unit_pieces(section: Section, v: Tensor, plane: Tensor, tolerance: float) -> Iterator[Tensor]:
    """For each nonlinearity the piece (n, units) that every unit is on, at points (n, 2) inside regions.

    Of a unit that bends at one level it is 1 above the level and 0 otherwise; bit b of it where there are several
    levels; of a maximum, which candidate wins. A value that rounding cannot tell from the level is not above it.
    """
    network, env, magnitudes = section.network, section.at(v, plane), section.entry_magnitudes()
    for step in network.steps:
        if step.layer is not None:
            yield _pieces(network, step, env, magnitudes, tolerance, len(v))
        network.execute(step, env, len(v))
        if step.layer is None:
            network.magnitude(step, magnitudes)
        else:
            magnitudes[step.name] = env[step.name].abs().amax(dim=0, keepdim=True)
        network.release(step, env)
        network.release(step, magnitudes)


def _pieces(
    network: Network, step: Step, env: Environment, magnitudes: Environment, tolerance: float, n_rows: int
) -> Tensor:
    if network.n_rounds(step, magnitudes) > 1:
        return network.winners(step, env, magnitudes, tolerance)
    above = network.events(step, env, n_rows) > tolerance * network.event_magnitudes(step, magnitudes)
    levels = above.reshape(n_rows, -1, network.n_units(step))
    return (levels * 2 ** torch.arange(levels.shape[1], device=above.device)[:, None]).sum(dim=1)


def region_pieces(part: Partition, regions: Ints | None = None) -> Iterator[tuple[Ints, list[NDArray[np.int64]]]]:
    """Regions, some at a time, with the pieces (n, units) of every nonlinearity on them.

    Raises
    ------
    InvalidInputError
        If the partition does not know its network, or its regions are unions of several patterns.
    """
    if not part.has_convex_regions:
        raise InvalidInputError(
            "a linear region may have several activation patterns: ask the partition that was merged"
        )
    function = network_of(part)
    chosen = np.arange(part.n_regions) if regions is None else regions
    n_units = sum(prod(shape) for shape in part.unit_shapes)
    rows = rows_at_once(part.vertices, n_units)
    for start in range(0, len(chosen), rows):
        some = chosen[start : start + rows]
        yield some, function.pieces(part.interior_points[some], part.certificate.value_tolerance)


def network_of(part: Partition) -> UnitFunction:
    """The network on the slice; a partition from a file has none."""
    if not isinstance(part.function, UnitFunction):
        raise InvalidInputError("this partition was loaded without its network: compute it anew to ask about its units")
    return part.function


def activation_pattern(part: Partition, region: int, layer: int | str) -> NDArray[np.int64]:
    """See `Partition.activation_pattern`."""
    index = part.layer_names.index(layer) if layer in part.layer_names else layer
    if not isinstance(index, int | np.integer) or not -len(part.layer_names) <= index < len(part.layer_names):
        raise InvalidInputError(f"layer {layer!r} is none of the nonlinearities {list(part.layer_names)}")
    if not -part.n_regions <= region < part.n_regions:
        raise IndexError(f"region {region} of a partition with {part.n_regions} regions")
    ((_, pieces),) = region_pieces(part, np.array([region % part.n_regions]))
    return pieces[index].reshape(part.unit_shapes[index])


def input_slope_norms(section: Section, x: Tensor) -> Tensor:
    """(n,) Frobenius norm of the derivative of all outputs by all inputs, at inputs (n, *input_shape).

    By one backward pass for each output, or one forward pass for each input, whichever are fewer.
    """
    network = replace(section.network, steps=section.entry + section.network.steps)
    kept = x[0].numel() + 2 * sum(prod(shape) for shape in network.unit_shapes)
    with full_precision(network.dtype, x.device):
        chunks = x.split(max(1, _KEPT // max(1, kept)))
        return torch.cat([_squares(network, chunk) for chunk in chunks]).sqrt()


def _squares(network: Network, x: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        outputs = network(leaf).reshape(len(x), -1)
    total = x.new_zeros(len(x))
    if not outputs.requires_grad:
        return total
    if outputs.shape[1] <= x[0].numel():
        for k in range(outputs.shape[1]):
            (gradient,) = torch.autograd.grad(outputs[:, k].sum(), leaf, retain_graph=True)
            total += gradient.flatten(1).square().sum(dim=1)
        return total
    for direction in torch.eye(x[0].numel(), dtype=x.dtype, device=x.device):
        along = direction.reshape(x.shape[1:]).expand_as(x)
        with TRACING:
            total += torch.func.jvp(network, (x,), (along,))[1].flatten(1).square().sum(dim=1)
    return total
