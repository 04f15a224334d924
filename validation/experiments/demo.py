"""The demo: regions migrate, seen on an exact slice and measured, in a training of a minute on real digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import splinegeo.viz as viz
from matplotlib.figure import Figure

import splinegeo as sg

from ..figures import save_figure
from ..networks import restored
from ..training import log_spaced_steps
from .catalogue import SMALL
from .measuring import curve
from .recipe import Recipe
from .run import Training
from .slices import Slices, compute_slices, save_slices

N_FRAMES = 16
DEMO = Recipe(
    name="demo",
    title="Regions migrate to the decision boundary",
    claim="They leave the data and gather at the boundary.",
    variants={"squared error": replace(SMALL, checkpoints=tuple(log_spaced_steps(SMALL.last_step, N_FRAMES)))},
    radii=(0.005,),
    n_points=20,
    n_segments=24,
    budgets=(),
)
_FRACTIONS = [f"{fraction:g}" for fraction in np.linspace(0, 1, 11)]


def run_demo(
    out: Path,
    *,
    last_step: int | None = None,
    n_frames: int = N_FRAMES,
    quick: bool = False,
    seed: int = 0,
    say: Callable[[str], None],
    progress: bool = True,
) -> None:
    """Train 784-200-200-200-10 on 500 digits and film the migration of its regions.

    Squared error in float64, AdamW 3e-3 with β₂ = 0.95, whose noise lasts: the regions of the slice through three
    training digits, and zero sets around all data, leave for the decision boundary within 6 000 steps. A run that was
    stopped goes on where it was.

    Parameters
    ----------
    out : folder for the results; made if it does not exist
    last_step, n_frames : length of the training, and how many of its steps (log-spaced) become frames
    quick : three frames of 60 steps, to see that everything works
    seed : of the split into training and test digits, of the initialisation and of the batches
    say : called with each line of the closing summary

    Raises
    ------
    InvalidInputError
        If the folder holds another training.
    """
    recipe = _sized(60, 3, n_segments=30) if quick else _sized(last_step, n_frames)
    (setting,) = recipe.variants.values()
    training = Training(recipe, "demo", setting, seed, out)
    table = training.measured(progress)
    states = training.states(setting.steps())
    samples = setting.task.load(seed)
    slices = compute_slices(setting.network, states, recipe, samples, progress)
    save_slices(out, slices)
    _film(out, slices, table, recipe, progress)
    _draw_curves(out, table)
    model = restored(setting.network, states[slices.steps[-1]])
    segments = 100 if quick else 200
    profile = sg.migration_profile(model, samples.train_x, samples.train_y, n_segments=segments, rng=seed)
    for line in _summary(out, slices, table, profile):
        say(line)


def _sized(last_step: int | None, n_frames: int, n_segments: int = DEMO.n_segments) -> Recipe:
    ((name, setting),) = DEMO.variants.items()
    last = setting.last_step if last_step is None else last_step
    steps = log_spaced_steps(last, n_frames)
    variants = {name: replace(setting, last_step=last, checkpoints=tuple(steps))}
    return replace(DEMO, variants=variants, n_slices=len(steps), n_segments=n_segments)


def _film(out: Path, slices: Slices, table: np.ndarray, recipe: Recipe, progress: bool) -> None:
    parts = [part for part in slices.frames if isinstance(part, sg.Partition)]
    profiles, ratios = _profiles(table), curve(table, "migration_log2_ratio").value
    accuracies = zip(slices.steps, *(curve(table, f"{name}_accuracy").value for name in ("train", "test")), strict=True)
    viz.animate_migration(
        parts,
        profiles,
        [out / "migration.mp4", out / "migration.gif"],
        titles=[f"step {step:>5,}    train {train:.1%}    test {test:.1%}" for step, train, test in accuracies],
        notes=[f"log2 boundary / data = {ratio:.1f}" for ratio in ratios],
        anchors=slices.anchors,
        anchor_labels=[str(label) for label in recipe.classes],
        hold=2.0,
        progress=progress,
    )


def _profiles(table: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Fractions, means and the ends of their intervals at each checkpoint."""
    series = [sg.select_series(table, "migration_profile", fraction) for fraction in _FRACTIONS]
    values = np.array([[one.value, one.low, one.high] for one in series])
    fractions = np.array(_FRACTIONS, dtype=float)
    return [(fractions, *values[:, :, k].T) for k in range(values.shape[2])]


def _draw_curves(out: Path, table: np.ndarray) -> None:
    """Accuracies, and the profile over all steps."""
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    curves = {name: curve(table, f"{name}_accuracy") for name in ("train", "test")}
    viz.draw_curves({name: (one.steps, one.value) for name, one in curves.items()}, left, label="accuracy")
    viz.draw_migration_map(curves["train"].steps, _profiles(table), right)
    save_figure(out / "curves.png", figure)


def _summary(out: Path, slices: Slices, table: np.ndarray, profile: sg.MigrationProfile) -> list[str]:
    first, last = (part for part in (slices.frames[0], slices.frames[-1]) if isinstance(part, sg.Partition))
    assert slices.domain is not None
    points = slices.domain.project(slices.anchors)
    before, after = (sg.migration_index(part, points) for part in (first, last))
    ratio, low, high = profile.log2_ratio_interval()
    verdict = "holds" if last.check().ok else "FAILS"
    return [
        f"{out}/migration.mp4, .gif    {len(slices.steps)} frames: the exact partition of a slice through three digits",
        f"{out}/curves.png             accuracies, and the migration profile over the steps; numbers in table.csv",
        f"{out}/partitions/*.npz       the partitions themselves: splinegeo.Partition.load",
        f"{out}/checkpoints/*          the networks: splinegeo complexity (or deformation) --run {out}",
        f"step {slices.steps[-1]:,}: zero sets near the data {profile.mean[0]:.3f}, near the decision boundary "
        f"{profile.mean[-1]:.2f}; log2 of the ratio {ratio:.1f}, 99 % interval {low:.1f} to {high:.1f}",
        f"migration index of the slice {before:.1f} at step 0, {after:.1f} at the end; train accuracy "
        f"{curve(table, 'train_accuracy').value[-1]:.1%}, test accuracy {curve(table, 'test_accuracy').value[-1]:.1%}",
        f"check of the last partition against the network {verdict}",
    ]
