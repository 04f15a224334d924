"""Cross-polytopes as tensors: affine layers move P + 1 vectors per point instead of 2P vertices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_map

from .affine import RESHAPES, AffineMap, affine_map, returned

# Keyword arguments that change where numbers lie, not what they are.
_HARMLESS = frozenset({"memory_format"})

# Vertices that were written out for this operator alone may be overwritten by it.
_RELU, _RELU_IN_PLACE = torch.ops.aten.relu.default, torch.ops.aten.relu_.default


class AliasedInPlaceError(RuntimeError):
    """An in-place operator met a polytope that shares its memory with a view of it."""


class CrossPolytope(torch.Tensor):
    """The vertices c ± M s_p of n cross-polytopes, as one tensor that behaves like the batch of all of them.

    To the model this is a batch of n·2P vertices (or n·2P·k rows, once tokens were folded into the batch),
    point by point, all the + before all the −. Inside, it keeps a centre (n, k, …), directions (n, P, k, …)
    and a mixing matrix M (n, P, P) applied to the directions last. Affine operators act on centre and
    directions; at the first operator that is not affine the vertices are written out.
    """

    centre: Tensor
    basis: Tensor
    mix: Tensor | None
    _vertices: Tensor | None
    _spread: Tensor | None
    _aliased: bool

    @staticmethod
    def __new__(cls, centre: Tensor, basis: Tensor, mix: Tensor | None = None) -> CrossPolytope:
        """Centre (n, k, …), directions (n, P, k, …) and mixing matrix (n, P, P), radius included; None: 1."""
        rows = 2 * basis.shape[0] * basis.shape[1] * basis.shape[2]
        self = torch.Tensor._make_wrapper_subclass(
            cls, (rows, *centre.shape[2:]), dtype=centre.dtype, device=centre.device
        )
        self.centre, self.basis, self.mix = centre, basis, mix
        self._vertices, self._spread, self._aliased = None, None, False
        return self

    def __repr__(self) -> str:  # type: ignore[override]
        return f"CrossPolytope(points={len(self.centre)}, dim={self.basis.shape[1]}, shape={tuple(self.shape)})"

    @property
    def is_affine(self) -> bool:
        """Whether the vertices still are an affine image of a cross-polytope."""
        return self._vertices is None

    def spread(self) -> Tensor:
        """M s: the P half-diagonals of each polytope, (n, P, features)."""
        if self._spread is None:
            flat = self.basis.flatten(2)
            self._spread = flat if self.mix is None else torch.bmm(self.mix, flat)
        return self._spread

    def vertices(self) -> Tensor:
        """All vertices as a plain tensor, in the shape that the model sees."""
        if self._vertices is not None:
            return self._vertices
        centre, spread = self.centre.flatten(1).unsqueeze(1), self.spread()
        n, dim, size = spread.shape
        vertices = spread.new_empty((n, 2, dim, size))  # both halves are written below
        torch.add(centre, spread, out=vertices[:, 0])
        torch.sub(centre, spread, out=vertices[:, 1])
        return vertices.view(self.shape)

    def write_out(self) -> Tensor:
        """Turn into a plain batch of vertices, for an operator that works in place."""
        if self._aliased:
            raise AliasedInPlaceError
        self._vertices = self.vertices()
        return self._vertices

    def extremes(self) -> tuple[Tensor, Tensor]:
        """Least and largest value of every feature over the vertices, both (n, features)."""
        if self._vertices is not None:
            rows = self._vertices.view(len(self.centre), 2 * self.basis.shape[1], -1)
            return rows.amin(1), rows.amax(1)
        centre, reach = self.centre.flatten(1), self.spread().abs().amax(1)
        return centre - reach, centre + reach

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        ours = [a for a in args if isinstance(a, CrossPolytope)]
        if len(ours) == 1 and ours[0].is_affine and _HARMLESS.issuperset(kwargs):
            moved = ours[0]._moved(func, args)
            if moved is not None:
                return returned(func, moved)
        if func._schema.is_mutable and ours and args[0] is ours[0]:
            func(*tree_map(lambda a: a.write_out() if a is ours[0] else plain(a), args), **kwargs)
            return ours[0]
        if func is _RELU and ours[0].is_affine:
            return _RELU_IN_PLACE(ours[0].vertices())
        return func(*tree_map(plain, args), **tree_map(plain, kwargs))

    def _moved(self, func: OpOverload, args: tuple[Any, ...]) -> CrossPolytope | None:
        if func in RESHAPES:
            moved = self._reshaped(args[1])
        else:
            moves = affine_map(func, args, self)
            moved = None if moves is None else self._mapped(moves)
        if moved is not None and any(out.alias_info for out in func._schema.returns):
            self._aliased = moved._aliased = True
        return moved

    def _mapped(self, moves: AffineMap) -> CrossPolytope:
        return CrossPolytope(over_rows(moves.value, self.centre, 2), over_rows(moves.linear, self.basis, 3), self.mix)

    def _reshaped(self, shape: list[int]) -> CrossPolytope | None:
        """Only the features may be regrouped, or folded into the rows behind the vertices."""
        target = resolved(shape, self.numel())
        vertices = 2 * self.basis.shape[0] * self.basis.shape[1]
        if not target or target[0] % vertices:
            return None
        inner = (target[0] // vertices, *target[1:])
        return CrossPolytope(
            self.centre.reshape(len(self.centre), *inner),
            self.basis.reshape(*self.basis.shape[:2], *inner),
            self.mix,
        )


def over_rows(function: Callable[[Tensor], Tensor], x: Tensor, lead: int) -> Tensor:
    """Apply a map of batches (m, …) to x with `lead` leading axes, the last of which the map may regroup."""
    out = function(x.flatten(0, lead - 1))
    return out.reshape(*x.shape[: lead - 1], -1, *out.shape[1:])


def plain(a: Any) -> Any:
    """The vertices of a polytope; anything else as it is."""
    return a.vertices() if isinstance(a, CrossPolytope) else a


def resolved(shape: list[int], numel: int) -> list[int]:
    """A shape with its -1, if any, replaced by what is left."""
    known = math.prod(size for size in shape if size >= 0)
    return [size if size >= 0 else numel // max(known, 1) for size in shape]
