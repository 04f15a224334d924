"""A sign that is only rounding counts nowhere: errors are within their bounds, and estimate ≤ exact ≤ upper."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.complexity.frames import FrameStream
from splinegeo.complexity.neighbourhoods import Neighbourhoods
from splinegeo.complexity.polytope import CrossPolytope
from splinegeo.complexity.survey import survey


class Cancelling(nn.Module):
    """f − g for two networks, or one network twice."""

    def __init__(self, f, g):
        super().__init__()
        self.f, self.g, self.last = f, g, nn.Linear(12, 2)

    def forward(self, x):
        return self.last(torch.relu(self.f(x) - self.g(x)))


class Lattice(nn.Module):
    """max over j of min over i ∈ j of affine functions, written as verification benchmarks do: ReLUs of w·a − w·b."""

    def __init__(self):
        super().__init__()
        self.affine, self.once, self.twice = (
            nn.Linear(6, 8),
            nn.Linear(8, 16, bias=False),
            nn.Linear(16, 20, bias=False),
        )
        self.last, rows = nn.Linear(20, 2), torch.randn(20, 8)
        with torch.no_grad():
            self.affine.bias.fill_(9.0)
            self.once.weight.copy_(torch.cat([torch.eye(8)] * 2))
            self.twice.weight.copy_(torch.cat([rows, -rows], 1))

    def forward(self, x):
        return self.last(torch.relu(self.twice(self.once(torch.relu(self.affine(x))))))


def mlp(*widths):
    layers = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def duplicated():
    """Every unit of a hidden layer twice, with weights that take its copy away again."""
    model = mlp(6, 16, 16, 3)
    with torch.no_grad():
        model[0].weight[8:] = model[0].weight[:8]
        model[0].bias[8:] = model[0].bias[:8]
        model[2].weight[:6, 8:] = -model[2].weight[:6, :8]
        model[2].bias[:6] = 0
    return model


def zero():
    model = mlp(6, 16, 16, 3)
    with torch.no_grad():
        for parameter in model[2].parameters():
            parameter.zero_()
    return model


def difference():
    f = mlp(6, 12, 12)
    return Cancelling(f, f)


FAMILIES = {"lattice": Lattice, "duplicated": duplicated, "zero": zero, "difference": difference}


def build(name, seed=0):
    torch.manual_seed(seed)
    return FAMILIES[name]().eval(), torch.randn(40, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("radius", [0.02, 0.5, 3.0])
@pytest.mark.parametrize("name", FAMILIES)
def test_estimate_is_at_most_exact_is_at_most_upper(name, radius, dtype):
    model, x = build(name)
    model, x = model.to(dtype), x.to(dtype)
    estimate = sg.local_complexity(model, x, radius=radius, dim=2)
    exact = sg.exact_local_complexity(model, x, radius=radius)
    bounds = sg.local_complexity_bounds(model, x, radius=radius, dim=2)
    assert (estimate.counts <= exact.counts).all()
    assert (exact.counts <= bounds.upper).all()
    assert (bounds.lower <= exact.counts).all()
    np.testing.assert_array_equal(bounds.lower, estimate.counts)


@pytest.mark.parametrize("name", FAMILIES)
def test_counts_of_degenerate_networks_do_not_depend_on_the_batch(name):
    model, x = build(name)
    whole = sg.local_complexity(model, x, radius=0.3, dim=3)
    for batch_size in (1, 7, 39):
        parts = sg.local_complexity(model, x, radius=0.3, dim=3, batch_size=batch_size)
        np.testing.assert_array_equal(whole.counts, parts.counts)
    double = sg.local_complexity(model.double(), x.double(), radius=0.3, dim=3)
    np.testing.assert_array_equal(whole.counts, double.counts)


def test_units_that_only_round_are_reported_as_undecided():
    model, x = build("lattice")
    found = sg.local_complexity(model, x, radius=0.1, dim=2)
    assert (found.counts[:, 1] == 0).all()
    assert (found.undecided[:, 1] == 20).all()
    assert not found.undecided.flags.writeable
    ordinary = sg.local_complexity(mlp(6, 30, 30, 2), x, radius=0.1, dim=2)
    assert ordinary.undecided.sum() == 0
    assert ordinary.counts.sum() > 0


def test_a_dead_unit_is_decided():
    model, x = build("zero")
    found = sg.local_complexity(model, x, radius=0.3, dim=3)
    assert found.undecided.sum() == 0


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm, self.pool, self.last = nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Linear(16 + 32, 10)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        h = torch.relu(self.first(x))
        h = torch.relu_(self.norm(self.second(h)) + h)
        return self.last(torch.cat([self.pool(h).flatten(1), x.flatten(1)], 1))


def smooth():
    acts = (nn.GELU(), nn.Tanh(), nn.LeakyReLU(0.3), nn.Hardtanh(-0.4, 0.3), nn.PReLU(16), nn.SiLU(), nn.ELU(1.5))
    layers = [nn.Linear(32, 16), *(m for act in acts for m in (act, nn.Linear(16, 16)))]
    return nn.Sequential(nn.Flatten(), *layers)


class Greater(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.last = (nn.Linear(k, 20) for k in (32, 32, 32, 20))

    def forward(self, x):
        x = x.flatten(1)
        h = torch.minimum(torch.maximum(self.a(x), self.b(x)), self.c(x))
        return self.last(torch.maximum(h, torch.full((20,), 0.1, dtype=x.dtype)))


@pytest.mark.parametrize("radius", [0.01, 1.0])
@pytest.mark.parametrize(
    "network", [Residual, smooth, Greater, lambda: nn.Sequential(nn.Flatten(), mlp(32, 30, 30, 9))]
)
def test_the_error_of_every_vertex_is_within_its_bound(network, radius):
    """Computed in float32, against float64, whose own error is many times smaller."""
    torch.manual_seed(0)
    model, x = network().eval(), torch.randn(6, 2, 4, 4)
    with FrameStream(32, 5, 0, n_points=6) as frames, torch.no_grad():
        around = Neighbourhoods(model, x, radius, frames, survey(model, x))
        start = around.polytopes(range(6))
        precise = around.in_float64().polytopes(range(6)).vertices()
        image, truth = model(start), model.double()(precise)
    assert isinstance(image, CrossPolytope)
    assert image.is_bounded
    computed = image.centre.unsqueeze(1) + image.offsets()
    error = (computed - truth.view(computed.shape)).abs().amax(1)
    bound = image.vertex_error()
    assert (error <= bound + 1e-13).all()
    assert error.max() > 1e-11, "float32 rounds, so there is something to bound"
    assert (bound < 3e-3).all(), "a bound that says nothing would hold, too"
