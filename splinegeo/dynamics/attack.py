"""The ball in which an attack looks, in the maximum norm, and the attack by projected gradient descent."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError

from ..ambient import own_settings
from ..budgets import batches, check_batch_size
from ..complexity.frames import seed_of
from ..given import real_tensor
from .classifier import LOSSES, checked, is_right, logits
from .undisturbed import undisturbed

BATCH = 1000
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


@own_settings()
def pgd_attack(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    *,
    eps: float,
    n_steps: int,
    step_size: float | None = None,
    bounds: Bounds | None = (0.0, 1.0),
    loss: str = "margin",
    random_start: bool = True,
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
) -> Tensor:
    """Look for misclassified points within ε of each input, in the maximum norm.

    From a random point of the ball, take `n_steps` steps x ← Π(x + α sign ∇ℓ(x)), where Π projects on the ball and on
    the bounds, and ℓ is the margin in favour of the wrong classes, log Σ_{j≠y} exp z_j − z_y for the logits z. The
    cross-entropy is log(1 + exp ℓ), an increasing function of ℓ, so that the signs of its gradient are the same; but in
    floating point a part of it is rounded to zero where the network is sure, and sure networks look robust.

    With one output, its sign is the class and the margin is −s z, s = ±1.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier; it is evaluated in evaluation mode and left as it was found, random states included.
    x : Tensor or array, shape (N, *input shape)
        Inputs, within the bounds.
    y : Tensor or array of int, shape (N,)
        Their classes; for one output 0 or −1 for the negative class, 1 for the positive.
    eps : float
        ε, the radius of the ball; 0 leaves every input as it is.
    n_steps : int
    step_size : float, optional
        α; default 2.5 ε / n_steps, so that the steps together cross the ball from any start.
    bounds : pair of numbers or tensors that broadcast to x, or None
        Least and greatest admissible values.
    loss : {"margin", "cross_entropy"}
        ℓ, or the cross-entropy as it is commonly computed, to compare with figures that were measured with it.
    random_start : bool
        Start uniformly in the ball, not at the input.
    rng : int or torch.Generator
        Of the random start, which is drawn on the CPU and depends on `batch_size` in nothing.
    batch_size : int, optional
        Inputs attacked at once, default 1 000. It changes the result by no more than rounding can.

    Returns
    -------
    Tensor, shape (N, *input shape)
        For each input the first iterate that is misclassified, the input itself included, else the last. In the
        model's float format, on its device.

    Raises
    ------
    InvalidInputError
        Inputs outside the bounds or that do not fit the labels or the model, unknown labels, a negative `eps`.
    NonFiniteError
        If the model returns NaN or infinity.

    References
    ----------
    A. Madry, A. Makelov, L. Schmidt, D. Tsipras, A. Vladu, Towards Deep Learning Models Resistant to Adversarial
    Attacks, ICLR 2018.

    Examples
    --------
    >>> model = nn.Linear(2, 2, bias=False)
    >>> with torch.no_grad():
    ...     _ = model.weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 0.0]]))
    >>> pgd_attack(model, torch.tensor([[0.75, 0.25]]), torch.tensor([0]), eps=0.125, n_steps=5)
    tensor([[0.6250, 0.3750]])
    """
    ball = Ball.of(eps, n_steps, step_size, bounds, loss)
    return attack(model, x, y, ball, random_start, rng, batch_size).points


@dataclass(frozen=True)
class Attacked:
    """The points that the attack ended at, and whether the model was right at all it went through."""

    points: Tensor
    right: Tensor


def attack(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    ball: Ball,
    random_start: bool,
    rng: int | torch.Generator,
    batch_size: int | None,
) -> Attacked:
    """Attack batch by batch."""
    size = BATCH if batch_size is None else check_batch_size(batch_size)
    generator = torch.Generator("cpu").manual_seed(seed_of(rng) % 2**63)
    with undisturbed(model), torch.enable_grad():
        inputs, labels = checked(model, x, y)
        low, high = ball.ends(inputs)
        start = inputs
        if random_start:  # drawn at once and in one format, so that neither batches nor devices matter
            share = torch.rand(inputs.shape, generator=generator, dtype=torch.float32, device="cpu")
            start = torch.clamp(inputs + (ball.eps * (2 * share - 1)).to(inputs), low, high)
        found = [
            _attack_batch(model, ball, *(t[b.start : b.stop] for t in (inputs, labels, start, low, high)))
            for b in batches(len(inputs), size)
        ]
    return Attacked(torch.cat([one.points for one in found]), torch.cat([one.right for one in found]))


def _attack_batch(
    model: nn.Module, ball: Ball, x: Tensor, y: Tensor, start: Tensor, low: Tensor, high: Tensor
) -> Attacked:
    """Attack until each input is misclassified once; those that are need no further steps."""
    with torch.no_grad():
        points, right = x.clone(), is_right(logits(model, x, y), y)
    open_ = right.nonzero().squeeze(1)
    moving = start[open_]
    for k in range(ball.n_steps + 1):
        if not len(open_):
            break
        moving = moving.detach().requires_grad_(k < ball.n_steps)
        z = logits(model, moving.clone(), y[open_])  # of a copy: models may write to their input
        still = is_right(z, y[open_])
        points[open_] = moving.detach()
        right[open_] = still
        if k < ball.n_steps:
            (gradient,) = torch.autograd.grad(LOSSES[ball.loss](z, y[open_]).sum(), moving)
            moving = (moving.detach() + ball.step_size * gradient.sign())[still]
            open_ = open_[still]
            moving = torch.clamp(moving, low[open_], high[open_])
    return Attacked(points, right)
