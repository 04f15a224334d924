"""Watch a model run: every nonlinearity that it executes, in order, however the model spells it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from splinegeo.errors import InvalidInputError
from splinegeo.network import full_precision, module_names

from .activations import Nonlinearity, base_name, nonlinearity
from .flow import Flow


class SeenEnough(BaseException):
    """Raised by an observer to end a run behind the last layer that matters.

    Not an `Exception`, so that no model catches it.
    """


class Observer(Protocol):
    """What is told of every nonlinearity, before and after it acts; `event` counts them in a run."""

    def before(self, event: int, name: str, found: Nonlinearity) -> None:
        """See the pre-activation and the values at which the activation changes regime."""

    def after(self, event: int, post: Tensor, inputs: list[Tensor]) -> None:
        """See the output of the activation, and what it was made from.

        Where a mask spells the activation: the output of each operator that puts the mask to use.
        """


class ModulePath:
    """The path of the module that is executing, from global hooks: the caller's modules are not touched."""

    def __init__(self, model: nn.Module) -> None:
        self._names = module_names(model)
        self._activations = {id(module) for module in model.modules() if _is_activation(module)}
        self._stack: list[int] = []
        self._thread = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keep the path up to date while the context lasts."""
        self._stack.clear()
        handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def path(self) -> str:
        """Path of the innermost executing module; the empty string for the model itself."""
        return self._names[self._stack[-1]] if self._stack else ""

    def label(self, operator: str) -> str:
        """Name of a nonlinearity: the path of PyTorch's own module for it, else the path and the operator."""
        path = self.path()
        if path and self._stack[-1] in self._activations:
            return path
        return f"{path}.{operator}" if path else operator

    def _enter(self, module: nn.Module, args: Any) -> None:
        if id(module) in self._names and threading.get_ident() == self._thread:
            self._stack.append(id(module))

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._stack and self._stack[-1] == id(module) and threading.get_ident() == self._thread:
            self._stack.pop()


def _is_activation(module: nn.Module) -> bool:
    """Whether a module is one of PyTorch's own without parts, so that its path alone names the nonlinearity."""
    return type(module).__module__.startswith("torch.nn.") and not any(module.children())


class Recorder(TorchDispatchMode):
    """Tell an observer of every nonlinearity of the input; refuse operators that mix points or draw random numbers.

    With `dtype`, every floating-point tensor that an operator meets is promoted to it first: together with
    `Promotion` the model then computes in that format although its weights stay as they are.
    """

    def __init__(self, path: ModulePath, observer: Observer, x: Tensor, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self._path, self._observer, self._dtype = path, observer, dtype
        self._flow, self._n_events = Flow(x), 0

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        _refuse_mixing(func, args, kwargs, self._path)
        varying = self._flow.varying(args, kwargs)
        if self._dtype is not None:
            args, kwargs = promoted((args, kwargs), self._dtype)
        found = None if self._flow.are_masks(varying) else nonlinearity(func, args, kwargs)
        event = self._n_events
        if found is not None:
            self._n_events += 1
            self._observer.before(event, self._path.label(base_name(func)), found)
        out = func(*args, **kwargs)
        test = event if found is not None and found.source else None
        used = self._flow.follow(func, varying, out, test)
        ended = [*used, event] if found is not None and test is None else used
        for each in ended:
            self._observer.after(each, out[0] if isinstance(out, (tuple, list)) else out, varying)
        return out


class Promotion(TorchFunctionMode):
    """Promote what every torch function gets, before functions that compare formats see them."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        args, kwargs = promoted((args, kwargs or {}), self._dtype)
        return func(*args, **kwargs)


def promoted(values: Any, dtype: torch.dtype) -> Any:
    """Floating-point tensors and formats among nested values, replaced by those of `dtype`."""

    def promote(value: Any) -> Any:
        if isinstance(value, torch.dtype):
            return dtype if value.is_floating_point else value
        if type(value) in (Tensor, nn.Parameter) and value.is_floating_point():
            return value.to(dtype)
        return value

    return tree_map(promote, values)


def run(model: nn.Module, x: Tensor, observer: Observer, path: ModulePath, dtype: torch.dtype | None = None) -> None:
    """Run `model` on x and let `observer` watch; leaves model, random states and gradients as they were."""
    with ExitStack() as stack:
        for context in _plain_arithmetic(dtype or x.dtype, x.device):
            stack.enter_context(context)
        stack.enter_context(path.watching())
        if dtype is not None:
            stack.enter_context(Promotion(dtype))
        stack.enter_context(Recorder(path, observer, x, dtype))
        stack.enter_context(suppress(SeenEnough))
        model(x)


def _plain_arithmetic(dtype: torch.dtype, device: torch.device) -> list[AbstractContextManager[Any]]:
    """No gradients, no autocast, no shortened products, and no fused encoder layer that would hide its nonlinearity."""
    has_autocast = torch.amp.is_autocast_available(device.type)
    return [
        torch.no_grad(),
        torch.autocast(device.type, enabled=False) if has_autocast else ExitStack(),
        full_precision(dtype, device),
        _unfused_attention(),
    ]


@contextmanager
def _unfused_attention() -> Iterator[None]:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


_BATCH_NORMS = ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm")
_BATCH_STATISTICS = (
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_functional",
    "_batch_norm_with_update",
)


def _refuse_mixing(func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], path: ModulePath) -> None:
    """Raise before a layer of batch statistics or of random numbers acts."""
    name = base_name(func)
    in_training = name in _BATCH_STATISTICS or (name in _BATCH_NORMS and bool(args[5]))
    # Instance norm is batch norm of one "batch entry" that holds the channels of every point.
    batch_statistics = in_training and args[0].shape[0] > 1
    if batch_statistics or (torch.Tag.nondeterministic_seeded in func.tags and _is_random(func, args, kwargs)):
        raise InvalidInputError(
            f"'{path.path() or 'the model'}' runs {name} with batch statistics or random numbers, so the "
            "result of a point depends on the others or on chance; call model.eval() first"
        )


def _is_random(func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operator that may draw random numbers does: attention and rrelu do in training only."""
    for position, argument in enumerate(func._schema.arguments):
        if argument.name in ("dropout_p", "dropout", "training", "train", "p"):
            value = kwargs.get(argument.name, args[position] if position < len(args) else argument.default_value)
            if not value:
                return False
    return True
