"""Which units change sign over the vertices: decided in float32 where it can decide, else in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splinegeo.errors import InvalidInputError, NonFiniteError

from .neighbourhoods import Neighbourhoods, batches
from .polytope import CrossPolytope, plain
from .recorder import SeenEnough
from .survey import Layer, Survey

# A float32 value this close to a knot, relative to the largest of its layer, is left to float64: three times
# the largest difference between the two formats that was measured (fully connected, convolutional and residual
# networks of 3 to 30 layers).
_DOUBT = 2.0**5 * torch.finfo(torch.float32).eps


class SignChanges:
    """Observer that counts the units whose pre-activation passes a knot, and marks the points left in doubt.

    Attributes
    ----------
    counts : Tensor of int, shape (n, L)
    in_doubt : Tensor of bool, shape (n,)
        Points where some decision is within rounding.
    """

    def __init__(
        self,
        survey: Survey,
        columns: dict[int, int],
        shape: tuple[int, int],
        doubt: float = 0.0,
        margin: float = 0.0,
    ) -> None:
        self._survey, self._columns, self._shape = survey, columns, shape
        self._doubt, self._margin = doubt, margin
        self._counts: list[Tensor] = []
        self._close: list[Tensor] = []
        self._scales: list[Tensor] = []

    def before(self, event: int, name: str, pre: Tensor, knots: tuple[float, ...]) -> None:
        """Count one layer."""
        if event not in self._columns:
            return
        self._survey.check_label(event, name)
        low, high = extremes(pre, self._survey.layer(event), *self._shape)
        scale = torch.maximum(high, -low).amax(1, keepdim=True)
        self._scales.append(scale.squeeze(1))
        passes = [
            self._passes(low - k, high - k, scale + abs(k)) if k else self._passes(low, high, scale) for k in knots
        ]
        self._counts.append(torch.stack(passes).any(0).sum(1) if len(passes) > 1 else passes[0].sum(1))
        if len(self._counts) == len(self._columns):
            raise SeenEnough

    def _passes(self, below: Tensor, above: Tensor, size: Tensor) -> Tensor:
        """Units that take values on both sides of a knot, given their distances from it."""
        if not self._margin:
            crosses = (below < 0) & (above > 0)
        else:
            crosses = (below < -self._margin * size) & (above > self._margin * size)
        if self._doubt:
            # The end that is nearer to the knot decides. A unit that stays exactly there is dead, not in doubt.
            ends = below.abs(), above.abs()
            close = (torch.minimum(*ends) < self._doubt * size) & (torch.maximum(*ends) > 0)
            self._close.append(close.any(1))
        return crosses

    def after(self, event: int, post: Tensor) -> None:
        """Nothing to see."""

    @property
    def counts(self) -> Tensor:
        """Counts of all layers seen."""
        return torch.stack(self._counts, 1)

    @property
    def in_doubt(self) -> Tensor:
        """Points to be decided in a finer format."""
        return (
            torch.stack(self._close, 1).any(1) if self._close else torch.zeros_like(self._counts[0], dtype=torch.bool)
        )

    def check(self) -> None:
        """Refuse values that overflowed on the way, and a run that left layers out."""
        if len(self._counts) < len(self._columns):
            raise InvalidInputError("the model executes fewer layers for some inputs than for others")
        if not bool(torch.isfinite(torch.stack(self._scales)).all()):
            raise NonFiniteError("the pre-activations contain NaN or infinity")


def extremes(pre: Tensor, layer: Layer, n_points: int, n_vertices: int) -> tuple[Tensor, Tensor]:
    """Least and largest pre-activation of each unit over the vertices, both (n, units)."""
    if isinstance(pre, CrossPolytope) and layer.axis == 0:
        return pre.extremes()
    values = layer.by_point(plain(pre), n_points, n_vertices)
    return values.amin(1), values.amax(1)


def count_sign_changes(
    around: Neighbourhoods, columns: dict[int, int], size: int, dtype: torch.dtype | None
) -> NDArray[np.int64]:
    """Counts (N, L), `size` points at once, computed in `dtype` (None: the format of the model)."""
    n_points = len(around.points)
    counts = np.zeros((n_points, len(columns)), dtype=np.int64)
    doubt = 0.0 if around.points.dtype is torch.float64 else _DOUBT
    doubtful: list[int] = []
    for indices in batches(n_points, size):
        seen = _count(around, indices, columns, doubt, dtype)
        counts[indices.start : indices.stop] = seen.counts.cpu().numpy()
        doubtful += [indices[int(k)] for k in seen.in_doubt.nonzero()]
    precise = around.in_float64()
    for some in batches(len(doubtful), size):
        chosen = doubtful[some.start : some.stop]
        counts[chosen] = _count(precise, chosen, columns, 0.0, torch.float64).counts.cpu().numpy()
    return counts


def _count(
    around: Neighbourhoods,
    indices: Sequence[int],
    columns: dict[int, int],
    doubt: float,
    dtype: torch.dtype | None,
) -> SignChanges:
    shape = (len(indices), around.n_vertices)
    seen = around.observe(indices, lambda: SignChanges(around.survey, columns, shape, doubt), dtype)
    seen.check()
    return seen
