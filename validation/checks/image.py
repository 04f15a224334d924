"""A picture of local complexity, pixel by pixel, against the exact partition of the same slice."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import shapely
import splinegeo.viz as viz
import torch
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray
from splinegeo.viz.style import INK
from torch import nn

import splinegeo as sg

from ..figures import add_title, new_figure
from .finding import Finding, Picture, Rule, Table
from .subjects import Subjects

Bools = NDArray[np.bool_]

_CLASSES = (3, 5, 8)

_CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
# Quiet, hit, missed, false: the two errors are the ones that must be seen.
_OUTCOMES = ListedColormap(["#ffffff", "#b9c9dd", "#e0631b", "#c2006b"])


@dataclass(frozen=True)
class Settings:
    """The picture.

    Attributes
    ----------
    resolution : pixels along each side
    half_width : of the window, around the mean of three training digits
    dim : P of the neighbourhoods in the whole input space, for comparison
    recall : what the share of detected pixels must reach
    """

    resolution: int
    half_width: float
    dim: int = 25
    recall: float = 0.99


QUICK = Settings(resolution=64, half_width=1.0)
FULL = Settings(resolution=256, half_width=2.0)


@dataclass(frozen=True)
class Confusion:
    """How detected pixels relate to true ones."""

    true: int
    positive: int
    both: int

    @classmethod
    def of(cls, found: Bools, truth: Bools) -> Confusion:
        """Compare two masks."""
        return cls(int(truth.sum()), int(found.sum()), int((found & truth).sum()))

    @property
    def precision(self) -> float:
        """Share of the detected pixels that are true."""
        return self.both / self.positive if self.positive else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pixels that are detected."""
        return self.both / self.true if self.true else 1.0


@dataclass(frozen=True)
class Evidence:
    """All that the rules read; masks are (pixels,).

    `found` and `truth` are by local complexity and by the exact edges in the diamond of each pixel, `counted` by the
    exact engine started on every diamond anew; `first` and `first_truth` the first layer of `found` and `truth`;
    `wide` and `disc_truth` are for neighbourhoods in the whole input space, and edges in the disc of radius r.
    """

    picture: sg.ComplexityMap
    part: sg.Partition
    found: Bools
    truth: Bools
    counted: Bools
    first: Bools
    first_truth: Bools
    wide: Bools
    disc_truth: Bools


def check(settings: Settings, subjects: Subjects, rng: int) -> Finding:
    """Detect edges by local complexity, and hold the exact edges of the partition against it."""
    seen = _gather(settings, subjects.mlp, _centre(subjects), rng)
    confusions = {
        "diamond in the slice, all layers": Confusion.of(seen.found, seen.truth),
        "diamond in the slice, first layer": Confusion.of(seen.first, seen.first_truth),
        f"P = {settings.dim} in the input space, against the disc of radius r": Confusion.of(
            seen.wide, seen.disc_truth
        ),
    }
    everywhere, first, _ = confusions.values()
    return Finding(
        name="image",
        title="A picture of local complexity against the exact partition",
        claim="Pixels of positive local complexity are those that an edge of the exact partition passes.",
        source="Figure 25",
        text=_text(settings, subjects, seen),
        rules=(
            _precision(everywhere),
            _first_layer(first),
            _recall(settings, everywhere),
            _two_witnesses(seen),
        ),
        tables=(_table(confusions, len(seen.found)),),
        pictures=(_picture(seen),),
    )


def on_plane(model: nn.Module, domain: sg.Slice) -> nn.Sequential:
    """The network as a function of slice coordinates, in float64: its neighbourhoods then lie in the slice."""
    embed = nn.Linear(2, len(domain.origin)).double()
    with torch.no_grad():
        embed.weight.copy_(torch.from_numpy(domain.basis.copy()))
        embed.bias.copy_(torch.from_numpy(domain.origin.copy()))
    return nn.Sequential(embed, copy.deepcopy(model).double()).eval()


def _centre(subjects: Subjects) -> sg.Slice:
    """The plane through three training digits that a network confuses."""
    digits = subjects.digits
    a, b, c = (digits.train_x[int(torch.nonzero(digits.train_y == label)[0])] for label in _CLASSES)
    return sg.Slice.through(a, b, c)


def _square(domain: sg.Slice, half_width: float) -> sg.Slice:
    """A square window of the same plane around its origin."""
    return sg.Slice(domain.origin, domain.basis, half_width * _CORNERS, domain.input_shape)


def _gather(settings: Settings, model: nn.Module, domain: sg.Slice, rng: int) -> Evidence:
    window = _square(domain, settings.half_width)
    plane, pixel = on_plane(model, window), sg.Slice.polygon(window.window)
    # The inner circle of a diamond of this radius is the outer circle of a pixel: every point is looked at.
    radius = 2 * settings.half_width / settings.resolution
    picture = sg.complexity_map(plane, pixel, settings.resolution, radius, 2, rng=rng)
    first = sg.complexity_map(plane, pixel, settings.resolution, radius, 2, layers=picture.layer_names[:1], rng=rng)
    wide = sg.complexity_map(model, window, settings.resolution, radius, settings.dim, rng=rng)
    # Diamonds of pixels at the border reach beyond the window.
    part = sg.compute_partition(model, _square(domain, settings.half_width + 2 * radius))
    centres = np.array(picture.u).reshape(-1, 2)
    diamonds, discs = _diamonds(centres, radius, rng), shapely.buffer(shapely.points(centres), radius, quad_segs=16)
    return Evidence(
        picture,
        part,
        found=picture.image.ravel() > 0,
        truth=_meets(part, part.edge_layer >= 0, diamonds),
        counted=sg.exact_local_complexity(plane, centres, radius=radius, rng=rng).regions > 1,
        first=first.image.ravel() > 0,
        first_truth=_meets(part, part.edge_layer == 0, diamonds),
        wide=wide.image.ravel() > 0,
        disc_truth=_meets(part, part.edge_layer >= 0, discs),
    )


def _diamonds(centres: NDArray[np.float64], radius: float, rng: int) -> NDArray[np.object_]:
    """The neighbourhoods of the pixels, with the frames that `complexity_map` draws."""
    v = radius * sg.random_frames(len(centres), 2, 2, rng=rng).numpy()
    corners = centres[:, None] + np.stack([v[:, 0], v[:, 1], -v[:, 0], -v[:, 1]], axis=1)
    polygons: NDArray[np.object_] = shapely.polygons(corners)
    return polygons


def _meets(part: sg.Partition, edges: Bools, places: NDArray[np.object_]) -> Bools:
    """Which places some of these edges of the partition meet."""
    met = np.zeros(len(places), dtype=bool)
    tree = shapely.STRtree(shapely.linestrings(part.vertices[part.edges[edges]]))
    met[tree.query(places, predicate="intersects")[0]] = True
    return met


def _precision(confusion: Confusion) -> Rule:
    return Rule(
        "Precision 1: an exact edge passes the diamond of every pixel of positive local complexity.",
        "Both vertices and the segment between them lie in the slice; a sign change on it is an edge of the partition.",
        "law",
        f"{confusion.positive - confusion.both} false of {confusion.positive:,} detected pixels; precision "
        f"{confusion.precision:.4f}",
        confusion.precision == 1,
    )


def _first_layer(confusion: Confusion) -> Rule:
    return Rule(
        "In the first layer precision and recall are 1.",
        "A whole line that passes a diamond separates two of its vertices.",
        "law",
        f"{confusion.positive:,} detected, {confusion.true:,} true, {confusion.both:,} both",
        confusion.precision == confusion.recall == 1,
    )


def _recall(settings: Settings, confusion: Confusion) -> Rule:
    return Rule(
        f"Recall at least {settings.recall:g}.",
        "The paper finds the two pictures alike to the eye; the threshold is ours. Missed are zero sets that bend so "
        "sharply that they enter and leave the diamond between two vertices.",
        "paper",
        f"{confusion.true - confusion.both} missed of {confusion.true:,}; recall {confusion.recall:.4f}",
        confusion.recall >= settings.recall,
    )


def _two_witnesses(seen: Evidence) -> Rule:
    differ = int((seen.truth != seen.counted).sum())
    return Rule(
        "The edges of one partition of the whole window, and one partition of each diamond, tell the same pixels.",
        "The truth itself, found in two ways.",
        "law",
        f"{differ} of {len(seen.truth):,} pixels differ",
        differ == 0,
    )


def _table(confusions: dict[str, Confusion], n_pixels: int) -> Table:
    rows = tuple((name, n_pixels, c.true, c.positive, c.both, c.precision, c.recall) for name, c in confusions.items())
    return Table(
        "Pixels. The last row is no rule: a neighbourhood in 784 dimensions meets zero sets that do not cross the "
        "slice nearby, and is, in any direction of the slice, narrower than the disc.",
        ("neighbourhood", "pixels", "with an edge", "detected", "both", "precision", "recall"),
        rows,
    )


def _picture(seen: Evidence) -> Picture:
    figure, (left, middle, right) = new_figure(3, width=9.6, height=3.1)
    viz.draw_complexity_map(seen.picture, left)
    add_title(left, "local complexity")
    viz.draw_partition(seen.part, None, middle, edges=INK, linewidth=0.5)
    add_title(middle, f"exact partition, {seen.part.n_regions:,} regions")
    outcome = np.where(seen.found, np.where(seen.truth, 1, 3), np.where(seen.truth, 2, 0))
    shape = seen.picture.image.shape
    right.imshow(
        outcome.reshape(shape), origin="lower", extent=seen.picture.extent, cmap=_OUTCOMES, vmin=0, vmax=3,
        interpolation="nearest",
    )  # fmt: skip
    add_title(right, f"{int((outcome == 2).sum())} missed, {int((outcome == 3).sum())} false")
    for ax in (middle, right):
        ax.set_xlim(seen.picture.extent[:2])
        ax.set_ylim(seen.picture.extent[2:])
        ax.set_xlabel("slice coordinate $u_1$")
        ax.set_ylabel("")
    return Picture(
        figure,
        f"Left: local complexity, a diamond of r = {seen.picture.radius:.3g} in the slice at every pixel. Middle: "
        "exact edges. Right: pixels that both find (blue), that local complexity misses (orange), and that it finds "
        "wrongly (red).",
        "Three pictures of one square: local complexity, exact edges, and where the two disagree.",
    )


def _text(settings: Settings, subjects: Subjects, seen: Evidence) -> str:
    return (
        f"The network {subjects.shape} after {subjects.plan.mlp_steps:,} steps, on the plane through three training "
        f"digits: {settings.resolution} × {settings.resolution} pixels of a square of half-width "
        f"{settings.half_width:g}. The network is restricted to the slice, so that the neighbourhoods are diamonds in "
        f"it, each turned at random, with r = {seen.picture.radius:.3g}, the side of a pixel: together they cover the "
        "square. A pixel is detected if its local complexity is positive, and true if an edge of the exact partition "
        "passes its diamond."
    )
