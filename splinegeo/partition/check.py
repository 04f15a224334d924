"""Everything that must hold of a partition, derived again from its arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..errors import InvalidInputError
from ..network import Captured, enter
from ..records import Record
from ..slices import Slice

if TYPE_CHECKING:
    from .record import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_RELATIVE = 1e-9  # of the window's size, or of the outputs' magnitude
_MOST_SAMPLES = 20_000
_BATCH = 256


@dataclass(frozen=True, eq=False, repr=False)
class CheckReport(Record):
    """Findings of `Partition.check`; every array holds indices of offenders and is empty when all is well.

    Attributes
    ----------
    euler : int
        V − E + F, which must be 1.
    area_error : float
        Relative difference between the sum of the regions' areas and the window's area.
    loops : regions whose loop does not follow its edges, or whose edges do not know the region
    nonpositive_area, nonconvex : regions
    discontinuous : edges across which the two affine maps differ
    disagreeing : regions whose affine map differs from the network at interior points
    n_compared : int
        How many regions were compared with the network.
    """

    euler: int
    area_error: float
    loops: Ints
    nonpositive_area: Ints
    nonconvex: Ints
    discontinuous: Ints
    disagreeing: Ints
    n_compared: int

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        found = (self.loops, self.nonpositive_area, self.nonconvex, self.discontinuous, self.disagreeing)
        return self.euler == 1 and abs(self.area_error) <= _RELATIVE and not any(len(f) for f in found)


def check_partition(part: Partition, model: nn.Module | Captured | None = None) -> CheckReport:
    """See `Partition.check`."""
    function = part.function if model is None else _ModuleFunction(part, model)
    loops = _broken_loops(part)
    has_maps = part.has_maps
    if model is not None and not has_maps:
        raise InvalidInputError("this partition was saved without affine maps: nothing to compare the model with")
    scale = _output_scale(part) if has_maps else 0.0
    disagreeing, n_compared = _disagreeing(part, function, scale) if has_maps and function else (_none(), 0)
    window = part.domain.window - part.domain.window[0]
    window_area = _shoelace(window, np.roll(window, -1, axis=0)).sum() / 2
    return CheckReport(
        euler=part.n_vertices - part.n_edges + part.n_regions,
        area_error=float(part.areas.sum() / window_area - 1),
        loops=loops,
        nonpositive_area=_nonpositive(part),
        nonconvex=_nonconvex(part),
        discontinuous=_discontinuous(part, scale) if has_maps else _none(),
        disagreeing=disagreeing,
        n_compared=n_compared,
    )


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)


def _shoelace(p: Floats, q: Floats) -> Floats:
    return p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]


def _following(part: Partition) -> Ints:
    """Position in the loops after each position."""
    following = np.arange(1, len(part.region_vertices) + 1)
    following[part.region_offsets[1:] - 1] = part.region_offsets[:-1]
    return following


def _owner(part: Partition) -> Ints:
    """Region of each position in the loops."""
    return np.repeat(np.arange(part.n_regions), np.diff(part.region_offsets))


def _size(part: Partition) -> float:
    return float(np.ptp(part.domain.window, axis=0).max())


def _rounding(part: Partition) -> float:
    """What a coordinate may be off by: windows far from the origin have coarser coordinates."""
    return _RELATIVE * _size(part) + 8 * np.finfo(np.float64).eps * float(np.abs(part.domain.window).max())


def _broken_loops(part: Partition) -> Ints:
    """Regions with a step that is not the edge it claims, or an edge that does not claim the region."""
    owner, source = _owner(part), part.region_vertices
    target = source[_following(part)]
    ends, sides = part.edges[part.region_edges], part.edge_regions[part.region_edges]
    forward = (ends[:, 0] == source) & (ends[:, 1] == target) & (sides[:, 0] == owner)
    backward = (ends[:, 1] == source) & (ends[:, 0] == target) & (sides[:, 1] == owner)
    broken = set(owner[~(forward | backward)].tolist())
    claims = np.bincount(part.edge_regions[part.edge_regions >= 0], minlength=part.n_regions)
    broken |= set(np.flatnonzero(claims != np.diff(part.region_offsets)).tolist())
    return np.array(sorted(broken), dtype=np.int64)


def _nonpositive(part: Partition) -> Ints:
    """Regions without area; of a proven partition, whose slivers may round to none, those of negative area."""
    if not part.certificate.proven:
        return np.flatnonzero(part.areas <= 0)
    corner = part.vertices[part.region_vertices]
    length = np.linalg.norm(corner[_following(part)] - corner, axis=1)
    perimeter = np.add.reduceat(length, part.region_offsets[:-1])
    return np.flatnonzero(part.areas < -_rounding(part) * perimeter)


def _nonconvex(part: Partition) -> Ints:
    """Regions that turn right somewhere, by more than rounding of the coordinates explains; linear regions may."""
    if not part.has_convex_regions:
        return _none()
    corner = part.vertices[part.region_vertices]
    following = _following(part)
    side = corner[following] - corner
    length = np.linalg.norm(side, axis=1)
    turn = _shoelace(side, side[following])
    slack = _rounding(part) * (length + length[following])
    return np.unique(_owner(part)[turn < -slack])


def _discontinuous(part: Partition, scale: float) -> Ints:
    """Edges at whose ends the maps of the two sides differ."""
    inner = part.inner_edges
    left, right = part.edge_regions[inner].T
    jump = np.zeros(len(inner))
    # Edges that follow each other have neighbouring regions on their left: a chunk of them needs few maps.
    for some in part.map_chunks(np.argsort(left, kind="stable")):
        regions, place = np.unique(np.concatenate([left[some], right[some]]), return_inverse=True)
        slope, offset = part.affine_maps(regions)
        a, b = place.reshape(2, -1)
        difference = slope[a] - slope[b], offset[a] - offset[b]
        for end in part.edges[inner[some]].T:
            apart = np.abs(_applied(*difference, part.vertices[end])).max(axis=1)
            jump[some] = np.maximum(jump[some], apart)
    steepness = np.maximum(part.slope_norm()[left], part.slope_norm()[right])
    return inner[jump > _RELATIVE * scale + _rounding(part) * steepness]


def _applied(slope: Floats, offset: Floats, u: Floats) -> Floats:
    return np.einsum("noi,ni->no", slope, u) + offset


def _output_scale(part: Partition) -> float:
    largest, magnitude = 0.0, 0.0
    reach = np.abs(part.domain.window).max()
    for regions in part.map_chunks():
        slope, offset = part.affine_maps(regions)
        largest = max(largest, float(np.abs(_applied(slope, offset, part.centroids[regions])).max()))
        magnitude = max(magnitude, float((np.abs(slope).sum(-1) * reach + np.abs(offset)).max()))
    return max(largest, 1e-3 * magnitude)


def _disagreeing(part: Partition, function: Any, scale: float) -> tuple[Ints, int]:
    """Regions whose map differs from the network at a random point in their interior."""
    rng = np.random.default_rng(0)
    regions = np.arange(part.n_regions)
    if part.n_regions > _MOST_SAMPLES:
        regions = np.sort(rng.choice(part.n_regions, _MOST_SAMPLES, replace=False))
    u = _random_points(part, rng) if part.has_convex_regions else part.interior_points
    errors = [
        np.abs(_applied(*part.affine_maps(some), u[some]) - function(u[some])).max(axis=1)
        for some in part.map_chunks(regions)
    ]
    tolerance = _RELATIVE * scale + _rounding(part) * part.slope_norm()[regions]
    return regions[np.concatenate(errors) > tolerance], len(regions)


def _random_points(part: Partition, rng: np.random.Generator) -> Floats:
    """In each region a random convex combination of its corners, drawn to the centroid: away from the edges."""
    sizes = np.diff(part.region_offsets)
    weight = rng.exponential(size=len(part.region_vertices))
    start = part.region_offsets[:-1]
    weight /= np.repeat(np.add.reduceat(weight, start), sizes)
    corner = np.add.reduceat(part.vertices[part.region_vertices] * weight[:, None], start)
    return 0.5 * corner + 0.5 * part.centroids


class _ModuleFunction:
    """A torch module as a function of slice coordinates, in float64."""

    def __init__(self, part: Partition, model: nn.Module | Captured) -> None:
        self._domain: Slice = part.domain
        self._model = model.module if isinstance(model, Captured) else enter(model)

    def __call__(self, u: Floats) -> Floats:
        with torch.no_grad():
            batches = self._domain.embed(u).split(_BATCH)
            return np.concatenate([self._model(x).reshape(len(x), -1).numpy() for x in batches])
