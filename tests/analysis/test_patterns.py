"""Churn of patterns and activity of units, against a dense grid of points."""

import numpy as np
import pytest
import torch
from splinegeo.validation import mlp
from torch import nn

import splinegeo as sg
from splinegeo.testing import line_network


def moved(model, by, seed=0):
    torch.manual_seed(seed)
    other = nn.Sequential(
        *(type(m)(m.in_features, m.out_features).double() if hasattr(m, "weight") else m for m in model)
    )
    with torch.no_grad():
        for a, b in zip(other.parameters(), model.parameters(), strict=True):
            a.copy_(b + by * torch.randn_like(b))
    return other


def signs(model, u):
    """What every unit of both hidden layers does at each point."""
    with torch.no_grad():
        first = model[0](u)
        second = model[2](torch.relu(first))
    return [(z > 0).numpy() for z in (first, second)]


@pytest.mark.parametrize("by", [0.003, 0.1])
def test_churn_is_the_share_of_a_dense_grid(by):
    model = mlp(2, 15, 15, 2).double()
    other, domain = moved(model, by), sg.Slice.polygon([(-2, -1), (2, -2), (1, 2)])
    churn = sg.pattern_churn(sg.compute_partition(model, domain), sg.compute_partition(other, domain))
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=60_000)
    u = torch.from_numpy(weights @ domain.window)
    changed = [(a != b).any(axis=1) for a, b in zip(signs(model, u), signs(other, u), strict=True)]
    np.testing.assert_allclose(churn.layers, [c.mean() for c in changed], atol=0.01)
    assert churn.total == pytest.approx((changed[0] | changed[1]).mean(), abs=0.01)
    assert 0 < churn.layers.max() <= churn.total < 1


def test_churn_of_lines_is_exact():
    domain = sg.Slice.box((0, 1), (0, 1))
    lines = [[(1, 0, -0.25), (0, 1, -0.5)], [(1, 0, -0.375), (0, 1, -0.5)], [(0, 1, -0.5), (1, 0, -0.25)]]
    parts = [sg.compute_partition(line_network(some), domain) for some in lines]
    assert sg.pattern_churn(parts[0], parts[0]).total == 0
    assert sg.pattern_churn(parts[0], parts[1]).total == pytest.approx(0.125, abs=1e-14)
    assert sg.pattern_churn(parts[1], parts[0]).layers.tolist() == sg.pattern_churn(parts[0], parts[1]).layers.tolist()
    # Two units change places: it is another pattern where just one of them is on.
    assert sg.pattern_churn(parts[0], parts[2]).total == pytest.approx(0.25 * 0.5 + 0.75 * 0.5, abs=1e-14)


def test_churn_compares_only_what_compares():
    model, domain = mlp(2, 4, 1), sg.Slice.box((0, 1), (0, 1))
    part = sg.compute_partition(model, domain)
    with pytest.raises(sg.InvalidInputError, match="one slice"):
        sg.pattern_churn(part, sg.compute_partition(model, domain.zoom(2)))
    with pytest.raises(sg.InvalidInputError, match="architectures"):
        sg.pattern_churn(part, sg.compute_partition(mlp(2, 5, 1), domain))


def test_units_that_bend_are_those_of_edges_and_the_others_are_what_a_grid_says():
    model, domain = mlp(2, 40, 40, 2).double(), sg.Slice.box((-0.5, 0.5), (-0.5, 0.5))
    part = sg.compute_partition(model, domain)
    found = sg.unit_activity(part)
    grid = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 2)))
    for layer, sign in enumerate(signs(model, grid)):
        bends = np.zeros(40, dtype=bool)
        bends[part.edge_unit[part.edge_layer == layer]] = True
        assert np.array_equal(found.activity[layer] == 0, bends)
        assert (found.activity[layer][~bends] == np.where(sign[0], 1, -1)[~bends]).all()
    counts = found.off + found.on + found.bending
    assert counts.tolist() == [40, 40]
    assert (found.bending > 0).all()


def test_dead_units_of_a_convolution_have_their_place():
    model = nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()).double()
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([-1.0, 1.0]))
    found = sg.unit_activity(sg.compute_partition(model, sg.Slice.around(np.zeros(16), 1.0)))
    assert found.activity[0].tolist() == [[[-1, -1], [-1, -1]], [[1, 1], [1, 1]]]
