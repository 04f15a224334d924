"""Activations with one bend, and the two parallel lines that enclose a bend over an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from .activations import base_name


@dataclass(frozen=True)
class Bend:
    """f(x) = value + left · min(x − knot, 0) + right · max(x − knot, 0).

    Over an interval that contains the knot, f lies between its chord and the parallel to it through the bend,
    because f is convex or concave. This is the relaxation of Fast-Lin and DeepZ, the parallel case of CROWN.

    References
    ----------
    E. Wong, Z. Kolter, Provable defenses via the convex outer adversarial polytope, ICML 2018.
    H. Zhang et al., Efficient neural network robustness certification (CROWN), NeurIPS 2018.
    """

    left: float | Tensor
    right: float
    knot: float = 0.0
    value: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        """f(x), element by element."""
        offset = x - self.knot
        return self.value + self.left * offset.clamp_max(0) + self.right * offset.clamp_min(0)

    def lines(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Slope, middle and half-width with f(x) ∈ slope · x + middle ± half on [low, high]."""
        at_low, at_high = self(low), self(high)
        stable = (low >= self.knot) | (high <= self.knot)
        side = torch.where(low >= self.knot, self.right + 0 * low, self.left + 0 * low)
        chord = (at_high - at_low) / torch.where(stable, 1.0, high - low)
        slope = torch.where(stable, side, chord)
        bulge = torch.where(stable, 0.0, self.value - at_low - chord * (self.knot - low))
        through = torch.where(stable, self.value - side * self.knot, at_low - chord * low)
        return slope, through + bulge / 2, bulge.abs() / 2

    def interval(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Range of f on [low, high]: its ends are values at the ends or at the knot."""
        at_low, at_high = self(low), self(high)
        at_knot = torch.where((low < self.knot) & (high > self.knot), self.value, at_low)
        return (
            torch.minimum(torch.minimum(at_low, at_high), at_knot),
            torch.maximum(torch.maximum(at_low, at_high), at_knot),
        )


def bends(func: OpOverload, args: tuple[Any, ...]) -> tuple[Bend, ...]:
    """The bends that, one after the other, make up an activation; none where it is not such a function."""
    name = base_name(func)
    if name == "relu":
        return (Bend(0.0, 1.0),)
    if name == "leaky_relu":
        return (Bend(float(args[1]) if len(args) > 1 else 0.01, 1.0),)
    if name == "abs":
        return (Bend(-1.0, 1.0),)
    if name == "_prelu_kernel":
        return (Bend(args[1], 1.0),)
    if name == "threshold" and args[1] == args[2]:
        return _clip(args[1], None)
    if name in ("hardtanh", "clamp", "clamp_min", "clamp_max"):
        return _clip(*_limits(name, args[1:]))
    return ()


def _limits(name: str, limits: tuple[Any, ...]) -> tuple[Any, Any]:
    if name == "hardtanh":
        return (*limits, *(-1.0, 1.0)[len(limits) :])
    if name == "clamp_max":
        return None, limits[0]
    return (*limits, None, None)[:2]


def _clip(low: Any, high: Any) -> tuple[Bend, ...]:
    """x ↦ min(max(x, low), high); tensors as limits are not supported."""
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return ()
    below = () if low is None else (Bend(0.0, 1.0, float(low), float(low)),)
    above = () if high is None else (Bend(1.0, 0.0, float(high), float(high)),)
    return below + above
