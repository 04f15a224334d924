"""What must not change a partition: the order and scale of units, the basis, the window, company."""

import numpy as np
import pytest
import shapely
import torch
from torch import nn

import splinegeo as sg
from splinegeo.testing import assert_valid_partition, linear_layer, random_network

SQUARE = sg.Slice.box((-2, 2), (-2, 2))


def fingerprint(part):
    """Counts, and areas with their centroids, in an order of their own."""
    table = np.column_stack([part.areas, part.centroids])
    return (part.n_regions, part.n_vertices, part.n_edges), table[np.lexsort(table.T.round(9))]


def assert_same(one, other):
    counts, table = fingerprint(one)
    other_counts, other_table = fingerprint(other)
    assert counts == other_counts
    np.testing.assert_allclose(table, other_table, rtol=0, atol=1e-8)


@pytest.fixture(params=["generic", "quantised_quarters"])
def model(request):
    return random_network(request.param, 21)[0]


def rebuilt(model, first, second):
    """The model with its first two affine maps replaced."""
    return nn.Sequential(first, model[1], second, *model[3:])


def test_permuted_units(model):
    first, second = model[0], model[2]
    order = torch.randperm(first.out_features, generator=torch.Generator().manual_seed(0))
    permuted = rebuilt(
        model,
        linear_layer(first.weight.detach()[order], first.bias.detach()[order]),
        linear_layer(second.weight.detach()[:, order], second.bias.detach()),
    )
    assert_same(sg.compute_partition(model, SQUARE), sg.compute_partition(permuted, SQUARE))


def test_rescaled_units(model):
    first, second = model[0], model[2]
    scale = torch.from_numpy(np.random.default_rng(0).uniform(0.1, 10, first.out_features))
    rescaled = rebuilt(
        model,
        linear_layer(scale[:, None] * first.weight.detach(), scale * first.bias.detach()),
        linear_layer(second.weight.detach() / scale, second.bias.detach()),
    )
    assert_same(sg.compute_partition(model, SQUARE), sg.compute_partition(rescaled, SQUARE))


def test_an_identity_layer(model):
    width = model[0].out_features
    longer = nn.Sequential(model[0], linear_layer(np.eye(width), np.zeros(width)), nn.Identity(), *model[1:])
    assert_same(sg.compute_partition(model, SQUARE), sg.compute_partition(longer, SQUARE))


def test_folded_batch_norm(model):
    first, width = model[0], model[0].out_features
    norm = nn.BatchNorm1d(width, dtype=torch.float64).eval()
    rng = np.random.default_rng(0)
    norm.running_mean = torch.from_numpy(rng.normal(size=width))
    norm.running_var = torch.from_numpy(rng.uniform(0.5, 2, width))
    norm.weight.data = torch.from_numpy(rng.uniform(0.5, 2, width))
    norm.bias.data = torch.from_numpy(rng.normal(size=width))
    gain = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    bias = (first.bias.detach() - norm.running_mean) * gain + norm.bias.detach()
    folded = rebuilt(model, linear_layer(gain[:, None] * first.weight.detach(), bias), model[2])
    normed = nn.Sequential(first, norm, *model[1:]).eval()
    assert_same(sg.compute_partition(normed, SQUARE), sg.compute_partition(folded, SQUARE))


def test_rotated_basis(model):
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = SQUARE.window + 0.1
    straight = sg.compute_partition(model, sg.Slice.polygon(corners))
    turned = sg.compute_partition(model, sg.Slice(np.zeros(2), turn, corners @ turn, (2,)))
    assert turned.n_regions == straight.n_regions
    np.testing.assert_allclose(np.sort(turned.areas), np.sort(straight.areas), atol=1e-9)
    assert_valid_partition(turned, model)
    found = straight.locate(turned.centroids @ turn.T)
    assert sorted(found) == list(range(straight.n_regions))


def test_a_sub_window_is_the_window_of_the_partition(model):
    """Every region of the part is a region of the whole, cut by the smaller window."""
    small = sg.Slice.polygon([(-0.9, -1.1), (1.3, -0.7), (0.4, 1.2)])
    whole, part = sg.compute_partition(model, SQUARE), sg.compute_partition(model, small)
    owner = whole.locate(part.centroids)
    assert len(np.unique(owner)) == part.n_regions
    np.testing.assert_allclose(part.slope, whole.slope[owner], atol=1e-12)
    window = shapely.Polygon(small.window)
    assert part.n_regions == sum(piece.intersection(window).area > 1e-12 for piece in whole.to_shapely())


def test_many_slices_are_the_slices_one_by_one(model):
    rng = np.random.default_rng(5)
    domains = [sg.Slice.polygon(rng.uniform(-1, 1, 2) + 0.3 * SQUARE.window) for _ in range(3)]
    together = sg.compute_partitions(model, domains)
    for domain, part in zip(domains, together, strict=True):
        assert_same(part, sg.compute_partition(model, domain))
        assert_valid_partition(part, model)
