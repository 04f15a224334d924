import pytest
import torch
from torch import nn


def small_model(seed=0):
    """Dropout and batch norm, so that a wrong mode or a touched random state cannot hide."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3)
    )


def train(model, n_steps, record=lambda step, loss: None, seed=1):
    """A training that draws on the global random state in every step; returns the losses."""
    torch.manual_seed(seed)
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=1e-2), []
    for step in range(n_steps):
        x = torch.randn(32, 6)
        loss = nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long() + (x[:, 1] > 0).long())
        optimizer.zero_grad()
        loss.backward()
        record(step, loss)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.fixture
def probes():
    generator = torch.Generator().manual_seed(5)
    return {"train": torch.randn(20, 6, generator=generator), "random": torch.rand(15, 6, generator=generator)}
