"""An experiment as plain data: what is trained, what is measured, what the paper says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import splinegeo as sg

from ..networks import Mlp, Network, describe
from .tasks import DigitTask, Task


@dataclass(frozen=True)
class Setting:
    """One training: network, samples, optimiser.

    Attributes
    ----------
    network, task : what learns, and what
    learning_rate, weight_decay, betas : of AdamW
    batch_size : samples in a step
    loss : ``"cross_entropy"`` or ``"squared_error"``
    last_step : where the training ends
    per_decade : checkpoints in every factor of ten of the steps
    """

    network: Network = field(default_factory=Mlp)
    task: Task = field(default_factory=DigitTask)
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    batch_size: int = 200
    loss: str = "cross_entropy"
    last_step: int = 79_433  # 10^4.9, so that the last checkpoint is one of the even ones
    per_decade: int = 10

    def steps(self) -> list[int]:
        """The checkpoints: evenly spaced on the logarithmic axis, and the last step."""
        due = sg.log_spaced(self.per_decade)
        return [step for step in range(self.last_step) if due(step)] + [self.last_step]

    def identity(self) -> dict[str, Any]:
        """What must be equal for a training to be gone on with: all but its length and its checkpoints."""
        known = asdict(self)
        del known["last_step"], known["per_decade"]
        task = {"kind": type(self.task).__name__, **known["task"]}
        return {**known, "network": describe(self.network), "task": task, "betas": list(self.betas)}


@dataclass(frozen=True)
class Recipe:
    """A named experiment.

    Attributes
    ----------
    name, title : for the command line and for pictures
    claim : what the paper says will be seen
    variants : name of a variant -> its setting
    radii : of the neighbourhoods of local complexity, in input space
    dim : number P of directions of each neighbourhood
    n_points : of each kind: training, test, random
    budgets : ε of the ℓ∞ attacks; none for inputs that are no pixels
    attack_steps : of each attack
    attacked : ``"test"`` or ``"train"``, whose points are attacked
    classes : three training samples of these classes span the slice
    margin : of the slice around them
    n_slices : at how many of the checkpoints the slice is computed
    resolution : pixels along a side of the maps that stand in for partitions
    """

    name: str
    title: str
    claim: str
    variants: Mapping[str, Setting]
    radii: tuple[float, ...] = (0.005, 0.5)
    dim: int = 25
    n_points: int = 500
    budgets: tuple[float, ...] = (0.06, 0.1, 0.14)
    attack_steps: int = 20
    attacked: str = "test"
    classes: tuple[int, int, int] = (3, 5, 8)
    margin: float = 0.6
    n_slices: int = 8
    resolution: int = 72
