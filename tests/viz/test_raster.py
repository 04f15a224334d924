from __future__ import annotations

import numpy as np
import pytest
import shapely
from splinegeo.viz.raster import rasterise


def coverage(part, size: int) -> np.ndarray:
    """(size, size, R) share of each pixel that each region covers, by intersecting polygons."""
    grid = np.arange(size)
    pixels = shapely.box(grid[None, :], grid[:, None], grid[None, :] + 1, grid[:, None] + 1)
    low, high = part.domain.window.min(0), part.domain.window.max(0)
    regions = shapely.transform(part.to_shapely(), lambda xy: (xy - low) / (high - low) * size)
    return shapely.area(shapely.intersection(pixels[..., None], regions))


def test_pixels_are_the_mean_of_what_they_cover(part):
    size, lines = 16, 256
    colour = np.random.default_rng(0).random((part.n_regions, 3))
    low, high = part.domain.window.min(0), part.domain.window.max(0)
    pixel = (part.vertices - low) / (high - low) * size
    padded = np.concatenate([colour, np.zeros((1, 3))])
    left, right = padded[part.edge_regions.T]
    start, end = pixel[part.edges[:, 0]], pixel[part.edges[:, 1]]
    image = rasterise(start, end, left, right, size, size, lines_per_pixel=lines)
    assert np.abs(image - coverage(part, size) @ colour).max() < 4 / lines


@pytest.mark.parametrize(("shift", "expected"), [(-5.0, 0.0), (5.0, 0.0), (0.25, 1.0)])
def test_what_lies_outside_the_image_leaves_no_trace(shift, expected):
    corner = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]) + shift
    inside, outside = np.ones((4, 1)), np.zeros((4, 1))
    image = rasterise(corner, np.roll(corner, -1, axis=0), inside, outside, 2, 2)[..., 0]
    assert image[1, 1] == pytest.approx(expected)
    assert image.sum() == pytest.approx((2 - 0.25) ** 2 if expected else 0)
