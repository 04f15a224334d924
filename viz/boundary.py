"""`draw_decision_boundary`: where the predicted class changes, visible on top of any colour."""

from __future__ import annotations

from typing import Any

from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from splinegeo import Partition, decision_boundary

from .edges import compound_path
from .partitions import frame_window, new_axes
from .style import BOUNDARY, CASING


def draw_decision_boundary(
    part: Partition,
    ax: Axes | None = None,
    *,
    color: Any = BOUNDARY,
    linewidth: float = 1.4,
    casing: Any = CASING,
    **style: Any,
) -> Axes:
    """The exact decision boundary: where argmax of the outputs changes, the sign for one output.

    A light line in a dark casing, so that it stands out against dark and light regions alike.

    Parameters
    ----------
    part : Partition
    ax : Axes, optional
        Usually those that `draw_partition` returned; a new figure otherwise.
    color, linewidth : colour and width in points of the line
    casing : colour of the line's outline, 0.7 points on each side; None for none
    **style
        Anything else that a matplotlib collection understands, such as ``alpha`` or ``zorder``.

    Returns
    -------
    Axes
        The boundary is the collection with the gid ``"boundary"``; absent if one class wins everywhere.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> part = sg.compute_partition(model, sg.Slice.box((-2, 2), (-2, 2)))
    >>> ax = viz.draw_decision_boundary(part, ax=viz.draw_partition(part))
    """
    axes = new_axes() if ax is None else ax
    if ax is None:
        frame_window(axes, part.domain)
    boundary = decision_boundary(part)
    if not len(boundary):
        return axes
    effects = [] if casing is None else [patheffects.withStroke(linewidth=linewidth + 1.4, foreground=casing)]
    # Unsnapped: moving ends to whole pixels would make beads of short segments.
    options: dict[str, Any] = {"zorder": 3, "snap": False, "capstyle": "round", "path_effects": effects}
    options |= {"facecolors": "none", "edgecolors": color, "linewidths": linewidth} | style
    lines = PathCollection([compound_path(boundary.segments)], **options)
    lines.set_gid("boundary")
    axes.add_collection(lines, autolim=False)
    return axes
