"""What a colour means: one value per region, and one scale from values to colours for all pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Colormap, LogNorm, Normalize
from numpy.typing import ArrayLike, NDArray

from splinegeo import InvalidInputError, Partition, region_statistics

from .style import SLOPE, class_colours, layer_colours

Floats = NDArray[np.float64]
Color = str | ArrayLike | Callable[[Partition], ArrayLike] | None

# Share of the slice's area whose values the scale resolves; the rest takes the colours at its ends.
_COVERAGE = 0.98


@dataclass(frozen=True)
class Quantity:
    """One value per region, and what a reader has to know about it.

    Attributes
    ----------
    values : (R,) float
    label : what the colour bar says
    scale : "log", "linear", or "categories"
    categories : names of the values 0, 1, 2, ... if they are categories
    cmap : the colour map that suits it
    """

    values: Floats
    label: str
    scale: str
    cmap: Colormap
    categories: tuple[str, ...] = ()


def quantity(part: Partition, color: Color) -> Quantity:
    """The quantity that `color` names, or that an array (R,) or a function of the partition gives.

    Raises
    ------
    InvalidInputError
        For an unknown name, which the message answers with the known ones, or an array of another length.
    """
    if isinstance(color, str):
        if color not in QUANTITIES:
            known = ", ".join(repr(name) for name in QUANTITIES)
            raise InvalidInputError(f"color={color!r} is not known: choose {known}, None, or an array (n_regions,)")
        return QUANTITIES[color](part)
    values = np.asarray(color(part) if callable(color) else color, dtype=np.float64)
    if values.shape != (part.n_regions,):
        raise InvalidInputError(f"color has shape {values.shape} for a partition of {part.n_regions} regions")
    return Quantity(values, "value", "linear", mpl.colormaps["viridis"])


def _slope_norm(part: Partition) -> Quantity:
    label = r"slope norm $\Vert A_\omega \Vert_F$"
    return Quantity(part.slope_norm(), label, "log", SLOPE)


def _relative_slope(part: Partition) -> Quantity:
    norms = part.slope_norm()
    mean = float(norms @ part.areas / part.areas.sum())
    values = norms / mean if mean > 0 else norms
    label = r"slope norm $\Vert A_\omega \Vert_F$ / its mean over the slice"
    return Quantity(values, label, "log", SLOPE)


def _area(part: Partition) -> Quantity:
    return Quantity(part.areas, "area of the region", "log", mpl.colormaps["viridis_r"])


def _class(part: Partition) -> Quantity:
    output = np.einsum("roi,ri->ro", part.slope, part.interior_points) + part.offset
    single = output.shape[1] == 1
    winner = (output[:, 0] > 0).astype(np.float64) if single else output.argmax(axis=1).astype(np.float64)
    names = ("negative", "positive") if single else tuple(str(c) for c in range(output.shape[1]))
    label = "sign of the output" if single else "predicted class"
    return Quantity(winner, label, "categories", class_colours(len(names)), names)


def _layer(part: Partition) -> Quantity:
    birth = region_statistics(part)["layer"]
    names = tuple(str(layer + 1) for layer in range(len(part.layer_names))) or ("none",)
    colours = layer_colours(len(names), light=True).with_extremes(under="white")
    return Quantity(birth.astype(np.float64), "layer of birth", "categories", colours, names)


QUANTITIES: dict[str, Callable[[Partition], Quantity]] = {
    "slope_norm": _slope_norm,
    "relative_slope": _relative_slope,
    "area": _area,
    "class": _class,
    "layer": _layer,
}
CATEGORIES = ("class", "layer")


def colour_limits(
    partitions: Partition | Iterable[Partition], color: Color = "slope_norm"
) -> tuple[float, float] | None:
    """Ends of one colour scale for all the given partitions; None if the colours are categories.

    The scale covers the values of the central 98 % of the *area* seen, every partition counting the same,
    whatever its number of regions: the values of a few slivers do not stretch it. The partitions are looked
    at one after the other, so a generator that loads them from files needs memory for one only.

    Parameters
    ----------
    partitions : a partition, or any iterable of them
    color : as in `draw_partition`

    Raises
    ------
    InvalidInputError
        If there is no partition, or the colour is unknown.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> model = torch.nn.Linear(2, 1)
    >>> _ = model.load_state_dict({"weight": torch.tensor([[3., 4.]]), "bias": torch.tensor([0.])})
    >>> part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    >>> viz.colour_limits(part)
    (5.0, 5.0)
    """
    values, weights, scale = [], [], ""
    for part in [partitions] if isinstance(partitions, Partition) else partitions:
        shown = quantity(part, color)
        if shown.scale == "categories":
            return None
        scale = shown.scale
        values.append(shown.values)
        weights.append(part.areas / part.areas.sum())
    if not values:
        raise InvalidInputError("no partition was given to take the limits of a colour scale from")
    pooled, weight = np.concatenate(values), np.concatenate(weights)
    if scale == "log":  # dead regions have slope zero, which has no place on a logarithmic scale
        pooled, weight = pooled[pooled > 0], weight[pooled > 0]
    return _central(pooled, weight) if len(pooled) else (0.0, 0.0)


def _central(values: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted quantiles that leave out the same share at both ends."""
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    tail = (1 - _COVERAGE) / 2 * share[-1]
    low, high = np.searchsorted(share, (tail, share[-1] - tail)).clip(0, len(values) - 1)
    return float(values[order[low]]), float(values[order[high]])


def make_norm(shown: Quantity, limits: tuple[float, float] | None) -> Normalize:
    """From values to [0, 1]; a scale without extent is widened around its only value."""
    if shown.scale == "categories":
        return Normalize(-0.5, len(shown.categories) - 0.5)
    low, high = _checked(limits)
    if shown.scale == "log" and low > 0:
        return LogNorm(low, high) if high > low * 1.001 else LogNorm(low / 1.5, high * 1.5)
    return Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)


def _checked(limits: Any) -> tuple[float, float]:
    """Two finite numbers in order."""
    pair = np.asarray(limits, dtype=np.float64)
    if pair.shape != (2,) or not np.isfinite(pair).all() or pair[0] > pair[1]:
        raise InvalidInputError(f"limits are two finite numbers (low, high), not {limits!r}")
    return float(pair[0]), float(pair[1])
