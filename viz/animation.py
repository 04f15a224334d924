"""`animate`: the slices of a training run, one frame each, as video and GIF, curves running beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from tqdm import tqdm

from splinegeo import ComplexityMap, InvalidInputError, Partition, Slice

from .boundary import draw_decision_boundary
from .colouring import CATEGORIES, Color, colour_limits
from .complexity import draw_complexity_map
from .curves import Curves, draw_curves
from .encoders import checked_paths, recording
from .layout import stage
from .partitions import draw_partition
from .points import draw_points
from .style import TITLE, house_style


def animate(
    partitions: Iterable[Partition | ComplexityMap],
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    fps: float = 8,
    color: Color = "slope_norm",
    titles: Sequence[str] | None = None,
    anchors: Any = None,
    anchor_labels: Sequence[object] | None = None,
    domain: Slice | None = None,
    boundary: bool = True,
    edges: str | None = "auto",
    limits: tuple[float, float] | None = None,
    cmap: str | Colormap | None = None,
    label: str | None = None,
    curves: Curves | None = None,
    steps: Sequence[float] | None = None,
    curves_label: str = "accuracy",
    panels: Mapping[str, Curves] | None = None,
    size: float = 5.3,
    dpi: float = 150,
    hold: float = 0.0,
    progress: bool = False,
) -> list[Path]:
    """One frame for each partition, with one colour scale for all of them.

    Every frame is drawn once, whatever the number of files. The files appear when all of them are whole, or,
    after an error or an interrupt, not at all.

    Slopes often grow by orders of magnitude during training while those of one step differ by a factor of
    two: on one scale every frame is then of nearly one colour. ``color="relative_slope"`` shows where the
    slope is larger than elsewhere at the same step, on a scale that all frames share as well.

    Parameters
    ----------
    partitions : iterable of Partition, or of ComplexityMap
        In the order of the frames. Maps of local complexity stand in for the partitions of a network that has
        none; `color`, `edges` and `boundary` do not apply to them. A sequence is gone through twice, once for the
        colour scale; a generator is turned into a list for that, unless `limits` are given or `color` is
        ``"class"``, ``"layer"`` or None: then each partition is drawn as it comes and forgotten afterwards.
    path : a ``.mp4`` or ``.gif`` file, or several of them
    fps : frames per second
    color, edges, limits, cmap, label : as in `draw_partition`
        By default the limits are `colour_limits` of all partitions together.
    titles : sequence of str, optional
        Written above the slice, one for each frame.
    anchors, anchor_labels : optional
        Inputs to mark on the slice, and what to write beside them.
    domain : Slice, optional
        Needed for anchors on maps of local complexity, which do not know their slice; partitions do.
    boundary : bool
        Whether the decision boundary is drawn on top.
    curves : {name: (steps, values)}, optional
        Curves that grow beside the slice, over a logarithmic axis of steps. With (steps, values, low, high), as a
        `Series` of a tracker, a band goes with the curve.
    curves_label : what the values of the curves are
    panels : {label: curves}, optional
        Several panels of such curves, one below the other, instead of `curves` and its label.
    steps : sequence of float
        The step of each frame; needed with curves.
    size : side of the slice in inches
    dpi : pixels per inch; a frame has 1066 x 960 pixels by default, and an even number always
    hold : seconds for which the last frame stays, in addition to its own time
    progress : bool
        Show a bar, frame by frame.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InvalidInputError
        If a file cannot be written or is of another kind, if there are no partitions, not as many titles or steps
        as partitions, or both `curves` and `panels`.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> windows = [sg.Slice.box((-s, s), (-s, s)) for s in (1, 2, 4)]
    >>> parts = sg.compute_partitions(model, windows)
    >>> viz.animate(parts, ["zoom.mp4", "zoom.gif"], fps=2)  # doctest: +SKIP
    [PosixPath('zoom.mp4'), PosixPath('zoom.gif')]
    """
    paths = checked_paths(path)
    _require_positive(fps=fps, size=size, dpi=dpi)
    beside = _panels(curves, curves_label, panels, steps)
    if limits is None and not (color is None or (isinstance(color, str) and color in CATEGORIES)):
        partitions = list(partitions) if isinstance(partitions, Iterator) else partitions
        limits = _shared_limits(partitions, color)
    look = _Look(color, edges, limits, cmap, label, boundary, anchors, anchor_labels, domain, tuple(beside.items()))
    frames = _frames(partitions, titles, steps, progress)
    figure, ax, axes = stage(dpi=dpi, size=size, n_panels=len(beside))
    with house_style(), recording(figure, paths, fps=fps, hold=round(hold * fps)) as add_frame:
        for frame, title, step in frames:
            _draw_frame(figure, ax, axes, look, frame, title, step)
            add_frame()
    return paths


@dataclass(frozen=True)
class _Look:
    """What is the same in all frames."""

    color: Color
    edges: str | None
    limits: tuple[float, float] | None
    cmap: str | Colormap | None
    label: str | None
    boundary: bool
    anchors: Any
    anchor_labels: Sequence[object] | None
    domain: Slice | None
    panels: tuple[tuple[str, Curves], ...]


def _draw_frame(
    figure: Figure,
    ax: Axes,
    beside: Sequence[Axes],
    look: _Look,
    frame: Partition | ComplexityMap,
    title: str,
    step: float | None,
) -> None:
    for axes in figure.axes:
        axes.clear()
    for bar in ax.child_axes:
        bar.remove()
    if isinstance(frame, ComplexityMap):
        draw_complexity_map(frame, ax, limits=look.limits, cmap=look.cmap, label=look.label)
    else:
        draw_partition(frame, look.color, ax, edges=look.edges, limits=look.limits, cmap=look.cmap, label=look.label)
        if look.boundary:
            draw_decision_boundary(frame, ax)
    if look.anchors is not None:
        draw_points(_domain_of(frame, look), look.anchors, look.anchor_labels, ax)
    ax.set_title(title, loc="left", fontsize=TITLE)
    for panel, (label, curves) in zip(beside, look.panels, strict=True):
        draw_curves(curves, panel, label=label, step=step)
        if panel is not beside[-1]:
            panel.set_xlabel("")
            panel.tick_params(labelbottom=False)


def _panels(
    curves: Curves | None, label: str, panels: Mapping[str, Curves] | None, steps: Sequence[float] | None
) -> Mapping[str, Curves]:
    if curves is not None and panels is not None:
        raise InvalidInputError("give either curves or panels: panels are several of them, each with its label")
    beside = panels or {} if curves is None else {label: curves}
    if beside and steps is None:
        raise InvalidInputError("curves need steps: the step of each frame, one number per partition")
    return beside


def _domain_of(frame: Partition | ComplexityMap, look: _Look) -> Slice:
    domain = frame.domain if isinstance(frame, Partition) else look.domain
    if domain is None:
        raise InvalidInputError("anchors on maps of local complexity need domain=, the slice of the maps")
    return domain


def _shared_limits(frames: Iterable[Any], color: Color) -> tuple[float, float] | None:
    """One colour scale for all frames."""
    known = list(frames)
    if not any(isinstance(frame, ComplexityMap) for frame in known):
        return colour_limits(known, color)
    seen = np.concatenate([frame.image[np.isfinite(frame.image)] for frame in known])
    return float(seen.min()), float(seen.max())


def _frames(
    partitions: Iterable[Partition | ComplexityMap],
    titles: Sequence[str] | None,
    steps: Sequence[float] | None,
    progress: bool,
) -> Iterator[tuple[Partition | ComplexityMap, str, float | None]]:
    """Each partition with its title and step; complains where their numbers differ."""
    total = len(partitions) if isinstance(partitions, Sequence) else None
    for name, given in (("titles", titles), ("steps", steps)):
        if given is not None and total is not None and len(given) != total:
            raise InvalidInputError(f"{len(given)} {name} for {total} partitions")
    n = 0
    for part in tqdm(partitions, total=total, disable=not progress, unit="frame"):
        if any(given is not None and n >= len(given) for given in (titles, steps)):
            raise InvalidInputError(f"there are more partitions than titles or steps: no entry for frame {n}")
        yield part, "" if titles is None else titles[n], None if steps is None else float(steps[n])
        n += 1
    if n == 0:
        raise InvalidInputError("no partitions to animate")


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise InvalidInputError(f"{name} must be positive, not {value!r}")
