"""Is the length of the zero sets of random layers what its closed form says?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray
from scipy.special import ellipe
from splinegeo.viz.style import INK, RANDOM
from torch import nn

import splinegeo as sg

from ..figures import new_figure, style_lines
from ..networks import gaussian_mlp
from .finding import Finding, Picture, Rule, Table
from .subjects import Subjects

Floats = NDArray[np.float64]

_LIMIT = 4.0
_SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


@dataclass(frozen=True)
class Settings:
    """Random layers, and where they are looked at.

    Attributes
    ----------
    n_networks : independent networks for each window
    n_units : of the layer
    n_inputs : dimensions of the input space, in which the slice is a plane
    distances : of the centres of the windows from the foot of the perpendicular from the origin, in the slice
    heights : distances of the slices from the origin
    half_width : of the windows
    weight_std, bias_std : σ of the weights, times √n_inputs, and of the biases
    """

    n_networks: int
    n_units: int = 60
    n_inputs: int = 20
    distances: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    heights: tuple[float, ...] = (0.0, 3.0)
    half_width: float = 0.5
    weight_std: float = 6.0
    bias_std: float = 0.8


QUICK = Settings(n_networks=60)
FULL = Settings(n_networks=400)


@dataclass(frozen=True)
class Row:
    """One window: where it is, the mean length per area that was measured, its standard error, and the law."""

    height: float
    distance: float
    mean: float
    error: float
    law: float

    @property
    def z(self) -> float:
        """Deviation from the law in standard errors."""
        return (self.mean - self.law) / self.error


def check(settings: Settings, subjects: Subjects, rng: int) -> Finding:
    """Compare the mean edge length per area of exact partitions with the law, window by window."""
    models = [_layer(settings, rng + k) for k in range(settings.n_networks)]
    states = [model.state_dict() for model in models]
    rows = []
    for height in settings.heights:
        for distance in settings.distances:
            domain = _window(settings, height, distance)
            parts = sg.compute_partitions(models[0], domain, states=states)
            densities = np.array([edge_length(part) for part in parts]) / (2 * settings.half_width) ** 2
            error = float(densities.std(ddof=1) / np.sqrt(len(densities)))
            rows.append(Row(height, distance, float(densities.mean()), error, _law(settings, height, distance)))
    return Finding(
        name="kink-density",
        title="Length of the zero sets of random layers",
        claim="The zero sets of a layer with Gaussian weights have, on average, the length per area of a formula.",
        source="A law: n s₁ E(1 − s₁²/σw²) / (π σb), s₁ = σw / √(1 + r²σw²/σb²), from the Kac–Rice formula",
        text=_text(settings),
        rules=(_rule(rows),),
        tables=(_table(rows),),
        pictures=(_picture(settings, rows),),
    )


def density(r: Floats | float, n_units: int, weight_std: float, bias_std: float) -> Floats:
    """Expected length per area at distance r of the origin: n s₁ E(1 − s₁²/σw²) / (π σb).

    E is the complete elliptic integral of the second kind as a function of its parameter m.

    >>> round(float(density(0.0, 10, 2.0, 1.0)), 12)  # at the origin: n σw / (2 σb)
    10.0
    """
    s1 = weight_std / np.sqrt(1 + (np.asarray(r) * weight_std / bias_std) ** 2)
    return n_units * s1 * ellipe(1 - (s1 / weight_std) ** 2) / (np.pi * bias_std)


def edge_length(part: sg.Partition) -> float:
    """Length of all zero sets inside the window."""
    a, b = part.vertices[part.edges[part.edge_layer >= 0]].transpose(1, 0, 2)
    return float(np.linalg.norm(b - a, axis=1).sum())


def _layer(settings: Settings, seed: int) -> nn.Sequential:
    return gaussian_mlp(
        (settings.n_inputs, settings.n_units),
        weight_std=settings.weight_std,
        bias_std=settings.bias_std,
        activation=nn.ReLU,
        seed=seed,
    )


def _window(settings: Settings, height: float, distance: float) -> sg.Slice:
    """A square in the plane of the first two axes, lifted by `height` along the third."""
    origin = np.zeros(settings.n_inputs)
    origin[2] = height
    corners = settings.half_width * _SQUARE + np.array([distance, 0.0])
    return sg.Slice(origin, np.eye(settings.n_inputs, 2), corners, (settings.n_inputs,))


def _effective(settings: Settings, height: float) -> tuple[float, float]:
    """σ of the weights on the slice, and of the pre-activations at its point nearest to the origin."""
    weight_std = settings.weight_std / np.sqrt(settings.n_inputs)
    return weight_std, float(np.hypot(settings.bias_std, weight_std * height))


def _law(settings: Settings, height: float, distance: float) -> float:
    """The closed form, averaged over the window by Gauss's rule: no window is too large."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    x, y = np.meshgrid(distance + settings.half_width * nodes, settings.half_width * nodes)
    values = density(np.hypot(x, y), settings.n_units, *_effective(settings, height))
    return float((values * np.outer(weights, weights)).sum() / 4)


def _rule(rows: list[Row]) -> Rule:
    worst = max(rows, key=lambda row: abs(row.z))
    return Rule(
        statement=f"In every window the mean is within {_LIMIT:g} standard errors of the law.",
        reason=f"With a correct program |z| > {_LIMIT:g} happens by chance once in 16 000 windows (the networks are "
        "independent and the mean of many is normal); a program whose edges were too long by five standard errors "
        "would be caught in five of six windows.",
        kind="law",
        measured=f"{len(rows)} windows; largest |z| = {abs(worst.z):.2f}; standard errors "
        f"{min(r.error / r.law for r in rows):.2%} to {max(r.error / r.law for r in rows):.2%} of the law",
        holds=bool(abs(worst.z) < _LIMIT),
    )


def _table(rows: list[Row]) -> Table:
    return Table(
        "Length per area (1 / input space), by window: distance of the slice from the origin, distance of the window's "
        "centre in the slice, mean over networks, its standard error, law, deviation in standard errors.",
        ("height", "distance", "mean", "standard error", "law", "z"),
        tuple((row.height, row.distance, row.mean, row.error, row.law, row.z) for row in rows),
    )


def _picture(settings: Settings, rows: list[Row]) -> Picture:
    figure, (ax,) = new_figure(1, width=5.4)
    r = np.linspace(0, max(settings.distances), 120)
    for height, colour in zip(settings.heights, (RANDOM, INK, "#c2392b", "#7a5c3a"), strict=False):
        ax.plot(r, [_law(settings, height, distance) for distance in r], color=colour, lw=1.1)
        some = [row for row in rows if row.height == height]
        x, y, error = ([getattr(row, name) for row in some] for name in ("distance", "mean", "error"))
        bars = _LIMIT * np.array(error)
        ax.errorbar(x, y, bars, fmt="o", ms=3.5, capsize=2.5, color=colour, label=f"slice {height:g} from the origin")
    ax.set_yscale("log")
    ax.set_yticks([2, 5, 10, 20, 40], labels=["2", "5", "10", "20", "40"])
    ax.yaxis.set_minor_locator(NullLocator())
    style_lines(ax, "distance in the slice", "edge length per area")
    caption = (
        f"Exact partitions of {settings.n_networks} random layers of {settings.n_units} units: means with bars of "
        f"{_LIMIT:g} standard errors. Lines: the law, averaged over the window."
    )
    return Picture(figure, caption, "Measured edge length per area against distance, on the curves of the law.")


def _text(settings: Settings) -> str:
    return (
        f"{settings.n_networks} layers of {settings.n_units} units on {settings.n_inputs} inputs, weights "
        f"N(0, {settings.weight_std:g}²/{settings.n_inputs}), biases N(0, {settings.bias_std:g}²). The exact partition "
        f"of squares of side {2 * settings.half_width:g} is computed, and the length of its inner edges is compared "
        "with the law averaged over the square. On a slice at height h the biases are, in effect, "
        "N(0, σb² + h²σw²)."
    )
