"""The ball in which an attack looks, in the maximum norm, and its steps."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from splinegeo.errors import InvalidInputError

from ..given import real_tensor
from .classifier import LOSSES

# Of ε over the number of steps (Madry et al.): enough to cross the ball from anywhere to anywhere, and a half more.
_REACH = 2.5

Bounds = tuple[float | Tensor, float | Tensor]


@dataclass(frozen=True)
class Ball:
    """Where the attack may go, and how."""

    eps: float
    n_steps: int
    step_size: float
    bounds: Bounds
    loss: str

    @classmethod
    def of(cls, eps: float, n_steps: int, step_size: float | None, bounds: Bounds | None, loss: str) -> Ball:
        """From the arguments of `pgd_attack`, checked; a ball of radius 0 needs no steps."""
        if isinstance(n_steps, bool) or not isinstance(n_steps, (int, np.integer)) or n_steps < 1:
            raise InvalidInputError(f"n_steps must be a positive integer, not {n_steps!r}")
        if not (isinstance(eps, (int, float, np.floating)) and 0 <= eps <= sys.float_info.max):
            raise InvalidInputError(f"eps must be a number of at least 0, not {eps!r}")
        if step_size is None:
            step_size = _REACH * eps / n_steps
        elif not (isinstance(step_size, (int, float, np.floating)) and 0 < step_size <= sys.float_info.max):
            raise InvalidInputError(f"step_size must be a positive number, not {step_size!r}")
        if loss not in LOSSES:
            raise InvalidInputError(f"loss must be one of {list(LOSSES)}, not {loss!r}")
        low, high = (-float("inf"), float("inf")) if bounds is None else bounds
        return cls(float(eps), int(n_steps) if eps else 0, float(step_size), (low, high), loss)

    def ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Least and greatest values around each of the inputs."""
        low, high = (real_tensor(end, "bounds").to(x) for end in self.bounds)
        if bool(((x < low) | (x > high)).any()):
            raise InvalidInputError(
                f"inputs between {x.min().item():g} and {x.max().item():g} leave the bounds {self.bounds}; "
                "say which values are admissible with bounds="
            )
        return torch.maximum(x - self.eps, low), torch.minimum(x + self.eps, high)
