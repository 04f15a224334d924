"""The decision boundary has no holes: a law of every network, against the network itself and against clipping."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
import torch
from splinegeo.validation import mlp
from torch import nn

import splinegeo as sg
from splinegeo.analysis.decision_cells import decision_cells
from splinegeo.testing import NETWORK_KINDS, linear_layer, random_network


def outputs(model, part, u):
    with torch.no_grad():
        values = model(part.domain.embed(u)).numpy()
    return np.concatenate([np.zeros_like(values), values], axis=1) if values.shape[1] == 1 else values


def on_the_border(part, u):
    border = shapely.boundary(shapely.Polygon(part.domain.window))
    return shapely.distance(border, shapely.points(u)) < 1e-12


def assert_curves(part, boundary):
    """Every end inside the window is the end of another segment: a curve is closed, or ends at the border."""
    ends, degree = np.unique(boundary.ends, return_counts=True)
    alone = ends[degree == 1]
    assert on_the_border(part, boundary.vertices[alone]).all()
    assert len(np.unique(boundary.vertices, axis=0)) == len(boundary.vertices)
    assert (boundary.ends[:, 0] != boundary.ends[:, 1]).all()
    if part.offset.shape[1] <= 2:  # two classes: curves do not branch, and cross only where four regions meet
        inside = ~on_the_border(part, boundary.vertices[ends])
        assert (degree[inside] % 2 == 0).all()


def assert_sides(model, part, boundary):
    """Left of every segment its first class is the argmax, right of it the second."""
    if not len(boundary):
        return
    middle = boundary.segments.mean(axis=1)
    run = np.diff(boundary.segments, axis=1)[:, 0]
    length = np.linalg.norm(run, axis=1)
    left = np.stack([-run[:, 1], run[:, 0]], axis=1) / length[:, None]
    # A step so long that values differ by more than rounding, and yet within the neighbouring cells.
    step = np.minimum(1e-5, length / 100)
    far = step > 1e-8
    for side, column in ((1, 0), (-1, 1)):
        found = outputs(model, part, middle + side * step[:, None] * left)
        expected = np.take_along_axis(found, boundary.classes[:, column : column + 1], axis=1)[:, 0]
        slack = 1e-12 * np.abs(found).max(axis=1)
        assert (expected[far] >= found.max(axis=1)[far] - slack[far]).all()
        other = np.take_along_axis(found, boundary.classes[:, 1 - column, None], axis=1)[:, 0]
        assert (expected[far] >= other[far] - slack[far]).all()


def assert_lawful(model, part):
    boundary = sg.decision_boundary(part)
    assert_curves(part, boundary)
    assert_sides(model, part, boundary)
    return boundary


def test_random_networks(classified):
    model, part = classified
    assert len(assert_lawful(model, part)) > 10


@pytest.mark.parametrize("n_classes", [1, 2, 3, 10])
@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_degenerate_networks(kind, n_classes):
    """Coincident and concurrent lines, dead and repeated units; classes that are equal, opposite or constant."""
    models = []
    for seed in range(4):  # they share their architecture
        body, window = random_network(kind, seed)
        rng = np.random.default_rng([seed, n_classes])
        rows = rng.integers(-2, 3, (n_classes, body[-1].in_features)) * rng.integers(0, 2, (n_classes, 1))
        rows[n_classes // 2] = rows[0] * (-1) ** seed
        model = nn.Sequential(*body[:-1], linear_layer(rows, rng.integers(-1, 2, n_classes) / 4))
        models.append(model)
    states = [model.state_dict() for model in models]
    parts = sg.compute_partitions(model, sg.Slice.polygon(window), states=states)
    for model, part in zip(models, parts, strict=True):
        assert_lawful(model, part)


def moons(n=200):
    rng = np.random.default_rng(0)
    angle, label = rng.uniform(0, np.pi, n), rng.integers(0, 2, n)
    x = np.where(label, 1 - np.cos(angle), np.cos(angle))
    y = np.where(label, 0.5 - np.sin(angle), np.sin(angle))
    points = np.stack([x, y], axis=1) + 0.1 * rng.standard_normal((n, 2))
    return torch.from_numpy(points), torch.from_numpy(label)


@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_trained_networks(n_classes):
    """Confident ones, whose outputs are large on both sides of the boundary."""
    x, label = moons()
    label = label if n_classes < 3 else label + (x[:, 0] > 0.5) * label
    model = mlp(2, 80, 80, n_classes).double()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        z = model(x) if n_classes > 1 else torch.cat([torch.zeros(len(x), 1), model(x)], dim=1)
        loss = nn.functional.cross_entropy(z, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    part = sg.compute_partition(model, sg.Slice.box((-1.8, 2.8), (-1.5, 2.0)))
    assert len(assert_lawful(model, part)) > 50


def clipped(polygon, normal, level):
    """What of a convex polygon (k, 2) has normal @ u + level >= 0, by Sutherland and Hodgman."""
    kept = []
    height = polygon @ normal + level
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if height[i] >= 0:
            kept.append(polygon[i])
        if (height[i] >= 0) != (height[j] >= 0):
            kept.append(polygon[i] + height[i] / (height[i] - height[j]) * (polygon[j] - polygon[i]))
    return np.array(kept).reshape(-1, 2)


def test_cells_have_the_areas_that_clipping_gives_them(classified):
    _, part = classified
    slope, offset = part.slope, part.offset
    if slope.shape[1] == 1:
        slope = np.concatenate([np.zeros_like(slope), slope], axis=1)
        offset = np.concatenate([np.zeros_like(offset), offset], axis=1)
    n_classes = slope.shape[1]
    expected = np.zeros((part.n_regions, n_classes))
    for region, k in np.ndindex(*expected.shape):
        polygon = part.region(region)
        for other in range(n_classes):
            if other != k and len(polygon):
                lead = slope[region, k] - slope[region, other]
                polygon = clipped(polygon, lead, offset[region, k] - offset[region, other])
        expected[region, k] = shapely.Polygon(polygon).area if len(polygon) > 2 else 0
    cells = decision_cells(part)
    rings = [np.append(cells.corners[a:b], cells.corners[a]) for a, b in pairwise(cells.offsets)]
    area = np.array([shapely.Polygon(cells.vertices[ring]).area for ring in rings])
    found = np.zeros_like(expected)
    np.add.at(found, (cells.region, cells.winner), area)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_two_classes_tie_for_the_largest_along_every_segment(classified):
    model, part = classified
    boundary = sg.decision_boundary(part)
    for t in (0.0, 0.3, 1.0):
        u = (1 - t) * boundary.segments[:, 0] + t * boundary.segments[:, 1]
        found = outputs(model, part, u)
        tied = np.take_along_axis(found, boundary.classes, axis=1)
        np.testing.assert_allclose(tied, found.max(1, keepdims=True).repeat(2, 1), atol=1e-10)


def test_a_segment_for_each_pair_of_classes_in_a_region(classified):
    """Straight segments are in one piece, also where a class that was cut earlier loses on both sides."""
    _, part = classified
    boundary = sg.decision_boundary(part)
    polygons = part.to_shapely()[boundary.region]
    assert (shapely.distance(polygons[:, None], shapely.points(boundary.segments)) < 1e-9).all()
    rows = np.column_stack([boundary.region, boundary.classes])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_every_change_of_class_along_random_lines_crosses_a_segment(classified):
    model, part = classified
    segments = sg.decision_boundary(part).segments
    x = np.linspace(-4, 4, 8001)
    for y in np.random.default_rng(0).uniform(-4, 4, 40):
        predicted = outputs(model, part, np.stack([x, np.full_like(x, y)], axis=1)).argmax(axis=1)
        crossed = (segments[:, 0, 1] < y) != (segments[:, 1, 1] < y)
        assert (np.diff(predicted) != 0).sum() == crossed.sum()


class Odd(nn.Module):
    """relu(x) - relu(-x) = x, or its three classes (x, -x, -9): the boundary is the edge itself."""

    def __init__(self, n_classes):
        super().__init__()
        self.n_classes = n_classes

    def forward(self, u):
        x = torch.relu(u[:, :1]) - torch.relu(-u[:, :1])
        return x if self.n_classes == 1 else torch.cat([x, -x, 0 * x - 9], dim=1)


@pytest.mark.parametrize("n_classes", [1, 3])
def test_a_boundary_along_an_edge_is_found_once(n_classes):
    part = sg.compute_partition(Odd(n_classes), sg.Slice.box((-1, 2), (-1, 1)))
    assert part.n_regions == 2
    boundary = sg.decision_boundary(part)
    assert boundary.classes.tolist() == [[0, 1]]
    np.testing.assert_allclose(sorted(boundary.segments[0].tolist()), [[0, -1], [0, 1]], atol=1e-15)


class Touch(nn.Module):
    """Outputs relu(x) and 0, or 0 and relu(x): they tie where x <= 0."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def forward(self, u):
        both = torch.cat([torch.relu(u[:, :1]), 0 * u[:, :1]], dim=1)
        return both if self.first else both.flip(1)


def test_where_classes_tie_on_a_region_the_first_one_counts():
    domain = sg.Slice.box((-1, 1), (-1, 1))
    assert len(sg.decision_boundary(sg.compute_partition(Touch(True), domain))) == 0
    boundary = sg.decision_boundary(sg.compute_partition(Touch(False), domain))
    assert sorted(boundary.segments[0].tolist()) == [[0, -1], [0, 1]]


def test_no_boundary_where_one_class_wins():
    domain = sg.Slice.box((0, 1), (0, 1))
    for level in ([0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]):
        model = linear_layer(np.zeros((3, 2)), level)
        assert len(sg.decision_boundary(sg.compute_partition(model, domain))) == 0


@pytest.mark.parametrize("n_classes", [3, 4, 7])
def test_classes_meet_in_one_point(n_classes):
    angle = np.arange(n_classes) * 2 * np.pi / n_classes
    model = linear_layer(np.stack([np.cos(angle), np.sin(angle)], axis=1), np.zeros(n_classes))
    part = sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))
    boundary = assert_lawful(model, part)
    neighbours = {tuple(sorted((k, (k + 1) % n_classes))) for k in range(n_classes)}
    assert set(map(tuple, boundary.classes.tolist())) == neighbours
    centre = np.argmin(np.linalg.norm(boundary.vertices, axis=1))
    assert (boundary.ends == centre).sum() == n_classes
    np.testing.assert_allclose(boundary.vertices[centre], 0, atol=1e-12)
