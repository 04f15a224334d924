"""The migration of regions as a film of three panels: slopes with the boundary, density of edges, the profile."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from splinegeo import InvalidInputError, Partition

from .boundary import draw_decision_boundary
from .colorbars import add_colorbar
from .colouring import Quantity, colour_limits
from .encoders import checked_paths, recording
from .migration import Profile, draw_migration_profile, points_of
from .partitions import draw_partition, frame_window, new_axes
from .points import draw_points
from .style import TITLE, house_style

_COLOR = "relative_slope"
# Inches; the two slices and the profile are square.
_SIDE, _GAP, _LEFT, _RIGHT, _BOTTOM, _TOP, _BAR = 3.4, 0.55, 0.6, 0.15, 0.55, 0.4, 0.62
_CURVES = ListedColormap(["#b9b9c6", "#b02a5b"])
# Times the mean of the slice, beyond which edges are as bright as they get.
_BRIGHTEST = 8.0


def draw_edge_map(
    part: Partition,
    ax: Axes | None = None,
    *,
    resolution: int = 220,
    blur: float = 1.2,
    limits: tuple[float, float] = (0.0, _BRIGHTEST),
    cmap: str | Colormap = "inferno",
    colorbar: bool = True,
) -> Axes:
    """Edge length per area of a slice as an image, over its mean: dark where regions have left, bright where they are.

    Parameters
    ----------
    part : Partition
        With a window whose bounding box is the image; the window's border does not count as an edge.
    ax : Axes, optional
        A new figure otherwise.
    resolution : pixels along the longer side
    blur : standard deviation of the Gaussian that smooths the image, in pixels
    limits : (low, high), times the mean, of the colour scale, which grows with the square root
    cmap, colorbar : of the image

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> ax = viz.draw_edge_map(sg.compute_partition(model, sg.Slice.box((-2, 2), (-2, 2))), resolution=40)
    >>> ax.images[0].get_array().shape
    (40, 40)
    """
    if resolution < 1:
        raise InvalidInputError(f"resolution must be a positive number of pixels, not {resolution!r}")
    axes = new_axes() if ax is None else ax
    low, high = part.domain.window.min(axis=0), part.domain.window.max(axis=0)
    size = np.maximum((resolution * (high - low) / (high - low).max()).round().astype(int), 1)
    image = gaussian_filter(_lengths(part, low, high, size), blur)
    mean = image.mean()
    image = image / mean if mean > 0 else image
    extent = (low[0], high[0], low[1], high[1])
    shown = axes.imshow(image.T, origin="lower", extent=extent, norm=PowerNorm(0.5, *limits, clip=True), cmap=cmap)
    frame_window(axes, part.domain)
    if colorbar:
        label = "edge length per area / its mean on the slice"
        add_colorbar(shown, Quantity(image, label, "linear", shown.get_cmap()), axes)
    return axes


def animate_migration(
    partitions: Sequence[Partition],
    profiles: Sequence[Profile],
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    titles: Sequence[str] | None = None,
    notes: Sequence[str] | None = None,
    anchors: Any = None,
    anchor_labels: Sequence[object] | None = None,
    fps: float = 6,
    hold: float = 0.0,
    dpi: float = 110,
    progress: bool = False,
) -> list[Path]:
    """One frame for each checkpoint: slope norm with the decision boundary, density of edges, migration profile.

    Parameters
    ----------
    partitions : of one slice at the checkpoints, with their maps
    profiles : as many, as `draw_migration_profile` takes them; all of the first ones stay as a faint curve
    path : a ``.mp4`` or ``.gif`` file, or several of them
    titles, notes : one for each frame, above the slice and above the profile
    anchors, anchor_labels : inputs to mark on the slice
    fps, dpi, progress : frames and pixels; a bar
    hold : seconds for which the last frame stays, in addition to its own time

    Returns
    -------
    list of Path
        The files; they appear when all are whole, or, after an error or an interrupt, not at all.

    Raises
    ------
    InvalidInputError
        If there are no partitions, not as many profiles, titles or notes, or a file cannot be written.
    """
    paths = checked_paths(path)
    n = len(partitions)
    for name, given in (("profiles", profiles), ("titles", titles), ("notes", notes)):
        if given is not None and len(given) != n:
            raise InvalidInputError(f"{len(given)} {name} for {n} partitions")
    if not n:
        raise InvalidInputError("no partitions to animate")
    limits, top = colour_limits(partitions, _COLOR), _highest(profiles)
    figure, panels = _stage(dpi)
    with house_style(), recording(figure, paths, fps=fps, hold=round(hold * fps)) as add_frame:
        for k in tqdm(range(n), disable=not progress, unit="frame"):
            for ax in panels:
                _clear(ax)
            draw_migration_frame(
                partitions[k], profiles[k], panels, first=profiles[0], limits=limits, top=top,
                title="" if titles is None else titles[k], note="" if notes is None else notes[k],
                anchors=anchors, anchor_labels=anchor_labels,
            )  # fmt: skip
            add_frame()
    return paths


def draw_migration_frame(
    part: Partition,
    profile: Profile,
    panels: Sequence[Axes],
    *,
    first: Profile,
    limits: tuple[float, float] | None,
    top: float,
    title: str,
    note: str,
    anchors: Any,
    anchor_labels: Sequence[object] | None,
) -> None:
    """Three panels of one checkpoint; see `animate_migration`."""
    slopes, density, way = panels
    draw_partition(part, _COLOR, slopes, limits=limits, edges=None)
    draw_edge_map(part, density)
    for ax in (slopes, density):
        draw_decision_boundary(part, ax)
        if anchors is not None:
            draw_points(part, anchors, anchor_labels if ax is slopes else None, ax)
    density.set_ylabel("")
    draw_migration_profile({"first frame": points_of(first)[:2], "now": profile}, way, cmap=_CURVES, top=top)
    slopes.set_title(title, loc="left", fontsize=TITLE)
    density.set_title("where the edges are", loc="left", fontsize=TITLE)
    way.set_title(note, loc="left", fontsize=TITLE)


def _lengths(part: Partition, low: NDArray[np.float64], high: NDArray[np.float64], size: NDArray[np.int_]) -> NDArray:
    """Edge length in each pixel: edges are cut into pieces of half a pixel or less, each counted at its middle."""
    inner = (part.edge_regions >= 0).all(axis=1)
    a, b = part.vertices[part.edges[inner, 0]], part.vertices[part.edges[inner, 1]]
    length = np.linalg.norm(b - a, axis=1)
    pieces = np.maximum(np.ceil(2 * length / ((high - low) / size).min()).astype(int), 1)
    edge = np.repeat(np.arange(len(a)), pieces)
    place = (np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + 0.5) / pieces[edge]
    middle = a[edge] + place[:, None] * (b - a)[edge]
    # Bins of equal size, so that a pixel's number is a quotient; what lies on the far border belongs to the last one.
    column, row = np.minimum(((middle - low) / (high - low) * size).astype(int), size - 1).T
    weights = (length / pieces)[edge]
    return np.bincount(column * size[1] + row, weights, minlength=int(size.prod())).reshape(size)


def _highest(profiles: Sequence[Profile]) -> float:
    """Upper end of the axis of all profiles."""
    means = [np.nanmax(points_of(profile)[1]) for profile in profiles]
    return 1.05 * max(float(np.max(means)), 1e-9)


def _clear(ax: Axes) -> None:
    ax.clear()
    for bar in ax.child_axes:
        bar.remove()


def _stage(dpi: float) -> tuple[Figure, list[Axes]]:
    """Three square panels in a row, at fixed places, an even number of pixels in both directions."""
    inches = np.array([_LEFT + 3 * _SIDE + 2 * (_BAR + _GAP) + _RIGHT, _BOTTOM + _SIDE + _TOP])
    width, height = 2 * np.ceil(inches * dpi / 2) / dpi
    with house_style():
        figure = Figure(figsize=(width, height), dpi=dpi)
        lefts = [_LEFT + k * (_SIDE + _BAR + _GAP) for k in range(3)]
        places = [(left / width, _BOTTOM / height, _SIDE / width, _SIDE / height) for left in lefts]
        return figure, [figure.add_axes(place) for place in places]
