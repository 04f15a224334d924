"""A network run step by step in chunks, overwriting what nobody needs any more, is the network."""

import pytest
import torch
from torch import nn

from splinegeo import chunks
from splinegeo.network import capture


class Residual(nn.Module):
    """Tensors needed again: themselves, what they are views of, other parts of it; and one that repeats itself."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
        self.first, self.second, self.third = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(8, 8)
        self.thin = nn.Linear(16, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        y = torch.relu(self.first(x.flatten(1)))  # the view is not needed again, x is
        z = self.second(y) + y + x.flatten(1)
        left, right = z.chunk(2, dim=1)
        left = self.third(left)  # a part of z
        right = nn.functional.leaky_relu(self.third(right.contiguous()), 0.1) - right
        repeated = self.second(self.thin(y).expand(-1, 16))
        return torch.cat([left + right, torch.relu(z[:, 8:]), z, repeated], dim=1)


MODELS = {
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(16, 9), nn.ReLU(), nn.Linear(9, 9), nn.Hardtanh(), nn.Linear(9, 9), nn.Linear(9, 4)
    ),
    "convolutions": lambda: nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1), nn.LeakyReLU(), nn.MaxPool2d(2)
    ),
    "residual": Residual,
}


def run(network, x):
    env = {network.input: x}
    for step in network.steps:
        if step.layer is None:
            network.execute_in_chunks(step, env, len(x))
        else:
            bent = [chunk.clone() for chunk in network.bend(step, env, len(x))]
            torch.testing.assert_close(torch.cat(bent), env[step.name], rtol=1e-12, atol=0)
        network.release(step, env)
    return env[network.output]


@pytest.mark.parametrize("chunk_elements", [1, 100, 2**20])
@pytest.mark.parametrize("name", MODELS)
def test_in_chunks_and_in_place_it_is_the_network(name, chunk_elements, monkeypatch):
    monkeypatch.setattr(chunks, "_ON_HOST", chunk_elements)
    torch.manual_seed(0)
    model = MODELS[name]().double()
    x = torch.randn(31, 1, 4, 4, dtype=torch.float64)
    network = capture(model, (1, 4, 4)).program
    with torch.no_grad():
        torch.testing.assert_close(run(network, x.clone()), model(x), rtol=1e-12, atol=1e-12)


def test_a_product_overwrites_its_input():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)).double()
    network = capture(model, (8,)).program
    x = torch.randn(5, 8, dtype=torch.float64)
    with torch.no_grad():
        result = run(network, x)
    assert result.data_ptr() == x.data_ptr()
