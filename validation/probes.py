"""Local complexity and deformation around probe points: measured, tabulated, drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import splinegeo.viz as viz
import torch
from matplotlib.figure import Figure
from splinegeo.viz.style import TITLE, house_style
from torch import Tensor, nn
from tqdm import tqdm

import splinegeo as sg

from .data import load_digits
from .figures import save_figure, save_table

Probes = Mapping[str, Tensor]
# Name of a kind of points -> one result for each network.
Complexity = dict[str, list[sg.LocalComplexity]]
# Name of a kind of points -> one result for each radius.
Deformations = dict[str, list[sg.Deformation]]

# One so small that hardly any zero set is met, then the paper's.
RADII = (0.001, 0.005, 0.05, 0.1, 0.5, 1.0, 5.0)
_COMPLEXITY = ("step", "probe", "layer", "radius", "dim", "n_points", "mean", "low", "high")
_DEFORMATION = (
    *("radius", "probe", "layer", "dim", "n_points"),
    *("eccentricity", "diameter", "relative_eccentricity", "relative_diameter"),
)
LEVEL = 0.99


def digit_probes(
    n_points: int = 1000, *, split_seed: int = 0, seed: int = 0, images: bool = False
) -> dict[str, Tensor]:
    """The paper's three kinds of points: training digits, test digits, uniformly random in the box [0, 1]^784.

    Parameters
    ----------
    n_points : of each kind; the first of the 1 000 training digits and of the 4 000 test digits
    split_seed : the seed of `load_digits`, so that test points are none that the network was trained on
    seed : of the random points
    images : as (1, 28, 28) instead of (784,)

    Raises
    ------
    InvalidInputError
        If there are fewer digits than `n_points`, or none is asked for.
    """
    digits = load_digits(seed=split_seed)
    if not 0 < n_points <= len(digits.train_x):
        raise sg.InvalidInputError(f"n_points must lie between 1 and {len(digits.train_x)}, not {n_points}")
    generator = torch.Generator().manual_seed(seed)
    probes = {
        "train": digits.train_x[:n_points],
        "test": digits.test_x[:n_points],
        "random": torch.rand(n_points, digits.train_x.shape[1], generator=generator),
    }
    return {name: x.reshape(-1, 1, 28, 28) for name, x in probes.items()} if images else probes


def file_probes(path: Path) -> dict[str, Tensor]:
    """The points of a ``.npy`` file, one for each entry along its first axis.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, or holds no floating-point numbers.
    """
    try:
        points = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise sg.InvalidInputError(f"cannot read points from '{path}': {error}") from error
    if not isinstance(points, np.ndarray) or points.dtype.kind != "f" or points.ndim < 2 or not len(points):
        raise sg.InvalidInputError(f"'{path}' holds no points: floating-point numbers of shape (n, *input shape)")
    return {"points": torch.from_numpy(points)}


def measure_complexity(
    models: Sequence[nn.Module], probes: Probes, *, radius: float, dim: int, rng: int = 0, progress: bool = False
) -> Complexity:
    """Local complexity of every network around every kind of points, with the same frames for all networks."""
    found: Complexity = {name: [] for name in probes}
    rounds = [(model, name) for model in models for name in probes]
    for model, name in _shown(rounds, "local complexity", progress):
        found[name].append(sg.local_complexity(model, probes[name], radius=radius, dim=dim, rng=rng))
    return found


def measure_deformation(
    model: nn.Module, probes: Probes, *, radii: Iterable[float] = RADII, dim: int, rng: int = 0, progress: bool = False
) -> Deformations:
    """Deformation of the neighbourhoods of every radius around every kind of points."""
    found: Deformations = {name: [] for name in probes}
    rounds = [(radius, name) for radius in radii for name in probes]
    for radius, name in _shown(rounds, "deformation", progress):
        found[name].append(sg.neighborhood_deformation(model, probes[name], radius=radius, dim=dim, rng=rng))
    return found


def save_complexity(out: Path, complexity: Complexity, steps: Sequence[int] | None) -> list[Path]:
    """Write ``complexity.csv`` and ``complexity.png``: over the steps, or by layer for one network without any.

    The table has one row for each step, kind of points and layer, the sum of all layers under the name
    ``total``: mean and 99 % confidence interval of the mean.
    """
    times: Sequence[object] = [""] if steps is None else steps
    rows = [
        (step, name, layer, found.radius, found.dim, len(found.counts), *_mean_and_ends(found, layer))
        for name, results in complexity.items()
        for step, found in zip(times, results, strict=True)
        for layer in ("total", *found.layer_names)
    ]
    if steps is None:
        ax = viz.draw_layer_complexity({name: results[0] for name, results in complexity.items()}, level=LEVEL)
    else:
        ax = viz.draw_local_complexity(steps, complexity, level=LEVEL)
    figure = ax.get_figure(root=True)
    assert figure is not None
    return [save_table(out / "complexity.csv", _COMPLEXITY, rows), save_figure(out / "complexity.png", figure)]


def save_deformation(out: Path, deformations: Deformations) -> list[Path]:
    """Write ``deformation.csv`` and ``deformation.png``, one panel for each kind of points.

    The table has one row for each radius, kind of points and layer, the input space under the name ``input``:
    means of eccentricity and diameter, and means of their ratios to the input space.
    """
    rows = [
        (found.radius, name, layer, found.dim, len(found.diameter), *values)
        for name, results in deformations.items()
        for found in results
        for layer, values in zip(("input", *found.layer_names), _deformation_of(found), strict=True)
    ]
    figure = _deformation_figure(deformations)
    return [save_table(out / "deformation.csv", _DEFORMATION, rows), save_figure(out / "deformation.png", figure)]


def _deformation_figure(deformations: Deformations) -> Figure:
    """Above, relative to the input; below, if there are several radii, relative to the smallest of them too."""
    n_radii = max(len(results) for results in deformations.values())
    references = ("input", "smallest") if n_radii > 1 else ("input",)
    n_rows, n_columns = len(references), len(deformations)
    with house_style():
        figure, axes = plt.subplots(
            n_rows,
            n_columns,
            figsize=(1.6 + 2.7 * n_columns, 0.7 + 2.3 * n_rows),
            sharey="row",
            squeeze=False,
            layout="constrained",
        )
        for row, reference in zip(axes, references, strict=True):
            for ax, (name, results) in zip(row, deformations.items(), strict=True):
                viz.draw_deformation(results, ax, reference=reference, legend=ax is axes[0, -1])
                ax.label_outer()
                if reference == "input":
                    ax.set_title(name, fontsize=TITLE)
    return figure


def _shown(rounds: Sequence[tuple], what: str, progress: bool) -> Iterable[tuple]:
    """With a bar if it takes longer than a second."""
    return tqdm(rounds, desc=what, unit="run", delay=1, disable=not progress)


def _mean_and_ends(found: sg.LocalComplexity, layer: str) -> tuple[float, float, float]:
    # A layer may be called "total" only if somebody called a module so; the sum wins.
    name = None if layer == "total" else layer
    return found.mean(name), *found.confidence_interval(LEVEL, name)


def _deformation_of(found: sg.Deformation) -> np.ndarray:
    """Eccentricity, diameter and both relative to the input, means over the points, (L + 1, 4)."""
    both = np.stack([found.eccentricity, found.diameter], axis=-1)
    return np.concatenate([both, both / both[:, :1]], axis=-1).mean(axis=0)
