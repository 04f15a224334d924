"""Colour bars: as high as the picture, with a label and ticks that are numbers a reader would write."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from .colouring import Quantity
from .style import FONT


def add_colorbar(
    mappable: Collection | AxesImage,
    shown: Quantity,
    ax: Axes,
    *,
    label: str | None = None,
    shared: bool = False,
) -> Colorbar:
    """A bar beside `ax`, in the room that a layout gives to `ax`.

    Arrows say that values leave the scale; a scale that several pictures share has both, so that the bar
    looks the same in all of them.
    """
    mappable.autoscale_None()  # a norm of the caller may have left its ends open
    norm: Any = mappable.norm
    extend = "both" if shared else _extend(shown.values, norm)
    extend = "neither" if shown.scale == "categories" else extend
    cax = ax.inset_axes((1.03, 0.0, 0.04, 1.0))
    figure = ax.get_figure()
    assert figure is not None
    bar = figure.colorbar(mappable, cax=cax, extend=extend)
    bar.set_label(shown.label if label is None else label, fontsize=FONT)
    if shown.scale == "categories":
        bar.set_ticks(list(range(len(shown.categories))), labels=shown.categories)
        bar.ax.tick_params(length=0)
    else:
        _number_ticks(bar, norm)
    bar.ax.tick_params(labelsize=FONT - 1)
    bar.outline.set_linewidth(0.5)
    return bar


def _extend(values: NDArray[np.float64], norm: Any) -> str:
    below, above = bool((values < norm.vmin).any()), bool((values > norm.vmax).any())
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]


def _number_ticks(bar: Colorbar, norm: Any) -> None:
    low, high = norm.vmin, norm.vmax
    if isinstance(norm, LogNorm):
        bar.locator = FixedLocator(log_ticks(low, high))
    bar.formatter = FuncFormatter(lambda value, _: f"{value:.6g}")
    bar.minorlocator = NullLocator()
    bar.update_ticks()


def log_ticks(low: float, high: float) -> list[float]:
    """Three to about ten round numbers between two positive ones.

    >>> log_ticks(0.004, 8.0)
    [0.01, 0.1, 1.0]
    >>> log_ticks(0.3, 8.0)
    [0.5, 1.0, 2.0, 5.0]
    >>> log_ticks(4.1, 8.3)
    [5.0, 6.0, 7.0, 8.0]
    """
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1,), (1, 2, 5)):
        round_numbers = [float(f"{step}e{d:.0f}") for d in decades for step in steps]
        inside = [tick for tick in round_numbers if low <= tick <= high]
        if len(inside) >= 3:
            return inside[:: 1 + len(inside) // 10]
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]
