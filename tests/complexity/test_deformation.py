"""Deformation: its laws, and networkx as the witness of the graph."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from splinegeo.complexity import neighborhood_deformation, random_frames
from splinegeo.complexity.deformation import eccentricities
from splinegeo.errors import InvalidInputError, NonFiniteError


def mlp(*widths, act=nn.ReLU):
    torch.manual_seed(0)
    layers = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), act())]
    return nn.Sequential(*layers)


def points(n, *shape):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(1))


def witness(vertices):
    """Eccentricities by the shortest paths of networkx."""
    dim = len(vertices) // 2
    graph = nx.Graph()
    for i, p in enumerate(vertices):
        for j, q in enumerate(vertices[:i]):
            if i - j != dim:
                graph.add_edge(i, j, weight=float(np.linalg.norm(p - q)))
    lengths = dict(nx.all_pairs_dijkstra_path_length(graph))
    return [max(lengths[i].values()) for i in range(len(vertices))]


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_networkx_is_the_witness(dim):
    model, x = mlp(6, 10, 10).double(), points(5, 6).double()
    result = neighborhood_deformation(model, x, radius=0.7, dim=dim)
    frames = 0.7 * random_frames(5, 6, dim)
    z = torch.cat([x[:, None] + frames, x[:, None] - frames], 1)
    with torch.no_grad():
        stages = [z, model[:2](z), model(z)]
    for column, stage in enumerate(stages):
        expected = np.array([witness(v) for v in stage.numpy()])
        assert np.allclose(result.eccentricity[:, column], expected.mean(1), rtol=1e-7, atol=1e-7)
        assert np.allclose(result.diameter[:, column], expected.max(1), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n_features", "dim"), [(784, 25), (6, 2), (6, 6)])
def test_the_input_space_is_two_root_two_radii_wide(n_features, dim, dtype):
    model = mlp(n_features, 5).to(dtype)
    result = neighborhood_deformation(model, points(4, n_features).to(dtype), radius=0.014, dim=dim)
    for values in (result.eccentricity, result.diameter):
        assert np.allclose(values[:, 0], 2 * np.sqrt(2) * 0.014, rtol=1e-9)


def test_a_scaled_isometry_multiplies():
    """Far from all bends a leaky ReLU is the identity, and an orthogonal layer an isometry."""
    rotation = torch.linalg.qr(torch.randn(7, 7, dtype=torch.float64))[0]
    linear = nn.Linear(7, 7).double()
    with torch.no_grad():
        linear.weight.copy_(3 * rotation)
        linear.bias.fill_(100.0)
    result = neighborhood_deformation(nn.Sequential(linear, nn.ReLU()), points(5, 7).double(), radius=0.1, dim=5)
    assert np.allclose(result.eccentricity[:, 1], 3 * result.eccentricity[:, 0], rtol=1e-7)
    assert np.allclose(result.diameter[:, 1], 3 * result.diameter[:, 0], rtol=1e-7)


def test_a_constant_map_collapses():
    linear = nn.Linear(7, 7)
    with torch.no_grad():
        linear.bias.fill_(-100.0)
    result = neighborhood_deformation(nn.Sequential(linear, nn.ReLU()), points(5, 7), radius=0.1, dim=5)
    assert (result.eccentricity[:, 1] == 0).all()
    assert (result.diameter[:, 1] == 0).all()


def test_antipodes_take_two_hops():
    """The plane square ±e₁, ±e₂: sides √2, so antipodes are 2√2 apart although only 2 as the crow flies."""
    square = torch.tensor([[[1.0, 0], [0, 1], [-1, 0], [0, -1]]], dtype=torch.float64)
    assert torch.allclose(eccentricities(square), torch.full((1, 4), 8.0, dtype=torch.float64).sqrt())


def test_columns_are_outputs_of_the_layers_and_can_be_selected():
    model, x = mlp(6, 10, 10, 10, act=nn.GELU), points(5, 6)
    whole = neighborhood_deformation(model, x, radius=0.1, dim=3)
    some = neighborhood_deformation(model, x, radius=0.1, dim=3, layers=["5", "1"])
    assert whole.layer_names == ("1", "3", "5")
    assert some.layer_names == ("1", "5")
    assert np.allclose(some.diameter, whole.diameter[:, [0, 1, 3]], rtol=1e-9)
    assert (whole.diameter >= whole.eccentricity - 1e-12).all()
    assert not whole.diameter.flags.writeable
    assert not whole.eccentricity.flags.writeable


def test_other_architectures(monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.GLU())
    x = points(9, 2, 6, 6)
    whole = neighborhood_deformation(model, x, radius=0.1, dim=4)
    assert whole.diameter.shape == (9, 3)
    # One point at a time must give the same.
    monkeypatch.setattr("splinegeo.complexity.deformation._BATCH_BYTES", 1)
    assert np.allclose(neighborhood_deformation(model, x, radius=0.1, dim=4).diameter, whole.diameter, rtol=1e-9)


def test_a_single_pair_of_antipodes_is_no_graph():
    with pytest.raises(InvalidInputError, match="dim=1"):
        neighborhood_deformation(mlp(6, 5), points(3, 6), radius=0.1, dim=1)


def test_bad_arguments_are_refused():
    for change in ({"radius": -1}, {"dim": 7}, {"layers": ["x"]}, {"rng": -1}):
        with pytest.raises(InvalidInputError):
            neighborhood_deformation(mlp(6, 5), points(3, 6), **{"radius": 0.1, "dim": 3, **change})
    with pytest.raises(NonFiniteError):
        neighborhood_deformation(mlp(6, 5), points(3, 6) * torch.inf, radius=0.1, dim=3)
