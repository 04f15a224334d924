"""Colours of pixels from the exact edges of a subdivision: no seams, no specks, however small a region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rasterise(
    start: Floats,
    end: Floats,
    left: Floats,
    right: Floats,
    width: int,
    height: int,
    *,
    lines_per_pixel: int = 4,
) -> Floats:
    """Mean colour of every pixel of a subdivision whose regions have one colour each.

    Along a scan line the colour is piecewise constant, and it jumps where an edge is crossed; so a pixel's
    mean is a running sum over the jumps to its left. Each jump is shared between the pixel it falls into
    and the next one, which makes the mean exact along the line; `lines_per_pixel` scan lines are averaged
    in the other direction. The cost grows with the total height of the edges in pixels, not with the number
    of regions times anything.

    Parameters
    ----------
    start, end : (E, 2)
        Ends of the edges in pixels; pixel (i, j) is the square [j, j + 1] x [i, i + 1].
    left, right : (E, C)
        Colour on either side, seen from `start` to `end` with y upwards; premultiplied if there is an alpha
        channel, and zero outside.
    width, height : int
        Size of the image in pixels.

    Returns
    -------
    (height, width, C) array, row 0 at y = 0

    Examples
    --------
    A rectangle that covers one and a half pixels:

    >>> corner = np.array([[0.0, 0.0], [1.5, 0.0], [1.5, 1.0], [0.0, 1.0]])
    >>> inside, outside = np.ones((4, 1)), np.zeros((4, 1))
    >>> rasterise(corner, np.roll(corner, -1, axis=0), inside, outside, 3, 1)[..., 0].tolist()
    [[1.0, 0.5, 0.0]]
    """
    run = end - start
    jump = (right - left) * np.sign(run[:, 1])[:, None] / lines_per_pixel
    seen = np.flatnonzero(jump.any(axis=1))
    start, run, jump = start[seen], run[seen], jump[seen]
    edge, line = _crossings(start[:, 1], start[:, 1] + run[:, 1], height, lines_per_pixel)
    x = start[edge, 0] + ((line + 0.5) / lines_per_pixel - start[edge, 1]) * (run[:, 0] / _nonzero(run[:, 1]))[edge]
    np.clip(x, 0, width, out=x)
    column = x.astype(np.int64)
    share = 1 - (x - column)
    cell = (line // lines_per_pixel) * (width + 2) + column  # two spare columns take what lies at the right border
    image = np.zeros((height, width, jump.shape[1]))
    for channel in range(jump.shape[1]):
        image[..., channel] = _running_sums(cell, share, jump[edge, channel], height, width)
    return image


def _running_sums(cell: Ints, share: Floats, jump: Floats, height: int, width: int) -> Floats:
    """One channel: jumps shared between two neighbouring cells, added up along the rows."""
    here = np.flatnonzero(jump)  # few for the opacity, which only changes at the window's border
    if len(here) < len(jump):
        cell, share, jump = cell[here], share[here], jump[here]
    size = height * (width + 2)
    first = jump * share
    total = np.bincount(cell, weights=first, minlength=size)
    total += np.bincount(cell + 1, weights=jump - first, minlength=size)
    sums: Floats = total.reshape(height, width + 2)[:, :width].cumsum(axis=1)
    return sums


def _nonzero(run: Floats) -> Floats:
    """Horizontal edges cross no scan line; any divisor will do."""
    return np.where(run == 0, 1, run)


def _crossings(y0: Floats, y1: Floats, height: int, lines_per_pixel: int) -> tuple[Ints, Ints]:
    """Every pair of an edge and a scan line that it crosses; a line through a shared end counts once."""
    low, high = np.minimum(y0, y1), np.maximum(y0, y1)
    n_lines = height * lines_per_pixel
    first = np.clip(np.ceil(low * lines_per_pixel - 0.5), 0, n_lines).astype(np.int64)
    last = np.clip(np.ceil(high * lines_per_pixel - 0.5), 0, n_lines).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(y0)), count)
    begin = np.cumsum(count) - count
    line = np.arange(len(edge)) - np.repeat(begin - first, count)
    return edge, line
