"""Distances to edges and to the decision boundary, against shapely and closed forms."""

import numpy as np
import pytest
import shapely
import torch
from splinegeo.validation import mlp
from torch import nn

import splinegeo as sg
from splinegeo.testing import grid_lines, line_network


@pytest.fixture(scope="module")
def part():
    model = mlp(2, 20, 20, 3).double()
    domain = sg.Slice.box((-3, 3), (-2, 2))
    centre = sg.compute_partition(model, domain).evaluate([[0.0, 0.0]])[0]
    with torch.no_grad():  # all classes tie at the origin: the boundary crosses the window
        model[-1].bias -= torch.from_numpy(centre)
    return sg.compute_partition(model, domain)


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).uniform(-3, 3, (200, 2))


def one_by_one(points, segments):
    """The distance to all segments together, as shapely's own geometry of many lines measures it."""
    lines = shapely.multilinestrings(shapely.linestrings(segments))
    return np.array([shapely.Point(point).distance(lines) for point in points])


def test_to_edges(part, points):
    inner = part.edge_layer >= 0
    expected = one_by_one(points, part.vertices[part.edges[inner]])
    np.testing.assert_allclose(sg.distance_to_edges(part, points), expected, rtol=1e-12, atol=1e-14)


def test_to_the_boundary(part, points):
    boundary = sg.decision_boundary(part)
    assert len(boundary) > 3
    found = sg.distance_to_boundary(part, points)
    np.testing.assert_allclose(found, one_by_one(points, boundary.segments), rtol=1e-12, atol=1e-14)


def test_no_class_changes_within_the_distance(part, points):
    """The distance is a certificate of robustness in the plane: a shorter step keeps the class."""
    inside = points[np.abs(points[:, 1]) < 2]
    distance = sg.distance_to_boundary(part, inside)
    angle = np.random.default_rng(1).uniform(0, 2 * np.pi, (50, len(inside)))
    for direction in np.stack([np.cos(angle), np.sin(angle)], axis=-1):
        moved = inside + 0.999 * distance[:, None] * direction
        seen = part.locate(moved) >= 0
        before, after = part.evaluate(inside[seen]).argmax(1), part.evaluate(moved[seen]).argmax(1)
        assert (before == after).all()


def test_the_window_is_no_edge():
    part = sg.compute_partition(line_network(grid_lines(1, 0)), sg.Slice.box((0, 1), (0, 1)))
    np.testing.assert_allclose(sg.distance_to_edges(part, [[0.01, 0.5], [0.75, 0.99]]), [0.49, 0.25])


def test_nothing_to_be_near():
    part = sg.compute_partition(nn.Linear(2, 1), sg.Slice.box((9, 10), (9, 10)))
    assert np.isinf(sg.distance_to_edges(part, [[9.5, 9.5]])).all()
    assert np.isinf(sg.distance_to_boundary(part, [[9.5, 9.5]])).all()
    assert sg.distance_to_edges(part, np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize("bad", [np.zeros((4, 784)), np.zeros(3), [[0.0, np.nan]]])
@pytest.mark.parametrize("distance", [sg.distance_to_edges, sg.distance_to_boundary])
def test_what_are_no_points_is_refused(part, distance, bad):
    with pytest.raises(sg.InvalidInputError, match=r"slice coordinates|finite"):
        distance(part, bad)
