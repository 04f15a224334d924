"""Batch norm moves the hyperplane of every unit through the mean of the data."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import splinegeo.viz as viz
import torch
from numpy.typing import NDArray
from splinegeo.viz.style import CASING, RANDOM, TEST
from torch import Tensor, nn

import splinegeo as sg

from ..figures import add_title, new_figure, style_lines
from .finding import Cell, Finding, Picture, Rule, Table
from .subjects import Subjects

Floats = NDArray[np.float64]

# What float64 leaves of an identity between averages of numbers of order one.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Settings:
    """The slice around the mean of the data, and the neighbourhoods of the comparison.

    Attributes
    ----------
    half_width : of the window around the mean
    n_points, radius : training digits around which local complexity is measured, and r
    """

    n_points: int
    half_width: float = 4.0
    radius: float = 0.05


QUICK = Settings(n_points=200)
FULL = Settings(n_points=1000)


@dataclass(frozen=True)
class Planes:
    """The hyperplanes {z : w·z = c} of one layer's units, and the training points z in that layer's input space.

    Attributes
    ----------
    name : of the network and the layer
    distance : (units,) mean squared distance of the points from the plane of each unit
    least : (units,) the same for the planes that batch norm with β = 0 makes of these weights
    excess : (units,) squared distance between the two planes
    """

    name: str
    distance: Floats
    least: Floats
    excess: Floats


def check(settings: Settings, subjects: Subjects, rng: int) -> Finding:
    """Distances of the training points from the planes of two trained networks, with batch norm and without."""
    x = subjects.digits.train_x.double()
    plain, normalised = (copy.deepcopy(model).double() for model in (subjects.mlp, subjects.normalised))
    calibrate(normalised, x)
    planes = {"without": _all_planes(plain, x), "with": _all_planes(normalised, x)}
    pencil = centred(plain, x)
    domain = sg.Slice.around(x.mean(dim=0), settings.half_width, rng)
    parts = [sg.compute_partition(model, domain, until=until) for model, until in _shown(plain, pencil, normalised)]
    return Finding(
        name="batch-norm",
        title="Batch norm and the distance of the hyperplanes",
        claim="Batch norm with β = 0 gives every unit the offset of least mean squared distance to the data.",
        source="Appendix B, equations 8 to 11",
        text=_text(subjects),
        rules=(_least(planes), _through_the_mean(parts[1], len(planes["without"][0].least)), _closer(planes)),
        tables=(_table(planes), _around_data(plain, normalised, subjects, settings, rng)),
        pictures=(_distances(planes), _partitions(parts)),
    )


def calibrate(model: nn.Sequential, x: Tensor) -> None:
    """Set every running mean and variance to those of all training points, layer by layer: equation 9."""
    model.eval()
    with torch.no_grad():
        for module in model:
            if isinstance(module, nn.BatchNorm1d):
                mean, var = x.mean(dim=0), x.var(dim=0, correction=0)
                module.load_state_dict({**module.state_dict(), "running_mean": mean, "running_var": var})
            x = module(x)


def centred(model: nn.Sequential, x: Tensor) -> nn.Sequential:
    """The first layer of a network behind a batch norm with β = 0, and its ReLU."""
    linear = model[0]
    assert isinstance(linear, nn.Linear)
    norm = nn.BatchNorm1d(linear.out_features).double()
    made = nn.Sequential(linear, norm, nn.ReLU())
    calibrate(made, x)
    return made


def _all_planes(model: nn.Sequential, x: Tensor) -> list[Planes]:
    """The planes of every hidden layer, first to last."""
    found: list[Planes] = []
    with torch.no_grad():
        for module, following in pairwise(model):
            if isinstance(module, nn.Linear):
                norm = following if isinstance(following, nn.BatchNorm1d) else None
                found.append(_planes(f"layer {len(found) + 1}", module, norm, x))
            x = module(x)
    return found


def _planes(name: str, linear: nn.Linear, norm: nn.BatchNorm1d | None, z: Tensor) -> Planes:
    w, bias = linear.weight, linear.bias
    offset = -bias
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        offset = norm.running_mean - bias - norm.bias * (norm.running_var + norm.eps).sqrt() / norm.weight
    projected, norms = z @ w.T, w.norm(dim=1)
    mean = projected.mean(dim=0)
    distance, least = (((projected - c) / norms).square().mean(dim=0).numpy() for c in (offset, mean))
    return Planes(name, distance, least, ((offset - mean) / norms).square().numpy())


def _shown(plain: nn.Sequential, pencil: nn.Sequential, trained: nn.Sequential) -> list[tuple[nn.Sequential, str]]:
    """Networks, and the submodule behind which each one's first layer ends."""
    return [(plain, "1"), (pencil, "2"), (trained, "2")]


def _least(planes: dict[str, list[Planes]]) -> Rule:
    every = [layer for layers in planes.values() for layer in layers]
    wrong = max(float(np.abs(p.distance / (p.least + p.excess) - 1).max()) for p in every)
    nearer = sum(int((p.distance < p.least * (1 - _ROUNDING)).sum()) for p in every)
    return Rule(
        "For every unit of both networks the mean squared distance is that of the plane through the mean plus the "
        "squared distance between the two planes; so no offset is better than that of batch norm with β = 0.",
        "E(w·z − c)² = Var(w·z) + (E w·z − c)², divided by |w|²: equation 11.",
        "law",
        f"{sum(len(p.distance) for p in every)} units: largest relative difference {wrong:.1e}; {nearer} nearer than "
        "the least",
        wrong < _ROUNDING and nearer == 0,
    )


def _through_the_mean(part: sg.Partition, n_units: int) -> Rule:
    inner = part.vertices[part.edges[part.edge_layer >= 0]]
    a, b = inner[:, 0], inner[:, 1]
    along = (b - a) / np.linalg.norm(b - a, axis=1, keepdims=True)
    # The mean is the origin of the slice.
    off = float(np.abs(along[:, 0] * a[:, 1] - along[:, 1] * a[:, 0]).max())
    return Rule(
        "On a slice through the mean of the data, the exact partition of a first layer with batch norm, β = 0, is a "
        f"pencil: all {n_units} lines meet in the mean and make twice as many regions.",
        "The plane of unit k is {x : w·x = w·(mean of the data)}; k concurrent lines make 2 k regions.",
        "law",
        f"{part.n_regions} regions; the farthest edge passes the mean at a distance of {off:.1e}",
        part.n_regions == 2 * n_units and off < _ROUNDING,
    )


def _closer(planes: dict[str, list[Planes]]) -> Rule:
    worse = {name: float(np.mean([(p.distance / p.least).mean() for p in layers])) for name, layers in planes.items()}
    return Rule(
        "The network trained with batch norm keeps its planes closer to the best place than the one trained without: "
        "the mean squared distance over its least is smaller, on average over units and layers.",
        "The paper: batch norm “explicitly adapts the partition so that the partition boundaries are as close to the "
        "training data as possible”. With the learned β this is no theorem.",
        "paper",
        f"{worse['with']:.3f} with, {worse['without']:.3f} without (1 is the least)",
        worse["with"] < worse["without"],
    )


def _table(planes: dict[str, list[Planes]]) -> Table:
    rows = tuple(
        (
            f"{name} batch norm",
            p.name,
            float(p.distance.mean()),
            float(p.least.mean()),
            float((p.distance / p.least).mean()),
            float((p.distance / p.least).max()),
        )
        for name, layers in planes.items()
        for p in layers
    )
    return Table(
        "Mean squared distance of the training points from the units' hyperplanes, in each layer's input space: as "
        "trained, and with the offsets of batch norm with β = 0.",
        ("network", "layer", "as trained", "β = 0", "ratio, mean over units", "ratio, largest"),
        rows,
    )


def _around_data(plain: nn.Module, normalised: nn.Module, subjects: Subjects, settings: Settings, rng: int) -> Table:
    x = subjects.digits.train_x[: settings.n_points]
    rows: list[tuple[Cell, ...]] = []
    for name, model in (("without batch norm", plain), ("with batch norm", normalised)):
        lc = sg.local_complexity(model, x, radius=settings.radius, rng=rng)
        rows.append((name, *(lc.mean(layer) for layer in lc.layer_names), lc.mean()))
    return Table(
        f"Local complexity around {len(x)} training digits, r = {settings.radius:g}, P = 25; no rule, for comparison.",
        ("network", "layer 1", "layer 2", "layer 3", "all"),
        tuple(rows),
    )


def _distances(planes: dict[str, list[Planes]]) -> Picture:
    figure, axes = new_figure(3, width=8.4, height=2.9, sharey=True)
    for k, ax in enumerate(axes):
        for name, colour in (("without", TEST), ("with", RANDOM)):
            p = planes[name][k]
            ax.plot(p.least, p.distance, ".", ms=4, color=colour, alpha=0.6, label=f"{name} batch norm")
        every = np.concatenate([planes[name][k].least for name in planes])
        ends = np.array([every.min() / 1.5, every.max() * 1.5])
        ax.plot(ends, ends, color=CASING, lw=0.8, ls=(0, (5, 3)))
        ax.set_xscale("log")
        ax.set_yscale("log")
        add_title(ax, f"layer {k + 1}")
        style_lines(ax, "least mean squared distance", "mean squared distance" if k == 0 else "", legend=k == 0)
    return Picture(
        figure,
        "Every unit of both trained networks: mean squared distance of the training points from its hyperplane against "
        "the least that any offset could reach, which batch norm with β = 0 does (dashed).",
        "Scatter plots, one for each layer: no unit lies below the diagonal; those with batch norm are nearer to it.",
    )


def _partitions(parts: list[sg.Partition]) -> Picture:
    figure, axes = new_figure(3, width=9.0, height=3.6)
    titles = ("trained without batch norm", "same weights, batch norm, β = 0", "trained with batch norm")
    for ax, part, title in zip(axes, parts, titles, strict=True):
        viz.draw_partition(part, None, ax)
        ax.plot(0, 0, "o", ms=5, mfc="white", mec=CASING)
        add_title(ax, title)
        ax.set_ylabel("" if ax is not axes[0] else ax.get_ylabel())
    return Picture(
        figure,
        "Exact partitions by the first layer of a random slice through the mean of the training digits (circle).",
        "Three line arrangements around the data mean: scattered, all through the mean, and close to it.",
    )


def _text(subjects: Subjects) -> str:
    return (
        f"Two networks {subjects.shape} on 1 000 real digits: without batch norm after {subjects.plan.mlp_steps:,} "
        f"steps, with it after {subjects.plan.normalised_steps:,}. Means and variances of the latter are those of all "
        "training points, as in Appendix B, computed in float64. The distance of a point z from unit k's hyperplane is "
        "|w·z + b| / |w| in the input space of its layer (equation 10)."
    )
