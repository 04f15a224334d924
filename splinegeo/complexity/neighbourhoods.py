"""Batches of cross-polytopes, pushed through a model while an observer watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..budgets import points_at_once
from .frames import FrameStream
from .polytope import AliasedInPlaceError, CrossPolytope
from .recorder import Observer, run
from .survey import Survey

# By how much frames of one seed differ between formats and batch sizes, in units of the format and of the numbers that
# they are made of: ten times the most that was seen.
_FRAME = 2.0**3

T = TypeVar("T", bound=Observer)

# Bytes that the vertices of one batch may take in the widest layer: what the caches of a core hold, or what
# keeps an accelerator busy.
_BATCH_BYTES = {"cpu": 2**24, "cuda": 2**28}
# Tensors of that size that are there together: what enters a layer, what leaves it, a branch that is kept, and more
# than that of what an operator makes on its way.
_TOGETHER = 6


def points_per_batch(points: Tensor, dim: int, survey: Survey, batch_size: int | None, max_memory: float | None) -> int:
    """How many neighbourhoods to evaluate at once: `batch_size`, or what caches and budget hold."""
    # Only half the vertices are written out in the input space, where centre and directions suffice.
    widest = max([points[0].numel() // 2, *(layer.n_units for layer in survey.events if layer is not None)])
    each = _TOGETHER * 2 * dim * widest * points.element_size()
    usual = _TOGETHER * _BATCH_BYTES.get(points.device.type, _BATCH_BYTES["cuda"])
    return points_at_once(each, usual, batch_size, max_memory)


class Neighbourhoods:
    """The cross-polytopes x ± r v_p around every point, in one float format."""

    def __init__(self, model: nn.Module, points: Tensor, radius: float, frames: FrameStream, survey: Survey) -> None:
        self.model, self.points, self.radius = model, points, radius
        self.frames, self.survey = frames, survey
        self.n_vertices = 2 * frames.dim
        self._written_out = False

    def in_float64(self) -> Neighbourhoods:
        """The same neighbourhoods in float64."""
        frames = self.frames.with_dtype(torch.float64)
        return Neighbourhoods(self.model, self.points, self.radius, frames, self.survey)

    def observe(
        self,
        indices: Sequence[int],
        observer: Callable[[], T],
        dtype: torch.dtype | None,
        vertices: Tensor | None = None,
    ) -> T:
        """Run the model on the neighbourhoods of some points; `observer` is called once per attempt.

        `vertices` (n, V) names those that matter, by their index; by default all do.
        """
        start = self.polytopes(indices)
        if vertices is not None:
            start = start.reduced(vertices)
        if not self._written_out:
            try:
                return self._attempt(start, observer(), dtype)
            except AliasedInPlaceError:
                self._written_out = True
        return self._attempt(start.vertices(), observer(), dtype)

    def vertices(self, indices: Sequence[int]) -> Tensor:
        """Vertices of some neighbourhoods, (n · 2P, *input shape): point by point, all + before all −."""
        return self.polytopes(indices).vertices()

    def _attempt(self, vertices: Tensor, observer: T, dtype: torch.dtype | None) -> T:
        run(self.model, vertices, observer, self.survey.path, dtype)
        return observer

    def polytopes(self, indices: Sequence[int]) -> CrossPolytope:
        """Some neighbourhoods, their vertices not yet written out."""
        basis, mix = self.frames.take(indices)
        first, last = indices[0], indices[-1]
        together = isinstance(indices, range)
        x = self.points[first : last + 1] if together else self.points[list(indices)]
        centre = x.to(self.frames.dtype).unsqueeze(1)
        directions = basis.unflatten(2, (1, *centre.shape[2:]))
        if mix is None:
            polytope = CrossPolytope(centre, directions * self.radius)
        else:
            polytope = CrossPolytope(centre, directions, mix * self.radius)
        polytope.error = _FRAME * torch.finfo(directions.dtype).eps * polytope.reach()
        return polytope
