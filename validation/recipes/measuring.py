"""What is recorded at every checkpoint of an experiment: local complexity, accuracies, robustness."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import splinegeo as sg

from ..training import accuracy, loss_of
from ..transformer import TokenTransformer
from .recipe import Recipe, Setting
from .tasks import Samples

PROBES = ("train", "test", "random")
TABLE = "table.csv"
_COMPLEXITY = "local_complexity"

Metric = Callable[[nn.Module], float]


def open_tracker(
    model: nn.Module, recipe: Recipe, setting: Setting, samples: Samples, out: Path, seed: int
) -> sg.LocalComplexityTracker:
    """A tracker of `model` for the quantities of a recipe, with its table in the folder `out`.

    Pixels are points of the input space, and stay where they are. Tokens are none: neighbourhoods are then around
    their embeddings, which move as the network learns, and are measured as metrics, without a confidence interval.
    """
    metrics = _accuracies(model, setting, samples) | _robustness(model, recipe, samples, seed)
    measured: nn.Module = model
    if isinstance(model, TokenTransformer):
        metrics |= _moving_complexity(model, recipe, samples, seed)
        measured, probes = model.core, {"random": _random_embeddings(model, recipe.n_points, seed)}
    else:
        probes = _pixel_probes(samples, recipe.n_points, seed)
    return sg.LocalComplexityTracker(
        measured,
        probes,
        radius=recipe.radii,
        dim=recipe.dim,
        metrics=metrics,
        steps=lambda _: True,
        path=out / TABLE,
        rng=seed,
    )


def curve(table: np.ndarray, quantity: str) -> sg.Series:
    """A quantity that has one number at each step, such as ``"test_accuracy"``."""
    return sg.select_series(table, quantity)


def complexity_curve(table: np.ndarray, probe: str, radius: float) -> sg.Series:
    """Mean local complexity around the points of a kind, summed over the layers."""
    moving = _moving_name(probe, radius)
    if moving in table["quantity"]:
        return sg.select_series(table, moving)
    return sg.select_series(table, _COMPLEXITY, probe, radius)


def robust_name(eps: float) -> str:
    """The name under which accuracy under attacks of that size is recorded."""
    return f"robust_accuracy_{eps:g}"


def _accuracies(model: nn.Module, setting: Setting, samples: Samples) -> dict[str, Metric]:
    train, test = (samples.train_x, samples.train_y), (samples.test_x, samples.test_y)
    return {
        "train_loss": lambda _: loss_of(model, *train, setting.loss),
        "train_accuracy": lambda _: accuracy(model, *train),
        "test_accuracy": lambda _: accuracy(model, *test),
    }


def _robustness(model: nn.Module, recipe: Recipe, samples: Samples, seed: int) -> dict[str, Metric]:
    of_train = recipe.attacked == "train"
    x, y = (samples.train_x, samples.train_y) if of_train else (samples.test_x, samples.test_y)
    x, y = x[: recipe.n_points], y[: recipe.n_points]

    def measure(eps: float, _: nn.Module) -> float:
        return sg.robust_accuracy(model, x, y, eps=eps, n_steps=recipe.attack_steps, rng=seed)

    return {robust_name(eps): partial(measure, eps) for eps in recipe.budgets}


def _pixel_probes(samples: Samples, n: int, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand((n, *samples.train_x.shape[1:]), generator=generator)
    return dict(zip(PROBES, (samples.train_x[:n], samples.test_x[:n], random), strict=True))


def _moving_complexity(model: TokenTransformer, recipe: Recipe, samples: Samples, seed: int) -> dict[str, Metric]:
    def measure(tokens: Tensor, radius: float, _: nn.Module) -> float:
        with torch.no_grad():
            points = model.embedding(tokens)
        return sg.local_complexity(model.core, points, radius=radius, dim=recipe.dim, rng=seed).mean()

    n = recipe.n_points
    return {
        _moving_name(probe, radius): partial(measure, tokens, radius)
        for probe, tokens in (("train", samples.train_x[:n]), ("test", samples.test_x[:n]))
        for radius in recipe.radii
    }


def _moving_name(probe: str, radius: float) -> str:
    return f"{_COMPLEXITY}_{probe}_{radius:g}"


def _random_embeddings(model: TokenTransformer, n: int, seed: int) -> Tensor:
    """Normal points with the standard deviation of a symbol and a place at initialisation."""
    places, width = model.embedding.places.shape
    return torch.randn(n, places, width, generator=torch.Generator().manual_seed(seed)) * (2 / width) ** 0.5
