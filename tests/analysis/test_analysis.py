"""Questions to a partition, against brute force."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
import torch
from torch import nn

import splinegeo as sg


def mlp(*widths):
    torch.manual_seed(0)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).double()


@pytest.fixture(scope="module", params=[1, 2, 10])
def classified(request):
    model = mlp(2, 40, 40, request.param)
    part = sg.compute_partition(model, sg.Slice.box((-4, 4), (-4, 4)))
    with torch.no_grad():  # every class wins somewhere: centre the outputs on their values over the window
        model[-1].bias -= torch.from_numpy(np.median(part.evaluate(part.centroids), axis=0))
    return model, sg.compute_partition(model, part.domain)


def classes(model, u):
    with torch.no_grad():
        out = model(torch.from_numpy(u)).numpy()
    return (out[:, 0] > 0).astype(int) if out.shape[1] == 1 else out.argmax(1)


def test_two_classes_tie_for_the_largest_along_every_segment(classified):
    model, part = classified
    boundary = sg.decision_boundary(part)
    assert len(boundary) > 10
    for t in (0.0, 0.3, 1.0):
        u = (1 - t) * boundary.segments[:, 0] + t * boundary.segments[:, 1]
        with torch.no_grad():
            out = model(torch.from_numpy(u)).numpy()
        if out.shape[1] == 1:
            out = np.concatenate([np.zeros_like(out), out], axis=1)
        tied = np.take_along_axis(out, boundary.classes, axis=1)
        np.testing.assert_allclose(tied, out.max(1, keepdims=True).repeat(2, 1), atol=1e-10)


def test_segments_lie_in_their_regions(classified):
    _, part = classified
    boundary = sg.decision_boundary(part)
    polygons = part.to_shapely()[boundary.region]
    assert (shapely.distance(polygons[:, None], shapely.points(boundary.segments)) < 1e-9).all()


def test_every_change_of_class_along_random_lines_crosses_a_segment(classified):
    model, part = classified
    segments = sg.decision_boundary(part).segments
    x = np.linspace(-4, 4, 8001)
    for y in np.random.default_rng(0).uniform(-4, 4, 40):
        predicted = classes(model, np.stack([x, np.full_like(x, y)], axis=1))
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


def test_a_class_that_only_ties_along_an_edge_makes_no_boundary():
    class Touch(nn.Module):
        def forward(self, u):  # classes 0 and 1 tie where x <= 0, and nowhere is class 1 larger
            return torch.cat([torch.relu(u[:, :1]), 0 * u[:, :1]], dim=1)

    assert len(sg.decision_boundary(sg.compute_partition(Touch(), sg.Slice.box((-1, 1), (-1, 1))))) == 0


def test_no_boundary_where_one_class_wins():
    model = nn.Linear(2, 3)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.copy_(torch.tensor([0.0, 1.0, 2.0]))
    assert len(sg.decision_boundary(sg.compute_partition(model, sg.Slice.box((0, 1), (0, 1))))) == 0


def test_three_classes_meet_in_one_point():
    model = nn.Linear(2, 3).double()
    angle = torch.arange(3, dtype=torch.float64) * 2 * torch.pi / 3
    with torch.no_grad():
        model.weight.copy_(torch.stack([angle.cos(), angle.sin()], dim=1))
        model.bias.zero_()
    boundary = sg.decision_boundary(sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1))))
    assert sorted(map(tuple, boundary.classes.tolist())) == [(0, 1), (0, 2), (1, 2)]
    np.testing.assert_allclose(np.linalg.norm(boundary.segments, axis=2).min(axis=1), 0, atol=1e-12)


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
