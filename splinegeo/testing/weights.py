"""How the weights of one layer are drawn, kind by kind: (rng, rows, columns) to weight and bias."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Weights = tuple[np.ndarray, np.ndarray]
Sampler = Callable[[np.random.Generator, int, int], Weights]


def gaussian(rng: np.random.Generator, rows: int, columns: int) -> Weights:
    """In general position."""
    return rng.normal(0, np.sqrt(2 / columns), (rows, columns)), rng.normal(0, 0.5, rows)


def zero_bias(rng: np.random.Generator, rows: int, columns: int) -> Weights:
    """Every line of every layer passes through the origin."""
    return gaussian(rng, rows, columns)[0], np.zeros(rows)


def _on_grid(reach: int, step: float) -> Sampler:
    """Weights and biases k · step, |k| at most reach."""

    def sample(rng: np.random.Generator, rows: int, columns: int) -> Weights:
        drawn = rng.integers(-reach, reach + 1, (rows, columns + 1)) * step
        return drawn[:, :-1], drawn[:, -1]

    return sample


integers = _on_grid(2, 1.0)
halves = _on_grid(3, 0.5)
quarters = _on_grid(5, 0.25)
eighths = _on_grid(9, 0.125)


def pruned(rng: np.random.Generator, rows: int, columns: int) -> Weights:
    """Most weights and half of the biases are zero."""
    weight, bias = gaussian(rng, rows, columns)
    return weight * (rng.random(weight.shape) < 0.4), bias * (rng.random(rows) < 0.5)


def duplicated(rng: np.random.Generator, rows: int, columns: int) -> Weights:
    """Some rows repeat another one times ±1, ±2 or ±1/2: exact in floating point."""
    weight, bias = gaussian(rng, rows, columns)
    source = np.where(rng.random(rows) < 0.6, rng.integers(0, rows, rows), np.arange(rows))
    factor = np.where(source == np.arange(rows), 1.0, rng.choice([1, -1, 2, -2, 0.5, -0.5], rows))
    return weight[source] * factor[:, None], bias[source] * factor


def symmetric(rng: np.random.Generator, rows: int, columns: int) -> Weights:
    """Rows come in mirrored pairs: reversed, or negated, columns."""
    weight, bias = (gaussian if rng.random() < 0.5 else quarters)(rng, rows, columns)
    mirrored = np.arange(rows) % 2 == 1
    weight[1::2] = weight[: rows - rows % 2 : 2][:, ::-1] * rng.choice([-1, 1])
    bias[1::2] = bias[: rows - rows % 2 : 2]
    return weight, bias * (1 if rng.random() < 0.5 else ~mirrored)


def dead(rng: np.random.Generator, rows: int, columns: int) -> Weights:
    """Units that are off everywhere, on everywhere, zero rows, and zero units."""
    weight, bias = (gaussian if rng.random() < 0.5 else quarters)(rng, rows, columns)
    fate = rng.integers(0, 8, rows)
    weight[(fate == 0) | (fate == 1)] = 0
    return weight, np.select([fate == 1, fate == 2, fate == 3], [0.0, -1024.0, 1024.0], bias)


def constant(rng: np.random.Generator, rows: int, columns: int) -> Weights:
    """All weights zero in most layers."""
    weight, bias = quarters(rng, rows, columns)
    return weight * (rng.random() < 0.25), bias * rng.integers(0, 2)


def aligned(window: np.ndarray) -> Sampler:
    """Lines through corners of the window, half of them along its sides and diagonals."""

    def sample(rng: np.random.Generator, rows: int, columns: int) -> Weights:
        n = len(window)
        first = rng.integers(0, n, rows)
        along = window[(first + rng.integers(1, n, rows)) % n] - window[first]
        anywhere = rng.integers(-3, 4, (rows, columns)).astype(float)
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        normal = np.where((rng.random(rows) < 0.5)[:, None], across, anywhere)
        return normal, -(normal * window[first]).sum(axis=1)

    return sample
