"""Colours, line widths and fonts of every picture, in one place; the global rcParams are never touched."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap

# The paper's colours of the three kinds of probe points.
TRAIN = "#2a9d3a"
TEST = "#f0821e"
RANDOM = "#2b6fc2"
LOSS = "#5b5b66"

INK = "#1c1c24"
BOUNDARY = "#ffffff"
CASING = "#101018"

# Without the black end of the original, on which neither edges nor the boundary's casing would be seen.
SLOPE = ListedColormap(mpl.colormaps["magma"](np.linspace(0.12, 0.98, 256)), name="slope")

FONT = 9.0
TITLE = 10.5

_RC: dict[Any, Any] = {
    "font.size": FONT,
    "axes.titlesize": TITLE,
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT - 1,
    "ytick.labelsize": FONT - 1,
    "legend.fontsize": FONT - 1,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
}

# Light enough that edges, boundary and points stay visible on top of every class.
_CLASSES = [
    "#9ecae1",
    "#fdbe85",
    "#a1d99b",
    "#f4a6a0",
    "#c9b3e0",
    "#d8b79a",
    "#f7bfe0",
    "#c7c7c7",
    "#dfe08a",
    "#8fdbd8",
]  # fmt: skip


def house_style() -> AbstractContextManager[None]:
    """The fonts and lines of this package, for the duration of a ``with`` block."""
    return mpl.rc_context(_RC)


def class_colours(n_classes: int) -> ListedColormap:
    """One light colour per class; beyond ten classes, hues that are evenly spaced."""
    if n_classes <= len(_CLASSES):
        return ListedColormap(_CLASSES[:n_classes])
    hue = np.linspace(0, 1, n_classes, endpoint=False)
    hsv = np.stack([hue, np.full(n_classes, 0.35), np.where(np.arange(n_classes) % 2, 0.95, 0.78)], axis=1)
    return ListedColormap(mpl.colors.hsv_to_rgb(hsv))


def layer_colours(n_layers: int, *, light: bool = False) -> ListedColormap:
    """One colour per layer, from the first to the deepest; light ones for areas, strong ones for lines."""
    full: Colormap = mpl.colormaps["plasma"]
    colours = full(np.linspace(0.05, 0.75, n_layers))[:, :3]
    return ListedColormap(1 - 0.55 * (1 - colours) if light else colours)


def label_axes(ax: Axes) -> None:
    """Name the axes of a slice: the unit of both is a length of the input space."""
    ax.set_xlabel("slice coordinate $u_1$")
    ax.set_ylabel("slice coordinate $u_2$")
