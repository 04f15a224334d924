"""Which units change sign over the vertices: decided where rounding cannot matter, in float32 or else in float64."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from splinegeo.errors import InvalidInputError, NonFiniteError

from ..budgets import batches
from .activations import Nonlinearity
from .neighbourhoods import Neighbourhoods
from .polytope import CrossPolytope, plain
from .recorder import SeenEnough
from .survey import Layer, Survey

# Behind an operator without a bound of its rounding (a softmax, a product of features) this much of the layer's largest
# value is taken for it, in units of the format: three times the most that was measured on networks of 3 to 30 layers.
_ESTIMATE = 2.0**5
# Share of the vertices that float32 leaves to float64 from which on float32 is not worth a try.
_HOPELESS = 0.5


@dataclass(frozen=True)
class Decided:
    """Units that change sign, and units of which rounding hides whether they do, both (n, L)."""

    counts: NDArray[np.int64]
    undecided: NDArray[np.int64]


class SignChanges:
    """Observer that counts the units whose pre-activation passes a knot by more than its rounding error.

    With values in [low, high] over the vertices, up to ± error, a unit surely passes a knot k if low < k − error and
    high > k + error, and surely does not if low ≥ k + error or high ≤ k − error. Between these it is undecided.

    Attributes
    ----------
    deciding : Tensor of bool, shape (n, 2P)
        Vertices where an undecided unit may take its least or largest value.
    """

    def __init__(self, survey: Survey, columns: dict[int, int], shape: tuple[int, int], device: torch.device) -> None:
        self._survey, self._columns, self._shape = survey, columns, shape
        self._seen = 0
        self.deciding = torch.zeros(shape, dtype=torch.bool, device=device)
        self._surely: dict[int, Tensor] = {}
        self._perhaps: dict[int, Tensor] = {}
        self._finite: list[Tensor] = []

    def before(self, event: int, name: str, found: Nonlinearity) -> None:
        """Decide one layer."""
        if event not in self._columns:
            return
        self._survey.check_label(event, name)
        low, high, error = extremes(found.pre, self._survey.layer(event), *self._shape)
        self._finite.append((torch.isfinite(low) & torch.isfinite(high)).all())
        passes = [_passes(low - k, high - k, error + torch.finfo(low.dtype).eps * abs(k)) for k in found.knots]
        surely, perhaps = (functools.reduce(torch.logical_or, each) for each in zip(*passes, strict=True))
        column = self._columns[event]
        for kept, now in ((self._surely, surely), (self._perhaps, perhaps)):
            kept[column] = kept[column] | now if column in kept else now
        self._mark(found.pre, (perhaps & ~surely).nonzero(), error)
        self._seen += 1
        if self._seen == len(self._columns):
            raise SeenEnough

    def after(self, event: int, post: Tensor, inputs: list[Tensor]) -> None:
        """Nothing to see."""

    def _mark(self, pre: Tensor, places: Tensor, error: Tensor) -> None:
        """Note at which vertices the units at `places`, rows of (point, unit), may take their extremes."""
        if not len(places):
            return
        point, unit = places.T
        if not (isinstance(pre, CrossPolytope) and pre.is_bounded):
            self.deciding[point] = True
            return
        values = pre.offsets().flatten(2)[point, :, unit]
        reach = 2 * error[point, unit].unsqueeze(1)
        ends = values.amin(1, keepdim=True) + reach, values.amax(1, keepdim=True) - reach
        self.deciding.index_put_((point,), (values <= ends[0]) | (values >= ends[1]), accumulate=True)

    def open_units(self) -> list[Tensor]:
        """Undecided units of each layer, bool (n, units)."""
        return [self._perhaps[k] & ~self._surely[k] for k in sorted(self._surely)]

    @property
    def counts(self) -> Tensor:
        """Units that change sign, (n, L)."""
        return torch.stack([self._surely[k].sum(1) for k in sorted(self._surely)], 1)

    @property
    def undecided(self) -> Tensor:
        """Units that may change sign within rounding, (n, L)."""
        return torch.stack([units.sum(1) for units in self.open_units()], 1)

    def within(self, units: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Counts and undecided, (n, L), among some units of each layer alone."""
        surely = [self._surely[k] for k in sorted(self._surely)]
        return tuple(  # type: ignore[return-value]
            torch.stack([(a & b).sum(1) for a, b in zip(found, units, strict=True)], 1)
            for found in (surely, self.open_units())
        )

    def check(self) -> None:
        """Refuse values that overflowed on the way, and a run that left layers out."""
        if self._seen < len(self._columns):
            raise InvalidInputError("the model executes fewer layers for some inputs than for others")
        if not bool(torch.stack(self._finite).all()):
            raise NonFiniteError("the pre-activations contain NaN or infinity")


def extremes(pre: Tensor, layer: Layer, n_points: int, n_vertices: int) -> tuple[Tensor, Tensor, Tensor]:
    """Least and largest pre-activation of each unit over the vertices, and a bound of their error, all (n, units)."""
    if isinstance(pre, CrossPolytope) and pre.is_bounded and layer.axis == 0:
        return pre.extremes()
    values = layer.by_point(plain(pre), n_points, n_vertices)
    low, high = values.amin(1), values.amax(1)
    scale = torch.maximum(high, -low).amax(1, keepdim=True)
    # A unit that stays exactly where it is does so in exact arithmetic, too: it is dead.
    return low, high, _ESTIMATE * torch.finfo(low.dtype).eps * scale * (low != high)


def _passes(below: Tensor, above: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Which units surely, and which perhaps, take values on both sides of a knot, given their distances from it."""
    return (below < -error) & (above > error), (below < error) & (above > -error)


@dataclass
class _Open:
    """What float32 left to float64: points, vertices that can decide, bool (2P,), and units of each layer, bool."""

    points: list[int]
    vertices: list[Tensor]
    units: list[list[Tensor]]

    def add(self, indices: Sequence[int], seen: SignChanges) -> None:
        """Note what an attempt left open."""
        units = seen.open_units()
        for k in seen.deciding.any(1).nonzero().flatten().tolist():
            self.points.append(indices[k])
            self.vertices.append(seen.deciding[k])
            self.units.append([layer[k] for layer in units])


def count_sign_changes(
    around: Neighbourhoods, columns: dict[int, int], size: int, dtype: torch.dtype | None, bar: tqdm[NoReturn]
) -> Decided:
    """Counts and undecided units (N, L), `size` points at once, computed in `dtype` (None: the format of the model).

    What a lower format than float64 leaves open is computed once more in float64: at the vertices that can decide,
    which are few.
    """
    n_points, n_layers = len(around.points), len(set(columns.values()))
    found = Decided(*(np.zeros((n_points, n_layers), dtype=np.int64) for _ in range(2)))
    if around.points.dtype is torch.float64:
        for indices in batches(n_points, size):
            _decide(around, indices, columns, dtype, found)
            bar.update(len(indices))
        return found
    left, precise, n_deciding = _Open([], [], []), around.in_float64(), 0
    half = max(1, size // 2)  # float64 takes twice as much
    for indices in batches(n_points, size):
        if n_deciding > _HOPELESS * around.n_vertices * indices.start:
            for part in (indices[:half], indices[half:]):
                if part:
                    _decide(precise, part, columns, torch.float64, found)
        else:
            seen = _decide(around, indices, columns, dtype, found)
            left.add(indices, seen)
            n_deciding += int(seen.deciding.sum())
        bar.update(len(indices))
    for some in batches(len(left.points), half):
        _settle(precise, left, slice(some.start, some.stop), columns, found)
    return found


def _decide(
    around: Neighbourhoods, indices: range, columns: dict[int, int], dtype: torch.dtype | None, found: Decided
) -> SignChanges:
    """Fill in the rows of some points."""
    shape, device = (len(indices), around.n_vertices), around.points.device
    seen = around.observe(indices, lambda: SignChanges(around.survey, columns, shape, device), dtype)
    seen.check()
    rows = slice(indices.start, indices.stop)
    found.counts[rows], found.undecided[rows] = seen.counts.cpu().numpy(), seen.undecided.cpu().numpy()
    return seen


def _settle(around: Neighbourhoods, left: _Open, some: slice, columns: dict[int, int], found: Decided) -> None:
    """Decide the open units of some points at their deciding vertices, in float64."""
    points, marked = left.points[some], torch.stack(left.vertices[some])
    most = int(marked.sum(1).max())
    # Those of a point first; where it has fewer than another, some that decide nothing fill up.
    vertices = marked.int().sort(dim=1, descending=True, stable=True).indices[:, :most]
    shape, device = (len(points), most), around.points.device
    seen = around.observe(points, lambda: SignChanges(around.survey, columns, shape, device), torch.float64, vertices)
    seen.check()
    units = [torch.stack(layer) for layer in zip(*left.units[some], strict=True)]
    counts, undecided = seen.within(units)
    found.counts[points] += counts.cpu().numpy()
    found.undecided[points] = undecided.cpu().numpy()
