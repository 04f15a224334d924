"""A table of shapes, against shapely."""

import numpy as np
import pytest
import shapely
from torch import nn

import splinegeo as sg


def test_statistics_agree_with_shapely(classified):
    _, part = classified
    table = sg.region_statistics(part)
    polygons = part.to_shapely()
    np.testing.assert_allclose(table["perimeter"], shapely.length(polygons), rtol=1e-9)
    np.testing.assert_array_equal(table["n_vertices"], [len(p.exterior.coords) - 1 for p in polygons])
    np.testing.assert_array_equal(
        table["touches_border"], shapely.boundary(shapely.box(-4, -4, 4, 4)).distance(polygons) < 1e-12
    )
    assert table["area"].sum() == pytest.approx(64.0)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (100, 1)])
def test_eccentricity_of_a_rectangle_is_that_of_its_inertia_ellipse(width, height):
    part = sg.compute_partition(nn.Linear(2, 1), sg.Slice.box((0, width), (0, height)))
    expected = np.sqrt(1 - (height / width) ** 2)
    assert sg.region_statistics(part)["eccentricity"][0] == pytest.approx(expected, abs=1e-7)
