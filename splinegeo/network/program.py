"""A network as operators in order: the form in which the engine walks through it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..chunks import rows_at_once
from .arguments import leaves, map_leaves
from .magnitudes import magnitude
from .maxima import MAXIMA, n_rounds, round_events, round_magnitudes, winners
from .operators import events, has_events
from .table import COMPARISONS, CONVOLUTIONS, PRODUCTS


@dataclass(frozen=True)
class Ref:
    """Stands for a tensor in the arguments of a step."""

    name: str


@dataclass(frozen=True)
class Size:
    """Stands for an integer that may depend on the number of rows n: a sympy expression in one symbol."""

    expression: Any

    def at(self, n: int) -> int:
        """The integer when the batch has n rows."""
        return int(self.expression.subs(dict.fromkeys(self.expression.free_symbols, n)))


@dataclass(frozen=True)
class Step:
    """One operator call.

    Attributes
    ----------
    name : unique name of the result
    operator : short ATen name, such as 'linear'
    target, args, kwargs : what to call; tensors are `Ref`, row-dependent integers `Size`
    module : path of the submodule that makes the call, '' for the root
    layer : index into `Program.layer_names` for a nonlinearity, None for an affine operator
    last_uses : results that no later step needs
    """

    name: str
    operator: str
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    module: str
    layer: int | None
    last_uses: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Between processes an operator of PyTorch travels by its name."""
        is_operator = isinstance(self.target, torch._ops.OpOverload)
        return {**vars(self), "target": str(self.target) if is_operator else self.target}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if isinstance(self.target, str):
            namespace, packet, overload = self.target.split(".")
            operator = getattr(getattr(getattr(torch.ops, namespace), packet), overload)
            object.__setattr__(self, "target", operator)

    def inputs(self) -> Iterator[str]:
        """Names of the tensors among the arguments."""
        return (leaf.name for leaf in leaves((self.args, self.kwargs)) if isinstance(leaf, Ref))


Environment = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """The operators of a captured network in order, with its weights.

    Attributes
    ----------
    steps : operators in topological order
    constants : tensors that do not depend on the input: weights, buffers, and what is computed from them
    input, output : names
    layer_names : module paths of the nonlinearities, in order of execution
    unit_shapes : shape of one row of each nonlinearity's output
    row_constants : results that depend on the number of rows alone, such as an initial state of zeros; computed anew
        wherever they are needed
    """

    steps: tuple[Step, ...]
    constants: Mapping[str, Tensor]
    input: str
    output: str
    layer_names: tuple[str, ...]
    unit_shapes: tuple[tuple[int, ...], ...]
    row_constants: Mapping[str, Step] = field(default_factory=dict)
    dtype: torch.dtype = torch.float64
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (n, ...) at inputs (n, *input_shape)."""
        env: Environment = {self.input: x}
        for step in self.steps:
            self.execute(step, env, len(x))
            self.release(step, env)
        return env[self.output]

    def execute(self, step: Step, env: Environment, n_rows: int) -> None:
        """Run one step on the rows of the environment."""
        args, kwargs = self.bind(step, env, n_rows)
        env[step.name] = step.target(*args, **kwargs)

    def execute_in_chunks(self, step: Step, env: Environment, n_rows: int) -> None:
        """Run one step; a convolution or matrix product on so few rows at a time that its workspace stays small.

        The results overwrite an input of the same shape that no later step needs: fresh memory would cost a matrix
        product a fifth of its time, and the peak of memory is here.
        """
        x = env.get(step.args[0].name) if step.operator in PRODUCTS and isinstance(step.args[0], Ref) else None
        if x is None:
            self.execute(step, env, n_rows)
            return
        (_, weight, *args), kwargs = self.bind(step, env, n_rows)
        first = step.target(x[:1], weight, *args, **kwargs)
        overwrites = first.shape == x[:1].shape and _is_spare(step.args[0].name, step, env)
        workspace = x[0].numel()
        if step.operator in CONVOLUTIONS:  # lays the patches of its input side by side
            workspace = first[0, 0].numel() * weight[0].numel()
        elif not overwrites:
            self.execute(step, env, n_rows)
            return
        rows = rows_at_once(x, workspace)
        result = x if overwrites else first.new_empty((len(x), *first.shape[1:]))  # every row is written below
        for chunk, place in zip(x.split(rows), result.split(rows), strict=True):
            place.copy_(step.target(chunk, weight, *args, **kwargs))
        env[step.name] = result

    def bend(self, step: Step, env: Environment, n_rows: int) -> Iterator[Tensor]:
        """Run a nonlinearity; yields its rows chunk by chunk, each while it is in the cache.

        An element-wise one overwrites an input that no later step needs. The environment has the result in the end.
        """
        (name, *others) = (n for n in step.inputs() if n in env)
        x = env[name]
        same_shape = tuple(x.shape[1:]) == self.unit_shapes[step.layer or 0]  # constants may widen it
        elementwise = has_events(step.operator) and not self.is_maximum(step) and same_shape
        if others or not elementwise or not _is_spare(name, step, env):
            self.execute(step, env, n_rows)
            result = env[step.name]
            yield from result.split(rows_at_once(result, result[0].numel()))
            return
        in_place = getattr(torch.ops.aten, f"{step.operator}_", None)
        for chunk in x.split(rows_at_once(x, x[0].numel())):
            args, kwargs = self.bind(step, {name: chunk}, len(chunk))
            if in_place is not None and args[0] is chunk:
                in_place(*args, **kwargs)
            else:
                chunk.copy_(step.target(*args, **kwargs))
            yield chunk
        env[step.name] = x

    def release(self, step: Step, env: Environment) -> None:
        """Forget the results that no later step needs."""
        for name in step.last_uses:
            env.pop(name, None)

    def magnitude(self, step: Step, env: Environment, n_rows: int = 1) -> None:
        """Run one affine step on magnitudes (n, ...) instead of values."""
        args, kwargs = self.bind(step, env, n_rows)
        env[step.name] = magnitude(step.operator, step.target, args, kwargs)

    def n_rounds(self, step: Step, env: Environment) -> int:
        """How many times the subdivision must be refined before a nonlinearity is affine on every region."""
        return n_rounds(self.candidates(step, env, 1)) if step.operator in MAXIMA else 1

    def events(self, step: Step, env: Environment, n_rows: int, round: int = 0) -> Tensor:
        """(V, m) events of one round of a nonlinearity.

        When none of the events of all its rounds changes sign on a region, the nonlinearity is affine there. Event e
        belongs to the unit `event_units` (m,) [e]. They are the input itself where that bends at zero.
        """
        inputs = {name: env[name] for name in step.inputs() if name in env}
        one = {name: x[:1] for name, x in inputs.items()}
        first = self._events(step, one, 1, round)
        if _shares_memory(first, inputs):
            return self._events(step, inputs, n_rows, round).contiguous()  # an expanded input repeats itself
        result = first.new_empty((n_rows, first.shape[1]))  # every row is written below
        rows = rows_at_once(result, (self.candidates(step, one, 1) if step.operator in MAXIMA else first).numel())
        for start in range(0, n_rows, rows):
            some = slice(start, min(start + rows, n_rows))
            result[some] = self._events(step, {name: x[some] for name, x in inputs.items()}, some.stop - start, round)
        return result

    def n_event_numbers(self, step: Step, env: Environment) -> int:
        """Numbers that the events of one row (1, ...) take beside the input."""
        events = self._events(step, env, 1, 0)
        return 0 if _shares_memory(events, env) else events.numel()

    def snap(self, step: Step, env: Environment, n_rows: int, tolerance: Tensor) -> None:
        """Make events exactly zero, in place, where they are the input itself and within their tolerances (m,)."""
        events = self._events(step, env, n_rows, 0)
        if _shares_memory(events, env) and events.is_contiguous():
            events.masked_fill_(events.abs() <= tolerance, 0)

    def _events(self, step: Step, env: Environment, n_rows: int, round: int) -> Tensor:
        if step.operator in MAXIMA:
            return round_events(self.candidates(step, env, n_rows), round)
        args, kwargs = self.bind(step, env, n_rows)
        return events(step.operator, torch.sub, args, kwargs)

    def event_magnitudes(self, step: Step, env: Environment, round: int = 0, n_rows: int = 1) -> Tensor:
        """(n, m) magnitudes that enter the events, from an environment of magnitudes (n, ...)."""
        if step.operator in MAXIMA:
            return round_magnitudes(self.candidates(step, env, n_rows).abs(), round).reshape(n_rows, -1)
        args, kwargs = self.bind(step, env, n_rows)
        return events(step.operator, _add_magnitudes, args, kwargs).reshape(n_rows, -1)

    def event_units(self, step: Step, n_events: int, device: torch.device) -> Tensor:
        """(m,) flat index of the unit that each event belongs to."""
        n_units = self.n_units(step)
        event = torch.arange(n_events, device=device)
        # A maximum has several events per unit side by side; other operators have blocks of one event per unit.
        return event // (n_events // n_units) if step.operator in MAXIMA else event % n_units

    def n_units(self, step: Step) -> int:
        """Number of units of a nonlinearity."""
        return math.prod(self.unit_shapes[step.layer or 0])

    def is_maximum(self, step: Step) -> bool:
        """Whether a nonlinearity compares several values, rather than bending one."""
        return step.operator in MAXIMA or step.operator in COMPARISONS

    def winners(self, step: Step, env: Environment, magnitudes: Environment, tolerance: float) -> Tensor:
        """(n, n_units) which candidate each unit of a maximum takes, at points inside regions.

        Candidates within `tolerance` times their magnitude of the maximum are the same; the first one counts.
        """
        magnitude = self.candidates(step, magnitudes, 1).abs().amax(dim=2).reshape(-1)
        n_rows = len(next(iter(env.values())))
        return winners(self.candidates(step, env, n_rows), tolerance * magnitude)

    def candidates(self, step: Step, env: Environment, n_rows: int) -> Tensor:
        """(n, n_units, k) candidates of each unit of a maximum."""
        args, kwargs = self.bind(step, env, n_rows)
        return MAXIMA[step.operator](*args, **kwargs)

    def bind(self, step: Step, env: Environment, n_rows: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a step, with tensors and row numbers filled in."""

        def fill(leaf: Any) -> Any:
            if isinstance(leaf, Ref):
                return self._result(leaf.name, env, n_rows)
            if isinstance(leaf, Size):
                return leaf.at(n_rows)
            if isinstance(leaf, torch.dtype) and leaf.is_floating_point:
                return self.dtype
            return self.device if isinstance(leaf, torch.device) else leaf

        args, kwargs = map_leaves(fill, (step.args, step.kwargs))
        return args, kwargs

    def _result(self, name: str, env: Environment, n_rows: int) -> Any:
        if name in self.row_constants:
            step = self.row_constants[name]
            args, kwargs = self.bind(step, env, n_rows)
            return step.target(*args, **kwargs)
        return env[name] if name in env else self.constants[name]

    def to(self, device: torch.device | str | None, dtype: torch.dtype) -> Program:
        """The same network on another device or in another float format."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)

        constants = {name: move(c) for name, c in self.constants.items()}
        return replace(self, constants=constants, dtype=dtype, device=torch.device(device or self.device))


def _shares_memory(x: Tensor, env: Environment) -> bool:
    return any(x.data_ptr() == other.data_ptr() for other in env.values() if isinstance(other, Tensor))


def _is_spare(name: str, step: Step, env: Environment) -> bool:
    """Whether nobody needs the memory of an input after the step: neither the input, nor another view of it."""
    if name not in step.last_uses or not env[name].is_contiguous():
        return False
    tensors = (leaf for leaf in leaves(env) if isinstance(leaf, Tensor))
    memory = env[name].untyped_storage().data_ptr()
    return sum(tensor.untyped_storage().data_ptr() == memory for tensor in tensors) == 1


def _add_magnitudes(a: Any, b: Any) -> Tensor:
    return a.abs() + (b.abs() if isinstance(b, Tensor) else abs(b))
