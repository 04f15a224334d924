"""Does local complexity follow the exact counts while a network is trained?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import splinegeo.viz as viz
from numpy.typing import NDArray
from scipy import stats
from splinegeo.viz.style import INK, RANDOM, TRAIN
from torch import Tensor, nn
from tqdm import tqdm

import splinegeo as sg

from ..figures import add_title, new_figure
from .finding import Finding, Picture, Rule, Table
from .subjects import Subjects

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What is measured at every checkpoint.

    Attributes
    ----------
    n_points : training digits
    radii : of the neighbourhoods, the same for estimate and exact count
    dim : P of the usual estimate
    """

    n_points: int
    radii: tuple[float, ...]
    dim: int = 25
    threshold: float = 0.9


QUICK = Settings(n_points=100, radii=(0.05, 0.5))
FULL = Settings(n_points=300, radii=(0.005, 0.05, 0.5))


@dataclass(frozen=True)
class Course:
    """Counts over the training for one radius; `estimate` (P = 2), `exact`, `wide` are (checkpoints, n, L)."""

    radius: float
    estimate: Ints
    exact: Ints
    wide: Ints
    regions: Ints

    def curve(self, name: str) -> Floats:
        """Mean over the points of the sum over the layers, (checkpoints,)."""
        counts: Ints = getattr(self, name)
        return counts.reshape(*counts.shape[:2], -1).sum(axis=2).mean(axis=1)


def check(settings: Settings, subjects: Subjects, rng: int) -> Finding:
    """Measure estimate and exact count at every checkpoint, and correlate the curves."""
    models = [subjects.mlp_at(state) for state in subjects.run.states]
    points = subjects.digits.train_x[: settings.n_points]
    courses = [_measure(models, points, radius, settings, rng, subjects.progress) for radius in settings.radii]
    return Finding(
        name="during-training",
        title="Local complexity against exact counts during training",
        claim="Over the training, local complexity rises and falls with the exact number of zero sets.",
        source="Figure 35",
        text=_text(settings, subjects),
        rules=(
            _order(courses),
            *(_follows(settings, course, "estimate", "P = 2") for course in courses),
            *(_follows(settings, course, "wide", f"P = {settings.dim}") for course in courses),
        ),
        tables=(_correlations(settings, courses), _curves(settings, subjects, courses)),
        pictures=(_picture(settings, subjects, courses),),
    )


def _measure(
    models: list[nn.Sequential], points: Tensor, radius: float, settings: Settings, rng: int, progress: bool
) -> Course:
    estimate, exact, wide, regions = [], [], [], []
    for model in tqdm(models, desc=f"r = {radius:g}", unit="checkpoint", delay=1, leave=False, disable=not progress):
        truth = sg.exact_local_complexity(model, points, radius=radius, rng=rng)
        exact.append(truth.counts)
        regions.append(truth.regions)
        estimate.append(sg.local_complexity(model, points, radius=radius, dim=2, rng=rng).counts)
        wide.append(sg.local_complexity(model, points, radius=radius, dim=settings.dim, rng=rng).counts)
    return Course(radius, np.array(estimate), np.array(exact), np.array(wide), np.array(regions))


def _order(courses: list[Course]) -> Rule:
    above = sum(int((c.estimate > c.exact).sum()) for c in courses)
    first = sum(int((c.estimate != c.exact)[..., 0].sum()) for c in courses)
    missed = sum(int((c.exact - c.estimate).sum()) for c in courses)
    return Rule(
        "With P = 2, at every checkpoint, point and layer: estimate ≤ exact, equal in the first layer.",
        "A sign change proves a zero set; an affine function takes its extremes at vertices.",
        "law",
        f"{above} above, {first} unequal in the first layer, of {sum(c.exact.size for c in courses):,}; the estimate "
        f"misses {missed:,} of {sum(int(c.exact.sum()) for c in courses):,} zero sets",
        above == first == 0,
    )


def _correlation(course: Course, name: str) -> tuple[float, float]:
    """Pearson's and Spearman's coefficients of a curve with the exact one."""
    pair = course.curve(name), course.curve("exact")
    return float(stats.pearsonr(*pair).statistic), float(stats.spearmanr(*pair).statistic)


def _follows(settings: Settings, course: Course, name: str, label: str) -> Rule:
    pearson, spearman = _correlation(course, name)
    return Rule(
        f"r = {course.radius:g}: the curve for {label} has a correlation of at least {settings.threshold:g} with the "
        "exact curve.",
        "The paper shows both curves side by side to argue that the estimate follows the exact count; the threshold "
        "is ours. Before training and after it the counts differ by a factor of several, so an estimate that did not "
        "follow would not reach it.",
        "paper",
        f"Pearson {pearson:.4f}, Spearman {spearman:.4f} over {len(course.exact)} checkpoints",
        pearson >= settings.threshold,
    )


def _correlations(settings: Settings, courses: list[Course]) -> Table:
    rows = []
    for course in courses:
        for name, label in (("estimate", "P = 2"), ("wide", f"P = {settings.dim}"), ("regions", "regions, exact")):
            totals = (
                getattr(course, name).reshape(-1, settings.n_points, 1 if name == "regions" else course.exact.shape[2])
            ).sum(axis=2)
            pointwise = stats.pearsonr(totals.ravel(), course.exact.sum(axis=2).ravel()).statistic
            rows.append((course.radius, label, *_correlation(course, name), float(pointwise)))
    return Table(
        "Correlation with the exact number of zero sets: of the mean curves over the checkpoints, and of single points "
        "at single checkpoints.",
        ("r", "curve", "Pearson", "Spearman", "Pearson, single points"),
        tuple(rows),
    )


def _curves(settings: Settings, subjects: Subjects, courses: list[Course]) -> Table:
    names = ("estimate", "exact", "wide", "regions")
    columns = [course.curve(name) for course in courses for name in names]
    labels = [f"r = {c.radius:g}: {n}" for c in courses for n in ("P = 2", "exact", f"P = {settings.dim}", "regions")]
    run = subjects.run
    rows = zip(run.steps.tolist(), run.test_accuracy.tolist(), *[c.tolist() for c in columns], strict=True)
    return Table("Means over the points, by optimiser step.", ("step", "test accuracy", *labels), tuple(rows))


def _picture(settings: Settings, subjects: Subjects, courses: list[Course]) -> Picture:
    figure, axes = new_figure(len(courses), width=3.4 * len(courses), height=3.0)
    for ax, course in zip(axes, courses, strict=True):
        # Bands would be those of the points, which estimate and exact count share: means are all there is to compare.
        curves = {"exact": (course.curve("exact"), TRAIN), f"P = {settings.dim}": (course.curve("wide"), RANDOM)}
        means = {name: np.stack([y] * 3, axis=1) for name, (y, _) in curves.items()}
        viz.draw_local_complexity(subjects.run.steps, means, ax, label="zero sets in the neighbourhood")
        for line, (_, colour) in zip(ax.lines, curves.values(), strict=True):
            line.set_color(colour)
        ax.plot(subjects.run.steps, course.curve("estimate"), "x", color=INK, ms=4.5, label="P = 2")
        ax.set_ylim(bottom=0)
        add_title(ax, f"r = {course.radius:g}")
        ax.legend(frameon=False, fontsize=8)
    return Picture(
        figure,
        f"Mean over {settings.n_points} training digits of the exact number of zero sets in the diamond, of its "
        f"estimate in the same diamond (P = 2) and of the usual estimate (P = {settings.dim}).",
        "Three curves over the training, one panel for each radius: exact count and estimates move together.",
    )


def _text(settings: Settings, subjects: Subjects) -> str:
    run = subjects.run
    return (
        f"The network {subjects.shape} (depth 3, width {subjects.plan.width}) is trained for {run.steps[-1]:,} steps "
        f"on 1 000 real digits (final test accuracy {run.test_accuracy[-1]:.1%}); {len(run.steps)} checkpoints, "
        f"log-spaced. Around {settings.n_points} training digits the zero sets in the diamond are counted exactly and "
        "estimated with the same radius. With more directions the neighbourhood is larger and meets more zero sets: "
        "what is compared is the course, not the level."
    )
