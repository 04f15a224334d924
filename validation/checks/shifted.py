"""Local complexity of random networks falls as the neighbourhood leaves the origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import splinegeo as sg

from ..figures import add_title, new_figure, shades, style_lines
from ..networks import gaussian_mlp
from .finding import Finding, Picture, Rule, Table
from .subjects import Subjects

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LIMIT = 4.0
_SLOPE = 0.01


@dataclass(frozen=True)
class Settings:
    """Random networks with biases, and a line of points.

    Attributes
    ----------
    n_networks : independent networks, each with frames of its own
    n_exact : how many of them are counted exactly too
    n_inputs, width, depth : of each
    shifts : distances of the centres from the origin, ascending from 0
    radii, dims : r and P of the neighbourhoods, ascending; dims start at 1 and contain 2
    """

    n_networks: int
    n_exact: int
    n_inputs: int = 50
    width: int = 50
    depth: int = 3
    shifts: tuple[float, ...] = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
    radii: tuple[float, ...] = (0.1, 1.0, 20.0)
    dims: tuple[int, ...] = (1, 2, 5, 10, 25, 50)


QUICK = Settings(n_networks=40, n_exact=5)
FULL = Settings(n_networks=200, n_exact=50)


def check(settings: Settings, subjects: Subjects, rng: int) -> Finding:
    """Measure around shifted centres; compare with a closed form, with exact counts, and with the paper's trend."""
    networks = [_network(settings, rng + k) for k in range(settings.n_networks)]
    points = _points(settings)
    lc = np.array([_measure(model, points, settings, rng + k) for k, model in enumerate(networks)])
    few = networks[: settings.n_exact]
    exact = np.array([_measure_exactly(model, points, settings, rng + k) for k, model in enumerate(few)])
    z = _deviations(settings, points, lc, rng)
    rules = (
        _closed_form(z),
        _between(settings, lc, exact),
        _monotone(lc),
        _falls(settings, lc),
        _evens_out(settings, lc),
    )
    return Finding(
        name="shifted",
        title="A neighbourhood that leaves the origin",
        claim="Random networks have fewer zero sets the farther from the origin one looks, for every r and P.",
        source="Appendix A, “Non-Zero Bias Random MLP with shifting neighborhood”; Hanin and Rolnick 2019",
        text=_text(settings),
        rules=rules,
        tables=(_table(settings, lc, exact),),
        pictures=(_picture(settings, lc),),
    )


def _network(settings: Settings, seed: int) -> nn.Sequential:
    widths = (settings.n_inputs, *[settings.width] * settings.depth)
    return gaussian_mlp(widths, weight_std=1, bias_std=1, activation=lambda: nn.LeakyReLU(_SLOPE), seed=seed)


def _points(settings: Settings) -> Tensor:
    direction = torch.ones(settings.n_inputs, dtype=torch.float64) / settings.n_inputs**0.5
    return torch.tensor(settings.shifts, dtype=torch.float64)[:, None] * direction


def _measure(model: nn.Module, points: Tensor, settings: Settings, rng: int) -> Ints:
    """Counts (radii, dims, shifts, L)."""
    return np.array(
        [
            [sg.local_complexity(model, points, radius=radius, dim=dim, rng=rng).counts for dim in settings.dims]
            for radius in settings.radii
        ]
    )


def _measure_exactly(model: nn.Module, points: Tensor, settings: Settings, rng: int) -> Ints:
    """Exact counts (radii, shifts, L) in the diamonds of P = 2."""
    return np.array([sg.exact_local_complexity(model, points, radius=r, rng=rng).counts for r in settings.radii])


def _deviations(settings: Settings, points: Tensor, lc: Ints, rng: int) -> Floats:
    """First layer, P = 1: counts of all networks against their law, in standard deviations, (radii, shifts)."""
    # The frame of point i under seed s: what `local_complexity` draws.
    seeds = range(rng, rng + settings.n_networks)
    v = torch.stack([sg.random_frames(len(points), settings.n_inputs, 1, rng=seed)[:, 0] for seed in seeds])
    z = np.zeros((len(settings.radii), len(points)))
    for k, radius in enumerate(settings.radii):
        p = _separation(points + radius * v, points - radius * v, settings.n_inputs**-0.5, 1.0)
        expected, variance = settings.width * p.sum(axis=0), settings.width * (p * (1 - p)).sum(axis=0)
        z[k] = (lc[:, k, 0, :, 0].sum(axis=0) - expected) / np.sqrt(variance)
    return z


def _separation(p: Tensor, q: Tensor, weight_std: float, bias_std: float) -> Floats:
    """Probability that a Gaussian unit has opposite signs at p and q: arccos(ρ) / π."""
    a, b = weight_std**2, bias_std**2
    inner = a * (p * q).sum(-1) + b
    rho = inner / ((a * (p * p).sum(-1) + b) * (a * (q * q).sum(-1) + b)).sqrt()
    return (rho.clamp(-1, 1).arccos() / torch.pi).numpy()


def _closed_form(z: Floats) -> Rule:
    return Rule(
        f"In the first layer with P = 1, the number of units counted is within {_LIMIT:g} standard deviations of its "
        "expectation, for every r and shift.",
        "The pre-activations at the two vertices are jointly normal with correlation ρ, and have opposite signs with "
        "probability arccos(ρ)/π. Units are independent, so expectation and variance are known exactly; chance alone "
        f"exceeds {_LIMIT:g} once in 16 000 settings.",
        "law",
        f"{z.size} settings; largest |z| = {np.abs(z).max():.2f}",
        bool((np.abs(z) < _LIMIT).all()),
    )


def _between(settings: Settings, lc: Ints, exact: Ints) -> Rule:
    estimate = lc[: settings.n_exact, :, settings.dims.index(2)]
    above, first = int((estimate > exact).sum()), int((estimate != exact)[..., 0].sum())
    return Rule(
        "With P = 2 no count exceeds the exact one, and in the first layer they are equal.",
        "A sign change proves a zero set; an affine function takes its extremes at vertices.",
        "law",
        f"{above} counts above the exact one, {first} different ones in the first layer, of {estimate.size}; the "
        f"estimate finds {estimate.sum() / exact.sum():.2%} of all {exact.sum():,} zero sets",
        above == 0 and first == 0,
    )


def _monotone(lc: Ints) -> Rule:
    by_dim = int((np.diff(lc, axis=2) < 0).sum())
    by_radius = int((np.diff(lc[..., 0], axis=1) < 0).sum())
    return Rule(
        "More directions never lower a count; a larger radius never lowers one of the first layer.",
        "Frames of one seed are nested; a cross-polytope contains the smaller ones.",
        "law",
        f"{by_dim} decreases with P, {by_radius} with r",
        by_dim == 0 and by_radius == 0,
    )


def _falls(settings: Settings, lc: Ints) -> Rule:
    totals = lc.sum(axis=-1)
    change = totals[..., -1] - totals[..., 0]
    fall, error = -change.mean(axis=0), change.std(axis=0, ddof=1) / np.sqrt(settings.n_networks)
    weakest = float((fall / np.maximum(error, np.finfo(np.float64).tiny)).min())
    return Rule(
        f"For every r and P, local complexity at shift {settings.shifts[-1]:g} is below that at the origin, by at "
        f"least {_LIMIT:g} standard errors over the networks.",
        "The paper: “for all the settings, shifting away from the origin reduces LC”.",
        "paper",
        f"{fall.size} settings; the weakest fall is by {weakest:.1f} standard errors",
        bool((fall > _LIMIT * error).all()),
    )


def _evens_out(settings: Settings, lc: Ints) -> Rule:
    means = lc.sum(axis=-1).mean(axis=0)
    left = means[..., -1] / means[..., 0]
    return Rule(
        "The share of local complexity that is left at the farthest shift is larger for the largest radius than for "
        "the smallest, for every P.",
        "The paper: increasing r “reduces LC variations between shifts, since the neighborhood becomes larger and LC "
        "becomes less local”.",
        "paper",
        f"left for r = {settings.radii[0]:g}: {left[0].min():.1%} to {left[0].max():.1%}; "
        f"for r = {settings.radii[-1]:g}: {left[-1].min():.1%} to {left[-1].max():.1%}",
        bool((left[-1] > left[0]).all()),
    )


def _table(settings: Settings, lc: Ints, exact: Ints) -> Table:
    means, exact_means = lc.sum(axis=-1).mean(axis=0), exact.sum(axis=-1).mean(axis=0)
    rows: list[tuple[str | float, ...]] = []
    for k, radius in enumerate(settings.radii):
        rows += [(radius, f"{dim}", *means[k, p].tolist()) for p, dim in enumerate(settings.dims)]
        same = lc[: settings.n_exact, k, settings.dims.index(2)].sum(axis=-1).mean(axis=0)
        rows.append((radius, f"2, first {settings.n_exact}", *same.tolist()))
        rows.append((radius, f"2, exact, first {settings.n_exact}", *exact_means[k].tolist()))
    return Table(
        f"Zero sets met by the neighbourhood, mean over {settings.n_networks} networks, by shift; of the exact counts "
        f"over {settings.n_exact}, beside the estimate for the same.",
        ("r", "P", *[f"at {shift:g}" for shift in settings.shifts]),
        tuple(rows),
    )


def _picture(settings: Settings, lc: Ints) -> Picture:
    figure, axes = new_figure(len(settings.radii), width=2.5 * len(settings.radii), height=2.7)
    means = lc.sum(axis=-1).mean(axis=0)
    for k, (ax, radius) in enumerate(zip(axes, settings.radii, strict=True)):
        for p, (dim, colour) in enumerate(zip(settings.dims, shades(len(settings.dims)), strict=True)):
            ax.plot(settings.shifts, means[k, p], "o-", ms=3, lw=1.2, color=colour, label=f"P = {dim}")
        add_title(ax, f"r = {radius:g}")
        ax.set_ylim(bottom=0)
        style_lines(ax, "distance from the origin", "local complexity" if k == 0 else "", legend=ax is axes[-1])
    axes[-1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return Picture(
        figure,
        f"Mean local complexity of {settings.n_networks} random networks against the shift of the neighbourhood.",
        "Curves of local complexity falling with the distance from the origin, one panel for each radius.",
    )


def _text(settings: Settings) -> str:
    shape = "-".join(str(n) for n in (settings.n_inputs, *[settings.width] * settings.depth))
    return (
        f"{settings.n_networks} networks {shape} with leaky ReLU (slope {_SLOPE:g}), weights N(0, 1/n) and biases "
        "N(0, 1). The centre moves from the origin along the diagonal (1, …, 1)."
    )
