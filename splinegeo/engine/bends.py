"""Where the units of an element-wise nonlinearity bend, and what they are in between."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from ..network.operators import spline_of

UnitTable = list[tuple[tuple[float, ...], tuple[tuple[float, float], ...]]]


def unit_functions(operator: str, shape: tuple[int, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> UnitTable:
    """Break points and pieces of every unit of a layer, in the order of its flat indices.

    Parameters
    ----------
    operator : a name of `ACTIVATIONS`
    shape : of one row of its operand
    args, kwargs : its arguments, of which only the operand depends on the input

    Examples
    --------
    >>> import torch
    >>> unit_functions("leaky_relu", (1,), (torch.zeros(1, 1), 0.25), {})
    [((0.0,), ((0.25, 0.0), (1.0, 0.0)))]
    """
    spline = spline_of(operator, args, kwargs)
    per_unit = [_per_unit(number, shape) for number in (*spline.breaks, *(c for piece in spline.pieces for c in piece))]
    k = len(spline.breaks)
    return [
        (numbers[:k], tuple(zip(numbers[k::2], numbers[k + 1 :: 2], strict=True)))
        for numbers in zip(*per_unit, strict=True)
    ]


def _per_unit(number: Any, shape: tuple[int, ...]) -> list[float]:
    if not isinstance(number, Tensor):
        return [float(number)] * prod(shape)
    return number.double().broadcast_to((1, *shape)).reshape(-1).tolist()
