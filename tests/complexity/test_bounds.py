"""Certified bounds: lower ≤ what sampling finds ≤ upper, and exact in the first layer."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from splinegeo.complexity import local_complexity, local_complexity_bounds, random_frames
from splinegeo.complexity.enclosure import Enclosure, Symbols
from splinegeo.complexity.recorder import ModulePath
from splinegeo.errors import InvalidInputError, NotPiecewiseAffineError


def points(n, *shape, seed=1):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed)).double()


def samples(x, radius, dim, count=300):
    """Points of the neighbourhoods: vertices, and combinations of few of them; (N, count + 2P, *shape)."""
    generator = torch.Generator().manual_seed(2)
    n = len(x)
    weights = -torch.rand(n, count, dim, generator=generator, dtype=torch.float64).log()
    weights = weights ** (3 * torch.rand(n, count, 1, generator=generator, dtype=torch.float64))
    weights *= torch.randint(0, 2, weights.shape, generator=generator) * 2 - 1
    weights /= weights.abs().sum(2, keepdim=True)
    identity = torch.eye(dim, dtype=torch.float64).expand(n, -1, -1)
    weights = torch.cat([weights, identity, -identity], 1)
    moved = radius * weights @ random_frames(n, math.prod(x.shape[1:]), dim)
    return (x.flatten(1)[:, None] + moved).unflatten(2, x.shape[1:])


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.tail = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.tail(self.body(x))
        y += x
        return self.act(y)


class Branches(nn.Module):
    """Two branches with symbols of their own, which meet again twice."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(6, 12), nn.Linear(6, 12), nn.Linear(12, 12)
        self.acts = nn.ModuleList([nn.ReLU() for _ in range(4)])

    def forward(self, x):
        a, b = self.acts[0](self.one(x)), self.acts[1](self.two(x))
        c = self.acts[2](self.out(a - 0.5 * b) / 2 + 0.1)
        return self.acts[3](c + a - self.out(c))


def sequential(*acts):
    torch.manual_seed(0)
    layers = [m for act in acts for m in (nn.Linear(12, 12), act)]
    return nn.Sequential(nn.Linear(6, 12), *layers)


def convolutional():
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(inplace=True), Residual(4), nn.AvgPool2d(2), Residual(4)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8), nn.PReLU(8), nn.Linear(8, 2)),
    ).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model


def activations(model, x):
    """Pre-activations of the activation modules, in order, on a batch."""
    seen = []
    kinds = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Hardtanh, nn.ReLU6)

    def hook(module, args):
        seen.append(args[0].clone())

    model = copy.deepcopy(model).double()
    for module in model.modules():
        if isinstance(module, kinds):
            module.register_forward_pre_hook(hook)
    with torch.no_grad():
        model(x)
    return seen


MODELS = {
    "relu": (sequential(nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.ReLU()), (6,), (0.0,)),
    "leaky": (sequential(nn.LeakyReLU(0.2), nn.LeakyReLU(0.2), nn.LeakyReLU(-0.5)), (6,), (0.0,)),
    "hardtanh": (sequential(nn.Hardtanh(-0.2, 0.4), nn.Hardtanh(-0.2, 0.4)), (6,), (-0.2, 0.4)),
    "concave": (sequential(nn.LeakyReLU(2.0), nn.LeakyReLU(3.0), nn.LeakyReLU(2.0)), (6,), (0.0,)),
    "branches": (Branches(), (6,), (0.0,)),
    "convolutional": (convolutional(), (2, 6, 6), (0.0,)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("radius", [0.01, 0.3, 2.0])
def test_lower_is_at_most_sampled_is_at_most_upper(name, radius):
    model, shape, knots = MODELS[name]
    x = points(8, *shape)
    bounds = local_complexity_bounds(model.double(), x, radius=radius, dim=4)
    cloud = samples(x, radius, 4)
    found = []
    for pre in activations(model, cloud.flatten(0, 1)):
        values = pre.reshape(len(x), cloud.shape[1], -1)
        low, high = values.amin(1), values.amax(1)
        found.append(torch.stack([(low < k) & (high > k) for k in knots]).any(0).sum(1))
    found = torch.stack(found, 1).numpy()
    assert (bounds.lower <= found).all()
    assert (found <= bounds.upper).all()
    assert bounds.lower.sum() > 0 or radius < 0.1


@pytest.mark.parametrize("name", MODELS)
def test_lower_is_local_complexity(name):
    model, shape, _ = MODELS[name]
    x = points(8, *shape)
    bounds = local_complexity_bounds(model, x, radius=0.3, dim=4, rng=7)
    exact = local_complexity(model.double(), x, radius=0.3, dim=4, rng=7)
    assert bounds.layer_names == exact.layer_names
    assert (bounds.lower == exact.counts).all()
    assert (bounds.lower[:, 0] == bounds.upper[:, 0]).all()


@pytest.mark.parametrize("radius", [0.05, 0.5])
def test_enclosures_contain_every_sample_also_with_few_symbols(radius):
    """The bounds of every unit themselves, not only their signs; two symbols force errors into the box."""
    model = MODELS["branches"][0].double()
    x = points(10, 6)
    cloud = samples(x, radius, 3)
    with torch.no_grad():
        values = model(cloud)
        for limit in (1000, 2, 0):
            low, high = enclosure_of(model, x, radius, 3, limit).bounds()
            assert (low.flatten(1) <= values.amin(1) + 1e-12).all()
            assert (high.flatten(1) >= values.amax(1) - 1e-12).all()


def enclosure_of(model, x, radius, dim, limit):
    generators = radius * random_frames(len(x), x[0].numel(), dim).unflatten(2, x.shape[1:])
    centre, reach = x.unsqueeze(1), generators.abs().amax(1).unsqueeze(1)
    symbols = Symbols(ModulePath(model), dim, limit)
    start = Enclosure(
        centre, generators.unsqueeze(2), torch.zeros_like(centre), centre - reach, centre + reach, symbols
    )
    return model(start)


def test_bounds_tighten_as_the_neighbourhood_shrinks():
    model, shape, _ = MODELS["relu"]
    x = points(30, *shape)
    gaps = []
    for radius in (3.0, 0.3, 0.03):
        bounds = local_complexity_bounds(model, x, radius=radius, dim=4)
        gaps.append((bounds.upper - bounds.lower).sum())
    assert gaps[0] > gaps[1] > gaps[2]


def test_batches_do_not_matter():
    model, shape, _ = MODELS["relu"]
    x = points(11, *shape)
    whole = local_complexity_bounds(model, x, radius=0.5, dim=3)
    parts = local_complexity_bounds(model, x, radius=0.5, dim=3, batch_size=4)
    assert (whole.lower == parts.lower).all()
    assert (whole.upper == parts.upper).all()


def test_layers_can_be_selected_and_results_are_read_only():
    model, shape, _ = MODELS["relu"]
    x = points(5, *shape)
    whole = local_complexity_bounds(model, x, radius=0.5, dim=3)
    some = local_complexity_bounds(model, x, radius=0.5, dim=3, layers=["6", "2"])
    assert some.layer_names == ("2", "6")
    assert (some.upper == whole.upper[:, [0, 2]]).all()
    assert not some.upper.flags.writeable
    assert not some.lower.flags.writeable


def test_float32_weights_are_taken_as_they_are():
    model = copy.deepcopy(MODELS["convolutional"][0]).float()
    x = points(4, 2, 6, 6).float()
    a = local_complexity_bounds(model, x, radius=0.2, dim=3)
    b = local_complexity_bounds(copy.deepcopy(model).double(), x.double(), radius=0.2, dim=3)
    assert (a.upper == b.upper).all()
    assert next(model.parameters()).dtype is torch.float32


@pytest.mark.parametrize(
    ("layer", "operator"),
    [
        (nn.GELU(), "gelu"),
        (nn.Sigmoid(), "sigmoid"),
        (nn.Softmax(-1), "_softmax"),
        (nn.LayerNorm(12), "native_layer_norm"),
        (nn.Hardshrink(), "hardshrink"),
    ],
)
def test_other_operators_are_refused_by_name(layer, operator):
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Sequential(layer), nn.Linear(12, 3), nn.ReLU())
    with pytest.raises(NotPiecewiseAffineError, match=rf"'{operator}' in '2.0'"):
        local_complexity_bounds(model, points(3, 6).float(), radius=0.1, dim=2)


def test_products_of_two_features_are_refused():
    class Product(nn.Module):
        def forward(self, x):
            return torch.relu(x * x)

    with pytest.raises(NotPiecewiseAffineError, match=r"'mul' in 'the model itself'"):
        local_complexity_bounds(Product(), points(3, 6), radius=0.1, dim=2)


def test_in_place_on_a_view_is_refused_rather_than_wrong():
    class Views(nn.Module):
        def forward(self, x):
            torch.relu_(x.view(len(x), -1))
            return torch.relu(x)

    with pytest.raises(InvalidInputError, match="in place on a view"):
        local_complexity_bounds(Views(), points(3, 2, 3), radius=0.1, dim=2)


def test_bad_arguments_are_refused():
    model, shape, _ = MODELS["relu"]
    for change in ({"radius": 0}, {"dim": 7}, {"layers": ["x"]}, {"rng": -1}, {"batch_size": 0}):
        with pytest.raises(InvalidInputError):
            local_complexity_bounds(model, points(3, *shape), **{"radius": 0.1, "dim": 3, **change})


def test_tokens_folded_into_rows():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU()).double()
    x = points(6, 4, 3)
    bounds = local_complexity_bounds(model, x, radius=0.4, dim=5)
    assert (bounds.lower == local_complexity(model, x, radius=0.4, dim=5).counts).all()
    assert (bounds.lower <= bounds.upper).all()
    assert np.all(bounds.upper <= 20)
