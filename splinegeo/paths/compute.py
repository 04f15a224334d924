"""`compute_path`: the exact partition of a path, a polyline in input space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..ambient import own_settings
from ..errors import InvalidInputError, NonFiniteError
from ..given import real_array
from ..network import Captured, Section, full_precision, network_of, restrict
from ..partition import CLOSE_DECISION, Certificate
from ..tolerance import Tolerance
from .chain import Chain, Decisions
from .record import Path
from .walk import Walk, on_line

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_N_VERIFIED_POINTS = 4


@own_settings("cpu")
def compute_path(
    model: nn.Module | Captured,
    points: ArrayLike | Tensor | Sequence[Any],
    *,
    until: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: float | None = None,
) -> Path:
    """The exact partition of a polyline in input space into the pieces on which a network is one affine map.

    On the segment x(t) = a + t (b − a) everything that a piecewise-affine network computes is a piecewise linear
    function of t. Unit by unit and layer by layer its zeros are where linear functions vanish, between two nodes at
    which they have opposite signs: the one-dimensional case of `compute_partition`, all segments at once. The path
    between two inputs, the path of an attack, the path of an input through a transformation.

    Parameters
    ----------
    model : nn.Module or Network
        Any module that `torch.export` can follow and that is piecewise affine in eval mode. It is never changed.
    points : (n, *input_shape) array, tensor, or sequence of n inputs
        The polyline's corners, two or more. Neighbours that are equal count once.
    until : str, optional
        Name of a submodule: the path is seen by everything before and including it.
    device, dtype
        Where, and in which float format, it is computed.
    max_memory : number, optional
        Bytes that the network's live tensors at the nodes, with the events of a step, may take; where they would take
        more, the halves of the way are finished one after the other.

    Returns
    -------
    Path

    Raises
    ------
    NotPiecewiseAffineError, CaptureError
        As `compute_partition`.
    NonFiniteError
        If a point or a weight is NaN or infinite, or a value overflows.
    InvalidInputError
        If there are fewer than two different points, or they are no inputs of the module.
    MemoryBudgetError
        If even the live tensors of one piece would take more than `max_memory`.

    References
    ----------
    M. Sotoudeh, A. V. Thakur, SyReNN: a tool for analyzing deep neural networks, TACAS 2021. B. Hanin, D. Rolnick,
    Complexity of linear regions in deep networks, ICML 2019: the number of kinks per length.

    Examples
    --------
    The tent map 1 − |2x − 1| as a network: it bends at 0, 1/2 and 1.

    >>> import torch, splinegeo as sg
    >>> from splinegeo.testing import tent_map
    >>> path = sg.compute_path(tent_map(1), [[-1.0, 0.0], [2.0, 0.0]])
    >>> path.kinks.tolist(), path.slopes[:, 0].tolist()
    ([1.0, 1.5], [0.0, 2.0, -2.0])
    """
    corners = _corners(points)
    if max_memory is not None and not (isinstance(max_memory, Real) and 1 <= max_memory < math.inf):
        raise InvalidInputError(f"max_memory is a number of bytes, at least 1, not {max_memory!r}")
    tolerance = Tolerance.of(dtype)
    (captured,) = network_of(model, _random_points(corners), until=until)
    network = captured.program.to(device, dtype)
    with full_precision(network.dtype, network.device), torch.no_grad():
        start = torch.from_numpy(corners[:-1]).to(device=network.device, dtype=dtype)
        along = torch.from_numpy(np.diff(corners, axis=0)).to(device=network.device, dtype=dtype)
        section = restrict(network, start, torch.stack([along, torch.zeros_like(along)]))
        walk = Walk(section, tolerance, max_memory)
        chain = walk.finish(walk.begin(len(along)), section.entry_magnitudes())
    return _record(corners, chain, walk.decisions, section, tolerance)


@dataclass(frozen=True)
class SectionFunction:
    """A network on the lines of a section, as a function of the segment and the share of it."""

    section: Section

    @own_settings("cpu")
    def __call__(self, segment: Ints, share: Floats) -> Floats:
        """Outputs (n, out)."""
        with torch.no_grad():
            return self.section(*self._places(segment, share)).reshape(len(share), -1).cpu().double().numpy()

    @own_settings("cpu")
    def affine_maps(self, segment: Ints, share: Floats) -> tuple[Floats, Floats]:
        """Outputs (n, out) and their derivatives (n, out) by the share."""
        with torch.no_grad():
            value, slope = self.section.affine_maps(*self._places(segment, share))
        return value.cpu().double().numpy(), slope[:, :, 0].cpu().double().numpy()

    def _places(self, segment: Ints, share: Floats) -> tuple[Tensor, Tensor]:
        network = self.section.network
        line = on_line(torch.from_numpy(share)).to(device=network.device, dtype=network.dtype)
        return line, torch.from_numpy(segment).to(network.device)


def _corners(points: Any) -> Floats:
    """(n, *input_shape), equal neighbours once."""
    corners = real_array(points, "the points of a path")
    if corners.ndim < 2 or len(corners) < 2:
        raise InvalidInputError(f"a path needs two inputs or more, (n, *input_shape), not shape {corners.shape}")
    if not np.isfinite(corners).all():
        raise NonFiniteError("the points of a path contain NaN or infinity")
    flat = corners.reshape(len(corners), -1)
    moves = np.linalg.norm(np.diff(flat, axis=0), axis=1) > 0
    if not moves.any():
        raise InvalidInputError("all points of the path are equal: it has no length")
    return corners[np.concatenate([[True], moves])]


def _random_points(corners: Floats) -> Tensor:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(len(corners)), size=_N_VERIFIED_POINTS)
    return torch.from_numpy(np.tensordot(weights, corners, axes=1))


def _record(corners: Floats, chain: Chain, decisions: Decisions, section: Section, tolerance: Tolerance) -> Path:
    """The record of a finished chain: of two nodes at one corner of the polyline the one with a label."""
    segment, share, layer, unit = (x.cpu().numpy() for x in (chain.segment, chain.share, chain.layer, chain.unit))
    length = np.linalg.norm(np.diff(corners, axis=0).reshape(len(corners) - 1, -1), axis=1)
    begins = np.concatenate([[0.0], np.cumsum(length)])
    place = begins[segment] + share * length[segment]
    ends = np.flatnonzero(share == 1)[:-1]
    place[ends] = begins[segment[ends] + 1]  # of both segments the same number
    after = layer[ends] < 0
    layer[ends], unit[ends] = (np.where(after, x[ends + 1], x[ends]) for x in (layer, unit))
    inner = np.ones(len(place), dtype=bool)
    inner[[0, -1]] = inner[ends + 1] = False
    close = np.concatenate([np.zeros(0, CLOSE_DECISION), *decisions.close])
    whole = np.minimum(np.floor(close["u"][:, 0]).astype(np.int64), len(length) - 1)
    close["u"][:, 0] = begins[whole] + (close["u"][:, 0] - whole) * length[whole]
    n_merged = int(close["merged"].sum())
    return Path(
        points=corners,
        kinks=place[inner],
        kink_layer=layer[inner],
        kink_unit=unit[inner],
        layer_names=section.network.layer_names,
        unit_shapes=section.network.unit_shapes,
        certificate=Certificate(
            value_tolerance=tolerance.value,
            length_tolerance=tolerance.length,
            smallest_margin=decisions.smallest_margin,
            n_zero=decisions.n_zero,
            n_snapped=len(close) - n_merged,
            n_merged=n_merged,
            close=close,
        ),
        function=SectionFunction(section),
    )
