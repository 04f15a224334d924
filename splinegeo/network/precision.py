"""A module in float64: its weights, and what its own code makes or casts in a lower precision."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from ..errors import CaptureError

_CASTS = (Tensor.float, Tensor.half, Tensor.bfloat16)
_FACTORIES = (torch.tensor, torch.as_tensor)


def double_copy(model: nn.Module) -> nn.Module:
    """A float64 copy of a module on the CPU, in eval mode; the caller's module stays as it is.

    Raises
    ------
    CaptureError
        If the module cannot be copied.
    """
    try:
        with torch.no_grad(), _CopiesInDouble():
            return copy.deepcopy(model).cpu().double().eval()
    except Exception as error:
        raise CaptureError(f"{type(model).__name__} cannot be copied: {error}") from error


class _CopiesInDouble(TorchFunctionMode):
    """While it lasts, a copy of a tensor that is no parameter is its value in float64, wherever it comes from.

    Pruned or normalised weights, and whatever a hook keeps, are results of a computation, which PyTorch does not copy.
    """

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Copy, or call `function`."""
        if function is not Tensor.__deepcopy__ or is_lazy(args[0]):
            return function(*args, **(kwargs or {}))
        tensor, memo = args
        if id(tensor) not in memo:
            memo[id(tensor)] = as_double(tensor)
        return memo[id(tensor)]


class InDouble(TorchFunctionMode):
    """While it lasts, code that says float32, or says nothing, computes in float64.

    A double copy meets the zeros, masks and casts that stand in its own forward; without this they would not fit, or
    would round. Numbers written in float32 keep their value.

    Examples
    --------
    >>> with InDouble():
    ...     torch.ones(1).dtype, torch.zeros(1, dtype=torch.float64).float().dtype
    (torch.float64, torch.float64)
    """

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `function` on float64 arguments, and turn its results into float64."""
        if function in _CASTS:
            return args[0].double()
        kwargs = kwargs or {}
        if function in _FACTORIES:
            args, kwargs = _as_written(*args, **kwargs)
            return function(*args, **kwargs)
        # What the code keeps in float32 elsewhere meets float64 here; what is written into stays itself.
        n_kept = 1 if getattr(function, "__name__", "").endswith("_") else 0
        args, kwargs = pytree.tree_map(_double_dtype, (args, kwargs))
        args, kwargs = (*args[:n_kept], *pytree.tree_map(_double, args[n_kept:])), pytree.tree_map(_double, kwargs)
        return pytree.tree_map(_double, function(*args, **kwargs))


def _as_written(data: Any, dtype: torch.dtype | None = None, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Numbers that stand in the code keep the value that a lower precision gives them."""
    if not isinstance(data, np.ndarray) and not _is_plain(data):
        return (data,), {**options, "dtype": _double_dtype(dtype)}
    numbers = np.asarray(data)
    by_default = numbers.dtype == np.float32 if isinstance(data, np.ndarray) else numbers.dtype.kind == "f"
    if dtype in _LOWER or (dtype is None and by_default):
        rounded = numbers.astype(np.float16 if dtype is torch.float16 else np.float32)
        return (rounded.astype(np.float64),), {**options, "dtype": torch.float64}
    return (data,), {**options, "dtype": dtype}


def _is_plain(data: Any) -> bool:
    return all(isinstance(leaf, bool | int | float) for leaf in pytree.tree_leaves(data))


def is_lazy(tensor: Any) -> bool:
    """Whether a weight waits for its shape."""
    return isinstance(tensor, nn.UninitializedParameter | nn.UninitializedBuffer)


def as_double(tensor: Tensor) -> Tensor:
    """A copy on the CPU, in float64 if the tensor holds real numbers."""
    return tensor.detach().to("cpu", _double_dtype(tensor.dtype), copy=True)


def _double(leaf: Any) -> Any:
    return leaf.to(_double_dtype(leaf.dtype)) if isinstance(leaf, Tensor) and leaf.dtype in _LOWER else leaf


def _double_dtype(leaf: Any) -> Any:
    return _LOWER.get(leaf, leaf) if isinstance(leaf, torch.dtype) else leaf


_LOWER = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
}
