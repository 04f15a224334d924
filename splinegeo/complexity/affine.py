"""Affine operators at the level of torch's dispatcher, split into their value, linear and absolute parts.

An affine operator f(x) = A x + b moves a set {c + S t} to {f(c) + A S t}. Whoever carries such a set needs f
for the centre, A alone for the generators and |A| for the radii of boxes; this table knows the three of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from .activations import base_name

aten = torch.ops.aten
Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class AffineMap:
    """One affine operator with its constants bound; every part maps a batch (m, …) to a batch (m', …).

    Attributes
    ----------
    value, linear, absolute : callable
        x ↦ A x + b, x ↦ A x and x ↦ |A| x (for x ≥ 0).
    terms : int
        Products that one output sums up: the length of the rounding error.
    offset : Tensor or None
        |b|, broadcastable to an output of the batch, for the same purpose.
    """

    value: Callable[[Tensor], Tensor]
    linear: Callable[[Tensor], Tensor]
    absolute: Callable[[Tensor], Tensor]
    terms: int = 1
    offset: Tensor | None = None


def affine_map(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    """The affine map that `func` applies to its one varying argument `x`, or None where it is not known.

    Operators that may change the leading (batch) axis are left to the caller: `RESHAPES` lists them.
    """
    build = _TABLE.get(func)
    return build(func, args, x) if build else None


def returned(func: OpOverload, out: Tensor) -> Any:
    """What `func` gives back: batch norm adds statistics, which nobody reads in evaluation mode."""
    return (out, None, None) if len(func._schema.returns) == 3 else out


def functional(func: OpOverload) -> OpOverload | None:
    """The operator that returns what `func` would write in place."""
    packet = getattr(aten, base_name(func), None)
    return getattr(packet, func._overloadname, None)


def _addmm(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    bias, left, right = args
    if left is not x or right is x or bias is x:
        return None
    return AffineMap(
        lambda v: torch.addmm(bias, v, right),
        lambda v: v @ right,
        lambda v: v @ right.abs(),
        terms=right.shape[0] + 1,
        offset=bias.abs(),
    )


def _mm(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    left, right = args
    if left is not x or right is x:
        return None
    return AffineMap(lambda v: v @ right, lambda v: v @ right, lambda v: v @ right.abs(), terms=right.shape[0])


def _convolution(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    source, weight, bias, *rest = args
    if source is not x or weight is x:
        return None
    transposed = rest[3]
    fan_in = weight.shape[0] if transposed else weight.shape[1]
    per_channel = [1, -1] + [1] * (weight.dim() - 2)
    return AffineMap(
        lambda v: func(v, weight, bias, *rest),
        lambda v: func(v, weight, None, *rest),
        lambda v: func(v, weight.abs(), None, *rest),
        terms=fan_in * math.prod(weight.shape[2:]) + 1,
        offset=None if bias is None else bias.abs().view(per_channel),
    )


def _batch_norm(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    source, weight, bias, mean, variance = args[:5]
    eps = args[7] if func is aten.native_batch_norm.default else args[6]
    if source is not x or mean is None:
        return None
    shape = [1, -1] + [1] * (x.dim() - 2)
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    scale, shift = scale.view(shape), shift.view(shape)
    magnitude = (mean.abs().view(shape) * scale.abs()) + (0 if bias is None else bias.abs().view(shape))
    return AffineMap(
        lambda v: torch.addcmul(shift, v, scale),
        lambda v: v * scale,
        lambda v: v * scale.abs(),
        terms=8,
        offset=magnitude,
    )


def _shift(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    """x + k, k + x, x − k and k − x, for a constant k that does not depend on the point."""
    other = args[1] if args[0] is x else args[0]
    sign = -1 if func in _SUBTRACTIONS and args[0] is not x else 1
    if not is_constant(other, x):
        return None
    position = 0 if args[0] is x else 1
    rest = args[2:]
    offset = abs(other) if not isinstance(other, Tensor) else other.abs()
    return AffineMap(
        lambda v: func(v, other, *rest) if position == 0 else func(other, v, *rest),
        lambda v: v if sign == 1 else -v,
        lambda v: v,
        terms=2,
        offset=torch.as_tensor(offset, dtype=x.dtype, device=x.device),
    )


def _scale(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    """x · k, k · x and x / k, for a constant k that does not depend on the point."""
    if args[0] is not x and func in _DIVISIONS:
        return None
    other = args[1] if args[0] is x else args[0]
    if not is_constant(other, x) or (func in _DIVISIONS and len(args) > 2):
        return None
    size = other.abs() if isinstance(other, Tensor) else abs(other)
    return AffineMap(lambda v: func(v, other), lambda v: func(v, other), lambda v: func(v, size), terms=2)


def is_constant(other: object, x: Tensor) -> bool:
    """Whether a factor or summand is the same for every point of the batch, and leaves the shape of x as it is."""
    if not isinstance(other, Tensor):
        return isinstance(other, (int, float))
    if type(other) is not Tensor and type(other) is not torch.nn.Parameter:
        return False
    same = other.dim() < x.dim() or (other.dim() == x.dim() and other.shape[0] == 1)
    return same and torch.broadcast_shapes(other.shape, x.shape) == x.shape


def _subtract_from(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    """k − x, which is what ``rsub(x, k)`` stands for."""
    if len(args) > 2 or not isinstance(args[1], (int, float)):
        return None
    constant = float(args[1])
    return AffineMap(
        lambda v: constant - v,
        torch.neg,
        lambda v: v,
        terms=2,
        offset=torch.as_tensor(abs(constant), dtype=x.dtype, device=x.device),
    )


def _average(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    """Operators with weights ≥ 0 and no offset, such as pooling by averages."""
    rest = args[1:]
    return AffineMap(
        lambda v: func(v, *rest),
        lambda v: func(v, *rest),
        lambda v: func(v, *rest),
        terms=x.shape[1:].numel(),
    )


def _mean(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    axes = args[1] if len(args) > 1 and args[1] is not None else range(x.dim())
    return None if any(axis % x.dim() == 0 for axis in axes) else _average(func, args, x)


def _same(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    """Operators that move numbers about and compute none."""
    rest = args[1:]
    return AffineMap(lambda v: func(v, *rest), lambda v: func(v, *rest), lambda v: func(v, *rest), terms=0)


def _pad(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    """Padding by zeros, on axes other than the batch."""
    zero = len(args) < 3 or args[2] == 0
    return _same(func, args, x) if zero and len(args[1]) // 2 < x.dim() else None


def _negative(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    return AffineMap(torch.neg, torch.neg, lambda v: v, terms=0)


def _permute(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    return _same(func, args, x) if args[1][0] % x.dim() == 0 else None


def _transpose(func: OpOverload, args: Arguments, x: Tensor) -> AffineMap | None:
    return _same(func, args, x) if all(axis % x.dim() for axis in args[1:3]) else None


_SUBTRACTIONS = (aten.sub.Tensor, aten.sub.Scalar)
_DIVISIONS = (aten.div.Tensor, aten.div.Scalar)

_TABLE: dict[OpOverload, Callable[[OpOverload, Arguments, Tensor], AffineMap | None]] = {
    aten.addmm.default: _addmm,
    aten.mm.default: _mm,
    aten.convolution.default: _convolution,
    aten.native_batch_norm.default: _batch_norm,
    aten._native_batch_norm_legit_no_training.default: _batch_norm,
    aten.add.Tensor: _shift,
    aten.add.Scalar: _shift,
    aten.sub.Tensor: _shift,
    aten.sub.Scalar: _shift,
    aten.rsub.Scalar: _subtract_from,
    aten.mul.Tensor: _scale,
    aten.mul.Scalar: _scale,
    aten.div.Tensor: _scale,
    aten.div.Scalar: _scale,
    aten.neg.default: _negative,
    aten.avg_pool2d.default: _average,
    aten._adaptive_avg_pool2d.default: _average,
    aten.constant_pad_nd.default: _pad,
    aten.mean.dim: _mean,
    aten.sum.dim_IntList: _mean,
    aten.permute.default: _permute,
    aten.transpose.int: _transpose,
    aten.alias.default: _same,
    aten.detach.default: _same,
    aten.clone.default: _same,
}

RESHAPES = (aten.view.default, aten._unsafe_view.default, aten.reshape.default)
