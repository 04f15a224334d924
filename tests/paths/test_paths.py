"""Exact paths, against planes through them, closed formulas, and the gradient of the module itself."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from splinegeo.validation import mlp
from torch import nn

import splinegeo as sg
from splinegeo.testing import NETWORK_KINDS, grid_lines, line_network, linear_layer, random_network, tent_map


def crossed_edges(part, start, end):
    """Arc lengths at which the segment crosses the edges of a partition of the plane."""
    a, b = (part.vertices[part.edges[part.inner_edges]][:, k] for k in (0, 1))
    run = end - start

    def side(p):
        return run[0] * (p - start)[:, 1] - run[1] * (p - start)[:, 0]

    crosses = side(a) * side(b) < 0
    a, b = a[crosses], b[crosses]
    t = side(a) / (side(a) - side(b))
    s = ((a + t[:, None] * (b - a) - start) @ run) / np.linalg.norm(run)
    return np.sort(s[(s > 0) & (s < np.linalg.norm(run))])


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_kinks_are_where_the_path_crosses_the_edges_of_the_plane(kind):
    """The partition of the plane is computed by another engine; a random path meets no vertex of it."""
    for seed in (0, 8):
        model, window = random_network(kind, seed)
        part = sg.compute_partition(model, sg.Slice.polygon(window))
        weights = np.random.default_rng(seed).dirichlet(np.full(len(window), 0.3), size=2)
        start, end = weights @ window
        path = sg.compute_path(model, [start, end])
        np.testing.assert_allclose(path.kinks, crossed_edges(part, start, end), atol=1e-9)
        sides = [frozenset(pair) for pair in part.edge_regions.tolist()]
        label = dict(zip(sides, zip(part.edge_layer.tolist(), part.edge_unit.tolist(), strict=True), strict=True))
        found = [label[frozenset(pair)] for pair in pairwise(part.locate(path.embed(path.middles)).tolist())]
        assert found == list(zip(path.kink_layer.tolist(), path.kink_unit.tolist(), strict=True))
        assert path.check()


def gradient_along(model, x, direction):
    """(n, out) derivative of the module's outputs along a direction, by automatic differentiation."""
    with torch.no_grad():
        return torch.func.jvp(model, (x,), (direction.expand_as(x),))[1].reshape(len(x), -1).numpy()


class Pooled(nn.Module):
    """Convolutions, max pooling of nine, a skip connection, leaky units, a maximum of two."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.pool, self.last = nn.MaxPool2d(3, stride=2), nn.Linear(16, 5)

    def forward(self, x):
        h = self.pool(nn.functional.leaky_relu(self.first(x), 0.1))
        h = torch.maximum(h, h - self.second(h))
        return self.last(self.pool(nn.functional.pad(h, (0, 1, 0, 1))).flatten(1))


@pytest.mark.parametrize("make", [lambda: mlp(6, 30, 30, 4), Pooled], ids=["mlp", "pooled"])
def test_dense_sampling_of_the_gradient_sees_the_same_path(make):
    """Between kinks the module's own gradient is constant; every change of it lies at a kink."""
    model = make().double()
    shape = (6,) if isinstance(model, nn.Sequential) else (1, 9, 9)
    a, b = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    path = sg.compute_path(model, torch.stack([a, b]))
    assert path.n_pieces > 20
    direction = (b - a) / torch.linalg.vector_norm(b - a)
    s = np.linspace(0, path.length, 4001)[1:-1]
    found = gradient_along(model, path.embed(s), direction)
    np.testing.assert_allclose(found, path.slopes[path.locate(s)], atol=1e-9)
    jumps = np.abs(np.diff(found, axis=0)).max(axis=1) > 1e-9
    n_kinks = np.diff(np.searchsorted(path.kinks, s))
    assert (n_kinks[jumps] > 0).all()
    for t in (1e-3, 0.5, 1 - 1e-3):  # the shortest pieces too
        places = path.ends[:-1] + t * path.lengths
        np.testing.assert_allclose(gradient_along(model, path.embed(places), direction), path.slopes, atol=1e-7)


def test_every_kink_of_a_pooled_network_changes_the_pattern():
    """No kink is left of ties between losers: on both sides of each some unit or winner differs."""
    model = Pooled().double()
    a, b = torch.randn(2, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    path = sg.compute_path(model, torch.stack([a, b]))
    with torch.no_grad():
        x = path.embed(path.middles)
        z = model.first(x)
        h, first = nn.functional.max_pool2d(nn.functional.leaky_relu(z, 0.1), 3, 2, return_indices=True)
        second = model.second(h)
        h = torch.maximum(h, h - second)
        last = nn.functional.max_pool2d(nn.functional.pad(h, (0, 1, 0, 1)), 3, 2, return_indices=True)[1]
    pattern = torch.cat([part.flatten(1).long() for part in (z > 0, first, second > 0, last)], dim=1)
    assert (pattern[1:] != pattern[:-1]).any(dim=1).all()
    assert sorted(set(path.kink_layer.tolist())) == [0, 1, 2, 3]


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_the_tent_map_has_its_closed_form(depth):
    path = sg.compute_path(tent_map(depth), [[0.0, 0.0], [1.0, 0.0]])
    slope_changes = path.kinks[np.abs(np.diff(path.slopes[:, 0])) > 0]
    np.testing.assert_allclose(slope_changes, np.arange(1, 2**depth) / 2**depth, atol=1e-12)
    np.testing.assert_allclose(np.abs(path.slopes[:, 0]), 2.0**depth)


def test_parallel_lines_are_met_where_they_are_and_by_their_unit():
    path = sg.compute_path(line_network(grid_lines(7, 0)), [[-1.0, 0.3], [1.0, 0.3]])
    np.testing.assert_allclose(path.kinks, 1 + np.arange(1, 8) / 8, atol=1e-15)
    assert path.kink_unit.tolist() == list(range(7))
    assert path.counts().tolist() == [7]


def test_lines_that_meet_in_one_point_are_one_kink():
    model = line_network([(1, 0, 0), (1, 1, 0), (1, -1, 0), (2, 0, 0)])
    path = sg.compute_path(model, [[-1.0, 0.0], [2.0, 0.0]])
    assert path.kinks.tolist() == [1.0]
    assert path.kink_unit.tolist() == [0]
    assert path.certificate.n_merged == 3


def test_a_path_along_a_zero_set_has_no_kink_of_it():
    path = sg.compute_path(line_network([(1, 0, 0), (0, 1, 0)]), [[0.0, -1.0], [0.0, 1.0]])
    assert path.kinks.tolist() == [1.0]
    assert path.kink_unit.tolist() == [1]


def test_a_polyline_is_its_segments_one_after_the_other():
    model = mlp(3, 20, 20, 2).double()
    points = np.random.default_rng(0).normal(size=(5, 3))
    path = sg.compute_path(model, points)
    begin, kinks, slopes = 0.0, [], []
    for a, b in pairwise(points):
        one = sg.compute_path(model, [a, b])
        kinks += [*(begin + one.kinks), begin + one.length]
        slopes.append(one.slopes)
        begin += one.length
    np.testing.assert_allclose(path.kinks, kinks[:-1], atol=1e-12)
    np.testing.assert_allclose(path.slopes, np.concatenate(slopes), atol=1e-10)
    corners = np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))
    np.testing.assert_allclose(path.kinks[path.kink_layer < 0], corners[:-1], atol=1e-12)
    assert path.length == pytest.approx(corners[-1])
    with torch.no_grad():
        s = np.linspace(0, path.length, 999)
        np.testing.assert_allclose(path.evaluate(s), model(path.embed(s)).numpy(), atol=1e-10)
    assert np.isnan(path.evaluate([-0.1, path.length + 0.1])).all()


def test_a_corner_where_a_unit_vanishes_has_its_label():
    path = sg.compute_path(line_network([(0, 1, 5), (1, 0, 0)]), [[-1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    assert path.kink_layer.tolist() == [0, -1]
    assert path.kink_unit.tolist() == [1, -1]


@pytest.mark.parametrize("max_memory", [2e3, 2e4])
def test_a_budget_changes_nothing_but_the_memory(max_memory):
    model, points = mlp(2, 12, 12, 12, 2).double(), np.random.default_rng(0).normal(size=(4, 2)) * 3
    whole, halves = sg.compute_path(model, points), sg.compute_path(model, points, max_memory=max_memory)
    assert whole.n_pieces > 15
    np.testing.assert_allclose(halves.kinks, whole.kinks, atol=1e-12)
    assert np.array_equal(halves.kink_unit, whole.kink_unit)
    with pytest.raises(sg.MemoryBudgetError, match="one piece take"):
        sg.compute_path(model, points, max_memory=100)


@pytest.mark.parametrize("n_classes", [1, 2, 3, 10])
def test_class_changes_are_those_that_sampling_finds(n_classes):
    model = mlp(2, 30, 30, n_classes).double()
    points = [[-4.0, -3.0], [4.0, 2.0]]
    with torch.no_grad():
        model[-1].bias -= model(torch.tensor([points[0], points[1], [0, 0]]).double()).median(dim=0).values
        path = sg.compute_path(model, points)
        s = np.linspace(0, path.length, 20_001)
        values = model(path.embed(s)).numpy()
    predicted = (values[:, 0] > 0).astype(int) if n_classes == 1 else values.argmax(axis=1)
    changes = np.flatnonzero(np.diff(predicted))
    assert len(changes) == len(path.class_changes) > 0
    assert ((s[changes] <= path.class_changes) & (path.class_changes <= s[changes + 1])).all()
    assert path.classes.tolist() == [*predicted[changes], predicted[-1]]


def test_classes_that_tie_on_a_stretch_are_the_first():
    relu = nn.Sequential(linear_layer([[1, 0]], [0]), nn.ReLU(), linear_layer([[0], [1]], [0, 0]))
    path = sg.compute_path(relu, [[-1.0, 0.0], [1.0, 0.0]])
    assert path.class_changes.tolist() == [1.0]
    assert path.classes.tolist() == [0, 1]
    zero = linear_layer(np.zeros((3, 2)), np.zeros(3))
    assert sg.compute_path(zero, [[-1.0, 0.0], [1.0, 0.0]]).classes.tolist() == [0]


def test_a_path_that_stands_still_in_between_and_float32():
    model = mlp(2, 10, 2)
    once = sg.compute_path(model, torch.tensor([[0.0, 0], [1, 2], [3, 0]]))
    again = sg.compute_path(model, [torch.zeros(2), torch.zeros(2), [1, 2], (1, 2), np.array([3, 0])])
    assert np.array_equal(once.kinks, again.kinks)
    rounded = sg.compute_path(model, torch.tensor([[0.0, 0], [1, 2], [3, 0]]), dtype=torch.float32)
    np.testing.assert_allclose(rounded.kinks, once.kinks, atol=1e-5)


def test_a_path_travels_without_its_network():
    path = sg.compute_path(mlp(2, 10, 2), [[-2.0, 0.0], [2.0, 1.0]])
    again = copy.copy(path)
    assert np.array_equal(again.slopes, path.slopes)
    assert again.class_changes.tolist() == path.class_changes.tolist()
    with pytest.raises(ValueError, match="read-only"):
        again.kinks[0] = 0


def test_a_table_for_pandas():
    pandas = pytest.importorskip("pandas")
    path = sg.compute_path(mlp(2, 10, 2), [[-2.0, 0.0], [2.0, 1.0]])
    table = path.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table["length"].sum() == pytest.approx(path.length)
    assert table["layer"].tolist() == ["", *[path.layer_names[k] for k in path.kink_layer]]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[0.0, 1.0]], "two inputs"),
        (3.0, "two inputs"),
        ([[0.0, 1.0], [0.0, 1.0]], "no length"),
        ([[0.0, 1.0], [np.nan, 1.0]], "NaN"),
        ([[0.0, 1.0], [0.0, 1.0, 2.0]], "one shape"),
        ([[0.0, 1.0, 2.0], [1.0, 1.0, 2.0]], "3"),
    ],
)
def test_what_is_no_path_is_refused(points, message):
    with pytest.raises(sg.SplineGeoError, match=message) as caught:
        sg.compute_path(mlp(2, 10, 2), points)
    assert isinstance(caught.value, ValueError)
