"""`draw_edge_density`: where the edges of a partition gather, at one or at many checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from numpy.typing import NDArray

from splinegeo import EdgeDensity, InvalidInputError

from .style import FONT, INK, house_style

_FIGURE = (4.6, 3.4)


def draw_edge_density(
    densities: Mapping[Any, EdgeDensity],
    ax: Axes | None = None,
    *,
    relative: bool = True,
    to: str = "the decision boundary",
    cmap: str | Colormap = "viridis",
    legend: str | None = None,
) -> Axes:
    """Edge length per area against the distance to a target: one curve for each checkpoint, from dark to light.

    Where regions have gathered at the target, a curve falls from above the dashed line, the mean of the slice; where
    they have left it, the curve rises from below.

    Parameters
    ----------
    densities : mapping from a name, such as the training step, to a result of `splinegeo.edge_density`
        In the order of the colours. Bands that reach to infinity are not drawn, nor those without area.
    ax : Axes, optional
        A new figure otherwise.
    relative : bool
        Whether densities are divided by that of the whole slice, so that checkpoints with different numbers of
        regions compare.
    to : what the axis of distances says the target is
    cmap : colours of the first to the last curve
    legend : title of the legend, such as ``"step"``

    Returns
    -------
    Axes
        One line for each name, with a marker in the middle of each band.

    Raises
    ------
    InvalidInputError
        If there is nothing to draw.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> part = sg.compute_partition(model, sg.Slice.box((-2, 2), (-2, 2)))
    >>> ax = viz.draw_edge_density({0: sg.edge_density(part)}, legend="step")
    >>> len(ax.lines[0].get_xdata())
    10
    """
    if not densities:
        raise InvalidInputError("no edge density was given to draw")
    axes = _axes() if ax is None else ax
    colours = plt.get_cmap(cmap)(np.linspace(0.0, 0.88, len(densities)))
    for colour, (name, found) in zip(colours, densities.items(), strict=True):
        x, y = _curve(found, relative)
        text = f"{name:,}" if isinstance(name, int) else str(name)
        axes.plot(x, y, color=colour, lw=1.6, marker="o", ms=2.8, label=text)
    if relative:
        axes.axhline(1.0, color=INK, lw=0.8, ls=(0, (4, 3)), alpha=0.6, zorder=1)
    _label(axes, relative, to)
    axes.legend(title=legend, frameon=False, fontsize=FONT - 1, title_fontsize=FONT - 1)
    return axes


def _axes() -> Axes:
    with house_style():
        _, ax = plt.subplots(figsize=_FIGURE, layout="constrained")
    return ax


def _curve(found: EdgeDensity, relative: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles of the finite bands, and the values there."""
    values = found.relative if relative else found.density
    shown = np.isfinite(found.distances[1:]) & np.isfinite(values)
    return ((found.distances[1:] + found.distances[:-1]) / 2)[shown], values[shown]


def _label(ax: Axes, relative: bool, to: str) -> None:
    what = "edge length per area / its mean on the slice" if relative else "edge length per area"
    ax.set_ylabel(what, fontsize=FONT)
    ax.set_xlabel(f"distance to {to}, in the slice", fontsize=FONT)
    ax.set_xlim(left=0)
    # Axes that share this scale may hold higher curves than these.
    ax.set_ylim(0, 1.05 * max(other.dataLim.y1 for other in ax.get_shared_y_axes().get_siblings(ax)))
    ax.tick_params(labelsize=FONT - 1)
    ax.grid(color="#dcdce2", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
