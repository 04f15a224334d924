"""One training as plain data: network, samples, loss, number format, optimiser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

import splinegeo as sg

from .data import DigitTask, Task
from .losses import LOSSES
from .networks import Mlp, Network, describe

# Name -> format of the weights, format in which the loss is computed from the outputs.
PRECISIONS = {
    "float32": (torch.float32, torch.float32),
    "mixed": (torch.float32, torch.float64),
    "float64": (torch.float64, torch.float64),
}
OPTIMIZERS = ("adamw", "adam", "sgd")
# Raised whenever the same fields train differently than before.
VERSION = 2


@dataclass(frozen=True)
class Setting:
    """One training.

    Attributes
    ----------
    network, task : what learns, and what
    loss : see `LOSSES`
    precision : ``"float32"``, ``"float64"``, or ``"mixed"``: weights in float32, the loss and its gradient with respect
        to the outputs in float64
    switch : (step, precision), the training goes on in that precision from that step on
    optimizer : ``"adamw"``, ``"adam"``, whose weight decay is a part of the gradient, or ``"sgd"``
    learning_rate, weight_decay, betas, eps, momentum : its own
    decay_until : the learning rate falls to 0 at this step, as half a cosine; None keeps it
    sharpness, adaptive : ρ of SAM, which takes the gradient at w + ρ g / ‖g‖; with `adaptive`, ASAM's, at
        w + ρ w² g / ‖w g‖; 0 for neither
    clip : the greatest norm of a gradient; None for any
    noise : standard deviation of a normal number that is added to every entry of every gradient
    batch_size : samples in a step
    last_step : where the training ends
    per_decade : checkpoints in every factor of ten of the steps
    checkpoints : those steps instead, up to the last one
    """

    network: Network = field(default_factory=Mlp)
    task: Task = field(default_factory=DigitTask)
    loss: str = "squared_error"
    precision: str = "float64"
    switch: tuple[int, str] | None = None
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: float = 0.9
    decay_until: int | None = None
    sharpness: float = 0.0
    adaptive: bool = False
    clip: float | None = None
    noise: float = 0.0
    batch_size: int = 200
    last_step: int = 79_433  # 10^4.9, so that the last checkpoint is one of the even ones
    per_decade: int = 10
    checkpoints: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        named = ((self.loss, LOSSES), (self.precision, PRECISIONS), (self.optimizer, OPTIMIZERS))
        for name, known in (*named, *(((self.switch[1], PRECISIONS),) if self.switch else ())):
            if name not in known:
                raise sg.InvalidInputError(f"'{name}' is none of {', '.join(known)}")

    def steps(self) -> list[int]:
        """The checkpoints: evenly spaced on the logarithmic axis, where the precision changes, and the last step."""
        due = sg.log_spaced(self.per_decade)
        wanted = set(self.checkpoints or (step for step in range(self.last_step) if due(step)))
        wanted |= {self.last_step, *([] if self.switch is None else [self.switch[0]])}
        return sorted(step for step in wanted if step <= self.last_step)

    def formats(self, step: int) -> tuple[torch.dtype, torch.dtype]:
        """Float formats of the weights and of the loss in the step that follows `step` others."""
        switched = self.switch is not None and step >= self.switch[0]
        return PRECISIONS[self.switch[1] if switched and self.switch else self.precision]

    def rate(self, step: int) -> float:
        """The learning rate of the step that follows `step` others."""
        if self.decay_until is None:
            return self.learning_rate
        return self.learning_rate * (1 + math.cos(math.pi * min(step / self.decay_until, 1))) / 2

    def identity(self) -> dict[str, Any]:
        """What must be equal for a training to be gone on with: all but its length and its checkpoints."""
        known: dict[str, Any] = {"version": VERSION, **asdict(self)}
        for length in ("last_step", "per_decade", "checkpoints"):
            del known[length]
        return known | {"network": describe(self.network), "task": self.task.describe()}


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Each entry that differs between two settings, in words: ``loss = cross_entropy, not squared_error``."""
    return [
        f"{name} = {found.get(name, 'unknown')}, not {wanted[name]}"
        for name in wanted
        if found.get(name) != wanted[name]
    ]
