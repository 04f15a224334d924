"""Neural collapse of features that are built to have it, in part or in all."""

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg

C, D = 4, 8


def simplex():
    """C centred points (C, D) of norm 1, all angles equal."""
    corners = torch.eye(C, D, dtype=torch.float64) - torch.eye(C, D, dtype=torch.float64).mean(0)
    corners[:, C:] = 0
    return corners / corners.norm(dim=1, keepdim=True)


def layer(weight):
    made = nn.Linear(D, C).double()
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.zero_()
    return made


def features(means, spread=0.0, n=40, seed=0):
    y = torch.arange(C).repeat(n)
    noise = torch.randn(len(y), D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return means[y] + spread * noise, y


def test_collapsed_features_have_zeros_everywhere():
    h, y = features(3 + 2 * simplex())
    found = sg.neural_collapse(h, y, layer(5 * simplex()))
    zeros = (found.nc1, found.nc2_norm_means, found.nc2_norm_weights, found.nc2_angle_means, found.nc2_angle_weights)
    assert max(*zeros, found.nc3, found.nc4) < 1e-7
    assert found.class_mean_norm == pytest.approx(2)
    assert found.mean_norm == pytest.approx(3 * D**0.5)


def test_variability_is_that_of_the_noise():
    """S_W = s² I, S_B has three eigenvalues r² / 3: NC1 = (1 / C) Σ 3 s² / r², up to the noise of the means."""
    s, r = 0.1, 2.0
    h, y = features(r * simplex(), spread=s, n=5000)
    found = sg.neural_collapse(h, y, layer(simplex()))
    assert found.nc1 == pytest.approx(3 * 3 * s**2 / r**2 / C, rel=0.05)


def test_each_measure_sees_its_own_fault():
    h, y = features(simplex())
    unequal = simplex() * torch.tensor([1.0, 1.0, 1.0, 3.0], dtype=torch.float64)[:, None]
    assert sg.neural_collapse(h, y, layer(unequal)).nc2_norm_weights > 0.4
    turned = simplex()[:, torch.arange(D - 1, -1, -1)]
    found = sg.neural_collapse(h, y, layer(turned))
    assert found.nc3 == pytest.approx(2**0.5)  # orthogonal, both of norm 1
    assert found.nc2_angle_weights < 1e-7
    swapped = sg.neural_collapse(h, y, layer(simplex()[[1, 0, 2, 3]]))
    assert swapped.nc4 == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("h", "y", "message"),
    [
        (torch.zeros(4, D + 1), torch.arange(4), "features must be"),
        (torch.zeros(4, D), torch.arange(3), "features must be"),
        (torch.zeros(4, D), torch.tensor([0, 1, 2, 2]), r"there are none of \[3\]"),
        (torch.zeros(5, D), torch.arange(5), "every class from 0 to 3"),
    ],
)
def test_bad_arguments_are_refused(h, y, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.neural_collapse(h, y, layer(simplex()))
    with pytest.raises(sg.InvalidInputError, match="last_layer must be"):
        sg.neural_collapse(*features(simplex()), nn.ReLU())


def test_arrays_are_taken_too():
    h, y = features(simplex(), spread=0.1)
    ours = sg.neural_collapse(h, y, layer(simplex())).numbers()
    theirs = sg.neural_collapse(h.numpy(), np.asarray(y), layer(simplex())).numbers()
    assert ours == theirs
