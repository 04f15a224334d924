"""Values that a module reads while it is traced: of weights and other constants they are known, of activations never.

Tracing follows tensors without values. Code that branches on a buffer, reads a bound with ``.item()``, or selects by
a constant mask needs values all the same; so everything that is computed from constants alone is computed twice, for
the graph and for real. Where the graph cannot have it, because a shape would depend on it, it gets the real tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from ..errors import CaptureError

# Functions that take values out of tensors without a call that the dispatcher would see.
_READERS = frozenset({"tolist", "numpy", "__array__"})
# Networks are asked at finite points, and refused where their values overflow: what code checks is then known.
_OF_FINITE_NUMBERS = {"isnan": False, "isinf": False, "isposinf": False, "isneginf": False, "isfinite": True}


class KnownConstants(TorchFunctionMode):
    """While it lasts, code under tracing may read what does not depend on the network's input.

    Attributes
    ----------
    was_read : whether any value was: the graph is then that of these weights alone
    """

    def __init__(self, values: dict[str, Tensor]) -> None:
        """`values` are the real tensors of the module that is traced, by name."""
        super().__init__()
        self._values, self._overwritten = values, set[int]()
        self.was_read = False

    def introduce(self, module: nn.Module) -> None:
        """Tell the traced stand-ins of weights and buffers which real tensors they stand for."""
        for name, tensor in named_tensors(module).items():
            if name in self._values:
                _remember(tensor, self._values[name])

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `function` for the graph and, on constants, for real."""
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if name in _OF_FINITE_NUMBERS:
            return _remember(function(*args, **kwargs), _OF_FINITE_NUMBERS[name])
        tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor | torch.SymInt)]
        if not all(isinstance(tensor, Tensor) and self._is_known(tensor) for tensor in tensors):
            self._forget(name, args)
            if name in ("numpy", "__array__"):
                return _unreadable(args[0])
            if name == "__getitem__":
                args = (args[0], self._without_masks(args[1]))
            elif name == "repeat_interleave":
                kwargs = {**kwargs, **self._repeated(args, kwargs)}
            return function(*args, **kwargs)
        with _watching() as seen:
            real = function(*pytree.tree_map(_real, args), **pytree.tree_map(_real, kwargs))
        if seen.is_random:  # a generator in the code makes the same numbers every time
            return function(*args, **kwargs) if kwargs.get("generator") is None else real
        is_tensor = any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(real))
        if tensors and (seen.reads or name in _READERS):
            self.was_read = True
            return real
        if not is_tensor:
            return function(*args, **kwargs)
        traced = function(*args, **kwargs)
        for leaf, value in zip(pytree.tree_leaves(traced), pytree.tree_leaves(real), strict=True):
            _remember(leaf, value)
        return traced

    def _without_masks(self, index: Any) -> Any:
        """An index in which constant masks, whose sums would be sizes, are the places that they select."""
        places: list[Any] = []
        for part in index if isinstance(index, tuple) else (index,):
            is_mask = isinstance(part, Tensor) and part.dtype is torch.bool and part.ndim and self._is_known(part)
            with _disable_current_modes():
                places += _real(part).nonzero(as_tuple=True) if is_mask else (part,)
            self.was_read |= bool(is_mask)
        return tuple(places)

    def _repeated(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, int]:
        """The size of the result, where constants say how often each entry is repeated."""
        repeats = kwargs.get("repeats", args[1] if len(args) > 1 else None)
        if not isinstance(repeats, Tensor) or repeats.ndim == 0 or not self._is_known(repeats):
            return {}
        self.was_read = True
        with _disable_current_modes():
            return {"output_size": int(_real(repeats).sum())}

    def _is_known(self, tensor: Tensor) -> bool:
        real = _real(tensor)
        if real is None or torch._C._functorch.is_functorch_wrapped_tensor(real):
            return False
        return real.untyped_storage()._cdata not in self._overwritten

    def _forget(self, name: str, args: tuple[Any, ...]) -> None:
        """What an activation is written into is a constant no more, nor are other views of it."""
        in_place = (name.endswith("_") and not name.startswith("__")) or name == "__setitem__" or name.startswith("__i")
        if in_place and args and isinstance(args[0], Tensor) and (real := _real(args[0])) is not None:
            self._overwritten.add(real.untyped_storage()._cdata)


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """All weights and buffers by name; what is shared has several names."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _remember(traced: Any, real: Any) -> Any:
    """Note the value of a traced tensor: a tensor, or a number that all its entries have."""
    if isinstance(traced, FakeTensor):
        if not isinstance(real, Tensor):
            with _disable_current_modes():
                real = torch.full([size if isinstance(size, int) else 2 for size in traced.shape], real)
        traced.known_value = real  # type: ignore[attr-defined]
    return traced


def _real(leaf: Any) -> Any:
    return getattr(leaf, "known_value", None) if isinstance(leaf, FakeTensor) else leaf


class _Watch(TorchDispatchMode):
    """Notes whether a call reads values, makes shapes of them, or draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.is_random = False

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tags = function.tags
        self.reads |= torch.Tag.data_dependent_output in tags or torch.Tag.dynamic_output_shape in tags
        self.is_random |= torch.Tag.nondeterministic_seeded in tags
        return function(*args, **(kwargs or {}))


@contextmanager
def _watching() -> Iterator[_Watch]:
    with _disable_current_modes(), torch.no_grad(), _Watch() as watch:
        yield watch


class _Unreadable(np.ndarray):
    """Stands for the values of an activation in NumPy: it may be kept, as hooks do, and not be used."""

    def _refuse(self, *_args: Any, **_kwargs: Any) -> Any:
        raise CaptureError("the module's code computes with the values of activations in NumPy, outside of PyTorch")

    __array_ufunc__ = __array_function__ = _refuse
    __getitem__ = __iter__ = __bool__ = __float__ = __int__ = _refuse
    tolist = item = _refuse


def _unreadable(tensor: Tensor) -> Any:
    shape = [size if isinstance(size, int) else 2 for size in tensor.shape]
    return np.full(shape, np.nan).view(_Unreadable)
