"""Accuracy under attack: the worst of several attacks, and whether gradients could have told them anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError

from ..ambient import own_settings
from ..budgets import batches
from .apgd import apgd
from .attack import BATCH, Ball, Bounds
from .attack import attack as pgd
from .classifier import checked, is_right, lead_of, logits
from .square import square
from .undisturbed import undisturbed

ATTACKS = ("apgd", "pgd", "square", "transfer")
# A gradient has vanished where all of the ball could change the lead by this share of it, if the model were affine.
_VANISHING = 0.01


class RobustAccuracy(float):
    """Share of inputs that no attack has broken, a number in [0, 1] that knows where it comes from.

    Attributes
    ----------
    by_attack : mapping of str to float
        The share that each attack alone leaves, in the order in which they were asked for.
    vanishing_gradients : float
        Share of the rightly classified inputs around which the model is so flat that gradients tell nothing: as an
        affine function of the input, the lead of the right class would change by less than 1 % of itself in the whole
        ball. Attacks that follow gradients are then weak, and what they leave is no evidence of robustness.
    """

    by_attack: Mapping[str, float]
    vanishing_gradients: float

    def __new__(cls, value: float, by_attack: Mapping[str, float], vanishing_gradients: float) -> RobustAccuracy:
        """A float with two attributes."""
        made = super().__new__(cls, value)
        made.by_attack, made.vanishing_gradients = dict(by_attack), vanishing_gradients
        return made

    def __reduce__(self) -> tuple:
        return RobustAccuracy, (float(self), self.by_attack, self.vanishing_gradients)


@own_settings()
def robust_accuracy(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    *,
    eps: float,
    attack: str | Sequence[str] | None = None,
    n_steps: int = 100,
    step_size: float | None = None,
    n_queries: int = 1000,
    sources: Sequence[nn.Module] = (),
    bounds: Bounds | None = (0.0, 1.0),
    loss: str | None = None,
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
) -> RobustAccuracy:
    """Share of inputs that stay rightly classified under every ℓ∞ attack that is asked for.

    An input counts as robust when the model is right at *every* point that the attacks look at, the input included. All
    of them lie in the ball, so that one mistake disproves robustness. What is returned is therefore an upper bound of
    the true robust accuracy, and never above the accuracy on the inputs as they are.

    Parameters
    ----------
    model, x, y, eps, bounds, rng, batch_size
        As in `pgd_attack`.
    attack : str or sequence of str, optional
        ``"apgd"``, the default: `apgd_attack`, aimed at every wrong class. ``"pgd"``: `pgd_attack`; the default if a
        `step_size` or a `loss` is given. ``"square"``: `square_attack`, which needs no gradient. ``"transfer"``: points
        found on other networks, `sources`. Networks whose cells have become flat around the data need all of them.
    n_steps : int
        Of APGD, for each of its objectives, and of PGD.
    step_size, loss : optional
        Of PGD: see `pgd_attack`.
    n_queries : int
        Of the square attack.
    sources : sequence of torch.nn.Module
        Networks of the same inputs and classes, such as earlier checkpoints, on which APGD makes the lead of the best
        wrong class as large as it can.

    Returns
    -------
    RobustAccuracy
        A float, with the share that each attack leaves and the share of vanishing input gradients.

    Raises
    ------
    InvalidInputError
        As `pgd_attack`; for unknown attacks, ``"transfer"`` without sources, sources without it, a `step_size` or
        `loss` without PGD.

    Examples
    --------
    A line with slope 2 classifies by its sign; the inputs lie 0.1 and 0.3 from the boundary.

    >>> model = nn.Linear(1, 1)
    >>> with torch.no_grad():
    ...     _, _ = model.weight.fill_(2.0), model.bias.fill_(-1.0)
    >>> x, y = torch.tensor([[0.6], [0.2]]), torch.tensor([1, 0])
    >>> [float(robust_accuracy(model, x, y, eps=eps, n_steps=10)) for eps in (0.0, 0.05, 0.2, 0.5)]
    [1.0, 1.0, 0.5, 0.0]
    >>> robust_accuracy(model, x, y, eps=0.2, attack=("pgd", "square"), n_queries=20).by_attack
    {'pgd': 0.5, 'square': 0.5}
    """
    names = _asked_for(attack, step_size, loss, sources)
    ball = Ball.of(eps, n_steps, step_size, bounds, loss or "margin")
    queries = Ball.of(eps, n_queries, None, bounds, "margin")
    left = {}
    for name in names:
        if name == "pgd":
            left[name] = pgd(model, x, y, ball, True, rng, batch_size).right
        elif name == "apgd":
            left[name] = apgd(model, x, y, ball, None, rng, batch_size).right
        elif name == "square":
            left[name] = square(model, x, y, queries, rng, batch_size).right
        else:
            left[name] = _transferred(model, sources, x, y, ball, rng, batch_size)
    robust = torch.stack(list(left.values())).all(dim=0)
    shares = {name: _share(right) for name, right in left.items()}
    return RobustAccuracy(_share(robust), shares, _vanishing(model, x, y, ball))


def _asked_for(
    attack: str | Sequence[str] | None, step_size: float | None, loss: str | None, sources: Sequence[nn.Module]
) -> tuple[str, ...]:
    of_pgd = step_size is not None or loss is not None
    chosen = ("pgd" if of_pgd else "apgd") if attack is None else attack
    names = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    unknown = [name for name in names if name not in ATTACKS]
    if unknown or not names or len(set(names)) < len(names):
        raise InvalidInputError(f"attack must be one or several of {list(ATTACKS)}, not {attack!r}")
    if of_pgd and "pgd" not in names:
        raise InvalidInputError(f"step_size and loss belong to PGD, which attack={attack!r} does not ask for")
    if bool(sources) != ("transfer" in names):
        raise InvalidInputError("attack='transfer' and sources=, the networks that points are found on, go together")
    return names


def _transferred(
    model: nn.Module,
    sources: Sequence[nn.Module],
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    ball: Ball,
    rng: int | torch.Generator,
    batch_size: int | None,
) -> Tensor:
    """Whether the model is right at the inputs and at the points that were found on the other networks, (N,)."""
    right = _right_at(model, x, y)
    for source in sources:
        points = apgd(source, x, y, ball, 0, rng, batch_size, stop=False).points
        right = right & _right_at(model, points, y)
    return right


def _right_at(model: nn.Module, x: Tensor | ArrayLike, y: Tensor | ArrayLike) -> Tensor:
    with undisturbed(model), torch.no_grad():
        inputs, labels = checked(model, x, y)
        return torch.cat(
            [
                is_right(logits(model, inputs[b.start : b.stop], labels[b.start : b.stop]), labels[b.start : b.stop])
                for b in batches(len(inputs), BATCH)
            ]
        )


def _vanishing(model: nn.Module, x: Tensor | ArrayLike, y: Tensor | ArrayLike, ball: Ball) -> float:
    """Share of the rightly classified inputs without a gradient to follow; NaN if there is none, 0 for no ball."""
    with undisturbed(model), torch.enable_grad():
        inputs, labels = checked(model, x, y)
        flat, n_right = 0, 0
        for b in batches(len(inputs), BATCH):
            some = labels[b.start : b.stop]
            at = inputs[b.start : b.stop].requires_grad_()
            z = logits(model, at.clone(), some)
            lead = lead_of(z, some)
            (gradient,) = torch.autograd.grad(lead.sum(), at)
            right = is_right(z.detach(), some)
            reach = ball.eps * gradient.flatten(1).abs().sum(1)
            flat += int((right & (reach < _VANISHING * lead.detach().abs())).sum())
            n_right += int(right.sum())
    if not ball.eps:
        return 0.0
    return flat / n_right if n_right else np.nan


def _share(right: Tensor) -> float:
    return right.double().mean().item()
