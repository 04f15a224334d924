"""A sequential module, written as the exact integer layers that the rational witness reads."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from ..errors import InvalidInputError
from ..rational import AffineLayer as AffineLayer
from ..rational import Layer, MaxLayer, elementwise
from ..rational import dyadic as dyadic
from .modules import Abs, Maxout

IGNORED = (nn.Identity, nn.Flatten, nn.Dropout)


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
    MaxLayer(size=3, n_groups=None)
    >>> describe(nn.LeakyReLU(0.25))
    [ElementwiseLayer(functions=(UnitFunction(breaks=(0,), pieces=((1, 0), (4, 0))),), exponent=2)]
    """
    return [_describe_one(module) for module in _flatten(model)]


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
        return elementwise([([0.0], [(slope, 0.0), (1.0, 0.0)]) for slope in module.weight.tolist()])
    return elementwise([_function(module)])


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
