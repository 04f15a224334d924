"""What the rows of the table mean for one call: is it affine, where does it break, what enters its values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .maxima import MAXIMA
from .splines import ACTIVATIONS, Spline, is_infinite
from .table import AFFINE, COMPARISONS, SLOPED, In

Difference = Callable[[Any, Any], Tensor]


def is_affine(name: str, depends: list[bool]) -> bool:
    """Whether operator `name` is affine in the operands that depend on the network's input.

    `depends` says, for each tensor operand in order, whether it does.
    """
    if name not in AFFINE:
        return False
    operands = AFFINE[name].operands
    if operands is In.ALL:
        return True
    if operands is In.ONE:
        return sum(depends) <= 1
    if operands is In.FIRST:
        return not any(depends[1:])
    if operands is In.SUM:
        return sum(depends[1:]) <= 1
    return not depends[0]


def is_piecewise_affine(name: str, depends: list[bool]) -> bool:
    """Whether operator `name` is piecewise affine in the operands that depend on the network's input."""
    if name in SLOPED:
        return not any(depends[1:])
    if name in ACTIVATIONS:
        return not ACTIVATIONS[name].is_smooth
    return name in COMPARISONS or name in MAXIMA or is_affine(name, depends)


def spline_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Spline:
    """The function of one number that an activation applies, from the operator's own arguments."""
    x, *others = args
    if name == "prelu" and x.ndim > 1:  # one slope for each channel
        others[0] = others[0].reshape(1, -1, *[1] * (x.ndim - 2))
    return ACTIVATIONS[name].spline(*others, **kwargs)


def has_events(name: str) -> bool:
    """Whether an operator bends each number by itself, or compares two of them."""
    return name in COMPARISONS or (name in ACTIVATIONS and not ACTIVATIONS[name].is_smooth)


def events(name: str, minus: Difference, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """(V, m) values that vanish where an activation or a comparison breaks; event e belongs to unit ``e % n_units``.

    Parameters
    ----------
    minus : the difference to use: values subtract, magnitudes add
    args, kwargs : the operator's own arguments
    """
    x, *others = args
    if name in COMPARISONS:
        return _side_by_side(minus(x, others[0] if others else kwargs["other"]))
    if name in ("clamp", "clip"):
        low, high = (*others, None, None)[:2]
        bounds = [kwargs.get("min", low), kwargs.get("max", high)]
        if all(isinstance(bound, Tensor) for bound in bounds):  # where they swap, the upper one takes over
            return _side_by_side(*(minus(x, bound) for bound in bounds), minus(*bounds))
        levels: tuple[Any, ...] = tuple(bound for bound in bounds if bound is not None and not is_infinite(bound))
    else:
        levels = ACTIVATIONS[name].breaks(*others, **kwargs)
    if len(levels) == 1 and not isinstance(levels[0], Tensor) and levels[0] == 0:
        return x.reshape(len(x), -1)
    if not levels:  # it bounds nothing
        return minus(x, 0.0).reshape(len(x), -1)
    return _side_by_side(*(minus(x, level) for level in levels))


def _side_by_side(*blocks: Tensor) -> Tensor:
    return torch.cat([block.reshape(len(block), -1) for block in torch.broadcast_tensors(*blocks)], dim=1)


_RANDOM = "is in training mode: it draws random numbers"


def spoiler(name: str, arguments: Mapping[str, Any]) -> str | None:
    """What keeps a listed operator from being piecewise affine when it is called with these arguments, if anything."""
    if name == "div" and arguments.get("rounding_mode"):
        return "rounds, so it jumps"
    if name in ("threshold", "hardshrink", "sign"):
        jump = ACTIVATIONS[name].spline(*list(arguments.values())[1:]).jump
        return jump and "jumps from {1} to {2} at {0}".format(*jump)
    if name.endswith("dropout") and arguments.get("train", True) and arguments["p"] > 0:
        return _RANDOM
    if name.startswith("rrelu") and arguments.get("training"):
        return _RANDOM
    if name.endswith("batch_norm") and arguments.get("training"):
        return "is in training mode: it mixes the points of a batch"
    if name in ("scatter", "scatter_reduce") and arguments.get("reduce", "sum") not in ("add", "sum", "mean"):
        return f"reduces by '{arguments['reduce']}'"
    return None


def _hardsigmoid(x: Tensor) -> Tensor:
    return torch.nn.functional.hardtanh(x / 6 + 0.5, 0, 1)


def _rrelu(x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, *_: Any) -> Tensor:
    return torch.nn.functional.leaky_relu(x, (lower + upper) / 2)


def _copy(place: Tensor, source: Tensor, *_: Any) -> Tensor:
    return source.expand_as(place)


def _detach(x: Tensor) -> Tensor:
    return x


def _clone(x: Tensor, **_: Any) -> Tensor:
    return x.clone(memory_format=torch.contiguous_format)


def _contiguous(x: Tensor, **_: Any) -> Tensor:
    return x.contiguous()


def _to_copy(x: Tensor, memory_format: Any = None, **options: Any) -> Tensor:
    return torch.ops.aten._to_copy(x, **options)


def _native_dropout(x: Tensor, _p: float, _train: Any = False) -> tuple[Tensor, Tensor]:
    return x, torch.ones_like(x, dtype=torch.bool)


def _slice_scatter(
    x: Tensor, source: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    size = x.shape[dim]
    return torch.ops.aten.slice_scatter(x, source, dim, start, size if end is None else min(end, size), step)


def _view(x: Tensor, shape: Any) -> Tensor:
    return x.view(shape) if isinstance(shape, torch.dtype) else x.reshape(shape)


# Written anew where PyTorch's own kernel will not do: the derivative of hardsigmoid is rounded to float32, rrelu has no
# rule for vmap, and copy none for forward-mode differentiation; vmap takes no slice with an end beyond the end.
# `detach` would take the slope away from a function that has one. Memory formats, which vmap does not know, change no
# value; without them, what was a view may need a copy.
REWRITTEN: dict[str, Callable[..., Any]] = {
    "hardsigmoid": _hardsigmoid,
    "rrelu": _rrelu,
    "copy": _copy,
    "detach": _detach,
    "clone": _clone,
    "contiguous": _contiguous,
    "_to_copy": _to_copy,
    "native_dropout": _native_dropout,
    "slice_scatter": _slice_scatter,
    "view": _view,
    "_unsafe_view": _view,
}


def operator_name(target: Any) -> str:
    """Short name of a call target: 'relu' for ``aten.relu.default``.

    Only ``max`` and ``min`` are different operators under one name: 'max.dim', 'max.other'.
    """
    if target is operator.getitem:
        return "getitem"
    schema = getattr(target, "_schema", None)
    if schema is None:
        return getattr(target, "__name__", str(target))
    name = schema.name.split("::")[-1]
    return f"{name}.{schema.overload_name}".rstrip(".") if name in ("max", "min") else name


def base_name(target: Any) -> str:
    """The name of what an operator computes: 'relu' for ``aten.relu_.default``, which writes it into its input."""
    name = target.split(".")[1] if isinstance(target, str) and target.startswith("aten.") else operator_name(target)
    return name if name.startswith("__") else name.removesuffix("_")
