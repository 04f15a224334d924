"""A captured network must be the module it came from: checked at random points, every time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import CaptureError, NonFiniteError
from .program import Environment, Network

_RELATIVE = 1e-9


def verify(network: Network, model: nn.Module, points: Tensor, until: str | None = None) -> None:
    """Compare the captured network on a batch with the module on each point by itself.

    One point at a time is the definition of the function; a batch is how the engine evaluates it. An operator that
    mixes the points of a batch therefore shows here, by name.

    Parameters
    ----------
    model : the module in float64 and eval mode
    points : (n, *input_shape) float64

    Raises
    ------
    CaptureError
        If they differ by more than 1e-9 relative; names the first operator that does.
    """
    with torch.no_grad():
        expected = torch.cat([_module_output(model, x, until) for x in points.split(1)])
        actual = network(points)
    if not torch.isfinite(expected).all():
        raise NonFiniteError("the network's output is NaN or infinite at a random point of the slice")
    if expected.numel() != actual.numel() or not _close(actual.reshape(len(points), -1), expected):
        raise CaptureError(f"the captured network differs from the module: {_first_difference(network, points)}")


def _module_output(model: nn.Module, x: Tensor, until: str | None) -> Tensor:
    if until is None:
        return model(x).reshape(1, -1)
    outputs = []
    with model.get_submodule(until).register_forward_hook(lambda _m, _args, output: outputs.append(output)):
        model(x)
    return outputs[-1].reshape(1, -1)


def _close(actual: Tensor, expected: Tensor) -> bool:
    scale = torch.linalg.vector_norm(expected, torch.inf)
    return bool(torch.linalg.vector_norm(actual - expected, torch.inf) <= _RELATIVE * scale)


def _first_difference(network: Network, points: Tensor) -> str:
    """The first operator whose value for a point depends on the rest of the batch."""
    batch: Environment = {network.input: points}
    single: Environment = {network.input: points[:1]}
    with torch.no_grad():
        for step in network.steps:
            network.execute(step, batch, len(points))
            network.execute(step, single, 1)
            one, many = single[step.name], batch[step.name]
            if isinstance(one, Tensor) and not (many[:1].shape == one.shape and _close(many[:1], one)):
                where = f" in module '{step.module}'" if step.module else ""
                return f"operator '{step.operator}'{where} mixes the points of a batch"
    return "its code does something that torch.export does not record, such as drawing random numbers"
