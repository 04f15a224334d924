"""Square: an attack that asks for the outputs alone, so that no flat cell can hide from it."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError

from ..ambient import own_settings
from ..budgets import batches, check_batch_size
from ..complexity.frames import seed_of
from .attack import BATCH, Attacked, Ball, Bounds
from .classifier import checked, is_right, lead_of, logits
from .undisturbed import undisturbed

# Share of the pixels that the first square covers, halved when these parts of all queries are done (Andriushchenko et
# al.).
_SHARE = 0.8
_HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@own_settings()
def square_attack(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    *,
    eps: float,
    n_queries: int = 1000,
    bounds: Bounds | None = (0.0, 1.0),
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
) -> Tensor:
    """Look for misclassified points within ε of each input by random search, without gradients.

    The search begins with stripes of ±ε along one axis of the image. Each query tries ±ε, drawn for every channel, on a
    square at a random place, and keeps it where the lead of the best wrong class, max_{j≠y} z_j − z_y, has grown. The
    squares shrink as the queries go on.

    Parameters
    ----------
    model, x, y, eps, bounds, rng, batch_size
        As in `pgd_attack`. Inputs (N, channels, height, width) are images; flat ones (N, d) are taken for square images
        of one channel if d is a square number, else for a row of d pixels.
    n_queries : int

    Returns
    -------
    Tensor, shape (N, *input shape)
        For each input a misclassified point if one was met, the input itself included, else the best one.

    Raises
    ------
    InvalidInputError, NonFiniteError
        As in `pgd_attack`.

    References
    ----------
    M. Andriushchenko, F. Croce, N. Flammarion, M. Hein, Square Attack: a query-efficient black-box adversarial attack
    via random search, ECCV 2020.

    Examples
    --------
    >>> model = nn.Linear(4, 2, bias=False)
    >>> with torch.no_grad():
    ...     _ = model.weight.copy_(torch.tensor([[1.0, -1.0, 1.0, -1.0], [0.0] * 4]))
    >>> x = torch.tensor([[0.6, 0.4, 0.6, 0.4]])
    >>> model(square_attack(model, x, torch.tensor([0]), eps=0.25, n_queries=50)).argmax(1).item()
    1
    """
    return square(model, x, y, Ball.of(eps, n_queries, None, bounds, "margin"), rng, batch_size).points


def square(
    model: nn.Module,
    x: Tensor | ArrayLike,
    y: Tensor | ArrayLike,
    ball: Ball,
    rng: int | torch.Generator,
    batch_size: int | None,
) -> Attacked:
    """Attack; the steps of the ball are the queries. Draws are the same for all batch sizes."""
    size = BATCH if batch_size is None else check_batch_size(batch_size)
    generator = torch.Generator("cpu").manual_seed(seed_of(rng) % 2**63)
    with undisturbed(model), torch.no_grad():
        inputs, labels = checked(model, x, y)
        low, high = ball.ends(inputs)
        image = _image_shape(tuple(inputs.shape[1:]))
        lead, right = _ask(model, inputs, labels, size)
        points = inputs.clone()
        if not ball.n_steps:
            return Attacked(points, right)
        signs = _signs(generator, (len(inputs), image[0], 1, image[2]), inputs)
        striped = (inputs.reshape(-1, *image) + ball.eps * signs).reshape(inputs.shape)
        tried = torch.clamp(striped, low, high)
        for query in range(ball.n_steps):
            places = right.nonzero().squeeze(1)
            if not len(places):
                break
            found, still = _ask(model, tried[places], labels[places], size)
            kept = (found > lead[places]) | ~still if query else torch.ones_like(still)
            at = places[kept]
            points[at], lead[at], right[places] = tried[at], found[kept], still
            tried = torch.clamp(
                _with_square(points, inputs, image, ball.eps, query / ball.n_steps, generator), low, high
            )
    return Attacked(points, right)


def _ask(model: nn.Module, x: Tensor, y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Lead of the best wrong class and whether the model is right, (n,) each."""
    parts = [logits(model, x[b.start : b.stop].clone(), y[b.start : b.stop]) for b in batches(len(x), size)]
    z = torch.cat(parts)
    return lead_of(z, y), is_right(z, y)


def _with_square(
    points: Tensor, inputs: Tensor, image: tuple[int, int, int], eps: float, done: float, generator: torch.Generator
) -> Tensor:
    """The points with ±ε about the inputs on a square at a random place of each."""
    channels, height, width = image
    share = _SHARE / 2 ** int(np.searchsorted(_HALVED, done, side="right"))
    side = max(round(math.sqrt(share * height * width)), 1)
    tall, wide = min(side, height), min(side, width)
    corner = torch.rand((len(points), 2), generator=generator, dtype=torch.float32, device="cpu").to(points.device)
    signs = _signs(generator, (len(points), channels, 1, 1), points)
    inside = []
    for along, (length, span) in enumerate(((height, tall), (width, wide))):
        first = (corner[:, along] * (length - span + 1)).long()[:, None]
        at = torch.arange(length, device=points.device)[None]
        inside.append((at >= first) & (at < first + span))
    mask = (inside[0][:, None, :, None] & inside[1][:, None, None, :]).expand(-1, channels, -1, -1)
    moved = inputs.reshape(-1, *image) + eps * signs
    return torch.where(mask, moved, points.reshape(-1, *image)).reshape(points.shape)


def _signs(generator: torch.Generator, shape: tuple[int, ...], like: Tensor) -> Tensor:
    return (2 * torch.randint(0, 2, shape, generator=generator, dtype=torch.int64, device="cpu") - 1).to(like)


def _image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width that inputs of this shape are seen as."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    if len(shape) == 1:
        side = math.isqrt(shape[0])
        return (1, side, side) if side * side == shape[0] else (1, 1, shape[0])
    raise InvalidInputError(f"the square attack takes images or flat inputs, not inputs of shape {shape}")
