"""Local complexity as a picture: one neighbourhood per pixel of a window in a slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from splinegeo.errors import InvalidInputError
from splinegeo.network import Captured
from splinegeo.slices import Slice

from ..ambient import own_settings
from ..records import Record
from .frames import seed_of
from .local import Layout, counts_around
from .survey import check_radius

# Numbers of embedded pixels that are held at once.
_EMBEDDED = 2**24
_MOST_PIXELS = 10**9


@dataclass(frozen=True, eq=False, repr=False)
class ComplexityMap(Record):
    """Local complexity on a grid of pixels over the window of a slice.

    Attributes
    ----------
    image : ndarray, shape (H, W)
        Local complexity, summed over the layers, at the centre of each pixel; NaN outside the window. Row 0
        is the lowest: draw it with ``origin="lower"``.
    u : ndarray, shape (H, W, 2)
        Centres of the pixels, slice coordinates.
    extent : tuple of float
        (left, right, bottom, top) of the picture, slice coordinates.
    layer_names : tuple of str
        Layers that were summed.
    radius, dim : float, int
        Radius r (input space) and number P of directions of the cross-polytopes.
    """

    image: NDArray[np.float64]
    u: NDArray[np.float64]
    extent: tuple[float, float, float, float]
    layer_names: tuple[str, ...]
    radius: float
    dim: int

    def __post_init__(self) -> None:
        self.image.setflags(write=False)
        self.u.setflags(write=False)


@own_settings()
def complexity_map(
    model: nn.Module | Captured,
    domain: Slice,
    resolution: int | tuple[int, int] = 128,
    radius: float = 0.005,
    dim: int = 25,
    *,
    layers: Sequence[str] | None = None,
    rng: int | torch.Generator = 0,
    batch_size: int | None = None,
    shared_frame: bool = False,
    max_memory: float | None = None,
    progress: bool = False,
) -> ComplexityMap:
    """Local complexity at every pixel of a slice: where the partition is dense, also where none exists.

    The neighbourhoods are those of the whole input space, not of the slice. For a piecewise affine network
    the picture can be laid over the exact partition; for others (GELU, attention) it takes its place.

    Parameters
    ----------
    model, radius, dim, layers, rng, batch_size, shared_frame, max_memory, progress
        As in `local_complexity`; pixels are its points, row by row from the lowest, those outside left out.
    domain : Slice
    resolution : int or (int, int)
        Pixels along the width and the height of the box around the window; one number is meant for the longer
        side, the pixels are then square up to rounding.

    Raises
    ------
    InvalidInputError
        As `local_complexity`, and for a resolution below one.
    NonFiniteError
        As `local_complexity`.

    References
    ----------
    A. I. Humayun, R. Balestriero, R. Baraniuk, Deep Networks Always Grok and Here is Why, ICML 2024, figure
    25.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> picture = complexity_map(model, Slice.box((-1, 1), (0, 1)), 10, radius=0.1, dim=2)
    >>> picture.image.shape, picture.extent
    ((5, 10), (-1.0, 1.0, 0.0, 1.0))
    """
    layout = Layout(check_radius(radius), dim, seed_of(rng), shared_frame, layers, batch_size, max_memory, progress)
    u, extent = _pixels(domain.window, resolution)
    inside = _inside(domain.window, u)
    if not inside.any():
        raise InvalidInputError(f"no pixel centre lies in the window at resolution={resolution!r}")
    coordinates = u[inside]
    step = max(1, _EMBEDDED // int(np.prod(domain.input_shape)))
    totals: list[NDArray[np.int64]] = []
    for start in range(0, len(coordinates), step):
        points = domain.embed(coordinates[start : start + step])
        found, names = counts_around(model, points, layout, first=start)
        totals.append(found.counts.sum(axis=1))
    image = np.full(inside.shape, np.nan)
    image[inside] = np.concatenate(totals)
    return ComplexityMap(image, u, extent, names, layout.radius, int(dim))


def _pixels(
    window: NDArray[np.float64], resolution: int | tuple[int, int]
) -> tuple[NDArray[np.float64], tuple[float, float, float, float]]:
    """Pixel centres (H, W, 2) of the box around a window, and its extent."""
    (left, bottom), (right, top) = window.min(axis=0), window.max(axis=0)
    width, height = right - left, top - bottom
    if isinstance(resolution, tuple):
        columns, rows = resolution
    else:
        resolution = min(resolution, _MOST_PIXELS + 1)
        columns = round(resolution * width / max(width, height))
        rows = round(resolution * height / max(width, height))
        columns, rows = (max(1, columns), max(1, rows)) if resolution >= 1 else (0, 0)
    if not (columns >= 1 and rows >= 1 and columns * rows <= _MOST_PIXELS):
        raise InvalidInputError(f"resolution must be between one pixel and {_MOST_PIXELS:,} in all, not {resolution!r}")
    x = left + (np.arange(columns) + 0.5) * (width / columns)
    y = bottom + (np.arange(rows) + 0.5) * (height / rows)
    extent = float(left), float(right), float(bottom), float(top)
    return np.stack(np.meshgrid(x, y), axis=-1), extent


def _inside(window: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points (…, 2) lie in a convex counter-clockwise polygon: left of, or on, all its edges."""
    inside = np.ones(u.shape[:-1], dtype=bool)
    for a, b in zip(window, np.roll(window, -1, axis=0), strict=True):
        edge, offset = b - a, u - a
        inside &= edge[0] * offset[..., 1] - edge[1] * offset[..., 0] >= 0
    return inside
