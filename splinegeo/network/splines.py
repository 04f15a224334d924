"""One-dimensional splines: the elementwise activations, one row each, from which everything about them follows.

Where an activation breaks, which unit bends there, what it is in between, by how much it may stretch an error, and
whether it jumps: the engine's events, the exact layers, the counts of local complexity and its bounds all read these
rows. A new activation is one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor

Number = Any  # a float, or a tensor with one for every unit
Piece = tuple[Number, Number]


@dataclass(frozen=True)
class Spline:
    """A piecewise-affine function of one number.

    Attributes
    ----------
    breaks : k increasing numbers
    pieces : k + 1 pairs (slope, intercept), from left to right

    Examples
    --------
    >>> relu = ACTIVATIONS["relu"].spline()
    >>> relu.breaks, relu.pieces, relu.stretch, relu.jump
    ((0.0,), ((0.0, 0.0), (1.0, 0.0)), 1.0, None)
    >>> ACTIVATIONS["threshold"].spline(0.5, 0.25).jump
    (0.5, 0.25, 0.5)
    """

    breaks: tuple[Number, ...]
    pieces: tuple[Piece, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Values at x; at a break those of the piece on its right."""
        value = self.pieces[0][0] * x + self.pieces[0][1]
        for level, (slope, intercept) in zip(self.breaks, self.pieces[1:], strict=True):
            value = torch.where(x >= level, slope * x + intercept, value)
        return value

    @property
    def stretch(self) -> float:
        """The steepest slope: by how much an error of the input can grow; infinite where the function jumps."""
        return inf if self.jump else max(_largest(slope) for slope, _ in self.pieces)

    @property
    def jump(self) -> tuple[float, float, float] | None:
        """A break with the two values that meet there, if they differ; breaks that are tensors have none."""
        for level, left, right in zip(self.breaks, self.pieces, self.pieces[1:], strict=False):
            numbers = (level, *left, *right)
            if any(isinstance(number, Tensor) for number in numbers):
                continue
            before, after = (slope * level + intercept for slope, intercept in (left, right))
            if abs(before - after) > 1e-12 * max(abs(before), abs(after)):
                return float(level), float(before), float(after)
        return None


@dataclass(frozen=True)
class Activation:
    """One row: an operator that acts on each number by itself.

    Attributes
    ----------
    make : the spline, from the operator's own arguments behind the operand; None for a smooth function
    knots : where a smooth function has its regimes meet
    lipschitz : of a smooth function, an upper bound; of a spline it follows
    """

    make: Callable[..., Spline] | None = None
    knots: tuple[float, ...] = (0.0,)
    lipschitz: Callable[..., float] = lambda *_: 1.0

    @property
    def is_smooth(self) -> bool:
        """Whether it has no pieces, so that no partition is its own."""
        return self.make is None

    def spline(self, *args: Any, **kwargs: Any) -> Spline:
        """The function, for the operator's arguments behind the operand."""
        assert self.make is not None
        return self.make(*args, **kwargs)

    def breaks(self, *args: Any, **kwargs: Any) -> tuple[Number, ...]:
        """Where it breaks, or where a smooth one has its regimes meet."""
        return self.knots if self.make is None else self.make(*args, **kwargs).breaks

    def stretch(self, *args: Any, **kwargs: Any) -> float:
        """By how much an error of the operand can grow."""
        return self.lipschitz(*args) if self.make is None else self.make(*args, **kwargs).stretch


def is_infinite(bound: Number) -> bool:
    """Whether a bound bounds nothing."""
    return isinstance(bound, float) and abs(bound) == inf


def _leaky(slope: Number = 0.01) -> Spline:
    return Spline((0.0,), ((slope, 0.0), (1.0, 0.0)))


def _random_leaky(lower: float = 1 / 8, upper: float = 1 / 3, *_: Any) -> Spline:
    return _leaky((lower + upper) / 2)


def _bounded(low: Number = None, high: Number = None) -> Spline:
    """Between two bounds, either of which may be missing or infinite; crossed bounds leave the upper one."""
    low, high = (None if is_infinite(bound) else bound for bound in (low, high))
    if low is None and high is None:
        return Spline((), ((1.0, 0.0),))
    if low is None:
        return Spline((high,), ((1.0, 0.0), (0.0, high)))
    if high is None:
        return Spline((low,), ((0.0, low), (1.0, 0.0)))
    if not isinstance(low, Tensor) and not isinstance(high, Tensor):
        if low > high:
            return Spline((high, low), ((0.0, high), (0.0, high), (0.0, high)))
        return Spline((low, high), ((0.0, low), (1.0, 0.0), (0.0, high)))
    low, high = (torch.as_tensor(bound, dtype=torch.float64) for bound in (low, high))
    bottom, crossed = torch.minimum(low, high), low > high
    middle = (torch.where(crossed, 0.0, 1.0), torch.where(crossed, high, 0.0))
    return Spline((bottom, torch.maximum(low, high)), ((0.0, bottom), middle, (0.0, high)))


def _clamp(min: Number = None, max: Number = None) -> Spline:
    return _bounded(min, max)


def _soft(level: float = 0.5) -> Spline:
    return Spline((-level, level), ((1.0, level), (0.0, 0.0), (1.0, -level)))


def _hard(level: float = 0.5) -> Spline:
    return Spline((-level, level), ((1.0, 0.0), (0.0, 0.0), (1.0, 0.0)))


def _row(breaks: Sequence[float], *pieces: Piece) -> Activation:
    return Activation(lambda *_: Spline(tuple(breaks), pieces))


def _elu(alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0) -> float:
    return abs(scale) * max(1.0, abs(alpha * inner))


def _smooth(bound: float | Callable[..., float] = 1.0, *knots: float) -> Activation:
    return Activation(None, knots or (0.0,), bound if callable(bound) else lambda *_: bound)


def _largest(slope: Number) -> float:
    return float(slope.abs().max()) if isinstance(slope, Tensor) else abs(slope)


# One row for each activation, by its ATen name. Smooth ones have their two regimes meet at zero.
ACTIVATIONS: dict[str, Activation] = {
    "relu": _row([0.0], (0.0, 0.0), (1.0, 0.0)),
    "abs": _row([0.0], (-1.0, 0.0), (1.0, 0.0)),
    "leaky_relu": Activation(_leaky),
    "prelu": Activation(_leaky),
    "_prelu_kernel": Activation(_leaky),
    "rrelu": Activation(_random_leaky),
    "rrelu_with_noise": Activation(lambda _noise, *bounds: _random_leaky(*bounds)),
    "relu6": _row([0.0, 6.0], (0.0, 0.0), (1.0, 0.0), (0.0, 6.0)),
    "hardtanh": Activation(lambda low=-1.0, high=1.0: _bounded(low, high)),
    "hardsigmoid": _row([-3.0, 3.0], (0.0, 0.0), (1 / 6, 0.5), (0.0, 1.0)),
    "clamp": Activation(_clamp),
    "clip": Activation(_clamp),
    "clamp_min": Activation(lambda min: _bounded(min)),
    "clamp_max": Activation(lambda max: _bounded(None, max)),
    "threshold": Activation(lambda level, value: Spline((level,), ((0.0, value), (1.0, 0.0)))),
    "softshrink": Activation(_soft),
    "hardshrink": Activation(_hard),
    "sign": _row([0.0], (0.0, -1.0), (0.0, 1.0)),
    "hardswish": _smooth(1.5, -3.0, 3.0),
    "elu": _smooth(_elu),
    "celu": _smooth(lambda alpha=1.0: 1.0),
    "gelu": _smooth(1.2),
    "silu": _smooth(1.2),
    "mish": _smooth(1.2),
    "softplus": _smooth(),
    "sigmoid": _smooth(),
    "log_sigmoid": _smooth(),
    "log_sigmoid_forward": _smooth(),
    "tanh": _smooth(),
    "erf": _smooth(1.2),
}
