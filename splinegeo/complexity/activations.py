"""What counts as a nonlinearity: the operators that act through a pre-activation, and where they break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch._ops import OpOverload

Arguments = tuple[Any, ...]
PreActivation = tuple[Tensor, tuple[float, ...]]

_ZERO = (0.0,)

# Operators with one kink at zero, and smooth ones whose two regimes meet at zero.
_BENT_AT_ZERO = frozenset(
    {"relu", "leaky_relu", "rrelu_with_noise", "_prelu_kernel", "abs"}
    | {"elu", "celu", "gelu", "silu", "mish", "softplus", "sigmoid", "log_sigmoid_forward", "tanh", "erf"}
)
_KNOTS: dict[str, Callable[[Arguments], tuple[float, ...]]] = {
    "hardtanh": lambda a: (_scalar(a, 1, -1.0), _scalar(a, 2, 1.0)),
    "hardswish": lambda a: (-3.0, 3.0),
    "hardsigmoid": lambda a: (-3.0, 3.0),
    "hardshrink": lambda a: (-_scalar(a, 1, 0.5), _scalar(a, 1, 0.5)),
    "softshrink": lambda a: (-_scalar(a, 1, 0.5), _scalar(a, 1, 0.5)),
    "threshold": lambda a: (_scalar(a, 1, 0.0),),
    "clamp": lambda a: tuple(float(bound) for bound in a[1:3] if bound is not None),
    "clamp_min": lambda a: (_scalar(a, 1, 0.0),),
    "clamp_max": lambda a: (_scalar(a, 1, 0.0),),
}


def base_name(func: OpOverload) -> str:
    """`relu` for `aten::relu` and for its in-place form `aten::relu_`."""
    name = func._schema.name.removeprefix("aten::")
    return name.removesuffix("_")


def pre_activation(func: OpOverload, args: Arguments) -> PreActivation | None:
    """The tensor that decides this operator's regime and the values where the regime changes.

    A unit of a piecewise linear activation changes its linear piece where its pre-activation passes a *knot*:
    0 for ReLU and its relatives, the ends of the linear part for HardTanh, ReLU6 and their kin. Smooth
    activations (GELU, SiLU, tanh, the sigmoid …) have their regimes meet at 0. ``maximum(a, b)`` is b +
    relu(a − b): its pre-activation is a − b. Softmax and pooling act on no single pre-activation and are no
    layers.

    Returns
    -------
    (Tensor, knots) or None
        None: the operator is no nonlinearity of this kind.
    """
    name = base_name(func)
    if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
        return None
    if name in _BENT_AT_ZERO:
        return args[0], _ZERO
    if name in _KNOTS and not any(isinstance(bound, Tensor) for bound in args[1:3]):
        return args[0], _KNOTS[name](args)
    if name in ("maximum", "minimum"):
        return args[0] - args[1], _ZERO
    if name == "glu":
        return args[0].chunk(2, args[1] if len(args) > 1 else -1)[1], _ZERO
    return None


def _scalar(args: Arguments, position: int, default: float) -> float:
    return float(args[position]) if len(args) > position else default
