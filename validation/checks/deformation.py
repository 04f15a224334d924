"""Up to which radius do the layers leave the shape of a neighbourhood as it is?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import splinegeo.viz as viz
from numpy.typing import NDArray
from splinegeo.viz.style import INK
from torch import Tensor, nn

import splinegeo as sg

from ..figures import new_figure, shades, style_lines
from .finding import Cell, Finding, Picture, Rule, Table
from .subjects import Subjects

Floats = NDArray[np.float64]

# The paper's own: the deformation that it tolerates, and the radius that it recommends.
_SHARE, _RECOMMENDED = 0.1, 0.014
# Of float64 eccentricities that differ by a factor of two, see `neighborhood_deformation`.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Settings:
    """The neighbourhoods.

    Attributes
    ----------
    n_points : training digits
    radii : ascending; the smallest is what the others are compared with
    dim : P
    """

    n_points: int
    radii: tuple[float, ...] = (0.0001, 0.001, 0.002, 0.005, 0.014, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    dim: int = 25


QUICK = Settings(n_points=25)
FULL = Settings(n_points=200)


@dataclass(frozen=True)
class Bending:
    """One network: its deformations by radius, and how far each point's shape is from that of the smallest radius.

    `change` is (radii, points, L): the relative change of the eccentricity, itself relative to the input space.
    """

    name: str
    found: list[sg.Deformation]
    change: Floats

    def worst_layer(self) -> Floats:
        """Mean change over the points, in the layer where it is largest, (radii,)."""
        worst: Floats = self.change.mean(axis=1).max(axis=1)
        return worst


def check(settings: Settings, subjects: Subjects, rng: int) -> Finding:
    """Deformation by every layer of two trained networks, over the radii."""
    points = subjects.digits.train_x[: settings.n_points]
    models = {"CNN": subjects.cnn, "MLP": subjects.mlp}
    bendings = [_bend(name, model, points, settings, rng) for name, model in models.items()]
    return Finding(
        name="deformation",
        title="Deformation of neighbourhoods, layer by layer",
        claim="Below a radius of about 0.014 the layers change the shape of a neighbourhood by less than a tenth.",
        source="Figures 5 and 21",
        text=_text(settings, subjects),
        rules=(
            _input_space(settings, bendings),
            *(_affine(one, models[one.name], points, settings, rng) for one in bendings),
            *(_below(settings, one) for one in bendings),
        ),
        tables=(_table(settings, bendings),),
        pictures=tuple(_picture(settings, one) for one in bendings),
    )


def _bend(name: str, model: nn.Module, points: Tensor, settings: Settings, rng: int) -> Bending:
    found = [
        sg.neighborhood_deformation(model, points, radius=radius, dim=settings.dim, rng=rng)
        for radius in settings.radii
    ]
    relative = np.array([one.eccentricity[:, 1:] / one.eccentricity[:, :1] for one in found])
    # A dead layer has made one point of the neighbourhood, which no radius deforms further.
    change = np.abs(np.divide(relative, relative[0], out=np.ones_like(relative), where=relative[0] > 0) - 1)
    return Bending(name, found, change)


def threshold(radii: Floats, change: Floats, share: float = _SHARE) -> float:
    """The radius at which the change first exceeds a share, interpolated on a logarithmic axis; inf if it does not.

    >>> round(threshold(np.array([0.01, 0.1, 1.0]), np.array([0.0, 0.05, 0.15])), 3)
    0.316
    """
    over = np.nonzero(change > share)[0]
    if not len(over):
        return float("inf")
    k = int(over[0])
    if k == 0:
        return float(radii[0])
    part = (share - change[k - 1]) / (change[k] - change[k - 1])
    return float(radii[k - 1] * (radii[k] / radii[k - 1]) ** part)


def _input_space(settings: Settings, bendings: list[Bending]) -> Rule:
    wrong = max(
        float(np.abs(values[:, 0] / (8**0.5 * one.radius) - 1).max())
        for bending in bendings
        for one in bending.found
        for values in (one.eccentricity, one.diameter)
    )
    return Rule(
        "In the input space all eccentricities and the diameter are 2√2 r.",
        "The shortest path between antipodes of a cross-polytope has two edges of length √2 r.",
        "law",
        f"largest relative difference {wrong:.1e}",
        wrong < _ROUNDING,
    )


def _affine(one: Bending, model: nn.Module, points: Tensor, settings: Settings, rng: int) -> Rule:
    """Where the certified bound is zero, nothing may change."""
    checked, worst = 0, 0.0
    for k, radius in enumerate(settings.radii):
        estimate = sg.local_complexity(model, points, radius=radius, dim=settings.dim, rng=rng)
        if estimate.total.all():
            break  # larger neighbourhoods meet more
        bounds = sg.local_complexity_bounds(model, points, radius=radius, dim=settings.dim, rng=rng)
        flat = bounds.upper.sum(axis=1) == 0
        checked += int(flat.sum())
        worst = max(worst, float(one.change[k, flat].max(initial=0.0)))
    return Rule(
        f"{one.name}: a neighbourhood that provably meets no zero set has the same shape as with the smallest radius.",
        "There the network is affine, and an affine map scales all distances with r.",
        "law",
        f"{checked:,} neighbourhoods are certified; largest change {worst:.1e}",
        checked > 0 and worst < _ROUNDING,
    )


def _below(settings: Settings, one: Bending) -> Rule:
    curve = one.worst_layer()
    edge = threshold(np.array(settings.radii), curve)
    at = float(curve[settings.radii.index(_RECOMMENDED)])
    limit = f"{_SHARE:.0%} is reached at r = {edge:.3g}" if np.isfinite(edge) else f"{_SHARE:.0%} is never reached"
    return Rule(
        f"{one.name}: up to r = {_RECOMMENDED:g} the mean change of the eccentricity is below {_SHARE:.0%} in every "
        "layer.",
        "The paper: below a certain radius deformation “is limited and does not exponentially increase”; it recommends "
        f"r ≤ {_RECOMMENDED:g} for deep networks.",
        "paper",
        f"at r = {_RECOMMENDED:g}: {at:.2%}; {limit}",
        edge > _RECOMMENDED,
    )


def _table(settings: Settings, bendings: list[Bending]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.name,
            radius,
            float(one.worst_layer()[k]),
            float(np.percentile(one.change[k].max(axis=1), 95)),
            *_relative(one.found[k]),
        )
        for one in bendings
        for k, radius in enumerate(settings.radii)
    ]
    return Table(
        "Change of the eccentricity against the smallest radius: mean over the points in the worst layer, and 95th "
        "percentile of the points' worst layers; mean eccentricity and diameter behind the last layer, relative to the "
        "input space.",
        ("network", "r", "mean change", "95 % of points", "eccentricity, last layer", "diameter, last layer"),
        tuple(rows),
    )


def _relative(found: sg.Deformation) -> tuple[float, float]:
    """Of the last layer."""
    both = (found.eccentricity, found.diameter)
    eccentricity, diameter = (float((values[:, -1] / values[:, 0]).mean()) for values in both)
    return eccentricity, diameter


def _picture(settings: Settings, one: Bending) -> Picture:
    figure, (left, middle, right) = new_figure(3, width=10.2, height=2.9)
    shown = [found for found in one.found if found.radius in (0.0001, 0.005, 0.014, 0.1, 0.5, 1.0, 5.0)]
    viz.draw_deformation(shown, left, diameter=False, legend=False)
    viz.draw_deformation(shown, middle, reference="smallest", diameter=False)
    for layer, colour in enumerate(shades(one.change.shape[2])):
        right.plot(settings.radii, one.change[:, :, layer].mean(axis=1), "o-", ms=3, lw=1.1, color=colour)
    right.axhline(_SHARE, color=INK, lw=0.7, ls=(0, (5, 3)))
    right.axvline(_RECOMMENDED, color=INK, lw=0.7, ls=(0, (5, 3)))
    right.set_xscale("log")
    right.set_yscale("symlog", linthresh=1e-3)
    right.set_ylim(0, max(1.5 * _SHARE, 1.2 * float(one.change.mean(axis=1).max())))
    style_lines(right, "radius r (first to last layer: light to dark)", "mean change", legend=False)
    return Picture(
        figure,
        f"{one.name}. Left: eccentricity relative to the input space, by layer and radius. Middle: the same relative "
        "to the smallest radius. Right: mean change by radius, one line for each layer; dashed, a tenth and r = 0.014.",
        f"{one.name}: deformation by layer and radius; it stays small up to a radius and then grows.",
    )


def _text(settings: Settings, subjects: Subjects) -> str:
    return (
        f"A CNN of five convolutions and two linear layers after {subjects.plan.cnn_steps:,} steps, and the network "
        f"{subjects.shape} after {subjects.plan.mlp_steps:,}, both on 1 000 real digits, no batch norm; "
        f"{settings.n_points} training digits, P = {settings.dim}. The vertices of a neighbourhood, embedded by the "
        "first l nonlinearities, are the nodes of a graph that joins all but antipodes. A layer scales even the "
        "smallest neighbourhood, which deforms nothing; so the eccentricity, relative to the input space, is compared "
        "with that of the smallest radius around the same point."
    )
