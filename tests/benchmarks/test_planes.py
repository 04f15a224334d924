"""The same function for every contestant: networks on planes, windows as squares, floors of the right size."""

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from benchmarks.floor import Floor
from benchmarks.planes import is_plain, on_plane, square_of
from benchmarks.workloads import DIAMOND, Workload, random_network


def conv():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 4))


def dense():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 15), nn.ReLU(), nn.Linear(15, 9), nn.ReLU(), nn.Linear(9, 4))


@pytest.fixture
def domain():
    return sg.Slice.through(*np.random.default_rng(0).normal(size=(3, 1, 6, 6)))


@pytest.mark.parametrize("make", [conv, dense])
def test_a_network_on_a_plane_is_the_network(make, domain):
    model = make()
    flat = on_plane(model, domain)
    u = np.random.default_rng(1).normal(size=(20, 2))
    with torch.no_grad():
        expected = make().double()(domain.embed(u))
        torch.testing.assert_close(flat(torch.from_numpy(u)), expected, rtol=0, atol=1e-12)
    assert next(model.parameters()).dtype == torch.float32
    assert is_plain(flat) == (make is dense)


def test_two_inputs_keep_their_weights_bit_for_bit():
    row = random_network((2, 9, 3), 2)
    first = on_plane(row.model, row.domains[0])[0]
    assert torch.equal(first.weight, row.model[0].weight.double())
    assert torch.equal(first.bias, row.model[0].bias.double())


@pytest.mark.parametrize("window", [0.3 * DIAMOND, 0.5 + 0.3 * DIAMOND, [(1, 1), (2, 1), (2, 2), (1, 2)]])
def test_a_square_window_in_its_own_coordinates(window):
    plane = sg.Slice.through(*np.random.default_rng(0).normal(size=(3, 5)))
    domain = sg.Slice(plane.origin, plane.basis, np.array(window, dtype=float), (5,))
    square, half = square_of(domain)
    np.testing.assert_allclose(np.abs(square.window), half)
    before, after = domain.embed(domain.window).numpy(), square.embed(square.window).numpy()
    distance = np.linalg.norm(before[:, None] - after[None], axis=2)
    np.testing.assert_allclose(distance.min(axis=1), 0, atol=1e-12)
    model = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 1))
    assert sg.compute_partition(model, domain).n_regions == sg.compute_partition(model, square).n_regions


def test_other_windows_are_refused():
    with pytest.raises(ValueError, match="not a square"):
        square_of(sg.Slice.box((0, 1), (0, 2)))


def test_the_floor_passes_every_vertex_of_every_slice_and_checkpoint(domain):
    """Its values are those of the network at the vertices, whichever slice they lie on."""
    model = dense()
    others = [sg.Slice.around(np.full((1, 6, 6), k / 4), 0.5, rng=k) for k in range(3)]
    states = [model.state_dict(), {name: -value for name, value in model.state_dict().items()}]
    workload = Workload("three slices, two checkpoints", model, [domain, *others], states)
    parts = sg.compute_partitions(model, workload.domains, states=states)
    floor = Floor(workload, parts)
    assert floor() == sum(part.n_vertices for row in parts for part in row)
    for once, state, row in zip(floor._passes, states, parts, strict=True):
        x = torch.cat([part.domain.embed(part.vertices) for part in row])
        z = once._first(once._u)
        for layer in once._tail:
            z = layer(z)
        torch.testing.assert_close(z, workload.at(state).double()(x).detach(), rtol=0, atol=1e-11)
