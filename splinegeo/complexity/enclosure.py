"""Enclosures: sets that provably contain the image of a cross-polytope under the layers so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from splinegeo.errors import InvalidInputError, NotPiecewiseAffineError

from .activations import base_name
from .affine import RESHAPES, AffineMap, affine_map, aten, functional, returned
from .polytope import over_rows, resolved
from .recorder import ModulePath
from .relaxation import Bend, bends

# Roundings that one operator adds on top of the terms of its sums, and a factor that swallows their products.
_EXTRA_TERMS, _SAFETY = 8, 4


@dataclass
class Symbols:
    """Bookkeeping of one run: the path for messages and the error symbols handed out so far."""

    path: ModulePath
    dim: int
    limit: int
    used: int = field(init=False)

    def __post_init__(self) -> None:
        self.used = self.dim


class Enclosure(torch.Tensor):
    """Per point the set {c + Σ t_p g_p + Σ e_j g_j + b : ‖t‖₁ ≤ 1, |e_j| ≤ 1, |b| ≤ box} ∩ [low, high].

    To the model this is a batch of n points. The first P generators are those of the cross-polytope, the
    others are error symbols, one for each unit whose bend was enclosed between two parallel lines; `box`
    holds rounding errors and symbols beyond a limit; [low, high] are interval bounds, propagated on their
    own.
    """

    centre: Tensor
    generators: Tensor
    box: Tensor
    low: Tensor
    high: Tensor
    symbols: Symbols
    _aliased: bool

    @staticmethod
    def __new__(
        cls, centre: Tensor, generators: Tensor, box: Tensor, low: Tensor, high: Tensor, symbols: Symbols
    ) -> Enclosure:
        """Centre, box and interval (n, k, …); generators (n, G, k, …)."""
        rows = centre.shape[0] * centre.shape[1]
        self = torch.Tensor._make_wrapper_subclass(
            cls, (rows, *centre.shape[2:]), dtype=centre.dtype, device=centre.device
        )
        self._assign(centre, generators, box, low, high)
        self.symbols, self._aliased = symbols, False
        return self

    def _assign(self, *parts: Tensor) -> None:
        self.centre, self.generators, self.box, self.low, self.high = parts

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Enclosure(shape={tuple(self.shape)}, generators={self.generators.shape[1]})"

    def reach(self) -> Tensor:
        """Largest deviation from the centre, (n, k, …): the maximum over the ℓ₁ ball is at a vertex."""
        dim = self.symbols.dim
        sizes = self.generators.abs()
        return sizes[:, :dim].amax(1) + sizes[:, dim:].sum(1) + self.box

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Certified least and largest values, both (n, k, …)."""
        reach = self.reach()
        reach = reach + _SAFETY * self._unit_error(1) * (self.centre.abs() + reach)
        return torch.maximum(self.low, self.centre - reach), torch.minimum(self.high, self.centre + reach)

    def magnitude(self) -> Tensor:
        """Bound of all the numbers that stand for a feature, for the sake of their rounding errors."""
        parts = self.centre.abs() + self.generators.abs().sum(1) + self.box
        return torch.maximum(parts, torch.maximum(self.low.abs(), self.high.abs()))

    def mapped(self, moves: AffineMap) -> Enclosure:
        """The image under an affine map, with room for the rounding errors of computing it."""
        middle, radius = (self.low + self.high) / 2, (self.high - self.low) / 2
        error = 0 * self.box if moves.terms == 0 else self._unit_error(moves.terms) * self.magnitude()
        error = over_rows(moves.absolute, error, 2)
        if moves.offset is not None:
            error = error + self._unit_error(moves.terms) * moves.offset
        centre, middle = over_rows(moves.value, self.centre, 2), over_rows(moves.value, middle, 2)
        radius = over_rows(moves.absolute, radius, 2) + error
        return Enclosure(
            centre,
            over_rows(moves.linear, self.generators, 3),
            over_rows(moves.absolute, self.box, 2) + error,
            middle - radius,
            middle + radius,
            self.symbols,
        )

    def bent(self, bend: Bend) -> Enclosure:
        """The image under an activation with one bend, enclosed by two parallel lines."""
        low, high = self.bounds()
        slope, middle, half = bend.lines(low, high)
        error = self._unit_error(4) * (self.magnitude() + half)
        kept, dropped = self._strongest(half)
        generators = torch.cat([self._padded() * slope.unsqueeze(1), kept], 1)
        self.symbols.used += kept.shape[1]
        box = slope.abs() * self.box + dropped + error
        low, high = bend.interval(low, high)
        return Enclosure(self.centre * slope + middle, generators, box, low - error, high + error, self.symbols)

    def _strongest(self, half: Tensor) -> tuple[Tensor, Tensor]:
        """New generators (n, m, k, …) for the largest errors of each point, and the rest for the box."""
        flat = half.flatten(1)
        room = self.symbols.limit + self.symbols.dim - self.symbols.used
        count = min(int((flat > 0).sum(1).max()), room)
        values, places = flat.topk(count, dim=1)
        kept = flat.new_zeros(len(flat), count, flat.shape[1]).scatter_(2, places.unsqueeze(2), values.unsqueeze(2))
        dropped = flat.scatter(1, places, 0.0)
        return kept.reshape(len(half), count, *half.shape[1:]), dropped.reshape(half.shape)

    def _padded(self) -> Tensor:
        """Generators with zeros for the symbols that other branches were given since."""
        missing = self.symbols.used - self.generators.shape[1]
        if not missing:
            return self.generators
        n, _, *features = self.generators.shape
        return torch.cat([self.generators, self.generators.new_zeros(n, missing, *features)], 1)

    def _plus(self, other: Enclosure, sign: float) -> Enclosure:
        """x + y or x − y: the symbols that both share may cancel."""
        error = self._unit_error(2) * (self.magnitude() + other.magnitude())
        low, high = (other.low, other.high) if sign > 0 else (-other.high, -other.low)
        return Enclosure(
            self.centre + sign * other.centre,
            self._padded() + sign * other._padded(),
            self.box + other.box + error,
            self.low + low - error,
            self.high + high + error,
            self.symbols,
        )

    def _reshaped(self, shape: list[int]) -> Enclosure | None:
        target = resolved(shape, self.numel())
        n = len(self.centre)
        if not target or target[0] % n:
            return None
        inner = (target[0] // n, *target[1:])
        parts = [part.reshape(n, *inner) for part in (self.centre, self.box, self.low, self.high)]
        generators = self.generators.reshape(n, self.generators.shape[1], *inner)
        return Enclosure(parts[0], generators, parts[1], parts[2], parts[3], self.symbols)

    def _unit_error(self, terms: int) -> float:
        return _SAFETY * (terms + _EXTRA_TERMS) * torch.finfo(self.dtype).eps

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {k: v for k, v in (kwargs or {}).items() if k != "memory_format"}
        ours = [a for a in args if isinstance(a, Enclosure)]
        pure = functional(func) if func._schema.is_mutable else func
        out = ours[0]._image(pure, args) if ours and pure and not kwargs else None
        if out is None:
            raise _unsupported(func, args)
        if func._schema.is_mutable:
            return ours[0]._overwritten(out)
        if any(value.alias_info for value in func._schema.returns):
            ours[0]._aliased = out._aliased = True
        return returned(func, out)

    def _image(self, func: OpOverload, args: tuple[Any, ...]) -> Enclosure | None:
        if func in RESHAPES:
            return self._reshaped(args[1])
        if func in _SUMS and all(isinstance(a, Enclosure) for a in args[:2]):
            return args[0]._plus(args[1], _SUMS[func])
        out: Enclosure = self
        for bend in bends(func, args):
            out = out.bent(bend)
        if out is not self:
            return out
        moves = affine_map(func, args, self)
        return None if moves is None else self.mapped(moves)

    def _overwritten(self, out: Enclosure) -> Enclosure:
        if self._aliased:
            raise InvalidInputError(
                f"'{self.symbols.path.path()}' works in place on a view, which bounds cannot follow: use inplace=False"
            )
        self._assign(out.centre, out.generators, out.box, out.low, out.high)
        return self


_SUMS = {aten.add.Tensor: 1.0, aten.sub.Tensor: -1.0}


def _unsupported(func: OpOverload, args: tuple[Any, ...]) -> NotPiecewiseAffineError:
    flat = [a for group in args for a in (group if isinstance(group, (list, tuple)) else [group])]
    path = next(a.symbols.path.path() for a in flat if isinstance(a, Enclosure))
    return NotPiecewiseAffineError(
        f"no certified bound for the operator '{base_name(func)}' in '{path or 'the model itself'}': there "
        "are bounds for affine layers and for activations that are piecewise linear and continuous"
    )
