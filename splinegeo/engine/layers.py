"""A captured network as a chain of exact layers: affine, bend, affine, bend, …

Between two nonlinearities every operator is affine with known coefficients, so what enters a nonlinearity is an exact
affine form of what earlier ones gave. A value that is read again later, as residual connections do, is passed on
through the layers in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..network import COMPARISONS, MAXIMA, MINIMA, Network, Step
from ..rational import Layer, MaxLayer, elementwise
from .bends import unit_functions
from .coefficients import coefficients, step_coefficients
from .eligibility import last_nonlinearity, refusal
from .forms import Forms, compose

_MINIMA = MINIMA | {name for name, sign in COMPARISONS.items() if sign < 0}


@dataclass(frozen=True)
class _Stage:
    """A nonlinearity: the forms that enter it, and its layer for a number of values that are passed on.

    Its results are the columns ``first, …, first + n_units - 1``.
    """

    entering: Forms
    layer: Callable[[int], Layer]
    first: int
    n_units: int


@dataclass
class _Chain:
    """The translation under way."""

    network: Network
    values: dict[str, Any]
    n_columns: int
    stages: list[_Stage] = field(default_factory=list)


def exact_layers(network: Network, input_shape: tuple[int, ...]) -> list[Layer]:
    """Translate a captured network into exact layers of its flattened input.

    Raises
    ------
    InvalidInputError
        If a coefficient before the last nonlinearity is not exactly a given float; names the operator.
    """
    chain = _Chain(network, {network.input: Forms.of_columns(input_shape, 0)}, prod(input_shape))
    last = last_nonlinearity(network)
    for i, step in enumerate(network.steps):
        if step.layer is None:
            chain.values[step.name] = _affine(chain, step, strict=i < last)
        else:
            _add_stage(chain, step)
        network.release(step, chain.values)
    return _linked(chain.stages, chain.values[network.output], prod(input_shape))


def _affine(chain: _Chain, step: Step, strict: bool) -> Any:
    operands = {name: chain.values[name] for name in dict.fromkeys(step.inputs()) if name in chain.values}
    if step.operator == "getitem":
        (source,) = operands.values()
        return source if isinstance(source, Forms) else source[step.args[1]]
    shapes = {name: forms.shape for name, forms in operands.items()}
    found = step_coefficients(chain.network, step, shapes, strict)
    if isinstance(found, list):
        return [compose(some, list(operands.values())) for some in found]
    return compose(found, list(operands.values()))


def _add_stage(chain: _Chain, step: Step) -> None:
    shape = chain.network.unit_shapes[step.layer or 0]
    make = _maximum if step.operator in MAXIMA or step.operator in COMPARISONS else _bend
    entering, layer = make(chain, step)
    chain.stages.append(_Stage(entering, layer, chain.n_columns, prod(shape)))
    sign = -1 if step.operator in _MINIMA else 1
    chain.values[step.name] = Forms.of_columns(shape, chain.n_columns, sign)
    chain.n_columns += prod(shape)


def _bend(chain: _Chain, step: Step) -> tuple[Forms, Callable[[int], Layer]]:
    operands = [name for name in step.inputs() if name in chain.values]
    if operands != [step.args[0].name]:
        raise refusal(step, "has bounds that depend on the input")
    forms = chain.values[operands[0]]
    zeros = torch.zeros((1, *forms.shape), dtype=torch.float64)
    args, kwargs = chain.network.bind(step, {operands[0]: zeros}, 1)
    functions = unit_functions(step.operator, forms.shape, args, kwargs)
    return forms, lambda n_passed: elementwise(functions, n_passed)


def _maximum(chain: _Chain, step: Step) -> tuple[Forms, Callable[[int], Layer]]:
    operands = {name: chain.values[name] for name in dict.fromkeys(step.inputs()) if name in chain.values}

    def candidates(n_rows: int, *tensors: Tensor) -> Tensor:
        args, kwargs = chain.network.bind(step, dict(zip(operands, tensors, strict=True)), n_rows)
        if step.operator in MAXIMA:
            return MAXIMA[step.operator](*args, **kwargs)
        pair = torch.stack(torch.broadcast_tensors(*args[:2]), dim=-1).reshape(n_rows, -1, 2)
        return -pair if step.operator in _MINIMA else pair

    found = coefficients(candidates, [forms.shape for forms in operands.values()], moves=True)
    n_units, size = found.shape
    return compose(found, list(operands.values())), lambda n_passed: MaxLayer(size, n_units)


def _linked(stages: list[_Stage], output: Forms, n_inputs: int) -> list[Layer]:
    """The chain of layers: each passes on the columns that a later one reads."""
    needed = output.columns()
    passed: list[list[int]] = []
    for stage in reversed(stages):
        passed.append(sorted(column for column in needed if column < stage.first))
        needed |= stage.entering.columns()
    layers: list[Layer] = []
    state = list(range(n_inputs))
    for stage, kept in zip(stages, reversed(passed), strict=True):
        layers += [stage.entering.layer(_positions(state), kept), stage.layer(len(kept))]
        state = [*range(stage.first, stage.first + stage.n_units), *kept]
    return [*layers, output.layer(_positions(state))]


def _positions(columns: list[int]) -> dict[int, int]:
    return {column: i for i, column in enumerate(columns)}
