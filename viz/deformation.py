"""`draw_deformation`: how the layers stretch and bend neighbourhoods of several radii."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from splinegeo import Deformation, InvalidInputError

from .colorbars import log_ticks
from .complexity import label_layers
from .style import FONT, INK, house_style

_FIGURE = (5.4, 3.6)
# From the smallest radius to the largest; the bright end of the original would not be seen on white.
_RADII = ListedColormap(mpl.colormaps["viridis_r"](np.linspace(0.12, 1.0, 256)), name="radii")
# No change, and a change by a tenth.
_MARKS = {"input": (1.0, 1.1), "smallest": (0.9, 1.0, 1.1)}
# Ratios that differ by more than this factor are shown on a logarithmic axis.
_LINEAR_SPAN = 5.0


def draw_deformation(
    deformations: Deformation | Iterable[Deformation],
    ax: Axes | None = None,
    *,
    reference: str = "input",
    diameter: bool = True,
    cmap: str | Colormap | None = None,
    legend: bool = True,
) -> Axes:
    """Average eccentricity and diameter behind every layer, relative to the input space; one colour per radius.

    The value of layer l is the mean over the points of eccentricity[:, l] / eccentricity[:, 0]. On a region where
    the network is affine, that ratio does not depend on the radius: it is what the slopes make of a small
    neighbourhood. So the curves of radii at which hardly any zero set is met coincide; where the curve of a larger
    radius leaves them, zero sets bend its neighbourhoods. ``reference="smallest"`` shows exactly that: the ratio of
    every curve to the curve of the smallest radius, point by point.

    Parameters
    ----------
    deformations : Deformation or iterable of them
        Results of `splinegeo.neighborhood_deformation` for one network; drawn from the smallest radius to the
        largest.
    ax : Axes, optional
        A new figure otherwise.
    reference : "input" or "smallest"
        Relative to the input space; or that, and then to the smallest radius too: for results around the same
        points with the same frames.
    diameter : bool
        Whether the diameters are drawn too, as dotted lines.
    cmap : optional
        Colours from the smallest radius to the largest.
    legend : bool

    Returns
    -------
    Axes
        Layer 0 is the input space. Dashed lines mark 1 and 1.1 (and 0.9 for ``"smallest"``), a change by a tenth.
        The vertical axis is logarithmic if the values span more than a factor of five.

    Raises
    ------
    InvalidInputError
        If there is nothing to draw, the layers or the numbers of points differ, or the reference is unknown.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024, figure
    5.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.ReLU(), torch.nn.Linear(9, 2))
    >>> x = torch.rand(20, 4)
    >>> radii = (0.01, 0.1, 1)
    >>> ax = viz.draw_deformation(sg.neighborhood_deformation(model, x, radius=r, dim=3) for r in radii)
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['input', '1']
    """
    found = _in_order(deformations)
    if reference not in ("input", "smallest"):
        raise InvalidInputError(f"reference={reference!r} is not known: choose 'input' or 'smallest'")
    base = found[0] if reference == "smallest" else None
    axes = _new_axes() if ax is None else ax
    colours = plt.get_cmap(_RADII if cmap is None else cmap)(np.linspace(0, 1, len(found)))
    curves = [_curves(one, base) for one in found]
    for one, colour, (eccentricity, largest) in zip(found, colours, curves, strict=True):
        x = np.arange(len(eccentricity))
        axes.plot(x, eccentricity, "o-", color=colour, lw=1.6, ms=3.5, label=f"$r$ = {one.radius:g}")
        if diameter:
            axes.plot(x, largest, ":", color=colour, lw=1.2)
    label_layers(axes, ("input", *found[0].layer_names), first=0)
    for mark in _MARKS[reference]:
        axes.axhline(mark, color=INK, lw=0.9 if mark == 1 else 0.6, ls=(0, (5, 3)), alpha=0.6, zorder=1)
    _scale(axes)
    axes.set_ylabel(f"relative to {'the input' if base is None else f'$r$ = {base.radius:g}'}", fontsize=FONT)
    if legend:
        _add_legend(axes, diameter)
    return axes


def _in_order(deformations: Deformation | Iterable[Deformation]) -> list[Deformation]:
    """By radius, after a look at the layers and the points."""
    found = [deformations] if isinstance(deformations, Deformation) else list(deformations)
    if len({(one.layer_names, len(one.diameter)) for one in found}) != 1:
        given = [f"{len(one.diameter)} points, layers {list(one.layer_names)}" for one in found]
        raise InvalidInputError(f"deformations to compare are of one network around the same points, not {given}")
    return sorted(found, key=lambda one: one.radius)


def _curves(one: Deformation, base: Deformation | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eccentricity and diameter, means over the points of the ratios, (L + 1,) each."""
    if base is None:
        return _relative(one.eccentricity), _relative(one.diameter)
    return _relative(one.eccentricity, base.eccentricity), _relative(one.diameter, base.diameter)


def _relative(values: NDArray[np.float64], base: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    ratio = values / values[:, :1]
    if base is None:
        return ratio.mean(axis=0)
    # What a dead layer has made one point of has no size to compare with.
    alive = base > 0
    quotient = np.divide(ratio, base / base[:, :1], out=np.zeros_like(ratio), where=alive)
    count = alive.sum(axis=0)
    return np.divide(quotient.sum(axis=0), count, out=np.full(len(count), np.nan), where=count > 0)


def _scale(ax: Axes) -> None:
    """Logarithmic if values span much, and only then; a network that forgets its input has ratio 0."""
    # Panels that share this axis were drawn before, or will be: each leaves room for what is there.
    sharing = ax.get_shared_y_axes().get_siblings(ax)
    values = np.concatenate([line.get_ydata() for panel in sharing for line in panel.lines])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low > 0 and high > _LINEAR_SPAN * low:
        low, high = low / 1.25, high * 1.25
        ax.set_yscale("log")
        ax.set_yticks(log_ticks(low, high))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set_ylim(low, high)
    else:
        ax.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))


def _add_legend(ax: Axes, diameter: bool) -> None:
    """Beside the axes, where no curve comes: one entry for each radius, and one that tells dotted from drawn."""
    handles = list(ax.get_legend_handles_labels()[0])
    if diameter:
        handles += [
            Line2D([], [], color=INK, lw=1.6, marker="o", ms=3.5, label="eccentricity"),
            Line2D([], [], color=INK, lw=1.2, ls=":", label="diameter"),
        ]
    ax.legend(handles=handles, frameon=False, fontsize=FONT - 1, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _new_axes() -> Axes:
    with house_style():
        _, ax = plt.subplots(figsize=_FIGURE, layout="constrained")
    return ax
