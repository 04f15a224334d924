"""The stage of an animation: everything stands where it stood in the frame before."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import house_style

# Inches. The picture is square; numbers, colour bar and title have fixed room around it.
_LEFT, _BOTTOM, _BAR, _TOP = 0.7, 0.6, 1.1, 0.5
_CURVES, _GAP = 3.6, 0.75


def stage(*, dpi: float, size: float, with_curves: bool) -> tuple[Figure, Axes, Axes | None]:
    """A figure with axes at fixed places: the slice, and beside it, if asked for, the curves.

    `size` is the side of the slice in inches. The figure has an even number of pixels in both directions,
    as video wants them.
    """
    width = _LEFT + size + _BAR + (_GAP + _CURVES if with_curves else 0)
    height = _BOTTOM + size + _TOP
    pixels = 2 * np.ceil(np.array([width, height]) * dpi / 2)
    with house_style():
        figure = Figure(figsize=tuple(pixels / dpi), dpi=dpi)
        full_width, full_height = pixels / dpi
        ax = figure.add_axes((_LEFT / full_width, _BOTTOM / full_height, size / full_width, size / full_height))
        beside = None
        if with_curves:
            left = (_LEFT + size + _BAR + _GAP) / full_width
            place = (left, _BOTTOM / full_height, (_CURVES - 0.2) / full_width, size / full_height)
            beside = figure.add_axes(place)
    return figure, ax, beside
