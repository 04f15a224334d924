"""Exact counts in diamonds: between the estimate and the certified bound, and equal to it in the first layer."""

import numpy as np
import pytest
import torch
from splinegeo.validation import load_digits, mlp, train
from torch import nn

import splinegeo as sg


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 3, 3, stride=2)
        self.head = nn.Linear(3 * 3 * 3, 4)

    def forward(self, x):
        h = torch.relu(self.first(x))
        return self.head(nn.functional.leaky_relu(self.second(h), 0.1).flatten(1))


@pytest.fixture(scope="module")
def digits():
    return load_digits(300)


@pytest.fixture(scope="module")
def trained(digits):
    model = mlp(784, 40, 40, 40, 10)
    train(model, digits, [0, 150])
    return model


def cases(digits, trained):
    torch.manual_seed(0)
    return {
        "random": (mlp(784, 40, 40, 40, 10, seed=1), digits.test_x[:40]),
        "trained": (trained, digits.test_x[:40]),
        "convolutional": (Convolutional(), torch.randn(20, 1, 8, 8)),
        "hardtanh": (nn.Sequential(nn.Linear(6, 20), nn.Hardtanh(), nn.Linear(20, 20), nn.ReLU()), torch.randn(30, 6)),
    }


@pytest.mark.parametrize("radius", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("name", ["random", "trained", "convolutional", "hardtanh"])
def test_the_estimate_is_a_lower_bound_and_equal_in_the_first_layer(digits, trained, name, radius):
    model, x = cases(digits, trained)[name]
    estimate = sg.local_complexity(model, x, radius=radius, dim=2, rng=7)
    exact = sg.exact_local_complexity(model, x, radius=radius, rng=7)
    assert estimate.layer_names == exact.layer_names
    assert (estimate.counts <= exact.counts).all()
    np.testing.assert_array_equal(estimate.counts[:, 0], exact.counts[:, 0])


@pytest.mark.parametrize("radius", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("name", ["random", "trained"])
def test_lower_exact_upper(digits, trained, name, radius):
    model, x = cases(digits, trained)[name]
    bounds = sg.local_complexity_bounds(model, x, radius=radius, dim=2, rng=7)
    exact = sg.exact_local_complexity(model, x, radius=radius, rng=7)
    assert (bounds.lower <= exact.counts).all()
    assert (exact.counts <= bounds.upper).all()


def test_counts_and_regions_are_those_of_each_diamonds_partition(digits, trained):
    x = digits.test_x[:5]
    exact = sg.exact_local_complexity(trained, x, radius=1.0, rng=3)
    frames = sg.random_frames(5, 784, 2, rng=3).numpy()
    diamond = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    for point, frame, counts, regions in zip(x.double().numpy(), frames, exact.counts, exact.regions, strict=True):
        part = sg.compute_partition(trained, sg.Slice(point, frame.T, diamond, (784,)))
        assert part.n_regions == regions
        units = {(layer, unit) for layer, unit in zip(part.edge_layer, part.edge_unit, strict=True) if layer >= 0}
        assert np.bincount([layer for layer, _ in units], minlength=3).tolist() == counts.tolist()


def test_units_that_coincide_all_count():
    layer = nn.Linear(2, 3).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]]))
        layer.bias.zero_()
    exact = sg.exact_local_complexity(nn.Sequential(layer, nn.ReLU()), torch.tensor([[0.1, 0.0]]), radius=1.0)
    assert exact.counts.tolist() == [[3]]
    assert exact.regions.tolist() == [2]


def test_smooth_networks_are_refused():
    with pytest.raises(sg.NotPiecewiseAffineError, match="gelu"):
        sg.exact_local_complexity(nn.Sequential(nn.Linear(4, 4), nn.GELU()), torch.zeros(2, 4), radius=0.1)
