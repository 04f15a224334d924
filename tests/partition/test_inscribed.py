"""Half-planes and the largest discs of regions, against scipy's linear programs and shapely."""

import numpy as np
import pytest
import shapely
from scipy.optimize import linprog
from splinegeo.validation import mlp
from torch import nn

import splinegeo as sg
from splinegeo.testing import NETWORK_KINDS, random_network


def by_linprog(part, region):
    """The radius, in coordinates that fill the unit square: slivers are wide there."""
    normal, level = part.half_planes(region)
    middle = part.centroids[region]
    size = np.abs(part.region(region) - middle).max()
    rows = np.column_stack([normal, np.ones(len(normal))])
    bounds = [(None, None), (None, None), (0, None)]
    found = linprog([0, 0, -1], A_ub=rows, b_ub=(level - normal @ middle) / size, bounds=bounds)
    return size * found.x[2]


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_the_largest_disc_is_that_of_the_linear_program(kind):
    model, window = random_network(kind, 1)
    part = sg.compute_partition(model, sg.Slice.polygon(window))
    centre, radius = part.chebyshev()
    smallest = np.argsort(part.areas)[:10]
    chosen = np.unique(np.concatenate([smallest, np.random.default_rng(0).integers(0, part.n_regions, 10)]))
    expected = np.array([by_linprog(part, region) for region in chosen])
    np.testing.assert_allclose(radius[chosen], expected, rtol=1e-7, atol=1e-12)
    polygons = part.to_shapely()
    assert (shapely.distance(shapely.boundary(polygons), shapely.points(centre)) >= radius * (1 - 1e-9) - 1e-14).all()
    assert (shapely.distance(polygons, shapely.points(centre)) < 1e-12).all()


def test_far_and_thin_regions_keep_their_digits():
    for width, at in ((1e-9, 0.0), (1e-6, 1e3), (1.0, 1e6)):
        part = sg.compute_partition(nn.Linear(2, 1), sg.Slice.box((at, at + width), (at, at + 1.5)))
        centre, radius = part.chebyshev()
        rounding = 8 * np.spacing(max(at, 1e-12))
        assert radius[0] == pytest.approx(width / 2, rel=1e-9, abs=rounding)
        assert centre[0, 0] == pytest.approx(at + width / 2, rel=1e-9, abs=rounding)
        assert at + width / 2 <= centre[0, 1] <= at + 1.5


def test_half_planes_hold_exactly_the_region():
    part = sg.compute_partition(mlp(2, 20, 20, 2).double(), sg.Slice.box((-3, 3), (-2, 2)))
    u = np.random.default_rng(0).uniform((-3, -2), (3, 2), (400, 2))
    located = part.locate(u)
    for region in np.unique(located):
        normal, level = part.half_planes(region)
        np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, rtol=1e-14)
        inside = (u @ normal.T <= level + 1e-12).all(axis=1)
        assert (inside == (located == region)).all()


def test_linear_regions_have_neither():
    part = sg.linear_regions(sg.compute_partition(nn.Linear(2, 1), sg.Slice.box((0, 1), (0, 1))))
    with pytest.raises(sg.InvalidInputError, match="convex"):
        part.chebyshev()
    with pytest.raises(sg.InvalidInputError, match="convex"):
        part.half_planes(0)
