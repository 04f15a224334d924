"""The operators that splinegeo understands, by their ATen names: affine ones, and where the others break.

An affine operator is *executed* on the vertices by PyTorch itself, so this table only says in which operands it is
affine. A piecewise-affine operator additionally says where it breaks: the zero sets of its events.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .arguments import map_leaves
from .maxima import MAXIMA


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Affine in all tensor operands together.
JOINTLY_AFFINE = _names(
    """
    add sub rsub neg cat concat stack hstack vstack clone alias detach contiguous lift_fresh lift_fresh_copy
    view view_as reshape reshape_as _unsafe_view flatten unflatten ravel permute transpose t swapaxes movedim moveaxis
    squeeze unsqueeze expand expand_as repeat repeat_interleave tile broadcast_to slice select narrow index
    index_select gather take_along_dim split split_with_sizes chunk tensor_split unbind unsafe_split unsafe_chunk
    getitem sum mean cumsum flip roll rot90 diagonal diag tril triu mT
    avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    _adaptive_avg_pool2d _adaptive_avg_pool3d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
    pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d
    replication_pad1d replication_pad2d replication_pad3d
    pixel_shuffle pixel_unshuffle channel_shuffle im2col col2im unfold
    slice_scatter select_scatter copy index_put index_add index_copy scatter_add
    zeros_like ones_like full_like new_zeros new_ones new_full fill to _to_copy
    """
)
# Piecewise affine in the first operand, while the slopes are constant.
SLOPED = _names("prelu _prelu_kernel")
# They lay every patch of their input side by side before they multiply.
CONVOLUTIONS = _names("conv1d conv2d conv3d convolution")
PRODUCTS = CONVOLUTIONS | {"linear"}
# Products: affine while at most one operand depends on the input.
MULTILINEAR = _names(
    """
    linear conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d
    mul multiply matmul mm bmm mv dot einsum tensordot inner outer
    """
)
# Affine in the first operand, the others constant.
AFFINE_IN_FIRST = _names(
    """
    div divide true_divide batch_norm _native_batch_norm_legit_no_training native_batch_norm dropout native_dropout
    masked_fill alpha_dropout feature_dropout
    """
)
# A sum of one operand and a product of the two others.
SUM_AND_PRODUCT = _names("addmm addmv addbmm baddbmm addcmul")
# The constant mask comes first.
AFFINE_AFTER_FIRST = _names("where")

# Plain numbers among their arguments enter the values.
_WITH_SCALARS = _names(
    "add sub rsub mul multiply div divide true_divide constant_pad_nd full_like fill masked_fill where "
    "addmm addmv addbmm baddbmm addcmul"
)

Difference = Callable[[Any, Any], Tensor]
Events = Callable[..., Tensor]


def is_affine(name: str, depends: list[bool]) -> bool:
    """Whether operator `name` is affine in the operands that depend on the network's input.

    `depends` says, for each tensor operand in order, whether it does.
    """
    if name in JOINTLY_AFFINE:
        return True
    if name in MULTILINEAR:
        return sum(depends) <= 1
    if name in AFFINE_IN_FIRST:
        return not any(depends[1:])
    if name in SUM_AND_PRODUCT:
        return sum(depends[1:]) <= 1
    if name in AFFINE_AFTER_FIRST:
        return not depends[0]
    return False


def is_piecewise_affine(name: str, depends: list[bool]) -> bool:
    """Whether operator `name` is piecewise affine in the operands that depend on the network's input."""
    if name in SLOPED:
        return not any(depends[1:])
    return name in BREAKS or name in MAXIMA or is_affine(name, depends)


def _breaks_at(*levels: float) -> Events:
    """Events of an element-wise operator that breaks at fixed levels of its input."""

    def events(minus: Difference, x: Tensor, *_: Any, **__: Any) -> Tensor:
        return _columns(minus, x, levels)

    return events


def _columns(minus: Difference, x: Tensor, levels: Any) -> Tensor:
    """(V, m) events ``x - level``, one block of columns per level."""
    if len(levels) == 1 and isinstance(levels[0], int | float) and levels[0] == 0:
        return x.reshape(len(x), -1)
    return _side_by_side(*(minus(x, level) for level in levels))


def _side_by_side(*blocks: Tensor) -> Tensor:
    return torch.cat([block.reshape(len(block), -1) for block in torch.broadcast_tensors(*blocks)], dim=1)


def _hardtanh(minus: Difference, x: Tensor, low: float = -1.0, high: float = 1.0) -> Tensor:
    return _columns(minus, x, (low, high))


def _clamp(minus: Difference, x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    levels = [level for level in (min, max) if level is not None]
    if all(isinstance(level, Tensor) for level in (min, max)):
        return _side_by_side(minus(x, min), minus(x, max), minus(min, max))  # where they swap, `max` takes over
    return _columns(minus, x, levels)


def _threshold(minus: Difference, x: Tensor, level: float, _value: float) -> Tensor:
    return _columns(minus, x, (level,))


def _shrink(minus: Difference, x: Tensor, level: float = 0.5) -> Tensor:
    return _columns(minus, x, (level, -level))


def _compare(minus: Difference, x: Tensor, other: Any) -> Tensor:
    return _side_by_side(minus(x, other))


# Where each piecewise-affine operator breaks: a function of the difference to use (values subtract, magnitudes add)
# and of the operator's own arguments, giving events (V, m). Event e belongs to unit ``e % n_units``.
BREAKS: dict[str, Events] = {
    "relu": _breaks_at(0),
    "leaky_relu": _breaks_at(0),
    "prelu": _breaks_at(0),
    "_prelu_kernel": _breaks_at(0),
    "rrelu": _breaks_at(0),
    "rrelu_with_noise": _breaks_at(0),
    "abs": _breaks_at(0),
    "relu6": _breaks_at(0.0, 6.0),
    "hardsigmoid": _breaks_at(-3.0, 3.0),
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": lambda minus, x, min: _columns(minus, x, (min,)),
    "clamp_max": lambda minus, x, max: _columns(minus, x, (max,)),
    "threshold": _threshold,
    "softshrink": _shrink,
    "maximum": _compare,
    "minimum": _compare,
    "max.other": _compare,
    "min.other": _compare,
    "fmax": _compare,
    "fmin": _compare,
}
_RANDOM = "is in training mode: it draws random numbers"


def spoiler(name: str, arguments: Mapping[str, Any]) -> str | None:
    """What keeps a listed operator from being piecewise affine when it is called with these arguments, if anything."""
    if name == "div" and arguments.get("rounding_mode"):
        return "rounds, so it jumps"
    if name == "threshold" and arguments["threshold"] != arguments["value"]:
        return f"jumps from {arguments['value']} to {arguments['threshold']}"
    if name.endswith("dropout") and arguments.get("train", True) and arguments["p"] > 0:
        return _RANDOM
    if name.startswith("rrelu") and arguments.get("training"):
        return _RANDOM
    if name.endswith("batch_norm") and arguments.get("training"):
        return "is in training mode: it mixes the points of a batch"
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


def _view(x: Tensor, shape: Any) -> Tensor:
    return x.view(shape) if isinstance(shape, torch.dtype) else x.reshape(shape)


# Written anew where PyTorch's own kernel will not do: the derivative of hardsigmoid is rounded to float32, rrelu has no
# rule for vmap, and copy none for forward-mode differentiation. `detach` would take the slope away from a function that
# has one. Memory formats, which vmap does not know, change no value; without them, what was a view may need a copy.
REWRITTEN: dict[str, Callable[..., Tensor]] = {
    "hardsigmoid": _hardsigmoid,
    "rrelu": _rrelu,
    "copy": _copy,
    "detach": _detach,
    "clone": _clone,
    "contiguous": _contiguous,
    "_to_copy": _to_copy,
    "view": _view,
    "_unsafe_view": _view,
}

# Operators that compare two values rather than bend one.
COMPARISONS = _names("maximum minimum max.other min.other fmax fmin")


def magnitude(name: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Sum of the magnitudes that enter each value of an affine operator, by executing it on absolute values.

    For a linear unit this is ``|w| · |a| + |b|``; rounding errors are a small multiple of it.
    """
    if name == "neg":
        return args[0].abs()
    if name.endswith("batch_norm") or name == "_native_batch_norm_legit_no_training":
        x, weight, bias, mean, variance, *rest = args
        parts = [None if p is None else p.abs() for p in (weight, bias)]
        return target(x.abs(), *parts, -mean.abs(), variance, *rest, **kwargs)
    if name in ("sub", "rsub"):
        target = torch.add
    args, kwargs = map_leaves(_absolute, (args, kwargs))
    if name in _WITH_SCALARS:
        args = tuple(abs(arg) if isinstance(arg, int | float) else arg for arg in args)
        kwargs = {key: abs(arg) if isinstance(arg, int | float) else arg for key, arg in kwargs.items()}
    return target(*args, **kwargs)


def _absolute(leaf: Any) -> Any:
    return leaf.abs() if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf


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
