"""Captured networks in rational arithmetic against backtracking in fractions: every corner, map, edge and label."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.engine.exact import exact_partition
from splinegeo.engine.layers import exact_layers
from splinegeo.network import capture
from splinegeo.testing import linear_layer

from .backtracking import area, cells, convolution, height, linear


def tenths(rng, *shape):
    """Weights k/10: many lines nearly meet in one point, and none exactly."""
    return rng.integers(-9, 10, shape) / 10


def filled(module, rng):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(tenths(rng, *parameter.shape)))
    return module.double()


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.inner, self.again = nn.Linear(2, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.leave = nn.Linear(4, 2)

    def forward(self, x):
        h = self.enter(x)
        h = h + self.inner(torch.relu(h))
        return self.leave(torch.relu(h + self.again(torch.relu(h)) - h.flip(1)))


def residual(rng):
    model = filled(Residual(), rng)

    def forward(cell, x):
        h = linear(model.enter, x)
        h = h + linear(model.inner, cell.relu(h))
        return linear(model.leave, cell.relu(h + linear(model.again, cell.relu(h)) - h[::-1]))

    return model, forward, sg.Slice.box((-1, 1), (-1, 1))


def convolutional(rng):
    first, second, last = nn.Conv2d(1, 2, 2), nn.Conv2d(2, 1, 2, padding=1), nn.Linear(9, 2)
    model = filled(nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), last), rng)

    def forward(cell, x):
        h = cell.relu(convolution(first, x.reshape(1, 3, 3, 3)))
        return linear(last, cell.relu(convolution(second, h)).reshape(-1, 3))

    grid = tenths(rng, 3, 1, 3, 3)
    return model, forward, sg.Slice.through(*grid)


def high_dimensional(rng):
    first, second = nn.Linear(10, 6), nn.Linear(6, 4)
    model = filled(nn.Sequential(first, nn.ReLU(), second, nn.ReLU()), rng)

    def forward(cell, x):
        return cell.relu(linear(second, cell.relu(linear(first, x))))

    axes = np.eye(10)[:, [2, 7]]
    window = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    return model, forward, sg.Slice(tenths(rng, 10), axes, window, (10,))


NETWORKS = {"residual": residual, "convolutional": convolutional, "ten inputs": high_dimensional}


@pytest.fixture(params=[(name, seed) for name in NETWORKS for seed in range(2)], ids=lambda p: f"{p[0]}-{p[1]}")
def case(request):
    """Rational partition, partition, and the cells of backtracking in the order of the rational regions."""
    name, seed = request.param
    model, forward, domain = NETWORKS[name](np.random.default_rng(seed))
    network = capture(model, domain.input_shape).program
    rational = exact_partition(exact_layers(network, domain.input_shape), domain)
    by_corners = {frozenset(cell.corners): cell for cell in cells(forward, domain)}
    assert len(by_corners) == rational.n_regions
    return rational, model, domain, [by_corners[frozenset(region.corners)] for region in rational.regions]


def test_maps_and_areas_are_the_same_fractions(case):
    rational, _, domain, found = case
    for region, cell in zip(rational.regions, found, strict=True):
        assert region.area == area(cell.corners) > 0
        assert region.affine_map == tuple(map(tuple, cell.outputs))
    corners = [tuple(map(Fraction, corner)) for corner in domain.window.tolist()]
    assert rational.total_area() == area(corners)


def test_neighbours_are_the_cells_that_share_a_segment(case):
    rational, _, _, found = case
    segments = [list(pairwise([*cell.corners, cell.corners[0]])) for cell in found]
    touching = {
        (i, j)
        for i in range(len(found))
        for j in range(i + 1, len(found))
        if any(overlap(one, other) for one in segments[i] for other in segments[j])
    }
    assert rational.subdivision.adjacency == touching


def test_every_edge_lies_on_the_zero_set_it_names(case):
    rational, _, _, found = case
    mesh = rational.subdivision
    points = [(Fraction(x, w), Fraction(y, w)) for x, y, w in mesh.vertices]
    for edge, sides, label in zip(mesh.edges, mesh.edge_regions, mesh.labels, strict=True):
        assert (label == (-1, -1)) == (min(sides) < 0)
        if min(sides) < 0:
            continue
        vanishing = [zero_sets(found[side], [points[v] for v in edge]) for side in sides]
        assert label == min(vanishing[0] | vanishing[1])


def test_the_partition_is_the_rational_one_rounded(case):
    rational, model, domain, _ = case
    part = sg.compute_partition(model, domain, exact=True)
    if not part.certificate.proven:
        assert part.n_regions == rational.n_regions
        return
    mesh = rational.subdivision
    assert part.vertices.tolist() == [[x / w, y / w] for x, y, w in mesh.vertices]
    assert list(zip(part.edge_layer.tolist(), part.edge_unit.tolist(), strict=True)) == list(mesh.labels)
    assert part.edge_regions.tolist() == [list(sides) for sides in mesh.edge_regions]
    assert part.check(model).ok


def zero_sets(cell, ends):
    """The units, not zero on the whole cell, that vanish along a segment of its border."""
    return {
        (layer, unit)
        for layer, forms in enumerate(cell.entered)
        for unit, form in enumerate(forms)
        if form.any() and not any(height(form, end) for end in ends)
    }


def overlap(one, other):
    """Whether two segments share more than a point."""
    (a, b), (c, d) = one, other
    along = (b[0] - a[0], b[1] - a[1])
    if any(along[0] * (p[1] - a[1]) != along[1] * (p[0] - a[0]) for p in (c, d)):
        return False
    low, high = sorted(along[0] * (p[0] - a[0]) + along[1] * (p[1] - a[1]) for p in (c, d))
    return low < along[0] ** 2 + along[1] ** 2 and high > 0


def test_pools_and_maxima_count_the_cells_of_one_winner():
    rng = np.random.default_rng(3)
    first, last = nn.Conv2d(1, 2, 2), linear_layer(tenths(rng, 1, 2), tenths(rng, 1))
    model = filled(nn.Sequential(first, nn.MaxPool2d(2), nn.Flatten(), last, nn.ReLU()), rng)

    def forward(cell, x):
        h = cell.largest(convolution(first, x.reshape(1, 3, 3, 3)).reshape(2, 4, 3))
        return cell.relu(linear(last, h))

    domain = sg.Slice.through(*tenths(rng, 3, 1, 3, 3), margin=2.0)
    network = capture(model, domain.input_shape).program
    rational = exact_partition(exact_layers(network, domain.input_shape), domain)
    areas = {}
    for cell in cells(forward, domain):
        pattern = tuple(cell.pattern)
        areas[pattern] = areas.get(pattern, 0) + area(cell.corners)
    assert sorted(region.area for region in rational.regions) == sorted(areas.values())
