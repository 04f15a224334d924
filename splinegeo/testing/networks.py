"""Small random networks of every kind that is hard for exact geometry, each with a window to look through.

Floats that only *nearly* coincide are no test of anything: rational arithmetic would see slivers of 1e-17
that no float method can. Hence every coincidence made here is exact: weights on a dyadic grid, rows repeated,
negated or doubled, zero biases, corners of windows on a grid.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from . import weights
from .handmade import linear_layer
from .modules import Abs, Maxout
from .windows import dyadic_window, round_window

Activation = Callable[[np.random.Generator], nn.Module]
MAXOUT_SIZES = (2, 3)
SEEDS_PER_ARCHITECTURE = 8


@dataclass(frozen=True)
class _Recipe:
    """How the weights of one kind are drawn, what follows them, and the window."""

    sample: weights.Sampler
    activation: Activation
    window: Callable[[np.random.Generator], np.ndarray]


def random_network(kind: str, rng: int | np.random.Generator) -> tuple[nn.Sequential, np.ndarray]:
    """Draw a network with two inputs, 1 to 3 hidden layers of 2 to 12 units, and a convex window.

    Parameters
    ----------
    kind : str
        One of `NETWORK_KINDS`.
    rng : int or numpy Generator
        The same seed gives the same network; kinds do not share their random numbers. Seeds of one block,
        8k … 8k + 7, share the architecture and the window and differ in the weights, so that a program which
        captures architectures needs to do so once per block.

    Returns
    -------
    model : nn.Sequential
        float64, in eval mode.
    window : (n, 2) float64
        Corners, counter-clockwise.

    Raises
    ------
    KeyError
        For an unknown kind.

    Examples
    --------
    >>> model, window = random_network("zero_bias", 7)
    >>> model[0].bias.any().item(), window.shape[1]
    (False, 2)
    """
    recipe = _RECIPES[kind]
    shape_rng, weight_rng = _generators(kind, rng)
    window = recipe.window(shape_rng)
    n_out, depth = int(shape_rng.integers(1, 4)), int(shape_rng.integers(1, 4))
    widths = [int(width) for width in shape_rng.integers(2, 13, depth)]
    activations = [recipe.activation(shape_rng) for _ in widths]
    layers: list[nn.Module] = []
    fan_in = 2
    for width, activation in zip(widths, activations, strict=True):
        rows = width * activation.size if isinstance(activation, Maxout) else width
        aligned = kind == "aligned_window" and not layers
        sample = weights.aligned(window) if aligned else recipe.sample
        layers += [linear_layer(*sample(weight_rng, rows, fan_in)), activation]
        fan_in = width
    layers.append(linear_layer(*recipe.sample(weight_rng, n_out, fan_in)))
    return nn.Sequential(*layers).eval(), window


def _generators(kind: str, rng: int | np.random.Generator) -> tuple[np.random.Generator, np.random.Generator]:
    """One for the architecture and the window, which a block of seeds shares, and one for the weights."""
    if isinstance(rng, np.random.Generator):
        return rng, rng
    name, block = zlib.crc32(kind.encode()), int(rng) // SEEDS_PER_ARCHITECTURE
    return np.random.default_rng([name, 0, block]), np.random.default_rng([name, 1, int(rng)])


def _relu(rng: np.random.Generator) -> nn.Module:
    return nn.ReLU()


def _abs(rng: np.random.Generator) -> nn.Module:
    return Abs()


def _relu6(rng: np.random.Generator) -> nn.Module:
    return nn.ReLU6()


def _leaky(rng: np.random.Generator) -> nn.Module:
    return nn.LeakyReLU(float(rng.choice([0.01, 0.1, 0.3])))


def _leaky_dyadic(rng: np.random.Generator) -> nn.Module:
    return nn.LeakyReLU(float(rng.choice([0.125, 0.25, 0.5, -0.5])))


def _hardtanh(rng: np.random.Generator) -> nn.Module:
    low, high = [(-1.0, 1.0), (-0.5, 1.5), (0.0, 1.0), (-2.0, -0.25)][rng.integers(0, 4)]
    return nn.Hardtanh(low, high)


def _maxout(rng: np.random.Generator) -> nn.Module:
    return Maxout(int(rng.choice(MAXOUT_SIZES)))


def _prelu(rng: np.random.Generator) -> nn.Module:
    return nn.PReLU(init=0.25, dtype=torch.float64)


def _any(rng: np.random.Generator) -> nn.Module:
    choices = (_relu, _abs, _leaky_dyadic, _prelu, _hardtanh, _maxout)
    return choices[rng.integers(0, len(choices))](rng)


_RECIPES = {
    "generic": _Recipe(weights.gaussian, _relu, round_window),
    "zero_bias": _Recipe(weights.zero_bias, _relu, dyadic_window),
    "quantised_halves": _Recipe(weights.halves, _relu, dyadic_window),
    "quantised_quarters": _Recipe(weights.quarters, _relu, dyadic_window),
    "quantised_eighths": _Recipe(weights.eighths, _relu, dyadic_window),
    "integer": _Recipe(weights.integers, _relu, dyadic_window),
    "pruned": _Recipe(weights.pruned, _relu, round_window),
    "duplicated": _Recipe(weights.duplicated, _relu, round_window),
    "symmetric": _Recipe(weights.symmetric, _relu, dyadic_window),
    "dead": _Recipe(weights.dead, _relu, round_window),
    "constant": _Recipe(weights.constant, _any, dyadic_window),
    "aligned_window": _Recipe(weights.quarters, _relu, dyadic_window),
    "leaky": _Recipe(weights.gaussian, _leaky, round_window),
    "leaky_quantised": _Recipe(weights.quarters, _leaky_dyadic, dyadic_window),
    "hardtanh": _Recipe(weights.gaussian, _hardtanh, round_window),
    "hardtanh_quantised": _Recipe(weights.quarters, _hardtanh, dyadic_window),
    "relu6": _Recipe(weights.integers, _relu6, dyadic_window),
    "abs": _Recipe(weights.gaussian, _abs, round_window),
    "abs_quantised": _Recipe(weights.quarters, _abs, dyadic_window),
    "max": _Recipe(weights.gaussian, _maxout, round_window),
    "max_quantised": _Recipe(weights.quarters, _maxout, dyadic_window),
    "mixed_quantised": _Recipe(weights.halves, _any, dyadic_window),
}
NETWORK_KINDS = tuple(_RECIPES)
