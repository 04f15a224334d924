"""Whatever a process lets PyTorch shorten, our products of float32 numbers are not shortened, and it is left so."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import splinegeo as sg
from splinegeo.network import full_precision

BACKENDS = torch.backends
if not hasattr(BACKENDS.mkldnn, "matmul"):
    pytest.skip("this PyTorch has other settings", allow_module_level=True)
PARTS = [BACKENDS.cuda.matmul, BACKENDS.mkldnn.matmul, BACKENDS.mkldnn.conv]
SHORT = {"tf32", "bf16"}


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
    assert all(not SHORT & set(seen) for seen in products.seen)
    assert settings() == before
    assert torch.get_float32_matmul_precision() == allowed


def test_settings_of_the_newer_kind():
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        with pytest.raises(RuntimeError):
            torch.get_float32_matmul_precision()
        with full_precision(torch.float32, torch.device("cpu")):
            assert not SHORT & set(settings())
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "ieee"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_is_touched_without_need(dtype):
    """A setting that is set at all no longer follows PyTorch's global one: in a process of its own."""
    code = f"""if True:
        import torch, splinegeo as sg
        model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
        sg.compute_partition(model, sg.Slice.box((0, 1), (0, 1)), dtype={dtype}).slope
        sg.local_complexity(model.to({dtype}), torch.rand(3, 2), dim=2)
        torch.backends.fp32_precision = "ieee"
        backends = torch.backends
        parts = backends.cuda.matmul, backends.mkldnn.matmul, backends.mkldnn.conv
        assert {{part.fp32_precision for part in parts}} == {{"ieee"}}
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_convolutions_on_a_gpu():
    before = torch.backends.cudnn.allow_tf32
    with full_precision(torch.float32, torch.device("cuda")):
        assert torch.backends.cudnn.allow_tf32 is False
    assert torch.backends.cudnn.allow_tf32 is before is True


def test_the_last_thread_restores_the_settings(allowed):
    before, both_inside, first_left = settings(), Barrier(2), Barrier(2)

    def first():
        with full_precision(torch.float32, torch.device("cpu")):
            both_inside.wait()
        first_left.wait()

    def second():
        with full_precision(torch.float32, torch.device("cpu")):
            both_inside.wait()
            first_left.wait()
            return settings()

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(work) for work in (first, second)]
    assert not SHORT & set(results[1].result())
    assert settings() == before


def test_partitions_in_several_threads(allowed):
    """Capturing a network reads the settings, too."""
    torch.manual_seed(0)
    model, domain = nn.Sequential(nn.Linear(2, 9), nn.ReLU(), nn.Linear(9, 1)), sg.Slice.box((-2, 2), (-2, 2))

    def n_regions(dtype):
        return sg.compute_partition(model, domain, dtype=dtype).n_regions

    with ThreadPoolExecutor(3) as pool:
        counts = list(pool.map(n_regions, 6 * [torch.float32, torch.float64]))
    assert len(set(counts)) == 1
