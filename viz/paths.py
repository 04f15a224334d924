"""`draw_path`: what a network does along a path, and where it bends."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv

from splinegeo import InvalidInputError, Path

from .style import FONT, INK, class_colours, house_style, layer_colours

_FIGURE = (6.4, 3.4)
_MOST_LINES = 10
_RUG = 0.045  # of the axes' height, for each layer of kinks


def draw_path(
    path: Path,
    ax: Axes | None = None,
    *,
    outputs: Sequence[int] | None = None,
    names: Sequence[object] | None = None,
    kinks: bool = True,
    classes: bool = True,
) -> Axes:
    """Outputs along a path, exactly: straight between kinks, which stand below, one row for each layer.

    Parameters
    ----------
    path : Path
    ax : Axes, optional
        A new figure otherwise.
    outputs : indices of the outputs to draw, optional
        By default all, or, of more than ten, those that are the largest somewhere.
    names : one name for each output of the network, optional
        Such as the classes.
    kinks : whether to draw a row of ticks for each layer
    classes : whether the background shows the predicted class

    Returns
    -------
    Axes
        One line for each output; the kinks are the collection with the gid ``"kinks"``.

    Raises
    ------
    InvalidInputError
        If there is no such output, or there are not as many names as outputs.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> ax = viz.draw_path(sg.compute_path(model, [[-2.0, 0.0], [2.0, 1.0]]))
    >>> len(ax.lines)
    3
    """
    shown = _outputs(path, outputs)
    n_outputs = path.values.shape[1]
    if names is not None and len(names) != n_outputs:
        raise InvalidInputError(f"{len(names)} names for {n_outputs} outputs")
    axes = _axes() if ax is None else ax
    colours = class_colours(max(2, n_outputs))
    for k in shown:
        text = str(names[k]) if names is not None else f"output {k}"
        colour = INK if n_outputs == 1 else _strong(colours(k))
        axes.plot(path.ends, path.values[:, k], color=colour, lw=1.4, label=text, zorder=3)
    if classes:
        bounds = np.concatenate([[0.0], path.class_changes, [path.length]])
        for low, high, k in zip(bounds[:-1], bounds[1:], path.classes, strict=True):
            axes.axvspan(low, high, color=colours(int(k)), alpha=0.3, lw=0, zorder=0)
    if n_outputs == 1 and classes:
        axes.axhline(0.0, color=INK, lw=0.7, ls=(0, (4, 3)), zorder=1)
    if kinks:
        _add_kinks(axes, path)
    axes.set_xlim(0, path.length)
    if n_outputs > 1:
        axes.legend(frameon=False, fontsize=FONT - 1, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    return axes


def _axes() -> Axes:
    with house_style():
        _, ax = plt.subplots(figsize=_FIGURE, layout="constrained")
        ax.set_xlabel("arc length along the path")
        ax.set_ylabel("output")
        ax.spines[["top", "right"]].set_visible(False)
    return ax


def _outputs(path: Path, outputs: Sequence[int] | None) -> list[int]:
    n = path.values.shape[1]
    if outputs is None:
        return list(range(n)) if n <= _MOST_LINES else sorted({int(k) for k in path.classes})
    if any(not 0 <= k < n for k in outputs):
        raise InvalidInputError(f"outputs {list(outputs)} of a network with {n}: they are numbered from 0")
    return list(outputs)


def _strong(colour: tuple[float, float, float, float]) -> tuple[float, ...]:
    """A light class colour, dark enough for a line on white."""
    hue, saturation, value = rgb_to_hsv(colour[:3])
    return tuple(hsv_to_rgb((hue, min(1.0, 2.2 * saturation), 0.72 * value)))


def _add_kinks(ax: Axes, path: Path) -> None:
    """A row of ticks for each layer, below the curves; deeper layers stand lower."""
    own = path.kink_layer >= 0
    n_layers = len(path.layer_names)
    low, high = ax.get_ylim()
    ax.set_ylim(low - (high - low) * _RUG * (n_layers + 0.5) / (1 - _RUG * (n_layers + 0.5)), high)
    top = _RUG * (n_layers - path.kink_layer[own])
    s = path.kinks[own]
    ticks = np.stack([np.column_stack([s, top]), np.column_stack([s, top - 0.8 * _RUG])], axis=1)
    colours = layer_colours(n_layers)(path.kink_layer[own])
    # Thinner the more there are, so that a dense row still shows where it is densest.
    width = float(np.clip(300 / max(1, len(s)), 0.25, 1.2))
    rows = LineCollection(list(ticks), colors=colours, linewidths=width, transform=ax.get_xaxis_transform(), zorder=2)
    rows.set_gid("kinks")
    ax.add_collection(rows, autolim=False)
    for layer in range(n_layers):
        place = (1.008, _RUG * (n_layers - layer - 0.4))
        ax.text(*place, f"layer {layer + 1}", transform=ax.transAxes, va="center", fontsize=FONT - 2.5, color=INK)
