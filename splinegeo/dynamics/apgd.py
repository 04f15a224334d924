"""APGD: an attack that chooses its own step sizes, aimed at every wrong class in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..ambient import own_settings
from ..budgets import batches, check_batch_size
from ..complexity.frames import seed_of
from .attack import BATCH, Attacked, Ball, Bounds
from .classifier import checked, is_right, lead_of, logits, ranked_classes
from .undisturbed import undisturbed

# Croce and Hein: weight of the new direction against the old one; share of steps that must have gained; the first
# stretch of steps without a check, by how much each is shorter than the one before, and the shortest, as shares.
_MOMENTUM, _GAINED = 0.75, 0.75
_FIRST, _SHORTER, _SHORTEST = 0.22, 0.03, 0.06

# Logits (n, C) and labels (n,) to what the attack makes large (n,).
Objective = Callable[[Tensor, Tensor], Tensor]


@own_settings()
def apgd_attack(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    *,
    eps: float,
    n_steps: int = 100,
    n_targets: int | None = None,
    bounds: Bounds | None = (0.0, 1.0),
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
) -> Tensor:
    """Look for misclassified points within ε of each input, with steps that adapt, towards every wrong class.

    APGD makes ℓ large by x ← Π(x + α (Π(x + η sign ∇ℓ(x)) − x) + (1 − α)(x − x_before)), α = 0.75, from a random point
    of the ball. The step size η begins at 2ε, and is halved, with a return to the best point so far, when at a check
    less than three quarters of the steps have gained, or nothing has since the last halving. ℓ is the lead of the best
    wrong class, max_{j≠y} z_j − z_y; then, for inputs that are still right, z_t − z_y for one wrong class t after the
    other, in the order of their logits at the input. A network whose cells are flat around the data misleads attacks
    with small steps: η = 2ε looks beyond them.

    Parameters
    ----------
    model, x, y, eps, bounds, rng, batch_size
        As in `pgd_attack`.
    n_steps : int
        For each objective.
    n_targets : int, optional
        How many wrong classes are aimed at; default 9, or all if there are fewer. 0 for none.

    Returns
    -------
    Tensor, shape (N, *input shape)
        For each input the first misclassified point that was met, the input itself included, else the best of the last
        objective. In the model's float format, on its device.

    Raises
    ------
    InvalidInputError, NonFiniteError
        As in `pgd_attack`.

    References
    ----------
    F. Croce, M. Hein, Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks,
    ICML 2020.

    Examples
    --------
    >>> model = nn.Linear(2, 2, bias=False)
    >>> with torch.no_grad():
    ...     _ = model.weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 0.0]]))
    >>> found = apgd_attack(model, torch.tensor([[0.75, 0.25]]), torch.tensor([0]), eps=0.5, n_steps=5)
    >>> model(found).argmax(1).item()
    1
    """
    ball = Ball.of(eps, n_steps, None, bounds, "margin")
    return apgd(model, x, y, ball, n_targets, rng, batch_size).points


def apgd(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    ball: Ball,
    n_targets: int | None,
    rng: int | torch.Generator,
    batch_size: int | None,
    *,
    stop: bool = True,
) -> Attacked:
    """Attack; without `stop`, misclassified points are gone on with, and the first objective's best points returned.

    Such points are what is tried on another model.
    """
    size = BATCH if batch_size is None else check_batch_size(batch_size)
    generator = torch.Generator("cpu").manual_seed(seed_of(rng) % 2**63)
    with undisturbed(model), torch.enable_grad():
        inputs, labels = checked(model, x, y)
        low, high = ball.ends(inputs)
        share = torch.rand(inputs.shape, generator=generator, dtype=torch.float32, device="cpu")
        starts = torch.clamp(inputs + (ball.eps * (2 * share - 1)).to(inputs), low, high)
        found = []
        for b in batches(len(inputs), size):
            place = slice(b.start, b.stop)
            room = _Room(model, ball, inputs[place], labels[place], low[place], high[place])
            found.append(_attack_room(room, starts[place], 9 if n_targets is None else n_targets, stop))
    return Attacked(torch.cat([one.points for one in found]), torch.cat([one.right for one in found]))


@dataclass(frozen=True)
class _Room:
    """A batch of inputs (n, *input shape), their labels, and where an attack may go."""

    model: nn.Module
    ball: Ball
    x: Tensor
    y: Tensor
    low: Tensor
    high: Tensor

    def only(self, places: Tensor) -> _Room:
        """Some of the inputs."""
        return _Room(self.model, self.ball, *(t[places] for t in (self.x, self.y, self.low, self.high)))

    def clamp(self, points: Tensor) -> Tensor:
        """Π."""
        return torch.clamp(points, self.low, self.high)

    def look(self, points: Tensor, objective: Objective) -> tuple[Tensor, Tensor, Tensor]:
        """Objective (n,), its gradient, and whether the model is right (n,)."""
        at = points.detach().requires_grad_()
        z = logits(self.model, at.clone(), self.y)
        value = objective(z, self.y)
        (gradient,) = torch.autograd.grad(value.sum(), at)
        return value.detach(), gradient, is_right(z.detach(), self.y)


def _attack_room(room: _Room, start: Tensor, n_targets: int, stop: bool) -> Attacked:
    with torch.no_grad():
        z = logits(room.model, room.x, room.y)
        points, right = room.x.clone(), is_right(z, room.y)
        order = ranked_classes(z, room.y)
    rank = order.shape[1]
    targets = [] if rank < 2 or not stop else [order[:, k] for k in range(min(n_targets, rank))]
    if not stop:
        return _ascend(room, start, lead_of, stop=False) if room.ball.n_steps else Attacked(points, right)
    for target in (None, *targets):
        open_ = right.nonzero().squeeze(1)
        if not len(open_) or not room.ball.n_steps:
            break
        objective = lead_of if target is None else _towards(target[open_])
        found = _ascend(room.only(open_), start[open_], objective, stop=True)
        points[open_], right[open_] = found.points, found.right
    return Attacked(points, right)


def _ascend(room: _Room, start: Tensor, objective: Objective, *, stop: bool) -> Attacked:
    """Auto-PGD from `start`; the first misclassified point of each input, or, without `stop`, its best one."""
    at = before = start
    value, gradient, right = room.look(at, objective)
    best, best_value, best_gradient = at.clone(), value.clone(), gradient.clone()
    first = best.clone()
    per_input = (-1, *[1] * (at.dim() - 1))
    step = at.new_full((len(at),), 2 * room.ball.eps).reshape(per_input)
    gained, last_best, halved = torch.zeros_like(value), best_value.clone(), torch.ones_like(right)
    checks, last_check = _checks(room.ball.n_steps), 0
    for k in range(1, room.ball.n_steps + 1):
        if stop and not right.any():
            break
        straight = room.clamp(at + step * gradient.sign())
        share = _MOMENTUM if k > 1 else 1.0
        before, at = at, room.clamp(at + share * (straight - at) + (1 - share) * (at - before))
        previous = value
        value, gradient, now = room.look(at, objective)
        first = torch.where((right & ~now).reshape(per_input), at, first)
        right = right & now
        gained += value > previous
        better = value > best_value
        best_value = torch.where(better, value, best_value)
        best, best_gradient = (
            torch.where(better.reshape(per_input), new, old) for new, old in ((at, best), (gradient, best_gradient))
        )
        if k in checks:
            stuck = (gained <= _GAINED * (k - last_check)) | (~halved & (best_value <= last_best))
            back = stuck.reshape(per_input)
            step = torch.where(back, step / 2, step)
            at, gradient = torch.where(back, best, at), torch.where(back, best_gradient, gradient)
            value = torch.where(stuck, best_value, value)
            gained, last_best, halved, last_check = torch.zeros_like(value), best_value.clone(), stuck, k
    if not stop:
        return Attacked(best, right)
    return Attacked(torch.where(right.reshape(per_input), best, first), right)


def _checks(n_steps: int) -> set[int]:
    """The steps at which step sizes are looked at: further apart in the beginning."""
    stretch, least, shorter = (max(int(share * n_steps), 1) for share in (_FIRST, _SHORTEST, _SHORTER))
    found, at = set(), 0
    while at + stretch <= n_steps:
        at += stretch
        found.add(at)
        stretch = max(stretch - shorter, least)
    return found


def _towards(target: Tensor) -> Objective:
    """How far a certain class is ahead."""
    return lambda z, y: (z.gather(1, target.unsqueeze(1)) - z.gather(1, y.unsqueeze(1)))[:, 0]
