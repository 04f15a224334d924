"""Where model and points live on a device, everything is computed there and comes out the same."""

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg

from ..pretended import DEVICE, PretendedDevice


@pytest.fixture
def device():
    with PretendedDevice() as device:
        yield device


def on_device(model):
    """The same model there; `Module.to` cannot exchange a tensor for one of another class."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            module._parameters[name] = nn.Parameter(parameter.detach().to(DEVICE), requires_grad=False)
    return model


def network():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 5)
    return nn.Sequential(*layers).double()


POINTS = torch.randn(20, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_local_complexity(device):
    here = sg.local_complexity(network(), POINTS, radius=0.3, dim=8)
    there = sg.local_complexity(on_device(network()), POINTS.to(DEVICE), radius=0.3, dim=8)
    np.testing.assert_array_equal(here.counts, there.counts)
    assert here.counts.sum() > 100
    assert device.launches["convolution"] > 0
    assert all(len(shape) < 2 or shape[1] == here.counts.shape[1] for shape in device.to_host)  # counts alone


def test_neighborhood_deformation(device):
    here = sg.neighborhood_deformation(network(), POINTS, radius=0.3, dim=8)
    there = sg.neighborhood_deformation(on_device(network()), POINTS.to(DEVICE), radius=0.3, dim=8)
    np.testing.assert_allclose(here.eccentricity, there.eccentricity, rtol=1e-9)
    np.testing.assert_allclose(here.diameter, there.diameter, rtol=1e-9)
