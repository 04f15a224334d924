"""`animate`: the partitions of a training run, one frame each, as video and GIF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from tqdm import tqdm

from splinegeo import InvalidInputError, Partition

from .boundary import draw_decision_boundary
from .colouring import CATEGORIES, Color, colour_limits
from .curves import Curves, draw_growing_curves
from .encoders import checked_paths, recording
from .layout import stage
from .partitions import draw_partition
from .points import draw_points
from .style import TITLE, house_style


def animate(
    partitions: Iterable[Partition],
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    fps: float = 8,
    color: Color = "slope_norm",
    titles: Sequence[str] | None = None,
    anchors: Any = None,
    anchor_labels: Sequence[object] | None = None,
    boundary: bool = True,
    edges: str | None = "auto",
    limits: tuple[float, float] | None = None,
    cmap: str | Colormap | None = None,
    label: str | None = None,
    curves: Curves | None = None,
    steps: Sequence[float] | None = None,
    curves_label: str = "accuracy",
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
    partitions : iterable of Partition
        In the order of the frames. A sequence is gone through twice, once for the colour scale; a generator
        is turned into a list for that, unless `limits` are given or `color` is ``"class"``, ``"layer"`` or
        None: then each partition is drawn as it comes and forgotten afterwards.
    path : a ``.mp4`` or ``.gif`` file, or several of them
    fps : frames per second
    color, edges, limits, cmap, label : as in `draw_partition`
        By default the limits are `colour_limits` of all partitions together.
    titles : sequence of str, optional
        Written above the slice, one for each frame.
    anchors, anchor_labels : optional
        Inputs to mark on the slice, and what to write beside them.
    boundary : bool
        Whether the decision boundary is drawn on top.
    curves : {name: (steps, values)}, optional
        Curves that grow beside the slice, over a logarithmic axis of steps.
    steps : sequence of float
        The step of each frame; needed with `curves`.
    curves_label : what the values of the curves are
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
        If a file cannot be written or is of another kind, if there are no partitions, or not as many titles
        or steps as partitions.

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
    if curves is not None and steps is None:
        raise InvalidInputError("curves need steps: the step of each frame, one number per partition")
    if limits is None and not (color is None or (isinstance(color, str) and color in CATEGORIES)):
        partitions = list(partitions) if isinstance(partitions, Iterator) else partitions
        limits = colour_limits(partitions, color)
    look = _Look(color, edges, limits, cmap, label, boundary, anchors, anchor_labels, curves, curves_label)
    frames = _frames(partitions, titles, steps, progress)
    figure, ax, beside = stage(dpi=dpi, size=size, with_curves=curves is not None)
    with house_style(), recording(figure, paths, fps=fps, hold=round(hold * fps)) as add_frame:
        for part, title, step in frames:
            _draw_frame(figure, ax, beside, look, part, title, step)
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
    curves: Curves | None
    curves_label: str


def _draw_frame(
    figure: Figure,
    ax: Axes,
    beside: Axes | None,
    look: _Look,
    part: Partition,
    title: str,
    step: float | None,
) -> None:
    for axes in figure.axes:
        axes.clear()
    for bar in ax.child_axes:
        bar.remove()
    draw_partition(part, look.color, ax, edges=look.edges, limits=look.limits, cmap=look.cmap, label=look.label)
    if look.boundary:
        draw_decision_boundary(part, ax)
    if look.anchors is not None:
        draw_points(part, look.anchors, look.anchor_labels, ax)
    ax.set_title(title, loc="left", fontsize=TITLE)
    if beside is not None and look.curves is not None and step is not None:
        draw_growing_curves(beside, look.curves, step, look.curves_label)


def _frames(
    partitions: Iterable[Partition],
    titles: Sequence[str] | None,
    steps: Sequence[float] | None,
    progress: bool,
) -> Iterator[tuple[Partition, str, float | None]]:
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
