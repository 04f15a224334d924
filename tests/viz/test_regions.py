from __future__ import annotations

from io import BytesIO, StringIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from splinegeo.viz.regions import RegionCollection

from splinegeo import viz


def drawn(part, values, *, flip_x=False, flip_y=False):
    """Axes that fill a figure of 200 x 200 pixels, and the picture with row 0 at the bottom."""
    figure = plt.figure(figsize=(2, 2), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.axis("off")
    ax.add_collection(RegionCollection(part, array=values, cmap="viridis"))
    ax.set_xlim((2, -2) if flip_x else (-2, 2))
    ax.set_ylim((2, -2) if flip_y else (-2, 2))
    figure.canvas.draw()
    return ax, np.asarray(figure.canvas.buffer_rgba())[::-1]


@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
def test_each_region_has_its_colour_where_it_stands(part, flip_x, flip_y):
    values = np.random.default_rng(1).random(part.n_regions)
    ax, picture = drawn(part, values, flip_x=flip_x, flip_y=flip_y)
    collection = ax.collections[0]
    large = np.flatnonzero(part.areas > 0.1)
    assert len(large) > 5
    column, row = np.floor(ax.transData.transform(part.centroids[large])).astype(int).T
    expected = collection.to_rgba(values[large], bytes=True)
    assert np.abs(picture[row, column].astype(int) - expected).max() <= 1


def test_no_pixel_of_the_window_stays_white(part):
    _, picture = drawn(part, np.zeros(part.n_regions))
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) == 1


def test_polygons_are_the_regions(part):
    paths = RegionCollection(part).get_paths()
    assert len(paths) == part.n_regions
    for index in (0, 7, part.n_regions - 1):
        assert np.array_equal(paths[index].vertices[:-1], part.region(index))


def test_vector_formats_hold_polygons_unless_rasterised(part):
    ax = viz.draw_partition(part, edges=None, colorbar=False)
    text = StringIO()
    ax.figure.savefig(text, format="svg")
    assert text.getvalue().count("<path") >= part.n_regions
    assert "<image" not in text.getvalue()
    ax.collections[0].set_rasterized(True)
    text = StringIO()
    ax.figure.savefig(text, format="svg")
    assert "<image" in text.getvalue()
    assert text.getvalue().count("<path") < part.n_regions


def test_tight_bounding_boxes_and_other_resolutions_keep_the_picture(part):
    ax = viz.draw_partition(part, edges=None, colorbar=False)
    for options in ({"dpi": 40}, {"bbox_inches": "tight", "dpi": 80}):
        stream = BytesIO()
        ax.figure.savefig(stream, format="png", **options)
        stream.seek(0)
        picture = plt.imread(stream)
        middle = picture[picture.shape[0] // 3 : picture.shape[0] // 2, picture.shape[1] // 2]
        assert (middle[:, :3].min(axis=1) < 0.99).all()


def test_a_view_without_the_window_is_empty(part):
    ax, _ = drawn(part, np.zeros(part.n_regions))
    ax.set_xlim(50, 60)
    ax.figure.canvas.draw()
    assert (np.asarray(ax.figure.canvas.buffer_rgba())[..., :3] == 255).all()
