"""The edges of a partition: one path per colour, thin enough to leave something to see."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import is_color_like
from matplotlib.path import Path
from numpy.typing import NDArray

from splinegeo import InvalidInputError, Partition

from .style import INK, layer_colours

# Share of the picture that lines may cover; the thinnest and the thickest line, in points.
_INK_SHARE = 0.10
_THINNEST, _THICKEST = 0.08, 0.7


def compound_path(segments: NDArray[np.float64]) -> Path:
    """All segments (n, 2, 2) as one path: stroked together, they do not darken where they overlap."""
    codes = np.tile(np.array([Path.MOVETO, Path.LINETO], dtype=np.uint8), len(segments))
    return Path(segments.reshape(-1, 2), codes)


def add_edges(ax: Axes, part: Partition, edges: str, *, linewidth: float | None = None) -> PathCollection:
    """Draw the edges in one colour, or ``"layer"``: one colour for each layer, the deepest below.

    The window's border is drawn too, in the colour of ink.

    Raises
    ------
    InvalidInputError
        If `edges` is neither ``"layer"`` nor a colour.
    """
    by_layer = edges == "layer"
    if not by_layer and not is_color_like(edges):
        raise InvalidInputError(f"edges={edges!r} is neither 'layer', nor 'auto', nor None, nor a colour")
    width = line_width(ax, part) * (1.6 if by_layer else 1.0) if linewidth is None else linewidth
    line_colours: Any = layer_colours(len(part.layer_names)).colors
    layers = list(range(len(part.layer_names)))[::-1] if by_layer else [0]
    colours = [line_colours[layer] if by_layer else edges for layer in layers]
    is_side = part.edge_regions[:, 0] != part.edge_regions[:, 1]  # a bridge to a hole separates nothing
    inner = [is_side & (part.edge_layer == layer if by_layer else part.edge_layer >= 0) for layer in layers]
    chosen = [(mask, c) for mask, c in zip(inner, colours, strict=True) if mask.any()]
    chosen.append((part.edge_layer < 0, INK))
    lines = PathCollection(
        [compound_path(part.vertices[part.edges[mask]]) for mask, _ in chosen],
        facecolors="none",
        edgecolors=[c for _, c in chosen],
        linewidths=[width] * (len(chosen) - 1) + [max(width, 0.6)],
        alpha=[0.85 if by_layer else 0.45] * (len(chosen) - 1) + [1.0],
    )
    lines.set_gid("edges")
    ax.add_collection(lines, autolim=False)
    return lines


def line_width(ax: Axes, part: Partition) -> float:
    """Width in points at which the edges cover a tenth of the window: thin if there are many."""
    box, figure = ax.get_window_extent(), ax.get_figure()
    assert figure is not None
    low, high = part.domain.window.min(axis=0), part.domain.window.max(axis=0)
    points_per_unit = min(np.array([box.width, box.height]) / (high - low)) * 72 / figure.dpi
    ends = part.vertices[part.edges[part.inner_edges]]
    length = float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum()) * points_per_unit
    area = float(part.areas.sum()) * points_per_unit**2
    return float(np.clip(_INK_SHARE * area / max(length, 1e-300), _THINNEST, _THICKEST))
