"""In anyone's process: what the caller has set for its own work changes no result, and we change nothing of it."""

import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.testing import assert_same_partition


def mlp(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 9), nn.ReLU(), nn.Linear(9, 9), nn.LeakyReLU(0.1), nn.Linear(9, 3)).eval()


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2))
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(torch.relu(self.body(x).flatten(1)))


class Spelled(Convolutional):
    """Makes tensors of its own, and says of none in which format or where."""

    def forward(self, x):
        h = torch.maximum(self.body(x).flatten(1), torch.zeros(12))
        return self.head(h) + torch.tensor([0.1, 0.2, 0.3]) * torch.ones(3)


SHAPE = (1, 4, 4)


@contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def matmul_precision(precision):
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


SETTINGS = {
    "default device": lambda: default_device("meta"),
    "device context": lambda: torch.device("meta"),
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "float16": lambda: default_dtype(torch.float16),
    "inference mode": torch.inference_mode,
    "no grad": torch.no_grad,
    "anomalies": lambda: torch.autograd.set_detect_anomaly(True),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "errors raise": lambda: np.errstate(all="raise"),
    "deterministic": deterministic,
    "short products": lambda: matmul_precision("medium"),
}


def slice_of(shape):
    generator = torch.Generator().manual_seed(2)
    centre = torch.randn(shape, generator=generator, device="cpu", dtype=torch.float64)
    return sg.Slice.around(centre, 1.5, rng=3)


def points_of(shape):
    generator = torch.Generator().manual_seed(4)
    return torch.randn(6, *shape, generator=generator, device="cpu", dtype=torch.float32)


def geometry(model, shape):
    """Everything that a partition is asked for."""
    domain = slice_of(shape)
    part = sg.compute_partition(model, domain)
    boundary = sg.decision_boundary(part)
    numbers = [part.evaluate(part.centroids), part.slope_norm(), boundary.segments, sg.region_statistics(part)["area"]]
    assert part.check().ok
    assert sg.compute_partition(model, domain, dtype=torch.float32).n_regions == part.n_regions
    return part, [*numbers, sg.linear_regions(part).areas]


def measures(model, shape):
    """Everything that is measured around points."""
    x, options = points_of(shape), {"radius": 0.4, "rng": 5}
    y = [0, 1, 2, 0, 1, 2]
    tracker = sg.LocalComplexityTracker(model, {"x": x}, radius=0.4, dim=2, rng=5)
    tracker.record(0, loss=0.5)
    deformation = sg.neighborhood_deformation(model, x, dim=2, **options)
    bounds = sg.local_complexity_bounds(model, x, dim=2, **options)
    exact = sg.exact_local_complexity(model, x, **options)
    return [
        *(
            sg.local_complexity(model, x, dim=2, **options).counts,
            bounds.lower,
            bounds.upper,
            exact.counts,
            exact.regions,
        ),
        *(deformation.eccentricity, deformation.diameter, tracker.table["value"]),
        sg.complexity_map(model, slice_of(shape), 5, radius=0.3, dim=2).image,
        sg.random_frames(3, 200, 10).numpy(),
        sg.random_frames(3, 5, 2).numpy(),
        sg.pgd_attack(model, x, y, eps=0.3, bounds=(-9, 9), n_steps=3, rng=6).numpy(),
        np.array(sg.robust_accuracy(model, x, y, eps=0.3, bounds=(-9, 9), n_steps=3, rng=6)),
    ]


def surroundings():
    """Everything of the process that somebody else may rely on."""
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "anomalies": torch.is_anomaly_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "random": (torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())),  # noqa: NPY002
        "warnings": list(warnings.filters),
        "errors": np.geterr(),
    }


@pytest.fixture(scope="module")
def expected():
    return geometry(Spelled().eval(), SHAPE), measures(Convolutional().eval(), SHAPE)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_callers_settings_change_no_result_and_stay(setting, expected):
    models = Spelled().eval(), Convolutional().eval()
    with SETTINGS[setting]():
        before = surroundings()
        part, numbers = geometry(models[0], SHAPE)
        measured = measures(models[1], SHAPE)
        assert surroundings() == before
    (wanted, others), around = expected
    assert_same_partition(part, wanted)
    for one, other in zip(numbers, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    for one, other in zip(measured, around, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_threads_compute_different_models_at_once():
    """Tracing and forward-mode differentiation change one state of the whole process."""
    cases = [(mlp(0), (2,)), (mlp(1), (2,)), (Convolutional().eval(), SHAPE), (Spelled().eval(), SHAPE)]
    wanted = [geometry(*case)[0] for case in cases]
    before = surroundings()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: geometry(*cases[k % 4])[0], range(24)))
    assert surroundings() == before
    for k, part in enumerate(found):
        assert_same_partition(part, wanted[k % 4])
