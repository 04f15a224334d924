"""`draw_points`: inputs of the network on the slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from numpy.typing import NDArray

from splinegeo import InvalidInputError, Partition, Slice

from .partitions import frame_window, new_axes
from .style import CASING, FONT


def draw_points(
    part_or_domain: Partition | Slice,
    x: Any,
    labels: Sequence[object] | None = None,
    ax: Axes | None = None,
    *,
    color: Any = "white",
    size: float = 34.0,
    **style: Any,
) -> Axes:
    """Inputs of the network at their orthogonal projections onto the slice.

    The anchors of `Slice.through` lie in the plane, so they stand exactly where they are; other data are
    shown at the nearest point of the plane, which may be far from them.

    Parameters
    ----------
    part_or_domain : Partition or Slice
    x : (n, *input_shape) array or tensor
    labels : n objects, optional
        Written beside the points, such as the classes of the anchors.
    ax : Axes, optional
        Usually those that `draw_partition` returned; a new figure otherwise.
    color, size : colour(s) of the markers, and their area in square points
    **style
        Anything else that `Axes.scatter` understands.

    Raises
    ------
    InvalidInputError
        If there are not as many labels as points, or the points have another number of coordinates than
        inputs.

    Examples
    --------
    >>> import numpy as np, splinegeo as sg
    >>> from splinegeo import viz
    >>> anchors = np.eye(3)
    >>> ax = viz.draw_points(sg.Slice.through(*anchors), anchors, labels=["a", "b", "c"])
    >>> len(ax.texts)
    3
    """
    domain = part_or_domain.domain if isinstance(part_or_domain, Partition) else part_or_domain
    points = _projected(domain, x)
    if labels is not None and len(labels) != len(points):
        raise InvalidInputError(f"{len(labels)} labels for {len(points)} points")
    axes = new_axes() if ax is None else ax
    if ax is None:
        frame_window(axes, domain)
    options: dict[str, Any] = {"edgecolors": CASING, "linewidths": 1.1, "zorder": 4} | style
    options |= {"s": size, "c": [color] if isinstance(color, str) else color}
    axes.scatter(points[:, 0], points[:, 1], **options)
    for point, text in zip(points, labels if labels is not None else (), strict=False):
        _write_beside(axes, point, str(text))
    frame = domain.window
    axes.set_xlim(frame[:, 0].min(), frame[:, 0].max())
    axes.set_ylim(frame[:, 1].min(), frame[:, 1].max())
    return axes


def _projected(domain: Slice, x: Any) -> NDArray[np.float64]:
    """(n, 2), after a look at the number of coordinates, which `project` could only guess."""
    shape = tuple(x.shape) if hasattr(x, "shape") else np.shape(x)
    if int(np.prod(shape)) % domain.origin.size or not shape:
        raise InvalidInputError(f"points of shape {shape} are no inputs of shape {domain.input_shape}")
    return domain.project(x)


def _write_beside(ax: Axes, point: NDArray[np.float64], text: str) -> None:
    """Above the point, on the side that is farther from the picture's border."""
    x0, x1 = ax.get_xlim()
    left = point[0] > x0 + 0.8 * (x1 - x0)
    ax.annotate(
        text,
        (float(point[0]), float(point[1])),
        xytext=(-6 if left else 6, 5),
        textcoords="offset points",
        ha="right" if left else "left",
        color="white",
        fontsize=FONT + 2,
        fontweight="bold",
        path_effects=[patheffects.withStroke(linewidth=2.4, foreground=CASING)],
        zorder=5,
        annotation_clip=True,
    )
