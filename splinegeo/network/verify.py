"""A captured network must be the module it came from: checked at random points, every time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CaptureError, InvalidInputError, NonFiniteError
from .precision import InDouble
from .program import Environment, Network

_RELATIVE = 1e-9


def verify(network: Network, model: nn.Module, points: Tensor, until: str | None = None) -> None:
    """Compare the captured network on a batch with the module on each point by itself.

    One point at a time is the definition of the function (as a batch of twins: some modules refuse a batch of one); a
    batch of different points is how the engine evaluates it. An operator that mixes the points of a batch therefore
    shows here, by name.

    Parameters
    ----------
    model : the module in float64 and eval mode
    points : (n, *input_shape) float64

    Raises
    ------
    CaptureError
        If they differ by more than 1e-9 relative; names the first operator that does.
    InvalidInputError
        If the module or `until` does not return one tensor, or returns nothing in it.
    NonFiniteError
        If an output is NaN or infinite.
    """
    with torch.no_grad():
        calls = zip(*(_module_outputs(model, x, until) for x in _twins(points)), strict=True)
        actual = network(points)
    expected = [torch.cat(outputs) for outputs in calls]
    if not actual.numel():
        raise InvalidInputError("the network has no outputs: its last layer has no units")
    if not all(torch.isfinite(outputs).all() for outputs in expected):
        raise NonFiniteError("the network's output is NaN or infinite at a random point of the slice")
    # A module that is called several times under several names is captured up to the call that `until` names.
    same_size = [outputs for outputs in expected if outputs.numel() == actual.numel()]
    if not any(_close(actual.reshape(len(points), -1), outputs) for outputs in same_size):
        raise CaptureError(f"the captured network differs from the module: {_first_difference(network, points)}")


def _module_outputs(model: nn.Module, x: Tensor, until: str | None) -> list[Tensor]:
    """What the module, or its submodule `until`, returns for one point, call by call."""
    outputs: list[Any] = []
    watched = model.get_submodule(until or "")
    with watched.register_forward_hook(lambda _m, _args, output: outputs.append(output)), InDouble():
        model(x)
    for output in outputs:
        if not isinstance(output, Tensor):
            what = f"submodule '{until}'" if until else "the model"
            raise InvalidInputError(f"{what} must return one tensor, not a {type(output).__name__}")
    return [output[:1].reshape(1, -1) for output in outputs]


def _twins(points: Tensor) -> Iterator[Tensor]:
    """Each point twice."""
    return (point.expand(2, *point.shape) for point in points)


def _close(actual: Tensor, expected: Tensor) -> bool:
    scale = torch.linalg.vector_norm(expected, torch.inf)
    return bool(torch.linalg.vector_norm(actual - expected, torch.inf) <= _RELATIVE * scale)


def _first_difference(network: Network, points: Tensor) -> str:
    """The first operator whose value for a point depends on the rest of the batch."""
    batch: Environment = {network.input: points}
    alone: list[Environment] = [{network.input: twins} for twins in _twins(points)]
    with torch.no_grad():
        for step in network.steps:
            for env in (batch, *alone):
                network.execute(step, env, len(env[network.input]))
            if not _is_row_by_row(batch[step.name], [env[step.name] for env in alone]):
                where = f" in module '{step.module}'" if step.module else ""
                return f"operator '{step.operator}'{where} mixes the points of a batch"
    return (
        "its code does something that torch.export does not record, such as drawing random numbers or returning "
        "something else than the last value it computes"
    )


def _is_row_by_row(batch: Any, alone: list[Any]) -> bool:
    if not isinstance(batch, Tensor):
        return True
    if batch.ndim == 0 or len(batch) != len(alone):
        return batch.ndim > 0 and len(batch) % len(alone) == 0  # folded into the batch
    return all(row.shape == one.shape[1:] and _close(row, one[0]) for row, one in zip(batch, alone, strict=True))
