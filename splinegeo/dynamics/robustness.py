"""Accuracy under attack."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..ambient import own_settings
from .attack import attack
from .ball import Ball, Bounds


@own_settings()
def robust_accuracy(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    *,
    eps: float,
    n_steps: int,
    step_size: float | None = None,
    bounds: Bounds | None = (0.0, 1.0),
    loss: str = "margin",
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
) -> float:
    """Share of inputs that stay rightly classified under the ℓ∞ attack of `pgd_attack`.

    An input counts as robust when the model is right at *every* iterate: at the input itself, at the random start and
    after each step. All of them lie in the ball, so that one mistake disproves robustness, whatever the last iterate
    is. What is returned is therefore an upper bound of the true robust accuracy that is never above the accuracy on
    the inputs as they are, never rises with `n_steps` at the same `step_size`, and never lies above what the last
    iterate alone would give.

    Parameters
    ----------
    model, x, y, eps, n_steps, step_size, bounds, loss, rng, batch_size
        As in `pgd_attack`.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    A line with slope 2 classifies by its sign; the inputs lie 0.1 and 0.3 from the boundary.

    >>> model = nn.Linear(1, 1)
    >>> with torch.no_grad():
    ...     _, _ = model.weight.fill_(2.0), model.bias.fill_(-1.0)
    >>> x, y = torch.tensor([[0.6], [0.2]]), torch.tensor([1, 0])
    >>> [robust_accuracy(model, x, y, eps=eps, n_steps=10) for eps in (0.0, 0.05, 0.2, 0.5)]
    [1.0, 1.0, 0.5, 0.0]
    """
    found = attack(model, x, y, Ball.of(eps, n_steps, step_size, bounds, loss), True, rng, batch_size)
    return found.right.double().mean().item()
