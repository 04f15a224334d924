"""Which checks there are, and how large each is in the quick and in the full run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import (
    batch_norm,
    deformation,
    during_training,
    image,
    kink_density,
    sandwich,
    shifted,
    zero_bias,
)
from .finding import Finding
from .subjects import Subjects, TrainingPlan


@dataclass(frozen=True)
class Check:
    """A check, which gets its settings, the trained networks and a seed."""

    name: str
    run: Callable[[Any, Subjects, int], Finding]
    quick: Any
    full: Any


QUICK = TrainingPlan(mlp_steps=1500, mlp_checkpoints=16, normalised_steps=600, cnn_steps=300)
FULL = TrainingPlan(mlp_steps=20_000, mlp_checkpoints=40, normalised_steps=5000, cnn_steps=3000)

# From random networks to trained ones; the report keeps this order.
CHECKS = (
    Check("zero-bias", zero_bias.check, zero_bias.QUICK, zero_bias.FULL),
    Check("shifted", shifted.check, shifted.QUICK, shifted.FULL),
    Check("kink-density", kink_density.check, kink_density.QUICK, kink_density.FULL),
    Check("sandwich", sandwich.check, sandwich.QUICK, sandwich.FULL),
    Check("during-training", during_training.check, during_training.QUICK, during_training.FULL),
    Check("image", image.check, image.QUICK, image.FULL),
    Check("deformation", deformation.check, deformation.QUICK, deformation.FULL),
    Check("batch-norm", batch_norm.check, batch_norm.QUICK, batch_norm.FULL),
)
