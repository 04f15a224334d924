"""What counts as a nonlinearity: where operators break, how much they may stretch an error, and which are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Activation:
    """One row of the table of elementwise activations.

    Attributes
    ----------
    knots : callable
        From the operator's arguments to the values of its input where it changes its regime.
    stretch : callable
        From the operator's arguments to a Lipschitz constant: how much an error of the input can grow. Infinite where
        the function jumps.
    """

    knots: Callable[[Arguments], tuple[float, ...]]
    stretch: Callable[[Arguments], float]


@dataclass(frozen=True)
class Nonlinearity:
    """What an operator is found to do: the tensor that decides its regime, and the values where the regime changes.

    Attributes
    ----------
    pre : Tensor
        The pre-activation.
    knots : tuple of float
    source : tuple of Tensor
        Of a comparison or a sign: what it looks at. Its result is a mask, and the activation is what is made with it.
    refused : bool
        The operator breaks, but at no fixed list of values that could be counted.
    """

    pre: Tensor
    knots: tuple[float, ...] = (0.0,)
    source: tuple[Tensor, ...] = ()
    refused: bool = False


def _row(stretch: float | Callable[[Arguments], float] = 1.0, *knots: float) -> Activation:
    grows = stretch if callable(stretch) else lambda _: stretch
    return Activation(lambda _: knots or (0.0,), grows)


def _scalar(args: Arguments, position: int, default: float) -> float:
    return float(args[position]) if len(args) > position and args[position] is not None else default


def _largest(args: Arguments) -> float:
    """The steeper of slope 1 and the slopes given, a number or a tensor of them."""
    slope = args[1] if len(args) > 1 else 0.01
    return max(1.0, float(slope.abs().max()) if isinstance(slope, Tensor) else abs(slope))


def _bounds(args: Arguments) -> tuple[float, ...]:
    return tuple(float(bound) for bound in args[1:3] if bound is not None)


def _shrinkage(args: Arguments) -> tuple[float, ...]:
    return -_scalar(args, 1, 0.5), _scalar(args, 1, 0.5)


def _elu(args: Arguments) -> float:
    alpha, scale, inner = (_scalar(args, k, 1.0) for k in (1, 2, 3))
    return scale * max(1.0, abs(alpha) * inner)


# One row for each activation. Smooth ones have their two regimes meet at zero; their constants are upper bounds.
ACTIVATIONS: dict[str, Activation] = {
    "relu": _row(),
    "abs": _row(),
    "leaky_relu": _row(_largest),
    "_prelu_kernel": _row(_largest),
    "rrelu_with_noise": _row(lambda a: max(1.0, abs(_scalar(a, 3, 1.0)))),
    "hardtanh": Activation(lambda a: (_scalar(a, 1, -1.0), _scalar(a, 2, 1.0)), lambda _: 1.0),
    "clamp": Activation(_bounds, lambda _: 1.0),
    "clamp_min": Activation(_bounds, lambda _: 1.0),
    "clamp_max": Activation(_bounds, lambda _: 1.0),
    "threshold": Activation(lambda a: (_scalar(a, 1, 0.0),), lambda a: 1.0 if a[1] == a[2] else math.inf),
    "softshrink": Activation(_shrinkage, lambda _: 1.0),
    "hardshrink": Activation(_shrinkage, lambda _: math.inf),
    "hardsigmoid": _row(1.0, -3.0, 3.0),
    "hardswish": _row(1.5, -3.0, 3.0),
    "elu": _row(_elu),
    "celu": _row(_largest),
    "gelu": _row(1.2),
    "silu": _row(1.2),
    "mish": _row(1.2),
    "softplus": _row(),
    "sigmoid": _row(),
    "log_sigmoid_forward": _row(),
    "tanh": _row(),
    "erf": _row(1.2),
}

MAXIMA_OF_TWO = frozenset({"maximum", "minimum", "fmax", "fmin"})
COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})
_SIGNS = frozenset({"sign", "sgn", "signbit", "heaviside"})
# Each value that they pick lies between the values they pick from: no error grows.
SELECTIONS = frozenset(
    {"max_pool2d_with_indices", "max_pool3d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool3d", "amax"}
)
# They break, and not at a fixed list of values of one pre-activation.
_UNCOUNTABLE = frozenset(
    {"topk", "kthvalue", "median", "nanmedian", "mode", "argsort", "argmax", "argmin", "cummax", "cummin"}
    | {"floor", "ceil", "round", "trunc", "frac", "fmod", "remainder", "floor_divide", "copysign"}
    | {"bucketize", "searchsorted", "unique_dim", "_unique2", "histc", "nextafter"}
    | {"mkldnn_rnn_layer", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "_cudnn_rnn", "miopen_rnn"}
)
# Pairs of a sort that are written out: those of 64 numbers.
_MOST_SORTED = 64


def base_name(func: OpOverload) -> str:
    """`relu` for `aten::relu` and for its in-place form `aten::relu_`."""
    name = func._schema.name.removeprefix("aten::")
    return name.removesuffix("_")


def nonlinearity(func: OpOverload, args: Arguments, kwargs: dict[str, Any]) -> Nonlinearity | None:
    """The pre-activation that decides this operator's regime, and where the regime changes.

    A unit of a piecewise linear activation changes its linear piece where its pre-activation passes a *knot*:
    0 for ReLU and its relatives, the ends of the linear part for HardTanh, ReLU6 and their kin. Smooth
    activations (GELU, SiLU, tanh, the sigmoid …) have their regimes meet at 0. ``maximum(a, b)`` is b +
    relu(a − b): its pre-activation is a − b. A comparison a > b changes where a − b does; with the mask any
    activation can be spelt. Sorting changes its regime where two of the sorted numbers meet: its units are the
    pairs. Softmax and pooling act on no single pre-activation and are no layers.

    Returns
    -------
    Nonlinearity or None
        None: the operator is no nonlinearity of this kind.
    """
    name = base_name(func)
    if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
        return None
    x = args[0]
    if name in ACTIVATIONS and not any(isinstance(bound, Tensor) for bound in args[1:3] if name.startswith("clamp")):
        return Nonlinearity(x, ACTIVATIONS[name].knots(args))
    if name.startswith("clamp"):
        return _clamp(name, x, args, kwargs)
    if name in MAXIMA_OF_TWO:
        return Nonlinearity(x - args[1])
    if name == "glu":
        return Nonlinearity(x.chunk(2, args[1] if len(args) > 1 else -1)[1])
    if name in COMPARISONS:
        return None if args[1] is x else _comparison(x, args[1])
    if name in _SIGNS or (name == "_to_copy" and kwargs.get("dtype") is torch.bool):
        return Nonlinearity(x, source=(x,))
    if name == "sort":
        return _sort(x, args, kwargs)
    return Nonlinearity(x, refused=True) if _is_uncountable(name, func, args, kwargs) else None


def _comparison(x: Tensor, other: Any) -> Nonlinearity | None:
    """Where x − other changes sign; a test of finiteness compares with infinity and is none."""
    if isinstance(other, Tensor) and other.dim():
        return Nonlinearity(x - other, source=(x, other)) if other.is_floating_point() else None
    level = float(other)
    return Nonlinearity(x, (level,), source=(x,)) if math.isfinite(level) else None


def _clamp(name: str, x: Tensor, args: Arguments, kwargs: dict[str, Any]) -> Nonlinearity | None:
    """Limits that are tensors: between two of them a unit's place is its pre-activation, with knots 0 and 1."""
    limits = (*args[1:3], None, None)
    low, high = {"clamp_min": (limits[0], None), "clamp_max": (None, limits[0])}.get(name, limits[:2])
    low, high = kwargs.get("min", low), kwargs.get("max", high)
    if low is None or high is None:
        bound = high if low is None else low
        return None if bound is None else Nonlinearity(x - bound)
    return Nonlinearity((x - low) / (high - low), (0.0, 1.0))


def _sort(x: Tensor, args: Arguments, kwargs: dict[str, Any]) -> Nonlinearity | None:
    """All differences of two numbers that are sorted together."""
    axis: int = kwargs.get("dim", next((a for a in args[1:] if not isinstance(a, bool | None)), -1))
    numbers = x.unbind(axis)
    if len(numbers) > _MOST_SORTED:
        return Nonlinearity(x, refused=True)
    differences = [a - b for a, b in combinations(numbers, 2)]
    return Nonlinearity(torch.stack(differences, axis)) if differences else None


def _is_uncountable(name: str, func: OpOverload, args: Arguments, kwargs: dict[str, Any]) -> bool:
    """Steps, selections and casts to whole numbers; norms that hide absolute values."""
    if name == "linalg_vector_norm":
        return (args[1] if len(args) > 1 else 2) in (0, 1, math.inf, -math.inf)
    if name == "_to_copy":
        dtype = kwargs.get("dtype")
        return dtype is not None and not dtype.is_floating_point and not dtype.is_complex
    return name in _UNCOUNTABLE or (name == "div" and kwargs.get("rounding_mode") is not None)
