"""The stage of an animation: everything stands where it stood in the frame before."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import house_style

# Inches. The picture is square; numbers, colour bar and title have fixed room around it.
_LEFT, _BOTTOM, _BAR, _TOP = 0.7, 0.6, 1.1, 0.5
_CURVES, _GAP = 3.6, 0.75
# Above each panel of curves there is its legend, below the last one the numbers of the steps.
_BETWEEN = 0.42


def stage(*, dpi: float, size: float, n_panels: int) -> tuple[Figure, Axes, list[Axes]]:
    """A figure with axes at fixed places: the slice, and beside it the panels of curves, one below the other.

    `size` is the side of the slice in inches. The figure has an even number of pixels in both directions,
    as video wants them.
    """
    width = _LEFT + size + _BAR + (_GAP + _CURVES if n_panels else 0)
    height = _BOTTOM + size + _TOP
    pixels = 2 * np.ceil(np.array([width, height]) * dpi / 2)
    with house_style():
        figure = Figure(figsize=tuple(pixels / dpi), dpi=dpi)
        full_width, full_height = pixels / dpi
        ax = figure.add_axes((_LEFT / full_width, _BOTTOM / full_height, size / full_width, size / full_height))
        left = (_LEFT + size + _BAR + _GAP) / full_width
        panel = (size - _BETWEEN * (n_panels - 1)) / max(n_panels, 1)
        panels = []
        for row in reversed(range(n_panels)):
            bottom = _BOTTOM + row * (panel + _BETWEEN)
            place = (left, bottom / full_height, (_CURVES - 0.2) / full_width, panel / full_height)
            panels.append(figure.add_axes(place))
    return figure, ax, panels
