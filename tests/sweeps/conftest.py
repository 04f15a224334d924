"""A network, its checkpoints, and executors of every kind; processes are spawned, as on every platform."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import get_context

import pytest
import torch
from torch import nn

import splinegeo as sg


def mlp(seed, widths=(2, 12, 12, 3)):
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.fixture(scope="session")
def model():
    return mlp(0)


@pytest.fixture(scope="session")
def states():
    return [mlp(seed).state_dict() for seed in range(5)]


@pytest.fixture(scope="session")
def windows():
    return [sg.Slice.box((-1, 1), (-1, 1)), sg.Slice.box((-3, 2), (0, 4))]


@pytest.fixture(scope="session")
def processes():
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        yield pool


@pytest.fixture(scope="session")
def threads():
    with ThreadPoolExecutor(4) as pool:
        yield pool
