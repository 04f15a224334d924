"""Small partitions to draw, on a canvas without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch

import splinegeo as sg


@pytest.fixture(autouse=True)
def off_screen() -> Iterator[None]:
    """Agg for each test, no figure left open, and every global setting as it was found."""
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


def mlp(*sizes: int, seed: int = 0) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


@pytest.fixture(scope="session")
def part() -> sg.Partition:
    """About a hundred regions, two hidden layers, three classes."""
    return sg.compute_partition(mlp(2, 12, 12, 3), sg.Slice.box((-2, 2), (-2, 2)))


@pytest.fixture(scope="session")
def parts() -> list[sg.Partition]:
    """One window, four networks whose slopes differ tenfold from one to the next."""
    found = []
    for step in range(4):
        model = mlp(2, 8, 3, seed=step)
        with torch.no_grad():
            model[-1].weight *= 10.0**step
        found.append(sg.compute_partition(model, sg.Slice.box((-2, 2), (-2, 2))))
    return found


@pytest.fixture(scope="session")
def many() -> sg.Partition:
    """About fifty thousand regions."""
    return sg.compute_partition(mlp(2, 570, 1), sg.Slice.box((-1, 1), (-1, 1)))
