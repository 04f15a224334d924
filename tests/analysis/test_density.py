"""Edge density where it is known in closed form, and against brute force where it is not."""

import numpy as np
import pytest
import shapely
import torch
from splinegeo.validation import mlp

import splinegeo as sg
from splinegeo.analysis.stretches import length_within
from splinegeo.analysis.targets import SegmentSet
from splinegeo.testing import concurrent_lines, line_network

DISC = 1e-4  # relative: more than the polygons' arcs lack
SQUARE = sg.Slice.box((-2, 2), (-2, 2))


def lines(rows, domain=SQUARE):
    return sg.compute_partition(line_network(rows), domain)


def test_one_line_at_a_distance_from_a_point():
    ends = np.array([0, 0.3, 0.5, 0.7, 1.1, 1.9])
    found = sg.edge_density(lines([(0.28, 0.96, -0.5)]), [[0.0, 0.0]], distances=ends)
    chord = 2 * np.sqrt(np.maximum(ends**2 - 0.25, 0))
    np.testing.assert_allclose(found.length, np.diff(chord), atol=1e-7)
    np.testing.assert_allclose(found.area, np.pi * np.diff(ends**2), rtol=DISC)
    assert found.mean == pytest.approx(4 / 0.96 / 16)  # from one side of the window to the opposite


def test_rays_through_a_point_have_density_one_over_the_radius():
    k, ends = 5, np.array([0.25, 0.5, 0.75, 1.0])
    found = sg.edge_density(lines(concurrent_lines(k)), [[0.0, 0.0]], distances=ends)
    np.testing.assert_allclose(found.length, 2 * k * np.diff(ends))
    np.testing.assert_allclose(found.density, 2 * k / np.pi / (ends[1:] + ends[:-1]), rtol=DISC)


def test_parallel_lines_beside_a_line():
    """Vertical lines at x = ±0.5, ±1, ±1.5, the target at x = 0: each band holds two lines of length 4."""
    part = lines([(1, 0, -x) for x in (-1.5, -1, -0.5, 0.5, 1, 1.5)])
    target = [[[0.0, -2.0], [0.0, 2.0]]]
    found = sg.edge_density(part, target, distances=[0, 0.25, 0.75, 1.25, np.inf])
    np.testing.assert_allclose(found.length, [0, 8, 8, 8])
    np.testing.assert_allclose(found.area, [2, 4, 4, 6])
    np.testing.assert_allclose(found.density, [0, 2, 2, 8 / 6])
    np.testing.assert_allclose(found.relative, found.density / 1.5)


def test_a_line_that_crosses_the_target_at_an_angle():
    """Within distance d of the line y = 0 a line of inclination φ has length 2 d / sin φ."""
    ends = np.array([0, 0.1, 0.4, 1.0])
    found = sg.edge_density(lines([(0.8, -0.6, 0.0)]), [[[-9.0, 0.0], [9.0, 0.0]]], distances=ends)
    np.testing.assert_allclose(found.length, 2 * np.diff(ends) / 0.8)
    np.testing.assert_allclose(found.area, 8 * np.diff(ends))


def test_the_decision_boundary_is_the_default_target_and_no_edge():
    """f = relu(x + 1) − 1/2 changes sign at x = −1/2; its only edge lies at x = −1."""
    model = line_network([(1, 0, 1)])
    model.append(torch.nn.Linear(1, 1).double())
    with torch.no_grad():
        model[-1].weight.fill_(1.0)
        model[-1].bias.fill_(-0.5)
    part = sg.compute_partition(model, SQUARE)
    found = sg.edge_density(part, distances=[0, 0.4, 0.6, 1])
    np.testing.assert_allclose(found.length, [0, 4, 0])
    np.testing.assert_allclose(found.area, [3.2, 1.6, 3.2])
    again = sg.edge_density(part, sg.decision_boundary(part), distances=[0, 0.4, 0.6, 1])
    np.testing.assert_array_equal(again.length, found.length)


def test_lengths_agree_with_fine_subdivision():
    """Edges of a random network against a crooked target with points, cut into pieces of 3e-4."""
    part = sg.compute_partition(mlp(2, 12, 12, 1), SQUARE)
    rng = np.random.default_rng(0)
    segments = np.concatenate([rng.uniform(-2, 2, (6, 2, 2)), np.repeat(rng.uniform(-2, 2, (3, 1, 2)), 2, axis=1)])
    ends = np.array([0.0, 0.05, 0.3, 1.0])
    edges = part.vertices[part.edges[part.inner_edges]]
    length = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    pieces = np.ceil(length / 3e-4).astype(int)
    edge = np.repeat(np.arange(len(edges)), pieces)
    t = (np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + 0.5) / pieces[edge]
    points = edges[edge, 0] + t[:, None] * (edges[edge, 1] - edges[edge, 0])
    target = shapely.geometrycollections(
        [shapely.Point(s[0]) if (s[0] == s[1]).all() else shapely.LineString(s) for s in segments]
    )
    shapely.prepare(target)
    distance = shapely.distance(shapely.points(points), target)
    expected = [(length / pieces)[edge][distance < end].sum() for end in ends]
    found = length_within(edges, SegmentSet(segments), ends)
    np.testing.assert_allclose(found, expected, atol=1e-3 * len(segments))


def test_areas_agree_with_counting_points():
    part = lines([(1, 0, 0)])
    segments = np.random.default_rng(3).uniform(-2, 2, (5, 2, 2))
    found = sg.edge_density(part, segments, distances=[0, 0.1, 0.5, np.inf])
    grid = (np.stack(np.meshgrid(*[np.arange(400)] * 2), axis=-1).reshape(-1, 2) + 0.5) / 100 - 2
    distance = SegmentSet(segments).distances(grid)
    counted = np.histogram(distance, bins=[0, 0.1, 0.5, np.inf])[0] / 1e4
    np.testing.assert_allclose(found.area, counted, atol=0.02)
    assert found.area.sum() == pytest.approx(16)


def test_bands_add_up_to_the_window():
    part = sg.compute_partition(mlp(2, 30, 30, 1), SQUARE)
    found = sg.edge_density(part, [[0.3, 0.2], [-1, 1]], distances=[0, 0.2, 1, 2, np.inf])
    edges = part.vertices[part.edges[part.inner_edges]]
    assert found.length.sum() == pytest.approx(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).sum())
    assert found.area.sum() == pytest.approx(16)
    assert (found.relative * found.area).sum() == pytest.approx(16)


def test_targets_outside_the_window_count():
    found = sg.edge_density(lines([(1, 0, -1.5)]), [[2.5, 0.0]], distances=[0, 0.75, 1.25])
    np.testing.assert_allclose(found.length, [0, 1.5])
    assert 0 < found.area[0] < np.pi * 0.75**2 / 2


def test_similar_slices_have_similar_densities():
    """Everything three times as large: a third of the density at three times the distance."""
    rows = np.random.default_rng(0).normal(size=(20, 3))
    point, ends = np.array([[0.3, -0.4]]), np.array([0, 0.2, 0.5, 1])
    small = sg.edge_density(lines(rows), point, distances=ends)
    larger = rows * [1, 1, 3]
    large = sg.edge_density(lines(larger, sg.Slice.box((-6, 6), (-6, 6))), 3 * point, distances=3 * ends)
    np.testing.assert_allclose(large.density, small.density / 3)


def test_default_bands_are_those_of_the_window_alone():
    few, many = lines([(1, 0, 0)]), sg.compute_partition(mlp(2, 30, 30, 1), SQUARE)
    bands = [sg.edge_density(part, [[0, 0]]).distances for part in (few, many)]
    np.testing.assert_array_equal(*bands)
    assert bands[0][[0, -1]].tolist() == [0, 1]


def test_without_a_target_nothing_is_near():
    found = sg.edge_density(sg.compute_partition(torch.nn.Linear(2, 1), sg.Slice.box((8, 9), (8, 9))))
    assert np.isnan(found.density).all()
    assert not found.area.any()


@pytest.mark.parametrize("distances", [[0], [1, 0.5], [-1, 1], [0, np.nan], [[0, 1]], [0, 0]])
def test_bands_that_are_none(distances):
    with pytest.raises(sg.InvalidInputError, match="distances are two or more ascending numbers"):
        sg.edge_density(lines([(1, 0, 0)]), [[0, 0]], distances=distances)


@pytest.mark.parametrize(
    ("to", "message"),
    [("data", "'data' is not known"), (np.zeros((3, 5)), "not \\(3, 5\\)"), ([[np.inf, 0]], "finite")],
)
def test_targets_that_are_none(to, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.edge_density(lines([(1, 0, 0)]), to)
