"""Complexity maps: pixels in their places, those outside the window empty."""

import numpy as np
import pytest
import torch
from torch import nn

from splinegeo.complexity import complexity_map, local_complexity
from splinegeo.errors import InvalidInputError
from splinegeo.slices import Slice


def model(n_features):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(n_features, 20), nn.ReLU(), nn.Linear(20, 20), nn.GELU(), nn.Linear(20, 2))


def test_pixels_are_local_complexities_of_their_centres(monkeypatch):
    net, domain = model(2), Slice.box((-1, 3), (0, 2))
    picture = complexity_map(net, domain, 12, radius=0.2, dim=2)
    assert picture.image.shape == (6, 12)
    assert picture.extent == (-1, 3, 0, 2)
    assert np.allclose(picture.u[0, 0], (-1 + 1 / 6, 1 / 6))
    assert np.allclose(picture.u[-1, -1], (3 - 1 / 6, 2 - 1 / 6))
    points = domain.embed(picture.u.reshape(-1, 2))
    expected = local_complexity(net, points, radius=0.2, dim=2)
    assert (picture.image == expected.total.reshape(6, 12)).all()
    assert picture.layer_names == expected.layer_names == ("1", "3")
    # Pixels keep their frames when the picture is computed in pieces.
    monkeypatch.setattr("splinegeo.complexity.image._EMBEDDED", 10)
    assert (complexity_map(net, domain, 12, radius=0.2, dim=2).image == picture.image).all()


def test_a_line_is_drawn_where_it_is():
    net = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0.0]]))
        net[0].bias.fill_(-0.5)
    picture = complexity_map(net, Slice.box((0, 1), (0, 1)), 10, radius=1e-3, dim=2)
    assert picture.image.sum() == 0
    picture = complexity_map(net, Slice.box((0, 1), (0, 1)), 11, radius=1e-3, dim=2)
    assert (picture.image[:, 5] == 1).all()
    assert picture.image.sum() == 11


def test_pixels_outside_a_window_are_empty():
    picture = complexity_map(model(2), Slice.polygon([(0, 0), (1, 0), (0, 1)]), 20, radius=0.1, dim=2)
    height = picture.u.sum(-1)
    assert np.isnan(picture.image[height > 1 + 1e-9]).all()
    assert not np.isnan(picture.image[height < 1 - 1e-9]).any()
    assert not picture.image.flags.writeable


def test_slices_of_images():
    generator = torch.Generator().manual_seed(0)
    domain = Slice.through(*torch.randn(3, 1, 4, 4, generator=generator))
    net = nn.Sequential(nn.Flatten(), *model(16))
    picture = complexity_map(net, domain, (7, 5), radius=0.1, dim=10, layers=["2"])
    assert picture.image.shape == (5, 7)
    assert picture.layer_names == ("2",)


@pytest.mark.parametrize("resolution", [0, -4, (3, 0)])
def test_no_pixels_are_refused(resolution):
    with pytest.raises(InvalidInputError, match="resolution"):
        complexity_map(model(2), Slice.box((0, 1), (0, 1)), resolution, radius=0.1, dim=2)


def test_more_directions_than_dimensions_are_refused():
    with pytest.raises(InvalidInputError, match="dim=25"):
        complexity_map(model(2), Slice.box((0, 1), (0, 1)), 4)
