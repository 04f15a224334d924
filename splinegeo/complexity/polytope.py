"""Cross-polytopes as tensors: centre and offsets pass the layers, with a proven bound of their rounding errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_map

from .activations import ACTIVATIONS, MAXIMA_OF_TWO, SELECTIONS, base_name
from .affine import RESHAPES, AffineMap, affine_map, aten, functional, is_constant, returned
from .recorder import promoted

# Keyword arguments that change where numbers lie, not what they are.
_HARMLESS = frozenset({"memory_format"})
_SUMS = {aten.add.Tensor: 1, aten.sub.Tensor: -1}
# Swallows the rounding of the bounds themselves, which are sums of positive numbers.
_SAFETY = 1.001
# Units in the last place by which PyTorch's elementwise functions may be off, relative to their input and output.
_ULPS = 8


class AliasedInPlaceError(RuntimeError):
    """An in-place operator met a polytope that shares its memory with a view of it."""


class CrossPolytope(torch.Tensor):
    """The images of the vertices of n cross-polytopes, as one tensor that behaves like the batch of all of them.

    To the model this is a batch of n·2P vertices (or n·2P·k rows, once tokens were folded into the batch),
    point by point, all the + before all the −. Inside, vertex p of a polytope is

        centre (n, k, …) + offset p (n, 2P, k, …),   up to ± error (n, k, …).

    The centre is kept in float64, the offsets in the format of the model. They are of the size of the
    neighbourhood: so are their rounding errors, which the size of the values themselves would drown. `error` bounds the
    distance of every vertex from the one that exact arithmetic on the same weights yields: an affine operator adds
    γ |A| |offset|, one product of absolute values for all the vertices of a point together, and no activation
    stretches an error by more than its Lipschitz constant.

    Until the first activation the offsets are ± M s, with directions s (n, P, k, …) and a mixing matrix M (n, P, P)
    that is applied last: P vectors stand for 2P. Behind an operator of which no bound is known the vertices are a
    plain tensor.

    References
    ----------
    N. J. Higham, Accuracy and Stability of Numerical Algorithms, SIAM 2002, section 3.1 (γ_n = n u / (1 − n u)).
    """

    centre: Tensor
    basis: Tensor | None
    mix: Tensor | None
    error: Tensor
    n_vertices: int
    _offsets: Tensor | None
    _spread: Tensor | None
    _reach: Tensor | None
    _range: tuple[Tensor, Tensor] | None
    _vertices: Tensor | None
    _aliased: bool

    @staticmethod
    def __new__(
        cls,
        centre: Tensor,
        basis: Tensor | None = None,
        mix: Tensor | None = None,
        *,
        offsets: Tensor | None = None,
        error: Tensor | None = None,
    ) -> CrossPolytope:
        """Centre (n, k, …), and directions (n, P, k, …) with a mixing matrix (n, P, P), or offsets (n, 2P, k, …)."""
        given = basis if offsets is None else offsets
        assert given is not None
        n_vertices = 2 * given.shape[1] if offsets is None else given.shape[1]
        rows = centre.shape[0] * n_vertices * centre.shape[1]
        self = torch.Tensor._make_wrapper_subclass(
            cls, (rows, *centre.shape[2:]), dtype=given.dtype, device=centre.device
        )
        self.n_vertices, self.basis, self.mix = n_vertices, basis, mix
        self.centre = centre.double()
        self.error = torch.zeros_like(centre, dtype=given.dtype) if error is None else error
        self._offsets, self._spread, self._reach, self._range = offsets, None, None, None
        self._vertices, self._aliased = None, False
        return self

    def __repr__(self) -> str:  # type: ignore[override]
        return f"CrossPolytope(points={len(self.centre)}, vertices={self.n_vertices}, shape={tuple(self.shape)})"

    @property
    def is_bounded(self) -> bool:
        """Whether the errors of the vertices are known: no operator without a bound has written to them."""
        return self._vertices is None

    def spread(self) -> Tensor:
        """M s: the P half-diagonals of each polytope, (n, P, features)."""
        if self._spread is None:
            assert self.basis is not None
            flat = self.basis.flatten(2)
            self._spread = flat if self.mix is None else torch.bmm(self.mix, flat)
        return self._spread

    def offsets(self) -> Tensor:
        """Vertices minus centre, (n, 2P, k, …)."""
        if self._offsets is not None:
            return self._offsets
        spread = self.spread()
        n, dim, size = spread.shape
        both = spread.new_empty((n, 2, dim, size))  # both halves are written below
        both[:, 0] = spread
        torch.neg(spread, out=both[:, 1])
        return both.view(n, 2 * dim, *self.centre.shape[1:])

    def near(self) -> Tensor:
        """The centre in the format of the offsets, with an axis for the vertices: (n, 1, k, …)."""
        return self.centre.to(self.dtype).unsqueeze(1)

    def reduced(self, vertices: Tensor) -> CrossPolytope:
        """Some vertices of each polytope, (n, V) indices."""
        offsets = self.offsets()
        places = vertices.view(*vertices.shape, *[1] * (offsets.dim() - 2)).expand(-1, -1, *offsets.shape[2:])
        return CrossPolytope(self.centre, offsets=offsets.gather(1, places), error=self.vertex_error())

    def vertices(self) -> Tensor:
        """All vertices as a plain tensor, in the shape that the model sees."""
        if self._vertices is None:
            return (self.near() + self.offsets()).view(self.shape)
        return self._vertices

    def write_out(self) -> Tensor:
        """Turn into a plain batch of vertices, for an operator that works in place."""
        if self._aliased:
            raise AliasedInPlaceError
        self._vertices = self.vertices()
        return self._vertices

    def range(self) -> tuple[Tensor, Tensor]:
        """Least and largest offset of every feature over the vertices, both (n, k, …)."""
        if self._range is None:
            if self._offsets is None:
                reach = self.spread().abs().amax(1).view(self.centre.shape)
                self._range = -reach, reach
            else:
                self._range = self._offsets.amin(1), self._offsets.amax(1)
        return self._range

    def extremes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Least and largest value of every feature over the vertices, and the error of both, all (n, features)."""
        low, high = (self.centre + end for end in self.range())
        rounding = gamma(2, torch.float64) * torch.maximum(low.abs(), high.abs())
        return low.flatten(1), high.flatten(1), (self.vertex_error() + rounding).flatten(1)

    def vertex_error(self) -> Tensor:
        """`error`, with what mixing adds to it, (n, k, …)."""
        if self.mix is None:
            return self.error
        return self.error + gamma(len(self.mix[0]) + 2, self.dtype) * self.reach()

    def reach(self) -> Tensor:
        """A bound of the numbers that stand for the offsets of a feature, (n, k, …)."""
        if self.mix is None:
            low, high = self.range()
            return torch.maximum(-low, high)
        if self._reach is None:
            # Σ_q |M_pq| |s_qi| ≤ (Σ_q |M_pq|) max_q |s_qi|: no product is needed.
            assert self.basis is not None
            largest = torch.maximum(self.basis.amax(1), -self.basis.amin(1))
            sums = _SAFETY * self.mix.abs().sum(2).amax(1)
            self._reach = largest * sums.view(-1, *[1] * (largest.dim() - 1))
        return self._reach

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {k: v for k, v in (kwargs or {}).items() if k not in _HARMLESS}
        in_place = func._schema.is_mutable
        pure = functional(func) if in_place else func
        image = None if kwargs or pure is None else _image(pure, args)
        if in_place and args and isinstance(args[0], CrossPolytope):
            if isinstance(image, CrossPolytope) and args[0].is_bounded:
                return args[0]._overwritten(image)
            func(*tree_map(lambda a: a.write_out() if a is args[0] else plain(a), args), **kwargs)
            return args[0]
        if image is None or in_place:
            return func(*tree_map(plain, args), **tree_map(plain, kwargs))
        if any(out.alias_info for out in func._schema.returns):
            args[0]._aliased = image._aliased = True
        return image

    def _overwritten(self, out: CrossPolytope) -> CrossPolytope:
        """Take the values of another polytope, as an operator in place does."""
        if self._aliased:
            raise AliasedInPlaceError
        self.centre, self.basis, self.mix, self.error = out.centre, out.basis, out.mix, out.error
        self._offsets, self._spread, self._reach = out._offsets, out._spread, out._reach
        self._range = out._range
        return self

    def mapped(self, exact: AffineMap, moves: AffineMap) -> CrossPolytope:
        """The image under an affine map: `exact` acts on the centre, in float64, `moves` on offsets and errors."""
        error = self.error
        if moves.terms:
            coarse, fine = gamma(moves.terms + 2, self.dtype), gamma(moves.terms + 2, torch.float64)
            error = _SAFETY * (error + coarse * self.reach()) + (_SAFETY * fine * self.centre.abs()).to(self.dtype)
        error = over_rows(moves.absolute, error, 2)
        if moves.terms:
            error = error if moves.offset is None else error + fine * moves.offset
            # Products may vanish below the smallest number, though not where all of them are zero.
            error = error + (error > 0) * (moves.terms * torch.finfo(self.dtype).tiny)
        centre = over_rows(exact.value, self.centre, 2)
        if self._offsets is not None:
            return CrossPolytope(centre, offsets=over_rows(moves.linear, self._offsets, 3), error=error)
        assert self.basis is not None
        return CrossPolytope(centre, over_rows(moves.linear, self.basis, 3), self.mix, error=error)

    def reshaped(self, shape: list[int]) -> CrossPolytope | None:
        """Only the features may be regrouped, or folded into the rows behind the vertices."""
        target = resolved(shape, self.numel())
        vertices = len(self.centre) * self.n_vertices
        if not target or target[0] % vertices:
            return None
        inner = (target[0] // vertices, *target[1:])
        centre, error = (part.reshape(len(part), *inner) for part in (self.centre, self.error))
        if self._offsets is not None:
            return CrossPolytope(centre, offsets=self._offsets.reshape(*self._offsets.shape[:2], *inner), error=error)
        assert self.basis is not None
        return CrossPolytope(centre, self.basis.reshape(*self.basis.shape[:2], *inner), self.mix, error=error)

    def rectified(self) -> CrossPolytope:
        """ReLU: max(c + d, 0) − max(c, 0) = max(d, −c) + min(c, 0), where only numbers of the size of d round."""
        near, (low, high), error = self.near(), self.range(), self.vertex_error()
        offsets = self.offsets()
        fresh = offsets is not self._offsets  # nobody else reads them
        bent = torch.clamp_min(offsets, -near, out=offsets if fresh else None).add_(near.clamp_max(0))
        some_on = self.centre + high > -error
        rounded = error + 4 * torch.finfo(self.dtype).eps * torch.maximum(-low, high)
        out = CrossPolytope(self.centre.clamp_min(0), offsets=bent, error=torch.where(some_on, rounded, 0.0))
        near = near.squeeze(1)
        ends = (torch.maximum(end, -near) + near.clamp_max(0) for end in (low, high))
        out._range = next(ends), next(ends)
        return out

    def bent(self, coarse: Function, exact: Function, stretch: float, spreads: Function | None = None) -> CrossPolytope:
        """The image under a function with a Lipschitz constant, on rows of the format and of float64.

        `spreads` says which errors of the input an output can have; by default that of its own place.
        """
        near, reach = self.near(), self.reach() + self.centre.abs().to(self.dtype)
        values, start = over_rows(coarse, near + self.offsets(), 3), over_rows(coarse, near, 3)
        ulp = _ULPS * torch.finfo(self.dtype).eps
        error = stretch * (self.vertex_error() + ulp * reach) + ulp * reach
        error = error if spreads is None else over_rows(spreads, error, 2)
        error = error + ulp * torch.maximum(values.amax(1).abs(), values.amin(1).abs())
        return CrossPolytope(over_rows(exact, self.centre, 2), offsets=values - start, error=error)


Function = Callable[[Tensor], Tensor]


def _image(func: OpOverload, args: tuple[Any, ...]) -> Any:
    """What an operator makes of polytopes, as `func` would return it; None where no bound of its error is known."""
    flat = [a for group in args for a in (group if isinstance(group, (list, tuple)) else [group])]
    ours = [a for a in flat if isinstance(a, CrossPolytope)]
    if not ours or not all(a.is_bounded for a in ours):
        return None
    name, first = base_name(func), ours[0]
    if len(ours) > 1:
        if not all(_alike(first, other) for other in ours[1:]):
            return None
        if func in _SUMS and len(args) == 2:
            return _sum(first, ours[1], _SUMS[func])
        if func is aten.cat.default and len(ours) == len(args[0]):
            return _side_by_side(ours, args[1] % first.dim() if len(args) > 1 else 0)
        return _greater(func, *ours) if name in MAXIMA_OF_TWO else None
    if func is aten.relu.default:
        return first.rectified()
    if name in MAXIMA_OF_TWO:
        return _greater_than_constant(func, first, args)
    if args[0] is first and func in RESHAPES:
        return first.reshaped(args[1])
    if args[0] is first and name in SELECTIONS:
        return _selected(func, first, args[1:])
    if args[0] is first and name in ACTIVATIONS:
        return _activated(func, first, args)
    return _affine(func, args, first)


def _affine(func: OpOverload, args: tuple[Any, ...], x: CrossPolytope) -> Any:
    moves, exact = affine_map(func, args, x), affine_map(func, promoted(args, torch.float64), x)
    return None if moves is None or exact is None else returned(func, x.mapped(exact, moves))


def _activated(func: OpOverload, x: CrossPolytope, args: tuple[Any, ...]) -> CrossPolytope | None:
    rest, stretch = args[1:], ACTIVATIONS[base_name(func)].stretch(args)
    limits = [a for a in rest if isinstance(a, Tensor)]
    if not math.isfinite(stretch) or len(func._schema.returns) > 1 or (limits and func != aten._prelu_kernel.default):
        return None
    wide = promoted(rest, torch.float64)
    return x.bent(lambda v: func(v, *rest), lambda v: func(v, *wide), stretch)


def _selected(func: OpOverload, x: CrossPolytope, rest: tuple[Any, ...]) -> Any:
    """Pooling by maxima: every output is one of the inputs before it, also where another one wins by rounding."""
    with_places = len(func._schema.returns) > 1
    if not with_places and (not rest or not rest[0] or any(axis % x.dim() == 0 for axis in rest[0])):
        return None

    def largest(v: Tensor) -> Tensor:
        return func(v, *rest)[0] if with_places else func(v, *rest)

    image = x.bent(largest, largest, 1.0, largest)
    return (image, func(x.vertices(), *rest)[1]) if with_places else image


def _alike(a: CrossPolytope, b: CrossPolytope) -> bool:
    return a.centre.shape[:2] == b.centre.shape[:2] and a.n_vertices == b.n_vertices and a.dtype == b.dtype


def _sum(a: CrossPolytope, b: CrossPolytope, sign: int) -> CrossPolytope | None:
    """a + b or a − b of one shape."""
    if a.shape != b.shape:
        return None
    fine = gamma(2, torch.float64) * (a.centre.abs() + b.centre.abs())
    rounding = gamma(2, a.dtype) * (a.reach() + b.reach()) + fine.to(a.dtype)
    return CrossPolytope(
        torch.add(a.centre, b.centre, alpha=sign),
        offsets=torch.add(a.offsets(), b.offsets(), alpha=sign),
        error=_SAFETY * (a.vertex_error() + b.vertex_error() + rounding),
    )


def _greater(func: OpOverload, a: CrossPolytope, b: CrossPolytope) -> CrossPolytope | None:
    """The larger or smaller of two, entry by entry."""
    if a.shape != b.shape:
        return None
    near = a.near(), b.near()
    values = func(near[0] + a.offsets(), near[1] + b.offsets())
    reach = a.reach() + b.reach() + (a.centre.abs() + b.centre.abs()).to(a.dtype)
    error = torch.maximum(a.vertex_error(), b.vertex_error()) + _ULPS * torch.finfo(a.dtype).eps * reach
    return CrossPolytope(func(a.centre, b.centre), offsets=values - func(*near), error=error)


def _greater_than_constant(func: OpOverload, x: CrossPolytope, args: tuple[Any, ...]) -> CrossPolytope | None:
    """The larger or smaller of x and numbers that are the same for every point."""
    other = args[1] if args[0] is x else args[0]
    if not is_constant(other, x):
        return None
    wide = other.double()
    return x.bent(lambda v: func(v, other), lambda v: func(v, wide), 1.0)


def _side_by_side(parts: list[CrossPolytope], axis: int) -> CrossPolytope | None:
    """Concatenation along an axis other than that of the batch."""
    if axis == 0:
        return None
    return CrossPolytope(
        torch.cat([part.centre for part in parts], axis + 1),
        offsets=torch.cat([part.offsets() for part in parts], axis + 2),
        error=torch.cat([part.vertex_error() for part in parts], axis + 1),
    )


def gamma(n: int, dtype: torch.dtype) -> float:
    """γ_n = n u / (1 − n u), of any order of summation; u is half of eps."""
    nu = n * torch.finfo(dtype).eps / 2
    return nu / (1 - nu) if nu < 0.5 else math.inf


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
