"""What a network is, in integers: the plain description that the rational witness reads.

Every float is a dyadic rational ``n / 2^k``. A whole layer is therefore a table of integers over one power of
two, and no later step ever divides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from ..errors import InvalidInputError, NonFiniteError
from .modules import Abs, Maxout

IGNORED = (nn.Identity, nn.Flatten, nn.Dropout)


@dataclass(frozen=True)
class AffineLayer:
    """``y = (weight @ x + bias) / 2^exponent``.

    Attributes
    ----------
    weight : tuple of (out,) rows of (column, integer) pairs
        Zeros are left out.
    bias : (out,) integers
    exponent : int
    """

    weight: tuple[tuple[tuple[int, int], ...], ...]
    bias: tuple[int, ...]
    exponent: int


@dataclass(frozen=True)
class UnitFunction:
    """A continuous piecewise affine function of one unit, in integers over ``2^exponent`` of its layer.

    Attributes
    ----------
    breaks : (k,) increasing integers
        Where two pieces meet.
    pieces : (k + 1,) pairs (slope, intercept)
        From left to right.
    """

    breaks: tuple[int, ...]
    pieces: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ElementwiseLayer:
    """One `UnitFunction` for every unit (or one shared by all, when `functions` has length 1)."""

    functions: tuple[UnitFunction, ...]
    exponent: int


@dataclass(frozen=True)
class MaxLayer:
    """The maximum over every `size` consecutive units."""

    size: int


Layer = AffineLayer | ElementwiseLayer | MaxLayer


def describe(model: nn.Module) -> list[Layer]:
    """Write a sequential network as exact integer layers.

    Linear, ReLU, LeakyReLU, PReLU, Hardtanh (with ReLU6), Threshold, `Abs` and `Maxout` are understood, in
    nested ``nn.Sequential`` containers; Identity, Flatten and Dropout (in eval mode) do nothing.

    Parameters
    ----------
    model : nn.Module
        A layer or a container of layers. Weights are taken as the exact rationals that the floats are.

    Returns
    -------
    list of Layer
        In the order in which they are applied.

    Raises
    ------
    InvalidInputError
        For any other module, or an active Dropout.
    NonFiniteError
        For NaN or infinity among the weights.

    Examples
    --------
    >>> describe(nn.Sequential(nn.ReLU(), nn.Identity(), Maxout(3)))[1]
    MaxLayer(size=3)
    >>> describe(nn.LeakyReLU(0.25))
    [ElementwiseLayer(functions=(UnitFunction(breaks=(0,), pieces=((1, 0), (4, 0))),), exponent=2)]
    """
    return [_describe_one(module) for module in _flatten(model)]


def dyadic(values: Sequence[float]) -> tuple[list[int], int]:
    """Write floats as integers over one power of two.

    Parameters
    ----------
    values : (n,) floats

    Returns
    -------
    integers : list of int
    exponent : int
        ``values[i] == integers[i] / 2**exponent``, exactly; the smallest exponent that is not negative.

    Raises
    ------
    NonFiniteError
        For NaN or infinity.

    Examples
    --------
    >>> dyadic([0.75, -2.0])
    ([3, -8], 2)
    """
    try:
        ratios = [float(value).as_integer_ratio() for value in values]
    except (ValueError, OverflowError) as error:
        raise NonFiniteError("a weight is NaN or infinite") from error
    exponents = [denominator.bit_length() - 1 for _, denominator in ratios]
    exponent = max(exponents, default=0)
    return [n << (exponent - k) for (n, _), k in zip(ratios, exponents, strict=True)], exponent


def _flatten(model: nn.Module) -> Iterator[nn.Module]:
    if isinstance(model, nn.Sequential):
        for child in model:
            yield from _flatten(child)
    elif isinstance(model, nn.Dropout) and model.training and model.p > 0:
        raise InvalidInputError("an active Dropout is random: call model.eval() first")
    elif not isinstance(model, IGNORED):
        yield model


def _describe_one(module: nn.Module) -> Layer:
    if isinstance(module, nn.Linear):
        return _affine(module)
    if isinstance(module, Maxout):
        return MaxLayer(module.size)
    if isinstance(module, nn.PReLU):
        return _elementwise([([0.0], [(slope, 0.0), (1.0, 0.0)]) for slope in module.weight.tolist()])
    return _elementwise([_function(module)])


def _affine(module: nn.Linear) -> AffineLayer:
    n_out, n_in = module.weight.shape
    bias = [0.0] * n_out if module.bias is None else module.bias.tolist()
    integers, exponent = dyadic([*module.weight.flatten().tolist(), *bias])
    rows = (integers[i * n_in : (i + 1) * n_in] for i in range(n_out))
    weight = tuple(tuple((j, w) for j, w in enumerate(row) if w) for row in rows)
    return AffineLayer(weight, tuple(integers[n_out * n_in :]), exponent)


def _function(module: nn.Module) -> tuple[list[float], list[tuple[float, float]]]:
    """Break points, and the (slope, intercept) of every piece."""
    if isinstance(module, nn.ReLU):
        return [0.0], [(0.0, 0.0), (1.0, 0.0)]
    if isinstance(module, nn.LeakyReLU):
        return [0.0], [(module.negative_slope, 0.0), (1.0, 0.0)]
    if isinstance(module, Abs):
        return [0.0], [(-1.0, 0.0), (1.0, 0.0)]
    if isinstance(module, nn.Hardtanh):
        low, high = module.min_val, module.max_val
        return [low, high], [(0.0, low), (1.0, 0.0), (0.0, high)]
    if isinstance(module, nn.Threshold) and module.threshold == module.value:
        return [module.threshold], [(0.0, module.value), (1.0, 0.0)]
    raise InvalidInputError(f"the rational witness does not know {module}")


def _elementwise(functions: list[tuple[list[float], list[tuple[float, float]]]]) -> ElementwiseLayer:
    flat = [x for breaks, pieces in functions for x in (*breaks, *(c for piece in pieces for c in piece))]
    integers, exponent = dyadic(flat)
    numbers = iter(integers)
    exact = []
    for breaks, pieces in functions:
        exact_breaks = tuple(next(numbers) for _ in breaks)
        exact.append(UnitFunction(exact_breaks, tuple((next(numbers), next(numbers)) for _ in pieces)))
    return ElementwiseLayer(tuple(exact), exponent)
