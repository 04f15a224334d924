"""`draw_region_sizes`: how large the regions of a slice are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from splinegeo import InvalidInputError, Partition

from .style import FONT, house_style

_FIGURE = (4.6, 3.2)
_BINS = 40
_LABELS = {"area": "area of a region", "radius": "radius of the largest disc in a region"}


def draw_region_sizes(
    parts: Partition | Mapping[Any, Partition],
    quantity: str = "area",
    ax: Axes | None = None,
    *,
    bins: int = _BINS,
    legend: str | None = None,
) -> Axes:
    """Histogram of the areas of regions, or of the radii of the largest discs in them, on a logarithmic axis.

    Parameters
    ----------
    parts : Partition, or mapping from a name, such as the training step, to one
        One outline for each, from dark to light, over the same bins.
    quantity : "area" or "radius"
        `Partition.areas`, or the Chebyshev radius, `Partition.chebyshev`.
    ax : Axes, optional
        A new figure otherwise.
    bins : number of bins
    legend : title of the legend

    Returns
    -------
    Axes
        The heights of an outline sum to the number of regions. Regions without area, as rounding may leave of
        slivers, are not shown.

    Raises
    ------
    InvalidInputError
        For another quantity, or nothing to draw.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> part = sg.compute_partition(model, sg.Slice.box((-2, 2), (-2, 2)))
    >>> ax = viz.draw_region_sizes(part, "radius")
    >>> int(sum(ax.patches[0].get_data().values)) == part.n_regions
    True
    """
    if quantity not in _LABELS:
        raise InvalidInputError(f"quantity={quantity!r} is not known: choose 'area' or 'radius'")
    named = {"": parts} if isinstance(parts, Partition) else dict(parts)
    sizes = {name: _positive(part, quantity) for name, part in named.items()}
    if not any(len(size) for size in sizes.values()):
        raise InvalidInputError("no partition with a region of positive size was given to draw")
    axes = _axes(quantity) if ax is None else ax
    every = np.concatenate(list(sizes.values()))
    low, high = every.min(), every.max()
    ends = np.geomspace(low, high, bins + 1) if low < high else np.array([low / 2, low * 2])
    ends[0], ends[-1] = min(ends[0], low), max(ends[-1], high)
    colours = plt.get_cmap("viridis")(np.linspace(0.0, 0.85, len(sizes)))
    for colour, (name, size) in zip(colours, sizes.items(), strict=True):
        text = f"{name:,}" if isinstance(name, int) else str(name)
        axes.stairs(np.histogram(size, ends)[0], ends, color=colour, fill=len(sizes) == 1, lw=1.4, label=text)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    if not isinstance(parts, Partition):
        axes.legend(title=legend, frameon=False, fontsize=FONT - 1, title_fontsize=FONT - 1)
    return axes


def _positive(part: Partition, quantity: str) -> NDArray[np.float64]:
    size = part.areas if quantity == "area" else part.chebyshev()[1]
    return size[size > 0]


def _axes(quantity: str) -> Axes:
    with house_style():
        _, ax = plt.subplots(figsize=_FIGURE, layout="constrained")
        ax.set_xlabel(_LABELS[quantity])
        ax.set_ylabel("number of regions")
        ax.spines[["top", "right"]].set_visible(False)
    return ax
