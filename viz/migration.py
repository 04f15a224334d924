"""Where regions have gone: edge density, and local complexity from the data to the boundary, over the checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm
from numpy.typing import ArrayLike, NDArray

from splinegeo import EdgeDensity, InvalidInputError, MigrationProfile

from .colorbars import add_colorbar
from .colouring import Quantity
from .curves import checked_curve, style_curves
from .style import FONT, INK, house_style

_FIGURE = (4.6, 3.4)
_WAY = "way from the data (0) to the decision boundary (1)"
_COMPLEXITY = "local complexity"

# Fractions and means, and both ends of a band if there is one, in place of a profile.
Profile = MigrationProfile | Sequence[ArrayLike]


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


def draw_migration_profile(
    profiles: Profile | Mapping[Any, Profile],
    ax: Axes | None = None,
    *,
    cmap: str | Colormap = "viridis",
    legend: str | None = None,
    top: float | None = None,
) -> Axes:
    """Local complexity by fraction of the way from the data to the decision boundary: one curve for each checkpoint.

    Parameters
    ----------
    profiles : MigrationProfile, or mapping from a name, such as the training step, to one
        In the order of the colours, from dark to light. Bands are 99 % intervals over the segments. A sequence
        (fractions, means) or (fractions, means, low, high) stands for a profile too.
    ax : Axes, optional
        A new figure otherwise.
    cmap : colours of the first to the last curve
    legend : title of the legend, such as ``"step"``
    top : float, optional
        Upper end of the axis of local complexity.

    Returns
    -------
    Axes
        One line for each profile.

    Raises
    ------
    InvalidInputError
        If there is nothing to draw, or the means are not as many as the fractions.

    Examples
    --------
    >>> from splinegeo import viz
    >>> ax = viz.draw_migration_profile({0: ([0, 0.5, 1], [2, 1, 1]), 6000: ([0, 0.5, 1], [0, 0.4, 2])}, legend="step")
    >>> [line.get_label() for line in ax.lines]
    ['0', '6,000']
    """
    known: Mapping[Any, Profile] = profiles if isinstance(profiles, Mapping) else {"": profiles}
    if not known:
        raise InvalidInputError("no migration profile was given to draw")
    axes = _axes() if ax is None else ax
    colours = plt.get_cmap(cmap)(np.linspace(0.0, 0.88, len(known)))
    for colour, (name, profile) in zip(colours, known.items(), strict=True):
        x, y, *band = points_of(profile, str(name))
        if band:
            low, high = band
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(x, y, color=colour, lw=1.6, marker="o", ms=2.8, label=f"{name:,}" if isinstance(name, int) else name)
    _style(axes, _WAY, _COMPLEXITY)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(0, top)
    if len(known) > 1:
        style = {"frameon": False, "fontsize": FONT - 1, "title_fontsize": FONT - 1}
        axes.legend(title=legend, loc="upper left", **style)  # a place that does not change from frame to frame
    return axes


def draw_migration_map(
    steps: ArrayLike,
    profiles: Sequence[Profile],
    ax: Axes | None = None,
    *,
    limits: tuple[float, float] | None = None,
    cmap: str | Colormap = "magma",
    colorbar: bool = True,
) -> Axes:
    """Local complexity over training steps and the way to the boundary, as an image: trough and crests over time.

    Parameters
    ----------
    steps : (n,) ascending optimiser steps
    profiles : n profiles of the same fractions, as `draw_migration_profile` takes them
    ax : Axes, optional
        A new figure otherwise.
    limits : (low, high), optional
        Ends of the logarithmic colour scale; by default those of the values, at most a thousandfold.
    cmap, colorbar : of the image

    Raises
    ------
    InvalidInputError
        If there are not as many profiles as steps, or their fractions differ.

    Examples
    --------
    >>> from splinegeo import viz
    >>> ax = viz.draw_migration_map([0, 10, 100], [([0, 0.5, 1], [2, 1, 1])] * 3)
    >>> ax.get_ylabel()
    'way from the data (0) to the decision boundary (1)'
    """
    found = [points_of(profile, f"number {k}") for k, profile in enumerate(profiles)]
    x, _ = checked_curve("migration map", steps, [0.0] * len(found))
    if any(not np.array_equal(one[0], found[0][0]) for one in found):
        raise InvalidInputError("the profiles have different fractions, so that they do not fit on one axis")
    values = np.stack([one[1] for one in found])
    high = float(np.nanmax(values)) if limits is None else limits[1]
    low = max(float(values[values > 0].min(initial=high)), high / 1000) if limits is None else limits[0]
    axes = _axes() if ax is None else ax
    style_curves(axes, x)
    scale = LogNorm(low, high, clip=True) if high > low > 0 else LogNorm(0.01, 1, clip=True)
    image = axes.pcolormesh(
        _edges_between(x), _edges_between(found[0][0]), values.T, norm=scale, cmap=cmap, rasterized=True
    )
    axes.grid(visible=False)
    axes.set_ylabel(_WAY, fontsize=FONT)
    axes.set_ylim(0, 1)
    if colorbar:
        add_colorbar(image, Quantity(values, _COMPLEXITY, "log", image.get_cmap()), axes)
    return axes


def points_of(profile: Profile, name: str = "") -> list[NDArray[np.float64]]:
    """Fractions and means, and the ends of a band where there is one."""
    if isinstance(profile, MigrationProfile):
        half = 2.576 * profile.standard_error
        return [profile.fractions, profile.mean, profile.mean - half, profile.mean + half]
    x, *others = (np.asarray(one, dtype=np.float64) for one in profile)
    return [x, *(checked_curve(f"profile {name}", x, one)[1] for one in others)]


def _edges_between(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends of the cells around ascending positions."""
    middle = (x[1:] + x[:-1]) / 2
    return np.concatenate([x[:1], middle, x[-1:]])


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
    _style(ax, f"distance to {to}, in the slice", what)
    ax.set_xlim(left=0)
    # Axes that share this scale may hold higher curves than these.
    ax.set_ylim(0, 1.05 * max(other.dataLim.y1 for other in ax.get_shared_y_axes().get_siblings(ax)))


def _style(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize=FONT)
    ax.set_ylabel(y, fontsize=FONT)
    ax.tick_params(labelsize=FONT - 1)
    ax.grid(color="#dcdce2", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
