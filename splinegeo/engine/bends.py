"""Where the units of an element-wise nonlinearity bend, and what they are in between."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor

Number = Any  # a float, or a tensor with one for every unit
Bend = Callable[..., tuple[list[Number], list[tuple[Number, Number]]]]
UnitTable = list[tuple[tuple[float, ...], tuple[tuple[float, float], ...]]]


def _leaky(_: Tensor, slope: Number = 0.01) -> Any:
    return [0.0], [(slope, 0.0), (1.0, 0.0)]


def _prelu(x: Tensor, slope: Tensor) -> Any:
    return _leaky(x, slope.reshape(1, -1, *[1] * (x.ndim - 2)) if x.ndim > 1 else slope)


def _bounded(_: Tensor, low: Number = None, high: Number = None) -> Any:
    """Between two bounds, either of which may be missing; crossed bounds leave the upper one."""
    if low is None:
        return [high], [(1.0, 0.0), (0.0, high)]
    if high is None:
        return [low], [(0.0, low), (1.0, 0.0)]
    low, high = (torch.as_tensor(bound, dtype=torch.float64) for bound in (low, high))
    bottom, crossed = torch.minimum(low, high), low > high
    middle = (torch.where(crossed, 0.0, 1.0), torch.where(crossed, high, 0.0))
    return [bottom, torch.maximum(low, high)], [(0.0, bottom), middle, (0.0, high)]


def _hardtanh(x: Tensor, low: float = -1.0, high: float = 1.0) -> Any:
    return _bounded(x, low, high)


def _clamp(x: Tensor, min: Number = None, max: Number = None) -> Any:
    return _bounded(x, min, max)


# Increasing break points, and (slope, intercept) of the pieces from left to right, from the operator's own arguments.
BENDS: dict[str, Bend] = {
    "relu": lambda x: ([0.0], [(0.0, 0.0), (1.0, 0.0)]),
    "abs": lambda x: ([0.0], [(-1.0, 0.0), (1.0, 0.0)]),
    "leaky_relu": _leaky,
    "prelu": _prelu,
    "_prelu_kernel": _leaky,
    "relu6": lambda x: _bounded(x, 0.0, 6.0),
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": lambda x, min: _bounded(x, min),
    "clamp_max": lambda x, max: _bounded(x, None, max),
    "threshold": lambda x, level, value: ([level], [(0.0, value), (1.0, 0.0)]),
}


def unit_functions(operator: str, shape: tuple[int, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> UnitTable:
    """Break points and pieces of every unit of a layer, in the order of its flat indices.

    Parameters
    ----------
    operator : a name of `BENDS`
    shape : of one row of its operand
    args, kwargs : its arguments, of which only the operand depends on the input

    Examples
    --------
    >>> unit_functions("leaky_relu", (1,), (torch.zeros(1, 1), 0.25), {})
    [((0.0,), ((0.25, 0.0), (1.0, 0.0)))]
    """
    breaks, pieces = BENDS[operator](*args, **kwargs)
    per_unit = [_per_unit(number, shape) for number in (*breaks, *(c for piece in pieces for c in piece))]
    k = len(breaks)
    return [
        (numbers[:k], tuple(zip(numbers[k::2], numbers[k + 1 :: 2], strict=True)))
        for numbers in zip(*per_unit, strict=True)
    ]


def _per_unit(number: Number, shape: tuple[int, ...]) -> list[float]:
    if not isinstance(number, Tensor):
        return [float(number)] * prod(shape)
    return torch.broadcast_to(number.double(), (1, *shape)).reshape(-1).tolist()
