"""Local complexity: over training steps, layer by layer, and as a picture over a slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from splinegeo import ComplexityMap, InvalidInputError, LocalComplexity

from .colorbars import add_colorbar
from .colouring import Quantity, make_norm
from .curves import checked_curve, colour_of, style_curves
from .partitions import new_axes
from .style import FONT, house_style, label_axes

# Fewer zero sets are bright, more are dark, as in a drawing of the zero sets themselves; the dark half of the
# original is left out, on which no line of a partition would be seen.
_DENSITY = mpl.colors.ListedColormap(mpl.colormaps["YlGnBu"](np.linspace(0.0, 0.75, 256)), name="density")

Curve = Sequence[LocalComplexity] | ArrayLike

_FIGURE = (5.4, 3.4)
# Beyond this many layers their names have no room below the axis.
MOST_NAMES = 10


def draw_local_complexity(
    steps: ArrayLike,
    complexity: Mapping[str, Curve],
    ax: Axes | None = None,
    *,
    layer: str | None = None,
    level: float = 0.99,
    label: str | None = None,
) -> Axes:
    """Mean local complexity of several kinds of points over a logarithmic axis of training steps.

    Bands are confidence intervals of the means. Around data the paper sees three phases: a first descent, an
    ascent, and, long after the training error has vanished, a second descent.

    Parameters
    ----------
    steps : (n,) increasing numbers of optimiser steps; 0, before training, has its place left of 1
    complexity : mapping from a name to n results of `splinegeo.local_complexity`, or to (n, 3) numbers
        One for each step; numbers are rows (mean, low, high). Names with ``train`` are drawn in the paper's
        green, ``test`` in its orange, ``random`` in its blue.
    ax : Axes, optional
        A new figure otherwise.
    layer : str, optional
        Show this layer instead of the sum of all; for results, not for numbers.
    level : float
        Confidence of the bands, where results are given.
    label : str, optional
        What the vertical axis says, by default the radius and the dimension of the neighbourhoods too.

    Returns
    -------
    Axes
        One line and one band for each name.

    Raises
    ------
    InvalidInputError
        If there is nothing to draw, a curve has another length than `steps`, or a step is negative.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024, figure
    1.

    Examples
    --------
    >>> from splinegeo import viz
    >>> train = [(12, 11, 13), (9, 8, 10), (14, 12, 16)]
    >>> ax = viz.draw_local_complexity([0, 10, 100], {"train": train})
    >>> ax.lines[0].get_ydata().tolist()
    [12.0, 9.0, 14.0]
    """
    if not complexity:
        raise InvalidInputError("no local complexity was given to draw")
    bands = {name: _bands(name, values, layer, level) for name, values in complexity.items()}
    axes = _curve_axes() if ax is None else ax
    for index, (name, (mean, low, high)) in enumerate(bands.items()):
        x, y = checked_curve(name, steps, mean)
        colour = colour_of(name, index)
        axes.fill_between(x, low, high, color=colour, alpha=0.22, linewidth=0)
        axes.plot(x, y, color=colour, lw=1.7, marker="o", ms=2.6, label=name)
    style_curves(axes, x)
    axes.set_ylabel(_described(complexity.values(), layer) if label is None else label, fontsize=FONT)
    axes.legend(frameon=False, fontsize=FONT - 1)
    return axes


def draw_layer_complexity(
    complexity: Mapping[str, LocalComplexity],
    ax: Axes | None = None,
    *,
    level: float = 0.99,
    label: str | None = None,
) -> Axes:
    """Mean local complexity of each layer of one network around several kinds of points.

    Parameters
    ----------
    complexity : mapping from a name to a result of `splinegeo.local_complexity`
        Coloured as in `draw_local_complexity`; all of the same layers.
    ax : Axes, optional
        A new figure otherwise.
    level : float
        Confidence of the bars around the means.
    label : str, optional
        What the vertical axis says.

    Raises
    ------
    InvalidInputError
        If there is nothing to draw, or the layers differ.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.ReLU(), torch.nn.Linear(9, 2))
    >>> found = sg.local_complexity(model, torch.rand(50, 4), radius=0.1, dim=3)
    >>> ax = viz.draw_layer_complexity({"random": found})
    """
    names = {found.layer_names for found in complexity.values()}
    if len(names) != 1:
        raise InvalidInputError(f"one network has one list of layers, not {len(names)}: {sorted(names)}")
    layers = names.pop()
    axes = _curve_axes() if ax is None else ax
    for index, (name, found) in enumerate(complexity.items()):
        means = np.array([found.mean(layer) for layer in layers])
        ends = np.array([found.confidence_interval(level, layer) for layer in layers])
        # Beside one another, so that the bars of equal means do not hide each other.
        x = np.arange(1, len(layers) + 1) + 0.08 * (index - (len(complexity) - 1) / 2)
        half = np.where(np.isfinite(ends[:, 1]), ends[:, 1] - means, 0)
        style: dict[str, Any] = {
            "color": colour_of(name, index),
            "lw": 1.2,
            "elinewidth": 1.6,
            "ms": 4.5,
            "capsize": 2.5,
        }
        axes.errorbar(x, means, yerr=half, fmt="o-", label=name, **style)
    label_layers(axes, layers, first=1)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(_described([list(complexity.values())], None) if label is None else label, fontsize=FONT)
    axes.legend(frameon=False, fontsize=FONT - 1)
    return axes


def draw_complexity_map(
    found: ComplexityMap,
    ax: Axes | None = None,
    *,
    limits: tuple[float, float] | None = None,
    norm: Normalize | None = None,
    cmap: str | Colormap | None = None,
    colorbar: bool = True,
    label: str | None = None,
    interpolation: str = "nearest",
) -> Axes:
    """Local complexity at every pixel of a slice, in slice coordinates: dark where many zero sets are near.

    For a piecewise affine network the edges of its exact partition can be laid over it; for others it stands
    in for the partition that does not exist.

    Parameters
    ----------
    found : ComplexityMap
        Result of `splinegeo.complexity_map`. Pixels outside the window stay empty.
    ax : Axes, optional
        A new figure otherwise.
    limits : (low, high), optional
        Ends of the colour scale; by default the smallest and the largest value.
    norm, cmap : optional
        A scale and a colour map of your own; `norm` overrides `limits`.
    colorbar, label
        Whether a colour bar is drawn, and what it says.
    interpolation : str
        As for `Axes.imshow`; by default every pixel has the colour of its own value.

    Returns
    -------
    Axes
        Of equal aspect. The picture is the image with the gid ``"complexity"``.

    Raises
    ------
    InvalidInputError
        For wrong limits.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024, figure
    25.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> domain = sg.Slice.box((-2, 2), (-2, 2))
    >>> ax = viz.draw_complexity_map(sg.complexity_map(model, domain, 32, radius=0.1, dim=2))
    >>> ax = viz.draw_partition(sg.compute_partition(model, domain), None, ax, edges="#1c1c24")
    """
    axes = new_axes() if ax is None else ax
    seen = found.image[np.isfinite(found.image)]
    own_norm = norm is not None
    if norm is None:
        norm = make_norm(_shown(seen, found), (float(seen.min()), float(seen.max())) if limits is None else limits)
    image = axes.imshow(
        np.ma.masked_invalid(found.image),
        origin="lower",
        extent=found.extent,
        norm=norm,
        cmap=_DENSITY if cmap is None else cmap,
        interpolation=interpolation,
    )
    image.set_gid("complexity")
    if not axes.get_xlabel() and not axes.get_ylabel():
        label_axes(axes)
    if colorbar:
        bar = add_colorbar(image, _shown(seen, found), axes, label=label, shared=limits is not None)
        if not own_norm:  # numbers of zero sets
            bar.locator = MaxNLocator(9, integer=True)
            bar.update_ticks()
    return axes


def label_layers(ax: Axes, layers: Sequence[str], *, first: int) -> None:
    """Names of the layers below the axis, or their numbers where names have no room."""
    positions = list(range(first, first + len(layers)))
    if len(layers) <= MOST_NAMES:
        slanted = max((len(name) for name in layers), default=0) * len(layers) > 50
        ax.set_xticks(positions, labels=layers, rotation=30 if slanted else 0, ha="right" if slanted else "center")
    else:
        ax.xaxis.set_major_locator(FixedLocator(positions[:: 1 + len(positions) // 12]))
    ax.set_xlim(positions[0] - 0.35, positions[-1] + 0.35)
    ax.set_xlabel("nonlinearity, in the order of execution", fontsize=FONT)
    ax.tick_params(labelsize=FONT - 1)
    ax.grid(color="#dcdce2", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _curve_axes() -> Axes:
    with house_style():
        _, ax = plt.subplots(figsize=_FIGURE, layout="constrained")
    return ax


def _bands(name: str, values: Any, layer: str | None, level: float) -> tuple[NDArray[np.float64], ...]:
    """Means, lower and upper ends of one kind of points, each (n,)."""
    results = _results(values)
    if results:
        rows = np.array([(found.mean(layer), *found.confidence_interval(level, layer)) for found in results])
    else:
        rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) != len(values):
        raise InvalidInputError(f"curve '{name}' must be results of local_complexity, or rows (mean, low, high)")
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _results(values: Iterable[Any]) -> list[LocalComplexity]:
    return [value for value in values if isinstance(value, LocalComplexity)]


def _described(curves: Iterable[Any], layer: str | None) -> str:
    """Name of the measure, with its radius and dimension where the results say them and agree."""
    settings = {(found.radius, found.dim) for values in curves for found in _results(values)}
    what = "local complexity" if layer is None else f"local complexity of layer {layer}"
    if len(settings) != 1:
        return what
    radius, dim = settings.pop()
    return f"{what} ($r$ = {radius:g}, $P$ = {dim})"


def _shown(values: NDArray[np.float64], found: ComplexityMap) -> Quantity:
    return Quantity(values, f"local complexity ($r$ = {found.radius:g}, $P$ = {found.dim})", "linear", _DENSITY)
