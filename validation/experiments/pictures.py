"""The pictures of an experiment: curves of one training, of several seeds, of several variants; the animation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import splinegeo.viz as viz
from matplotlib.colors import LogNorm, to_hex
from splinegeo.viz.curves import Curves
from splinegeo.viz.style import FONT, TITLE, house_style

import splinegeo as sg

from ..figures import save_figure
from .attacks import robust_name
from .measuring import PROBES, complexity_curve, curve
from .recipe import Recipe
from .slices import Slices
from .summary import budgets_of

ANIMATION = "migration.gif"
_COLOR = "relative_slope"
_PANEL = (3.9, 3.0)

Panels = dict[str, Curves]


def panels_of(tables: Sequence[np.ndarray], recipe: Recipe) -> Panels:
    """Accuracies, clean and attacked, and one panel of local complexity for each radius.

    With one table, bands are the confidence intervals of the means over the points; with several, one for each
    seed, curves are means over the seeds and bands reach from the least to the largest.
    """
    accuracies = {
        "train": merged([curve(table, "train_accuracy") for table in tables]),
        "test": merged([curve(table, "test_accuracy") for table in tables]),
    }
    for eps in budgets_of(tables[0], recipe):
        accuracies[f"ε = {eps:g}"] = merged([curve(table, robust_name(eps)) for table in tables])
    panels: Panels = {"accuracy": accuracies}
    for radius in recipe.radii:
        found = {probe: merged([complexity_curve(table, probe, radius) for table in tables]) for probe in PROBES}
        panels[f"local complexity, r = {radius:g}"] = found
    return panels


def merged(several: Sequence[sg.Series]) -> sg.Series:
    """Mean, least and largest value of curves, at the steps that all of them have; one curve stays as it is."""
    if len(several) == 1:
        return several[0]
    steps = several[0].steps
    for series in several[1:]:
        steps = np.intersect1d(steps, series.steps)
    values = np.stack([series.value[np.isin(series.steps, steps)] for series in several])
    return sg.Series(steps, values.mean(axis=0), values.min(axis=0), values.max(axis=0))


def save_comparison(path: Path, tables: Mapping[str, Sequence[np.ndarray]], recipe: Recipe) -> None:
    """Test accuracy, accuracy under the weakest attack, local complexity around training points, by variant."""
    panels: Panels = {
        "test accuracy": {name: merged([curve(t, "test_accuracy") for t in ts]) for name, ts in tables.items()}
    }
    for eps in budgets_of(next(iter(tables.values()))[0], recipe)[:1]:
        label = f"robust accuracy, {recipe.attacked}, ε = {eps:g}"
        panels[label] = {name: merged([curve(t, robust_name(eps)) for t in ts]) for name, ts in tables.items()}
    for radius in recipe.radii:
        label = f"local complexity, train, r = {radius:g}"
        panels[label] = {
            name: merged([complexity_curve(t, "train", radius) for t in ts]) for name, ts in tables.items()
        }
    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(tables)))
    save_panels(path, panels, recipe.title, [to_hex(shade) for shade in shades])


def save_profile_table(path: Path, profiles: Mapping[str, np.ndarray], fractions: Sequence[float], title: str) -> None:
    """Migration profiles at the last step as one image, a row for each variant: means over the seeds."""
    values = np.stack(list(profiles.values()))
    with house_style():
        figure, ax = plt.subplots(figsize=(7.4, 1.1 + 0.25 * len(values)), layout="constrained")
        image = ax.imshow(values, norm=LogNorm(0.02, 2.0, clip=True), cmap="magma", aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            ink = "black" if value > 0.3 else "white"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=FONT - 2)
        ax.set_yticks(range(len(values)), labels=list(profiles))
        ax.set_xticks(range(len(fractions)), labels=[f"{fraction:g}" for fraction in fractions])
        ax.set_xlabel("way from the data (0) to the decision boundary (1)", fontsize=FONT)
        figure.colorbar(image, ax=ax, label="local complexity", pad=0.01)
        ax.set_title(title, loc="left", fontsize=TITLE)
    save_figure(path, figure)


def save_panels(path: Path, panels: Panels, title: str, colors: Sequence[str] | None = None) -> None:
    """A row of panels in one picture."""
    with house_style():
        width, height = _PANEL
        figure, axes = plt.subplots(
            1, len(panels), figsize=(width * len(panels), height), squeeze=False, layout="constrained"
        )
        for ax, (label, curves) in zip(axes[0], panels.items(), strict=True):
            viz.draw_curves(curves, ax, label=label, colors=colors)
        figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left")
    save_figure(path, figure)


def save_slice_pictures(out: Path, slices: Slices, panels: Panels, recipe: Recipe, progress: bool) -> None:
    """A strip of frames, ``strip.png``, then ``migration.mp4`` and ``.gif`` with the curves beside the slice."""
    labels = [str(label) for label in recipe.classes]
    titles = _titles(slices.steps, panels)
    limits = _limits(slices)
    _save_strip(out / "strip.png", slices, labels, limits)
    viz.animate(
        slices.frames,
        [out / "migration.mp4", out / ANIMATION],
        titles=titles,
        color=_COLOR,
        anchors=slices.anchors,
        anchor_labels=labels,
        domain=slices.domain,
        panels=panels,
        steps=slices.steps,
        hold=1.5,
        limits=limits,
        progress=progress,
    )


def _limits(slices: Slices) -> tuple[float, float] | None:
    """One colour scale for all frames."""
    images = [frame.image for frame in slices.frames if isinstance(frame, sg.ComplexityMap)]
    if images:
        return float(np.nanmin(images)), float(np.nanmax(images))
    return viz.colour_limits([frame for frame in slices.frames if isinstance(frame, sg.Partition)], _COLOR)


def _titles(steps: Sequence[int], panels: Panels) -> list[str]:
    train, test = (dict(zip(*map(list, panels["accuracy"][name][:2]), strict=True)) for name in ("train", "test"))
    return [f"step {step:>6,}    train {train[step]:6.1%}    test {test[step]:6.1%}" for step in steps]


def _save_strip(path: Path, slices: Slices, labels: list[str], limits: tuple[float, float] | None) -> None:
    """Four frames beside one another: the first, two between, the last."""
    places = np.unique(np.linspace(0, len(slices.frames) - 1, 4).round().astype(int))
    with house_style():
        figure, axes = plt.subplots(1, len(places), figsize=(3.1 * len(places) + 0.7, 3.3), layout="constrained")
        for ax, place in zip(np.atleast_1d(axes), places, strict=True):
            frame = slices.frames[place]
            if isinstance(frame, sg.Partition):
                viz.draw_partition(frame, _COLOR, ax, limits=limits, colorbar=place == places[-1])
                viz.draw_decision_boundary(frame, ax)
                viz.draw_points(frame, slices.anchors, labels, ax)
            else:
                viz.draw_complexity_map(frame, ax, limits=limits, colorbar=place == places[-1])
            ax.set_title(f"step {slices.steps[place]:,}", fontsize=TITLE)
            if ax is not np.atleast_1d(axes)[0]:
                ax.set_ylabel("")
    save_figure(path, figure)
