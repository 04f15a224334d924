from itertools import pairwise

import pytest
import torch
from torch import nn

import splinegeo as sg


def mlp(*widths):
    torch.manual_seed(0)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).double()


@pytest.fixture(scope="session")
def model():
    return mlp(2, 24, 24, 4)


@pytest.fixture(scope="session")
def part(model):
    return sg.compute_partition(model, sg.Slice.box((-2, 3), (-1, 2)))
