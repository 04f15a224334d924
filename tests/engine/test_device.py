"""On a device the same code finds the same subdivision, waits for few numbers, and keeps within its memory.

Where there is no GPU, the device is only one that PyTorch takes for real and that is computed on the host.
"""

from itertools import pairwise

import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo import chunks
from splinegeo.testing import NETWORK_KINDS, assert_same_partition, random_network

from ..pretended import DEVICE, PretendedDevice
from .zoo import ZOO

HAS_GPU = torch.cuda.is_available()


@pytest.fixture(params=["pretended", "cuda"] if HAS_GPU else ["pretended"])
def device(request):
    if request.param == "cuda":
        yield torch.device("cuda")
        return
    with PretendedDevice():
        yield DEVICE


def mlp(*widths):
    torch.manual_seed(0)
    layers = [layer for sizes in pairwise(widths) for layer in (nn.Linear(*sizes), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="needs a CUDA device, on which the tests of this file then run, too")
def test_a_gpu_gives_the_subdivision_of_the_host():
    model, domain = mlp(2, 200, 200, 200, 3), sg.Slice.box((-3, 3), (-3, 3))
    assert_same_partition(sg.compute_partition(model, domain), sg.compute_partition(model, domain, device="cuda"))


@pytest.mark.parametrize("name", ZOO)
def test_every_architecture(name, device):
    factory, shape, half_width = ZOO[name]
    torch.manual_seed(0)
    model = factory().double().eval()
    centre = torch.zeros(2) if shape == (2,) else torch.randn(shape)
    domain = sg.Slice.around(centre, half_width / 2, 0)
    assert_same_partition(sg.compute_partition(model, domain), sg.compute_partition(model, domain, device=device))


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_degenerate_networks(kind, device):
    model, window = random_network(kind, 1)
    domain = sg.Slice.polygon(window)
    assert_same_partition(sg.compute_partition(model, domain), sg.compute_partition(model, domain, device=device))


def test_several_slices_in_small_tiles_and_chunks(device, monkeypatch):
    monkeypatch.setattr(chunks, "_ON_GPU", 50)
    model = mlp(2, 16, 16, 16, 3)
    domains = [sg.Slice.box((x, x + 2), (-1, 1)) for x in (-3, -1, 1)]
    budgeted = sg.compute_partitions(model, domains, device=device, max_memory=20_000)
    for one, other in zip(budgeted, sg.compute_partitions(model, domains, max_memory=20_000), strict=True):
        assert_same_partition(one, other)


def test_what_a_gpu_refuses_or_leaves_open_is_refused():
    """Were a tensor in the wrong place, or written to one place twice, these tests would notice."""
    with PretendedDevice():
        with pytest.raises(RuntimeError, match="on the same device"):
            torch.ones(3, device=DEVICE) + torch.ones(3)
        with pytest.raises(RuntimeError, match="numpy"):
            torch.ones(3, device=DEVICE).numpy()
        with pytest.raises(RuntimeError, match="in any order"):
            torch.arange(3, device=DEVICE).scatter_(0, *torch.tensor([[0, 1, 0], [4, 5, 6]]).to(DEVICE))


def test_the_host_waits_for_few_numbers_however_many_regions_there_are():
    waits, launches, n_layers = [], [], 3
    for half_width in (1, 10):
        domain = sg.Slice.box((-half_width, half_width), (-half_width, half_width))
        with PretendedDevice() as device:
            part = sg.compute_partition(mlp(2, 64, 64, 64, 1), domain, device=DEVICE)
        waits.append(device.waits.total())
        launches.append(device.launches.total())
        # The partition itself is copied, once, in the end; nothing else that grows.
        large = [shape for shape in device.to_host if len(shape) and shape[0] > 1]
        assert len(large) <= 8
    assert part.n_regions > 5000
    assert waits[1] <= waits[0] + 6  # pointers are followed in as many steps as the longest border has halves
    assert waits[1] <= 60 * n_layers
    assert launches[1] <= 1.05 * launches[0]


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = (nn.Conv2d(n, 8, 3, padding=1) for n in (1, 8, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.two(torch.relu(self.one(torch.relu(x))))
        return self.head(torch.relu(x).mean((2, 3)))


def convolutions(first, second):
    layers = nn.Conv2d(1, 8, 3, padding=1), *first, nn.Conv2d(8, 8, 3, padding=1), *second
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10))


WIDE = {
    "relu": lambda: convolutions([nn.ReLU()], [nn.ReLU()]),
    "hardtanh": lambda: convolutions([nn.Hardtanh(-0.2, 0.2)], [nn.Hardtanh(-0.2, 0.2)]),
    "max pools": lambda: convolutions([nn.ReLU(), nn.MaxPool2d(2)], [nn.ReLU(), nn.MaxPool2d(2)]),
    "max pool alone": lambda: convolutions([nn.ReLU()], [nn.MaxPool2d(3, 2)]),
    "residual": Residual,
}


@pytest.mark.parametrize("name", WIDE)
def test_a_budget_is_kept(name, monkeypatch):
    monkeypatch.setattr(chunks, "_ON_GPU", 2**14)
    torch.manual_seed(0)
    model, image = WIDE[name](), torch.randn(1, 16, 16)
    model(image[None])  # makes what is lazy
    model.double().eval()
    domain = sg.Slice.around(image, 0.2)
    with PretendedDevice() as free:
        whole = sg.compute_partition(model, domain, device=DEVICE)
    budget = free.peak // 3
    with PretendedDevice() as bound:
        budgeted = sg.compute_partition(model, domain, device=DEVICE, max_memory=budget)
    assert bound.peak <= 1.2 * budget
    assert (budgeted.n_regions, budgeted.n_vertices) == (whole.n_regions, whole.n_vertices)
