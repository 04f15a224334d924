"""Estimate ≤ exact count ≤ certified bound, at every point and layer of a trained network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from splinegeo.viz.style import RANDOM, TEST, TRAIN
from torch import Tensor, nn

import splinegeo as sg

from ..figures import add_title, new_figure, style_lines
from .finding import Cell, Finding, Picture, Rule, Table
from .subjects import Subjects

Ints = NDArray[np.int64]

_COLOURS = {"train": TRAIN, "test": TEST, "random": RANDOM}


@dataclass(frozen=True)
class Settings:
    """Where the three counts are compared.

    Attributes
    ----------
    n_points : of each kind: training digits, test digits, uniformly random
    radii : of the neighbourhoods
    dim : P of the neighbourhoods of many dimensions, which have bounds but no exact count
    """

    n_points: int
    radii: tuple[float, ...]
    dim: int = 25


QUICK = Settings(n_points=25, radii=(0.005, 0.05, 0.5, 2.0))
FULL = Settings(n_points=200, radii=(0.005, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0))


@dataclass(frozen=True)
class Counts:
    """Around the points of one kind, with one radius; arrays (n, L), `regions` (n,).

    `estimate`, `exact`, `upper` are for P = 2; `wide` and `wide_upper` are estimate and bound for larger P.
    """

    kind: str
    radius: float
    estimate: Ints
    exact: Ints
    upper: Ints
    regions: Ints
    wide: Ints
    wide_upper: Ints


def check(settings: Settings, subjects: Subjects, rng: int) -> Finding:
    """Compare estimate, exact count and certified bound in the same neighbourhoods."""
    model = subjects.mlp
    kinds = probe_points(subjects, settings.n_points, rng)
    found = [_count(model, kind, x, radius, settings, rng) for radius in settings.radii for kind, x in kinds.items()]
    return Finding(
        name="sandwich",
        title="Estimate, exact count, certified bound",
        claim="Local complexity never exceeds the exact count of zero sets, which never exceeds the certified bound.",
        source="A law: a sign change proves a zero between two vertices; linear relaxation proves its absence",
        text=_text(settings, subjects),
        rules=(_order(found), _first_layer(found), _regions(found), _wide(settings, found)),
        tables=(_table(settings, found),),
        pictures=(_picture(settings, found),),
    )


def probe_points(subjects: Subjects, n_points: int, rng: int) -> dict[str, Tensor]:
    """The paper's three kinds of points: training digits, test digits, uniformly random in the box [0, 1]^784."""
    digits = subjects.digits
    random = torch.rand(n_points, digits.train_x.shape[1], generator=torch.Generator().manual_seed(rng))
    return {"train": digits.train_x[:n_points], "test": digits.test_x[:n_points], "random": random}


def _count(model: nn.Module, kind: str, x: Tensor, radius: float, settings: Settings, rng: int) -> Counts:
    exact = sg.exact_local_complexity(model, x, radius=radius, rng=rng)
    return Counts(
        kind,
        radius,
        estimate=sg.local_complexity(model, x, radius=radius, dim=2, rng=rng).counts,
        exact=exact.counts,
        upper=sg.local_complexity_bounds(model, x, radius=radius, dim=2, rng=rng).upper,
        regions=exact.regions,
        wide=sg.local_complexity(model, x, radius=radius, dim=settings.dim, rng=rng).counts,
        wide_upper=sg.local_complexity_bounds(model, x, radius=radius, dim=settings.dim, rng=rng).upper,
    )


def _order(found: list[Counts]) -> Rule:
    above = sum(int((one.estimate > one.exact).sum()) for one in found)
    below = sum(int((one.exact > one.upper).sum()) for one in found)
    return Rule(
        "With P = 2: estimate ≤ exact ≤ bound at every point, layer and radius.",
        "The estimate counts units with a proof that their zero set is there, the bound those without a proof that it "
        "is not; the exact engine computes the zero sets in between, and shares no code with either.",
        "law",
        f"{above} estimates above, {below} bounds below the exact count, in {sum(one.exact.size for one in found):,} "
        "comparisons",
        above == below == 0,
    )


def _first_layer(found: list[Counts]) -> Rule:
    differ = sum(int((one.estimate[:, 0] != one.exact[:, 0]).sum()) for one in found)
    return Rule(
        "In the first layer estimate and exact count are equal.",
        "An affine function takes its extremes on a polytope at vertices.",
        "law",
        f"{differ} differ of {sum(len(one.exact) for one in found):,}, which hold "
        f"{sum(int(one.exact[:, 0].sum()) for one in found):,} zero sets",
        differ == 0,
    )


def _regions(found: list[Counts]) -> Rule:
    wrong = sum(int(((one.regions > 1) != (one.exact.sum(axis=1) > 0)).sum()) for one in found)
    few = sum(int((one.regions < 1 + one.exact.sum(axis=1)).sum()) for one in found)
    return Rule(
        "A neighbourhood has more than one region if and only if a zero set meets it, and at least one more region "
        "than zero sets.",
        "Every zero set that meets the diamond cuts at least one of its regions in two.",
        "law",
        f"{wrong} neighbourhoods where the two disagree, {few} with too few regions, of "
        f"{sum(len(one.regions) for one in found):,}",
        wrong == few == 0,
    )


def _wide(settings: Settings, found: list[Counts]) -> Rule:
    above = sum(int((one.wide > one.wide_upper).sum()) for one in found)
    less = sum(int((one.wide < one.estimate).sum()) for one in found)
    open_radii = [one.radius for one in found if (one.wide < one.wide_upper).any()]
    below = [radius for radius in settings.radii if radius < min(open_radii, default=np.inf)]
    closed = f"at every point up to r = {below[-1]:g}" if below else "not at every point of any radius"
    return Rule(
        f"With P = {settings.dim}: the estimate for P = 2 ≤ the estimate ≤ the bound.",
        "Frames are nested, and both ends are proofs; where they meet, the estimate is the exact count in "
        f"{settings.dim} dimensions, which no exact engine could enumerate.",
        "law",
        f"{above} estimates above the bound, {less} below the estimate for P = 2; both ends meet {closed}",
        above == less == 0,
    )


def _table(settings: Settings, found: list[Counts]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.radius,
            one.kind,
            *(float(counts.sum(axis=1).mean()) for counts in (one.estimate, one.exact, one.upper)),
            float(one.regions.mean()),
            float(one.wide.sum(axis=1).mean()),
            float(one.wide_upper.sum(axis=1).mean()),
            float((one.wide == one.wide_upper).all(axis=1).mean()),
        )
        for one in found
    ]
    p = f"P = {settings.dim}"
    return Table(
        f"Means over {settings.n_points} points of the number of zero sets in the neighbourhood, all layers.",
        ("r", "points", "estimate", "exact", "bound", "regions", f"estimate, {p}", f"bound, {p}", "share where equal"),
        tuple(rows),
    )


def _picture(settings: Settings, found: list[Counts]) -> Picture:
    figure, axes = new_figure(2, height=3.1, sharey=True)
    panels = (("P = 2", "estimate", "upper"), (f"P = {settings.dim}", "wide", "wide_upper"))
    for ax, (title, low, high) in zip(axes, panels, strict=True):
        for kind, colour in _COLOURS.items():
            some = [one for one in found if one.kind == kind]
            radii = [one.radius for one in some]
            lower, upper = ([_positive(one, name) for one in some] for name in (low, high))
            ax.fill_between(radii, lower, upper, color=colour, alpha=0.3, lw=0)
            ax.plot(radii, lower, color=colour, lw=1.2, label=f"{kind}: estimate to bound")
            if title == "P = 2":
                exact = [_positive(one, "exact") for one in some]
                ax.plot(radii, exact, "x", color=colour, ms=5, label=f"{kind}: exact")
        ax.set_xscale("log")
        ax.set_yscale("log")
        add_title(ax, title)
        style_lines(ax, "radius r", "zero sets in the neighbourhood" if ax is axes[0] else "")
    return Picture(
        figure,
        "Mean numbers of zero sets that meet the neighbourhood: from the estimate (line) to the certified bound (top "
        "of the band), with the exact counts where there are any.",
        "Bands between estimate and bound against the radius, the exact counts within.",
    )


def _positive(one: Counts, name: str) -> float:
    """Mean over the points of the sum over the layers; a logarithmic axis has no zero."""
    mean = float(getattr(one, name).sum(axis=1).mean())
    return mean if mean > 0 else float("nan")


def _text(settings: Settings, subjects: Subjects) -> str:
    return (
        f"The network {subjects.shape} after {subjects.plan.mlp_steps:,} steps on 1 000 real digits; "
        f"{settings.n_points} training digits, as many test digits and random points. Exact counts exist for diamonds "
        "(P = 2); estimate, exact engine and bound see the same diamonds."
    )
