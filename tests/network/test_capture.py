"""A captured network is its module: same values, same names, bound to any checkpoint, in any float format."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import splinegeo as sg
from splinegeo.network import capture, enter, restrict, verify


class Small(nn.Module):
    """Weights, a normalised weight, buffers of both kinds, a plain tensor, a constant and an initial state."""

    def __init__(self):
        super().__init__()
        self.first = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
        self.again = nn.Linear(4, 4)
        self.register_buffer("kept", torch.linspace(0, 1, 4))
        self.register_buffer("dropped", torch.linspace(-1, 0.5, 4), persistent=False)
        self.plain = torch.full((4,), 0.5)

    def forward(self, x):
        state = torch.zeros(x.shape[0], 4)
        for _ in range(2):
            state = F.relu(self.first(x) + self.again(state) * self.kept - self.dropped)
        return state * self.plain + torch.tensor(2.0)


@pytest.fixture(scope="module", name="small")
def small_fixture():
    torch.manual_seed(0)
    model = Small()
    return model, capture(model, (3,))


def test_the_captured_network_is_the_module(small):
    model, captured = small
    network = captured.program
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(network(x), model(x.float()).double(), rtol=1e-5, atol=1e-5)
    verify(network, enter(model), x)
    assert network.layer_names == ("relu", "relu:2")
    assert network.unit_shapes == ((4,), (4,))


def test_row_constants_follow_the_number_of_rows(small):
    _, captured = small
    network = captured.program
    assert network.row_constants
    for n in (1, 2, 7):
        assert network(torch.zeros(n, 3, dtype=torch.float64)).shape == (n, 4)


def test_binding_another_checkpoint_changes_weights_only(small):
    model, captured = small
    torch.manual_seed(1)
    other = Small()
    network = captured.bind(other.state_dict()).program
    x = torch.randn(4, 3, dtype=torch.float64)
    verify(network, enter(other), x)
    with pytest.raises(sg.CaptureError, match="differs from the module"):
        verify(network, enter(model), x)


def test_a_network_moves_to_another_float_format(small):
    model, captured = small
    network = captured.program.to("cpu", torch.float32)
    x = torch.randn(4, 3)
    assert network(x).dtype is torch.float32
    torch.testing.assert_close(network(x), model(x), rtol=1e-4, atol=1e-5)


def test_results_are_forgotten_after_their_last_use(small):
    _, captured = small
    network = captured.program
    used = {name: i for i, step in enumerate(network.steps) for name in step.inputs()}
    for i, step in enumerate(network.steps):
        for name in step.last_uses:
            assert used.get(name, i) <= i
    assert all(network.output not in step.last_uses for step in network.steps)


def test_a_section_is_the_network_on_its_planes(small):
    _, captured = small
    network = captured.program
    torch.manual_seed(0)
    origins, bases = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 2, 3, dtype=torch.float64)
    section = restrict(network, origins, bases)
    v, plane = torch.randn(6, 2, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1, 0])
    x = origins[plane] + v[:, :1] * bases[0, plane] + v[:, 1:] * bases[1, plane]
    torch.testing.assert_close(section(v, plane), network(x), rtol=1e-12, atol=1e-12)
    value, slope = section.affine_maps(v, plane)
    torch.testing.assert_close(value, network(x), rtol=1e-12, atol=1e-12)
    for k, point in enumerate(x):
        jacobian = torch.autograd.functional.jacobian(lambda p: network(p[None])[0], point)
        expected = torch.stack([jacobian @ bases[i, plane[k]] for i in range(2)], dim=1)
        torch.testing.assert_close(slope[k], expected, rtol=1e-10, atol=1e-12)


def test_modules_that_cannot_be_copied_are_refused():
    layer = nn.Linear(2, 2)
    layer.lock = Lock()
    with pytest.raises(sg.CaptureError, match="Linear cannot be copied"):
        capture(layer, (2,))


def test_threads_capture_at_the_same_time():
    """torch.export is not made for threads; whoever computes partitions in some need not know."""
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with ThreadPoolExecutor(4) as pool:
        names = [found.layer_names for found in pool.map(lambda _: capture(model, (2,)), range(12))]
    assert names == [("1",)] * 12


def test_threads_ask_for_affine_maps_at_the_same_time():
    """The levels of forward-mode differentiation are shared by all threads."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    parts = [sg.compute_partition(model, sg.Slice.box((-2, 2), (-2, 2))) for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        slopes = list(pool.map(lambda part: part.slope, parts))
    for slope in slopes:
        np.testing.assert_allclose(slope, slopes[0], rtol=0, atol=1e-12)
