"""`draw_partition`: the regions of a slice, coloured by what one wants to know about them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize

from splinegeo import Partition, Slice

from .colorbars import add_colorbar
from .colouring import Color, Quantity, colour_limits, make_norm, quantity
from .edges import add_edges
from .regions import RegionCollection
from .style import FONT, INK, house_style, label_axes

_FIGURE = (5.4, 4.5)


def draw_partition(
    part: Partition,
    color: Color = "slope_norm",
    ax: Axes | None = None,
    *,
    edges: str | None = "auto",
    linewidth: float | None = None,
    limits: tuple[float, float] | None = None,
    norm: Normalize | None = None,
    cmap: str | Colormap | None = None,
    colorbar: bool = True,
    label: str | None = None,
) -> Axes:
    """The linear regions of a slice, each in the colour of one value.

    All regions are one artist and all edges another, whatever their number. On pixels the colour of each
    pixel is the mean over what it covers, computed from the exact edges; in PDF and SVG every region is a
    polygon.

    Parameters
    ----------
    part : Partition
    color : str, array (R,), function of the partition, or None
        - ``"slope_norm"``: Frobenius norm of the region's slope on the slice; logarithmic;
        - ``"relative_slope"``: that norm over its mean on the slice (each region weighted by its area), for
          comparisons between partitions whose slopes differ by orders of magnitude; logarithmic;
        - ``"area"``: logarithmic;
        - ``"class"``: argmax of the output at the centroid; its sign for a network with one output;
        - ``"layer"``: layer of birth. A region is final, the very polygon that is drawn, once the last of
          its edges
          has been cut, so this is the deepest layer among its edges; 1 is the first nonlinearity;
        - None: white regions, edges only.
    ax : Axes, optional
        Where to draw; a new figure otherwise.
    edges : "auto", "layer", a colour, or None
        One thin line for all edges, or one colour for each layer; ``"auto"`` is the latter for white regions.
    linewidth : float, optional
        In points; by default thinner the more edges there are, so that a tenth of the slice is covered by
        lines.
    limits : (low, high), optional
        Ends of the colour scale, see `colour_limits`. By default the values of the central 98 % of the area.
    norm, cmap : optional
        A scale and a colour map of your own; `norm` overrides `limits`.
    colorbar, label
        Whether a colour bar is drawn, and what it says.

    Returns
    -------
    Axes
        Of equal aspect, its limits those of the window, in slice coordinates. The regions are the
        collection with the gid ``"regions"``, the edges that with ``"edges"``.

    Raises
    ------
    InvalidInputError
        For an unknown colour or wrong limits.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> part = sg.compute_partition(model, sg.Slice.box((-2, 2), (-2, 2)))
    >>> ax = viz.draw_partition(part)
    >>> len(ax.collections[0].get_array()) == part.n_regions
    True
    >>> ax.figure.savefig("partition.png")  # doctest: +SKIP
    """
    axes = new_axes() if ax is None else ax
    frame_window(axes, part.domain)
    if color is not None:
        shown = quantity(part, color)
        if norm is None:
            norm = make_norm(shown, colour_limits(part, color) if limits is None else limits)
        regions = _add_regions(axes, part, shown, norm, cmap)
        if colorbar:
            add_colorbar(regions, shown, axes, label=label, shared=limits is not None)
    if edges is not None:
        plain = "layer" if color is None else INK
        add_edges(axes, part, plain if edges == "auto" else edges, linewidth=linewidth)
    return axes


def new_axes() -> Axes:
    """Axes of a new figure in the style of this package."""
    with house_style():
        _, ax = plt.subplots(figsize=_FIGURE, layout="constrained")
        ax.tick_params(labelsize=FONT - 1)
        label_axes(ax)
    return ax


def frame_window(ax: Axes, domain: Slice) -> None:
    """Equal aspect, and exactly the window in view."""
    (x0, y0), (x1, y1) = domain.window.min(axis=0), domain.window.max(axis=0)
    ax.set_aspect("equal")
    ax.set_xlim(x0, x1)
    ax.set_ylim(y0, y1)
    if not ax.get_xlabel() and not ax.get_ylabel():
        label_axes(ax)


def _add_regions(
    ax: Axes, part: Partition, shown: Quantity, norm: Normalize, cmap: str | Colormap | None
) -> RegionCollection:
    colours = plt.get_cmap(shown.cmap if cmap is None else cmap)
    # A logarithmic scale has no colour for slope zero; the colour of the smallest slope is the honest one.
    colours = colours.with_extremes(bad=tuple(colours(np.array([0.0]))[0]))
    regions = RegionCollection(part, array=shown.values, norm=norm, cmap=colours)
    regions.set_gid("regions")
    ax.add_collection(regions, autolim=False)
    return regions
