"""What is recorded at every checkpoint of an experiment: local complexity, accuracies, profile, rounding, collapse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import splinegeo as sg

from ..data import Samples
from ..setting import Setting
from ..training import accuracy, loss_of
from ..transformer import TokenTransformer
from .recipe import Recipe

PROBES = ("train", "test", "random")
TABLE = "table.csv"
_COMPLEXITY = "local_complexity"

Metric = Callable[[nn.Module], float | Mapping[str, float]]


def open_tracker(
    model: nn.Module, recipe: Recipe, setting: Setting, samples: Samples, out: Path, seed: int
) -> sg.LocalComplexityTracker:
    """A tracker of `model` for the quantities of a recipe, with its table in the folder `out`.

    Pixels are points of the input space, and stay where they are. Tokens are none: neighbourhoods are then around
    their embeddings, which move as the network learns, and are measured as metrics, without a confidence interval.
    """
    metrics = _accuracies(model, setting, samples)
    measured, profile = model, None
    if isinstance(model, TokenTransformer):
        metrics |= _moving_complexity(model, recipe, samples, seed)
        measured, probes = model.core, {"random": _random_embeddings(model, recipe.n_points, seed)}
    else:
        metrics |= _last_layer(model, setting, samples)
        probes = _pixel_probes(samples, recipe.n_points, seed)
        profile = (samples.train_x, samples.train_y) if recipe.n_segments else None
    return sg.LocalComplexityTracker(
        measured,
        probes,
        radius=recipe.radii,
        dim=recipe.dim,
        metrics=metrics,
        steps=lambda _: True,
        path=out / TABLE,
        rng=seed,
        profile=profile,
        n_segments=max(recipe.n_segments, 1),
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


def _accuracies(model: nn.Module, setting: Setting, samples: Samples) -> dict[str, Metric]:
    train, test = (samples.train_x, samples.train_y), (samples.test_x, samples.test_y)
    return {
        "train_loss": lambda _: loss_of(model, *train, setting.loss),
        "train_accuracy": lambda _: accuracy(model, *train),
        "test_accuracy": lambda _: accuracy(model, *test),
    }


def _last_layer(model: nn.Module, setting: Setting, samples: Samples) -> dict[str, Metric]:
    """Rounding of the cross-entropy in the format of the loss, and neural collapse, on the training samples."""

    def inputs_of_last() -> tuple[Tensor, Tensor, nn.Linear]:
        assert isinstance(model, nn.Sequential)
        last = model[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            features: Tensor = model[:-1](samples.train_x.to(last.weight.dtype))
            return features, last(features), last

    def rounding(_: nn.Module) -> dict[str, float]:
        features, z, _last = inputs_of_last()
        loss_format = torch.float64 if "mixed" in (setting.precision, setting.switch and setting.switch[1]) else z.dtype
        return sg.precision_diagnostics(z.to(loss_format), samples.train_y, model=model, features=features).numbers()

    def collapse(_: nn.Module) -> dict[str, float]:
        features, _z, last = inputs_of_last()
        return sg.neural_collapse(features, samples.train_y, last).numbers()

    whole = len(samples.train_y.unique()) == int(samples.test_y.max()) + 1
    return {"precision": rounding, **({"collapse": collapse} if whole else {})}


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
