"""Whatever a process lets PyTorch shorten, our products of float32 numbers are not shortened, and it is left so."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import splinegeo as sg
from splinegeo.network import full_precision

BACKENDS = torch.backends
PARTS = [BACKENDS.cuda.matmul, BACKENDS.cudnn.conv, BACKENDS.mkldnn.matmul, BACKENDS.mkldnn.conv]
pytestmark = pytest.mark.skipif(
    not all(hasattr(part, "fp32_precision") for part in PARTS), reason="this PyTorch has other settings"
)


@pytest.fixture(params=["highest", "high", "medium"])
def allowed(request):
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision("highest")


def settings():
    return [part.fp32_precision for part in PARTS]


class Products(TorchDispatchMode):
    """Writes down with which settings products and convolutions of float32 are computed."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        is_product = function._schema.name.removeprefix("aten::") in ("mm", "addmm", "convolution")
        if is_product and args[1].dtype == torch.float32:
            self.seen.append(settings())
        return function(*args, **(kwargs or {}))


def partition(model, domain, points):
    return sg.compute_partition(model, domain, dtype=torch.float32).slope


def complexity(model, domain, points):
    return sg.local_complexity(model, points, radius=0.1, dim=8)


@pytest.mark.parametrize("measure", [partition, complexity])
def test_products_are_of_float32(measure, allowed):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    points = torch.randn(3, 1, 4, 4)
    before = settings()
    with Products() as products:
        measure(model, sg.Slice.around(points[0], 1.0, 0), points)
    assert products.seen
    assert all(seen == ["ieee"] * len(PARTS) for seen in products.seen)
    assert settings() == before
    assert torch.get_float32_matmul_precision() == allowed


def test_the_last_thread_restores_the_settings():
    torch.set_float32_matmul_precision("high")
    before, both_inside, first_left = settings(), Barrier(2), Barrier(2)

    def first():
        with full_precision():
            both_inside.wait()
        first_left.wait()

    def second():
        with full_precision():
            both_inside.wait()
            first_left.wait()
            return settings()

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(work) for work in (first, second)]
    assert results[1].result() == ["ieee"] * len(PARTS)
    assert settings() == before
    torch.set_float32_matmul_precision("highest")
