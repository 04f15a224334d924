"""A module as a function of one input: further inputs held fixed, one submodule or entry of its output chosen."""

from __future__ import annotations

import threading
from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.utils import _pytree as pytree

from ..errors import InvalidInputError
from .precision import InDouble, as_double, double_copy
from .refusal import require_capturable

OutputPath = str | int | None
Inputs = Mapping[str, Any] | Mapping[int, Any] | Sequence[Any] | None


class Entry(nn.Module):
    """What is captured: ``x -> output of module(x, further inputs)``, or of one of its submodules, in float64.

    Parameters
    ----------
    model : nn.Module
    until : name of a submodule behind which to stop, or None
    output : key or index into what is returned, a dotted path of them, or None
    inputs : further inputs by name, or by position; the network's own input takes the first place that is free
    """

    def __init__(self, model: nn.Module, until: str | None, output: OutputPath, inputs: Inputs) -> None:
        super().__init__()
        self.model, self.until, self.output = model, until, output
        self.n_calls = 1  # of the submodule `until`, at which to stop
        self._positional, self._named = _places(pytree.tree_map(_in_double, inputs))
        self._repeats_inputs = False
        if until is not None:
            model.get_submodule(until).register_forward_hook(_Stop(self))

    def count_calls(self, x: Tensor) -> None:
        """Run the whole module, to learn how often it calls `until`; raises what the module raises.

        If it does not take further inputs of one row beside several rows of x, that row is repeated.
        """
        try:
            self._count(x)
        except Exception:
            if self._repeats_inputs or not self._further_tensors():
                raise
            self._repeats_inputs = True
            self.count_calls(x)

    def _count(self, x: Tensor) -> None:
        self.n_calls = _NEVER
        try:
            self._call(x)
        finally:
            self.n_calls = getattr(_CALLS, "n", 0)

    def forward(self, x: Tensor) -> Any:
        """The chosen output of one batch."""
        stack = _module_stack()
        depth = len(stack)
        try:
            result = self._call(x)
        except _Reached as reached:
            while len(stack) > depth:  # modules that were left by the exception, which tracing did not see
                stack.popitem()
            result = reached.result
        return self._chosen(result)

    def _call(self, x: Tensor) -> Any:
        _CALLS.n = 0
        held, named = dict(self._positional), self._named
        if self._repeats_inputs:
            held = {place: _for_rows(value, x) for place, value in held.items()}
            named = {name: _for_rows(value, x) for name, value in named.items()}
        held[next(place for place in range(len(held) + 1) if place not in held)] = x
        with InDouble():
            return self.model(*(held[place] for place in sorted(held)), **named)

    def _further_tensors(self) -> list[Tensor]:
        return [v for v in (*self._positional.values(), *self._named.values()) if isinstance(v, Tensor) and v.ndim]

    def _chosen(self, result: Any) -> Any:
        steps = [] if self.output is None else str(self.output).split(".")
        for step in steps:
            try:
                if isinstance(result, Mapping):
                    result = result[step] if step in result else result[int(step)]
                elif isinstance(result, tuple | list) and step.lstrip("-").isdigit():
                    result = result[int(step)]
                else:
                    result = getattr(result, step)
            except (KeyError, IndexError, AttributeError, ValueError) as error:
                raise InvalidInputError(
                    f"output={self.output!r}: there is no '{step}' in {_described(result)}"
                ) from error
        return result


_NEVER = -1
_CALLS = threading.local()  # calls of `until` so far in the running call of an entry


class _Reached(BaseException):
    """Ends a run behind the submodule `until`; not an `Exception`, so that no module catches it."""

    def __init__(self, result: Any) -> None:
        self.result = result


class _Stop:
    """A forward hook that ends the run at the last call that counts."""

    def __init__(self, entry: Entry) -> None:
        self._entry = [entry]  # in a list, so that it is not taken for a part of the module

    def __call__(self, _module: nn.Module, _args: Any, result: Any) -> None:
        _CALLS.n = getattr(_CALLS, "n", 0) + 1
        if _CALLS.n == self._entry[0].n_calls:
            raise _Reached(result)


def enter(model: Any, until: str | None = None, output: OutputPath = None, inputs: Inputs = None) -> Entry:
    """A float64 copy of a module, without its wrappers, as a function of one input.

    Raises
    ------
    TypeError, InvalidInputError, CaptureError, NotPiecewiseAffineError
        If it is no module, or none that can be copied and captured; if it has no submodule `until`.
    """
    inner, held = unwrapped(model)
    require_capturable(inner)
    if held and inputs:
        raise InvalidInputError("inputs= is given for a functools.partial that holds inputs already")
    names = dict(inner.named_modules(remove_duplicate=False))
    until = None if until is None else plain_name(until, names)
    if until is not None and until not in names:
        raise InvalidInputError(f"the model has no submodule '{until}'; it has {_some_names(inner)}")
    copied = double_copy(inner)
    unwrap_parts(copied)
    return Entry(copied, until, output, inputs or held)


def _some_names(model: nn.Module, most: int = 8) -> str:
    names = [name for name, _ in model.named_modules() if name]
    return ", ".join(f"'{n}'" for n in names[:most]) + (" …" if len(names) > most else "")


def module_names(model: nn.Module) -> dict[int, str]:
    """The path of every module in the user's own module, by its id."""
    inside = model.model if isinstance(model, Entry) else model
    return {id(model): "", **{id(module): name for name, module in inside.named_modules()}}


def unwrapped(model: Any) -> tuple[Any, Inputs]:
    """The module inside wrappers that do not change what it computes, and the inputs that they hold fixed."""
    if isinstance(model, partial):
        inner, held = unwrapped(model.func)
        if isinstance(inner, nn.Module) and held is None:
            held_here: dict[Any, Any] = {**dict(enumerate(model.args)), **model.keywords}
            return inner, held_here
        return model, None
    while (inner := _inside(model)) is not None:
        model = inner
    return model, None


def _inside(model: Any) -> nn.Module | None:
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        return None
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return model.module
    return getattr(model, "_orig_mod", None)


def unwrap_parts(model: nn.Module) -> None:
    """Take the wrappers off the parts of a module, in place."""
    model._compiled_call_impl = None
    for name, child in list(model._modules.items()):
        while (inner := _inside(child)) is not None:
            child = inner
        model._modules[name] = child
        if child is not None:
            unwrap_parts(child)


def plain_name(name: str, known: Container[str] = ()) -> str:
    """A name without the parts that wrappers put into it, if it is not one of the known names as it is."""
    plain = ".".join(part for part in name.split(".") if part != "_orig_mod")
    return plain if plain in known else plain.removeprefix("module.")


def _places(inputs: Inputs) -> tuple[dict[int, Any], dict[str, Any]]:
    if inputs is None:
        return {}, {}
    if not isinstance(inputs, Mapping):
        return dict(enumerate(inputs, 1)), {}
    positional = {key: value for key, value in inputs.items() if isinstance(key, int)}
    return positional, {str(key): value for key, value in inputs.items() if not isinstance(key, int)}


def _in_double(leaf: Any) -> Any:
    return as_double(leaf) if isinstance(leaf, Tensor) else leaf


def _for_rows(value: Any, x: Tensor) -> Any:
    """A further input with one row repeated for every row of x."""
    if isinstance(value, Tensor) and value.ndim and len(value) == 1:
        return value.expand(x.shape[0], *value.shape[1:])
    return value


def _described(result: Any) -> str:
    if isinstance(result, Mapping):
        return f"{type(result).__name__} with the keys {list(result)}"
    return f"{type(result).__name__} of {len(result)}" if isinstance(result, tuple | list) else type(result).__name__


def _module_stack() -> Any:
    """The modules that tracing thinks it is in; empty when nothing is traced."""
    mode = get_proxy_mode()
    return getattr(mode.tracer, "module_stack", {}) if mode is not None else {}
