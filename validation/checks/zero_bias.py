"""Networks without biases: every zero set passes through the origin, every region is a cone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import splinegeo.viz as viz
import torch
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray
from torch import Tensor, nn

import splinegeo as sg

from ..figures import new_figure, shades, style_lines
from ..networks import gaussian_mlp
from .finding import Finding, Picture, Rule, Table
from .subjects import Subjects

Counts = dict[tuple[float, int], NDArray[np.int64]]

# A LeakyReLU that does not bend: the linear network of the paper, whose units still have zero sets.
_LINEAR = 1.0


@dataclass(frozen=True)
class Settings:
    """A network without biases, and the neighbourhoods.

    Attributes
    ----------
    n_inputs, width, depth : of the network
    radii, dims : r and P of the neighbourhoods around the origin; dims ascend and start at 1
    scales : factors c that scale points and radii together
    n_points : points that are scaled
    radius : of the neighbourhoods of the unscaled points
    half_widths : of windows around the origin
    """

    n_inputs: int = 100
    width: int = 100
    depth: int = 5
    radii: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0)
    dims: tuple[int, ...] = (1, 2, 5, 10, 25, 50, 100)
    scales: tuple[float, ...] = (0.001, 1 / 3, 7.0, 1000.0)
    n_points: int = 1000
    radius: float = 1.0
    half_widths: tuple[float, ...] = (0.01, 1.0, 100.0)


QUICK = Settings(width=60, depth=4, n_points=100)
FULL = Settings()


def check(settings: Settings, subjects: Subjects, rng: int) -> Finding:
    """Local complexity around the origin over r and P, its invariance under scaling, and the exact cones."""
    bent, straight = (_network(settings, rng, slope) for slope in (0.0, _LINEAR))
    lc, linear = (_around_origin(model, settings, rng) for model in (bent, straight))
    domains = [_plane(settings, half_width, rng) for half_width in settings.half_widths]
    parts = sg.compute_partitions(bent, domains)
    rules = (
        _recovers_all(settings, linear, "of the linear network", slice(None)),
        _recovers_all(settings, lc, "of the first layer of the ReLU network", slice(0, 1)),
        _same_for_every_radius(settings, lc),
        _grows_with_dim(settings, lc),
        _scales(settings, bent, rng),
        _exact_is_not_less(settings, bent, lc, rng),
        _cones(settings, parts),
    )
    return Finding(
        name="zero-bias",
        title="Networks without biases",
        claim="Around the origin, where all zero sets meet, local complexity finds every unit of a linear network.",
        source="Appendix A, “MLP with zero bias”; law: f(c x) = c f(x) for c > 0",
        text=_text(settings),
        rules=rules,
        tables=(_table(settings, lc, linear),),
        pictures=(_picture(settings, lc, parts[len(parts) // 2]),),
    )


def _network(settings: Settings, rng: int, slope: float) -> nn.Sequential:
    widths = (settings.n_inputs, *[settings.width] * settings.depth)
    return gaussian_mlp(
        widths, weight_std=2**0.5, bias_std=0, activation=lambda: nn.LeakyReLU(slope) if slope else nn.ReLU(), seed=rng
    )


def _around_origin(model: nn.Module, settings: Settings, rng: int) -> Counts:
    """Counts (L,) around the origin for every radius and dimension."""
    origin = torch.zeros(1, settings.n_inputs, dtype=torch.float64)
    return {
        (radius, dim): sg.local_complexity(model, origin, radius=radius, dim=dim, rng=rng).counts[0]
        for radius in settings.radii
        for dim in settings.dims
    }


def _plane(settings: Settings, half_width: float, rng: int) -> sg.Slice:
    return sg.Slice.around(np.zeros(settings.n_inputs), half_width, rng)


def _recovers_all(settings: Settings, lc: Counts, whose: str, layers: slice) -> Rule:
    missed = sum(int((settings.width - counts[layers]).sum()) for counts in lc.values())
    return Rule(
        f"Every unit {whose} is counted around the origin, for every r and P, even P = 1.",
        "A linear map without bias takes opposite values at r v and −r v: the two vertices of one direction are "
        "enough. (The paper: “for all the trials, our method recovers all the layerwise hyperplane intersections”.)",
        "law",
        f"{missed} units missed in {len(lc)} trials",
        missed == 0,
    )


def _same_for_every_radius(settings: Settings, lc: Counts) -> Rule:
    first = settings.radii[0]
    differ = sum(bool((lc[radius, dim] != lc[first, dim]).any()) for radius, dim in lc)
    return Rule(
        "Around the origin the counts of every layer are the same for every radius.",
        "Without biases f(c x) = c f(x) for c > 0, so signs at r v do not depend on r.",
        "law",
        f"{differ} of {len(lc)} trials differ from r = {first:g}",
        differ == 0,
    )


def _grows_with_dim(settings: Settings, lc: Counts) -> Rule:
    fewer = [
        (radius, dim, more)
        for radius in settings.radii
        for dim, more in zip(settings.dims, settings.dims[1:], strict=False)
        if (lc[radius, dim] > lc[radius, more]).any()
    ]
    return Rule(
        "More directions never lower a count.",
        "The frames of one seed are nested: the vertices of a smaller P are among those of a larger.",
        "law",
        f"{len(fewer)} decreases in {len(settings.radii) * (len(settings.dims) - 1)} comparisons",
        not fewer,
    )


def _scales(settings: Settings, model: nn.Module, rng: int) -> Rule:
    generator = torch.Generator().manual_seed(rng)
    points = torch.randn(settings.n_points, settings.n_inputs, generator=generator, dtype=torch.float64)

    def counts(scale: float) -> NDArray[np.int64]:
        dim = min(25, settings.n_inputs)
        return sg.local_complexity(model, scale * points, radius=scale * settings.radius, dim=dim, rng=rng).counts

    differ = sum(int((counts(scale) != counts(1.0)).any(axis=1).sum()) for scale in settings.scales)
    return Rule(
        "Local complexity at (c x, c r) equals that at (x, r), at every point and layer.",
        "f(c x) = c f(x): scaling moves the vertices along the cones and changes no sign.",
        "law",
        f"{differ} of {len(settings.scales) * settings.n_points} points differ; "
        f"c = {_listed(settings.scales)}; mean local complexity {counts(1.0).sum(axis=1).mean():.1f}",
        differ == 0,
    )


def _exact_is_not_less(settings: Settings, model: nn.Module, lc: Counts, rng: int) -> Rule:
    origin: Tensor = torch.zeros(1, settings.n_inputs, dtype=torch.float64)
    exact = {r: sg.exact_local_complexity(model, origin, radius=r, rng=rng).counts[0] for r in settings.radii}
    holds = all((lc[r, 2] <= exact[r]).all() and (exact[r] == exact[settings.radii[0]]).all() for r in settings.radii)
    share = lc[settings.radii[0], 2].sum() / exact[settings.radii[0]].sum()
    return Rule(
        "With P = 2 no count exceeds the exact one, which is the same for every radius too.",
        "A sign change proves a zero set; the exact diamonds are those of the same frames.",
        "law",
        f"{exact[settings.radii[0]].sum()} zero sets meet the diamond, by layer {exact[settings.radii[0]].tolist()}; "
        f"P = 2 finds {share:.1%} of them",
        bool(holds),
    )


def _cones(settings: Settings, parts: list[sg.Partition]) -> Rule:
    counts = [part.n_regions for part in parts]
    inside = [
        int((np.abs(p.vertices).max(axis=1) < 0.999 * h).sum())
        for p, h in zip(parts, settings.half_widths, strict=True)
    ]
    holds = len(set(counts)) == 1 and set(inside) == {1}
    return Rule(
        "On a plane through the origin the exact partition has the origin as its only inner vertex, and the same "
        "number of regions in windows of every size.",
        "Every region is a cone with its apex at the origin.",
        "law",
        f"{_listed(counts)} regions, {_listed(inside)} inner vertices for half-widths {_listed(settings.half_widths)}",
        holds,
    )


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _table(settings: Settings, lc: Counts, linear: Counts) -> Table:
    rows = tuple(
        (name, dim, *found[settings.radii[0], dim].tolist(), int(found[settings.radii[0], dim].sum()))
        for name, found in (("linear", linear), ("ReLU", lc))
        for dim in settings.dims
    )
    layers = tuple(f"layer {k + 1}" for k in range(settings.depth))
    return Table(
        f"Units counted around the origin, of {settings.width} in each layer; the same for all "
        f"{len(settings.radii)} radii.",
        ("network", "P", *layers, "all"),
        rows,
    )


def _picture(settings: Settings, lc: Counts, part: sg.Partition) -> Picture:
    figure, (left, right) = new_figure(2, height=3.1)
    for layer, colour in enumerate(shades(settings.depth)):
        for radius in settings.radii:
            found = [lc[radius, dim][layer] / settings.width for dim in settings.dims]
            name = f"layer {layer + 1}" if radius == settings.radii[0] else None
            left.plot(settings.dims, found, "o-", ms=3, lw=1.3, color=colour, label=name)
    left.set_xscale("log")
    left.set_xticks(settings.dims, labels=[str(dim) for dim in settings.dims])
    left.xaxis.set_minor_locator(NullLocator())
    style_lines(left, "directions P", "share of the units counted")
    viz.draw_partition(part, "layer", right, linewidth=0.5)
    caption = (
        f"Left: ReLU network, all {len(settings.radii)} radii drawn over one another. Right: exact partition of a "
        f"plane through the origin, {part.n_regions} cones, coloured by the deepest layer among their edges."
    )
    return Picture(figure, caption, "Share of units counted against P, by layer; and a fan of cones around the origin.")


def _text(settings: Settings) -> str:
    return (
        f"Random networks {settings.n_inputs}-{'-'.join([str(settings.width)] * settings.depth)} with Gaussian weights "
        f"and no biases, one linear (a leaky ReLU of slope 1, so that its units still have zero sets), one with ReLU. "
        f"Neighbourhoods of the origin with r in {_listed(settings.radii)} and P in {_listed(settings.dims)}. In "
        "deeper ReLU layers P = 1 or 2 does not find every unit, because a ReLU network, unlike a linear one, need not "
        "take opposite values at opposite points."
    )
