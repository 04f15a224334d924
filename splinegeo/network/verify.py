"""A captured network must be the module it came from: checked at random points, every time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..errors import CaptureError, InvalidInputError, NonFiniteError
from .entry import Entry
from .maxima import MAXIMA
from .program import Environment, Program, Step

# Of the largest output, and of the magnitudes that entered each: what cancels leaves rounding of these.
_RELATIVE, _OF_MAGNITUDE = 1e-9, 2.0**-43
# Batches of these many rows, beside one with each point once, by each of which no constant may be explained.
_OTHER_SIZES = (1, 7)


def verify(program: Program, entry: Entry, points: Tensor) -> None:
    """Compare the captured network, on batches of several sizes, with the module on each point by itself.

    One point at a time is the definition of the function (as a batch of twins: some modules refuse a batch of one); a
    batch of different points is how the engine evaluates it. An operator that mixes the points of a batch therefore
    shows here, by name.

    Parameters
    ----------
    entry : the module in float64 and eval mode
    points : (n, *input_shape) float64

    Raises
    ------
    CaptureError
        If they differ by more than rounding; names the first operator that does.
    InvalidInputError
        If the module does not return one tensor, or returns nothing in it.
    NonFiniteError
        If an output is NaN or infinite.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        expected = torch.cat([_alone(entry, x) for x in _twins(points)])
        actual = program(points)
        if not actual.numel():
            raise InvalidInputError("the network has no outputs: its last layer has no units")
        if not torch.isfinite(expected).all():
            raise NonFiniteError("the network's output is NaN or infinite at a random point of the slice")
        for size in (len(points), *_OTHER_SIZES):
            rows = [i % len(points) for i in range(size)]
            if not _close(program(points[rows]), expected[rows], lambda: _magnitudes(program, points)[program.output]):
                raise CaptureError(
                    f"the captured network differs from the module: {_first_difference(program, entry, points)}"
                )


def _alone(entry: Entry, twins: Tensor) -> Tensor:
    """What the module returns for one point, in one row."""
    output = entry(twins)
    if not isinstance(output, Tensor):
        what = f"submodule '{entry.until}'" if entry.until else "the model"
        raise InvalidInputError(f"{what} must return one tensor, not a {type(output).__name__}: name it with output=")
    return output[:1].reshape(1, -1)


def _twins(points: Tensor) -> Iterator[Tensor]:
    """Each point twice."""
    return (point.expand(2, *point.shape) for point in points)


def _magnitudes(program: Program, points: Tensor) -> Environment:
    """(1, ...) each: what enters every result at these points, so that its rounding is a small multiple.

    Nothing is known of a maximum over the batch, nor of what comes after it.
    """
    env: Environment = defaultdict(lambda: points.new_zeros(0))
    env[program.input] = points.abs().amax(0, keepdim=True)
    for step in program.steps:
        try:
            if step.layer is None:
                program.magnitude(step, env)
            else:
                env[step.name] = _entering(program, step, env)
        except (ValueError, RuntimeError):
            break
    return env


def _entering(program: Program, step: Step, env: Environment) -> Tensor:
    """What enters each unit of a nonlinearity, or leaves it where its slopes exceed one."""
    last = program.n_rounds(step, env) - 1
    entering = program.event_magnitudes(step, env, last).reshape(-1, program.n_units(step)).amax(0)
    entering = entering.reshape(1, *program.unit_shapes[step.layer or 0])
    if step.operator in MAXIMA:
        return entering
    signs = ({name: sign * value for name, value in env.items() if isinstance(value, Tensor)} for sign in (1, -1))
    for signed in signs:
        program.execute(step, signed, 1)
        entering = torch.maximum(entering, signed[step.name].abs())
    return entering


def _close(actual: Tensor, expected: Tensor, magnitude: Callable[[], Tensor]) -> bool:
    actual, expected = actual.reshape(len(actual), -1), expected.reshape(len(expected), -1)
    if actual.shape != expected.shape:
        return False
    error, allowed = (actual - expected).abs(), _RELATIVE * torch.linalg.vector_norm(expected, torch.inf)
    if bool(error.le(allowed).all()):
        return True
    entered = magnitude().abs().reshape(1, -1)
    if entered.numel() != actual[0].numel() or not torch.isfinite(entered).all():
        return False
    return bool(error.le(allowed + _OF_MAGNITUDE * entered).all())


def _first_difference(program: Program, entry: Entry, points: Tensor) -> str:
    """Why it is not the module: the first operator that mixes the batch, or something else."""
    batch: Environment = {program.input: points}
    alone: list[Environment] = [{program.input: twins} for twins in _twins(points)]
    magnitudes = _magnitudes(program, points)
    for step in program.steps:
        for env in (batch, *alone):
            program.execute(step, env, len(env[program.input]))
        if not _is_row_by_row(batch[step.name], [env[step.name] for env in alone], magnitudes[step.name]):
            where = f" in module '{step.module}'" if step.module else ""
            return f"operator '{step.operator}'{where} mixes the points of a batch"
    with torch.random.fork_rng(devices=[]):
        once, again = (_alone(entry, next(_twins(points))) for _ in range(2))
        seeded = []
        for _ in range(2):
            torch.manual_seed(0)
            seeded.append(_alone(entry, next(_twins(points))))
    if not torch.equal(*seeded):
        return "its output depends on what it was called with before: it keeps state between calls"
    if not torch.equal(once, again):
        return "it draws random numbers"
    return "its code does something that torch.export does not record, such as computing outside of PyTorch"


def _is_row_by_row(batch: Any, alone: list[Any], magnitude: Tensor) -> bool:
    if not isinstance(batch, Tensor):
        return True
    if batch.ndim == 0 or len(batch) != len(alone):
        return batch.ndim > 0 and len(batch) % len(alone) == 0  # folded into the batch
    rows = zip(batch, alone, strict=True)
    return all(row.shape == one.shape[1:] and _close(row[None], one[:1], lambda: magnitude) for row, one in rows)
