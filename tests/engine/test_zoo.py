"""Every architecture of the zoo: the partition is valid, is the module's own, and splits exactly where it must."""

import numpy as np
import pytest
import shapely
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import splinegeo as sg
from splinegeo.testing import (
    assert_matches_rational,
    assert_same_partition,
    assert_valid_partition,
    rational_witness,
)

from .zoo import SPELLINGS, ZOO, LeNet, PreActivationResNet, VisionResNet, Written, between, image, with_statistics

SQUARE = sg.Slice.box((-3, 3), (-3, 3))
GRID = 41


def build(name, seed=0):
    factory, shape, half_width = ZOO[name]
    torch.manual_seed(seed)
    model = factory().double().eval()
    if shape == (2,):
        return model, sg.Slice.box((-half_width, half_width), (-half_width, half_width))
    return model, sg.Slice.around(torch.randn(shape, dtype=torch.float64), half_width)


class Patterns(TorchDispatchMode):
    """Watches a module run, and writes down on which side of its breaks every unit is: one row of codes per point."""

    def __init__(self, n_rows):
        super().__init__()
        self._n_rows = n_rows
        self._codes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        name = function._schema.name.removeprefix("aten::").removesuffix("_")
        for code in self._watch(name, function._schema.overload_name, args, kwargs, result):
            self._codes.append(code.reshape(self._n_rows, -1).long())
        return result

    def _watch(self, name, overload, args, kwargs, result):
        x = args[0] if args else None
        if name in ("relu", "leaky_relu", "_prelu_kernel", "abs", "rrelu_with_noise", "rrelu", "threshold"):
            return [x > (args[1] if name == "threshold" else 0)]
        if name in ("hardtanh", "relu6", "hardsigmoid", "softshrink", "clamp", "clamp_min", "clamp_max"):
            low, high = _levels(name, args, kwargs)
            return [*([] if low is None else [x > low]), *([] if high is None else [x > high])]
        if name in ("maximum", "fmax", "minimum", "fmin"):
            return [x > args[1]]
        if name in ("amax", "amin"):
            return [_winner(x if name == "amax" else -x, args[1])]
        if name in ("max", "min") and overload.startswith("dim"):
            return [result[1]]
        if name.startswith(("max_pool", "adaptive_max_pool")) or name in ("sort", "cummax", "cummin"):
            return [result[1]]
        if name == "linalg_vector_norm":
            return [x > 0, *([] if args[1] == 1 else [_winner(x.abs(), args[2])])]
        return []

    def codes(self):
        return torch.cat(self._codes, dim=1).numpy() if self._codes else np.zeros((self._n_rows, 0), dtype=int)


def _levels(name, args, kwargs):
    given = [*args[1:], None, None]
    named = {"clamp": (kwargs.get("min", given[0]), kwargs.get("max", given[1])), "hardsigmoid": (-3, 3)}
    named |= {"relu6": (0, 6), "hardtanh": (given[0] if len(args) > 1 else -1, given[1] if len(args) > 2 else 1)}
    named |= {"clamp_min": (given[0], None), "clamp_max": (None, given[0])}
    level = 0.5 if given[0] is None else given[0]
    return named.get(name, (-level if name == "softshrink" else None, level))


def _winner(x, dims):
    dims = sorted(d % x.ndim for d in dims)
    rest = [d for d in range(x.ndim) if d not in dims]
    return x.permute(*rest, *dims).flatten(len(rest)).argmax(-1)


def run(model, domain, points):
    """Outputs (n, out) and activation patterns (n, k) of the module itself."""
    # Pooling of a sequence hides its winners unless gradients may be asked for.
    x = domain.embed(points).requires_grad_()
    with Patterns(len(points)) as patterns:
        outputs = model(x)
    return outputs.detach().reshape(len(points), -1).numpy(), patterns.codes()


def grid(part):
    """Points of a dense grid strictly inside their regions, and these regions."""
    low, high = part.domain.window.min(0), part.domain.window.max(0)
    axis = (np.arange(GRID) + 0.5) / GRID
    points = low + np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2) * (high - low)
    region = part.locate(points)
    depth = shapely.distance(shapely.boundary(part.to_shapely())[region], shapely.points(points))
    inside = depth > 1e-7 * (high - low).max()
    return points[inside], region[inside]


# Of these a close relative is among the fast tests.
RELATIVES = {
    "sorted",
    "running extremes",
    "sums of magnitudes",
    "functional rrelu",
    "relu6 module",
    "clamp from above",
    "maxout by view and max",
    "minimum, broadcast",
    "max pool",
    "max pool, ceil mode",
    "max pool of a volume",
    "adaptive max pool of a sequence",
    "adaptive average pool",
    "transposed convolution of a sequence",
    "bilinear upsampling",
    "pre-activation ResNet",
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in RELATIVES)) for n in ZOO])
def test_the_partition_is_the_modules_own(name):
    model, domain = build(name)
    part = sg.compute_partition(model, domain)
    assert part.check().ok
    assert part.check(model).ok
    assert part.n_regions > 1
    assert part.n_vertices - part.n_edges + part.n_regions == 1
    # PyTorch's own derivative of hardsigmoid is that of float32, and it leaves out what is detached.
    assert_valid_partition(part, None if name in ("hardsigmoid", "detached branch") else model)

    points, region = grid(part)
    outputs, patterns = run(model, domain, points)
    np.testing.assert_allclose(part.evaluate(points), outputs, rtol=0, atol=1e-9 * max(1, np.abs(outputs).max()))
    _, of_region = run(model, domain, part.centroids)
    assert (patterns == of_region[region]).all(), "two points of one region have different patterns"
    left, right = part.edge_regions[(part.edge_regions >= 0).all(axis=1)].T
    assert (of_region[left] != of_region[right]).any(axis=1).all(), "two neighbours have one pattern"


@pytest.fixture(scope="module", name="spelled")
def spelled_fixture():
    """Partitions by activation and number of the spelling; those of the first spellings are kept."""

    def compute(activation, spelling):
        torch.manual_seed(3)
        return sg.compute_partition(between(SPELLINGS[activation][spelling]), SQUARE)

    references = {activation: compute(activation, 0) for activation in SPELLINGS}
    return lambda activation, spelling: compute(activation, spelling) if spelling else references[activation]


# Every third spelling among the fast tests: each costs an export.
EVERY_SPELLING = [
    pytest.param(activation, i, marks=[] if i % 3 == 1 else pytest.mark.slow)
    for activation, ways in SPELLINGS.items()
    for i in range(1, len(ways))
]


@pytest.mark.parametrize(("activation", "spelling"), EVERY_SPELLING)
def test_spellings_of_one_activation_give_one_partition(activation, spelling, spelled):
    reference, part = spelled(activation, 0), spelled(activation, spelling)
    assert part.n_regions == reference.n_regions > 10
    assert (part.n_vertices, part.n_edges) == (reference.n_vertices, reference.n_edges)
    points = np.random.default_rng(0).uniform(-3, 3, (200, 2))
    np.testing.assert_allclose(part.evaluate(points), reference.evaluate(points), rtol=0, atol=1e-9)
    np.testing.assert_allclose(_sorted(part.vertices), _sorted(reference.vertices), rtol=0, atol=1e-9)


def _sorted(vertices):
    return vertices[np.lexsort(vertices.round(6).T)]


@pytest.mark.parametrize("kind", ["relu", "leaky", "prelu", "hardtanh", "threshold", "nested"])
def test_spelled_networks_match_rational_arithmetic(kind):
    """A functional spelling, partitioned by the engine, against the module spelling in rational arithmetic."""
    torch.manual_seed(5)
    first, second, last = nn.Linear(2, 5), nn.Linear(5, 4), nn.Linear(4, 2)
    prelu = nn.PReLU(4)
    nn.init.uniform_(prelu.weight, -1, 1)
    functional, module = {
        "relu": (torch.relu, nn.ReLU()),
        "leaky": (lambda h: F.leaky_relu(h, 0.25), nn.LeakyReLU(0.25)),
        "prelu": (lambda h: F.prelu(h, prelu.weight) if h.shape[1] == 4 else h.relu(), None),
        "hardtanh": (lambda h: h.clamp(-0.5, 0.5), nn.Hardtanh(-0.5, 0.5)),
        "threshold": (lambda h: torch.maximum(h, torch.tensor(-0.25)), nn.Threshold(-0.25, -0.25)),
        "nested": (lambda h: F.dropout(h, 0.5, False).relu_(), nn.Sequential(nn.ReLU(), nn.Dropout(), nn.Identity())),
    }[kind]

    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers, self.prelu = nn.ModuleList([first, second, last]), prelu

        def forward(self, x):
            *hidden, head = self.layers
            for layer in hidden:
                x = functional(layer(x))
            return head(x)

    sequential = nn.Sequential(first, module or nn.ReLU(), second, module or prelu, last).double().eval()
    part = sg.compute_partition(Functional().double(), SQUARE)
    assert_matches_rational(part, rational_witness(sequential, SQUARE.window))


@pytest.mark.parametrize("name", ["LeNet", "vision ResNet", "dense", "branches", "clip to tensors", "max pool, padded"])
def test_an_edge_names_the_unit_that_breaks_there(name):
    """The pre-activation that `unit_of_edge` names, recorded while the module runs, is at a break on the edge."""
    model, domain = build(name)
    part = sg.compute_partition(model, domain)
    inner = np.flatnonzero((part.edge_regions >= 0).all(axis=1))
    midpoints = part.vertices[part.edges[inner]].mean(axis=1)
    layers = _events(part, model, midpoints)
    assert list(layers) == list(part.layer_names)
    for row, edge in enumerate(inner):
        layer, index = part.unit_of_edge(edge)
        assert np.abs(layers[layer][(row, slice(None), *index)]).min() < 1e-9


def _events(part, model, points):
    """Distances of every unit from its breaks, by name of the nonlinearity, in order of execution."""
    names, events = iter(part.layer_names), {}

    class Record(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            name = function._schema.name.removeprefix("aten::").removesuffix("_")
            if name in ("relu", "leaky_relu", "abs"):
                events[next(names)] = args[0][:, None].detach().numpy().copy()
            elif name in ("hardtanh", "clamp"):
                low, high = (*args[1:], -1, 1)[:2]
                events[next(names)] = torch.stack([args[0] - low, args[0] - high], dim=1).detach().numpy()
            elif name.startswith("max_pool2d"):
                events[next(names)] = _gap(*args)[:, None].detach().numpy()
            return result

    with Record():
        model(part.domain.embed(points).requires_grad_())
    return events


def _gap(x, kernel, stride, padding=(0, 0)):
    """By how much the largest value of every pooling window exceeds the second largest."""
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]), value=-np.inf)
    windows = padded.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1]).flatten(4)
    top = windows.topk(2, dim=-1).values
    return top[..., 0] - top[..., 1]


def test_layer_names_are_module_paths_in_order_of_execution():
    layers = [m for i in range(12) for m in (nn.Linear(2 if i == 0 else 3, 3), nn.LeakyReLU(0.5))]
    torch.manual_seed(0)
    part = sg.compute_partition(nn.Sequential(*layers), SQUARE)
    assert part.layer_names == tuple(str(2 * i + 1) for i in range(12))
    assert set(np.unique(part.edge_layer)) <= set(range(-1, 12))

    late = Written(lambda m, x: torch.abs(m.first(F.relu(m.last(x)))), first=nn.Linear(3, 2), last=nn.Linear(2, 3))
    assert sg.compute_partition(late, SQUARE).layer_names == ("relu", "abs")


def test_units_of_a_convolution_are_channel_row_column():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten()).double()
    domain = sg.Slice.around(torch.zeros(1, 3, 4), 2)
    part = sg.compute_partition(model, domain)
    for edge in np.flatnonzero(part.edge_layer == 0):
        name, (channel, row, column) = part.unit_of_edge(edge)
        value = model[0](domain.embed(part.vertices[part.edges[edge]].mean(axis=0)))[0, channel, row, column]
        assert name == "1"
        assert abs(value) < 1e-12
    with pytest.raises(sg.InvalidInputError, match="border"):
        part.unit_of_edge(int(np.flatnonzero(part.edge_layer < 0)[0]))


def test_until_stops_inside_a_transformer():
    """The first MLP block of a transformer is piecewise affine, although the attention after it is not."""

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(2, 4)
            self.mlp = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4))
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            h = self.embed(x)
            h = h + self.mlp(h)
            h = h + self.attention(h, h, h, need_weights=False)[0]
            return self.head(h.mean(dim=1))

    torch.manual_seed(0)
    model = Transformer().double().eval()
    domain = sg.Slice.around(torch.randn(3, 2), 3)
    part = sg.compute_partition(model, domain, until="mlp")
    reference = sg.compute_partition(nn.Sequential(model.embed, model.mlp), domain)
    assert part.layer_names == ("mlp.1",)
    assert part.n_regions == reference.n_regions > 20
    np.testing.assert_allclose(part.slope, reference.slope, rtol=0, atol=1e-12)
    with pytest.raises(sg.NotPiecewiseAffineError, match="attention"):
        sg.compute_partition(model, domain)


def test_until_of_a_module_used_twice():
    """Under one name it is the module's last use; under two names each is its own."""
    torch.manual_seed(0)
    turn, act = nn.Linear(2, 2), nn.LeakyReLU(0.3)
    once, twice = nn.Sequential(turn, act), nn.Sequential(turn, act, turn, act)
    called = Written(lambda m, x: F.gelu(m.act(m.turn(m.act(m.turn(x))))), turn=turn, act=act)
    n_once, n_twice = (sg.compute_partition(model, SQUARE).n_regions for model in (once, twice))
    assert n_once < n_twice
    assert sg.compute_partition(called, SQUARE, until="act").n_regions == n_twice
    assert sg.compute_partition(nn.Sequential(*twice, nn.GELU()), SQUARE, until="1").n_regions == n_once
    assert sg.compute_partition(nn.Sequential(*twice, nn.GELU()), SQUARE, until="3").n_regions == n_twice


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_low_precision_models_are_taken_at_their_word(dtype):
    """The partition is that of the float64 copy: rounded weights, exact arithmetic."""
    torch.manual_seed(0)
    model = between(F.relu, 12).to(dtype)
    part = sg.compute_partition(model, SQUARE)
    exact = between(F.relu, 12).double()
    exact.load_state_dict({name: value.double() for name, value in model.state_dict().items()})
    reference = sg.compute_partition(exact, SQUARE)
    assert_same_partition(part, reference)
    assert part.check(exact).ok
    assert {p.dtype for p in model.parameters()} == {dtype}


def test_the_callers_module_and_the_callers_randomness_stay_as_they_are():
    torch.manual_seed(1)
    model = with_statistics(VisionResNet())
    model.eval()
    model.layer1.train()
    for norm in (model.layer1[0].bn1, model.layer1[0].bn2):
        norm.eval()
    model(torch.randn(2, 1, 4, 4)).sum().backward()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    grads = {name: p.grad.clone() for name, p in model.named_parameters()}
    modes = {name: m.training for name, m in model.named_modules()}
    random = torch.get_rng_state()
    domain = sg.Slice.around(np.zeros((1, 4, 4)), 1)
    sg.compute_partition(model, domain).check()
    assert torch.equal(torch.get_rng_state(), random)
    assert modes == {name: m.training for name, m in model.named_modules()}
    assert all(p.requires_grad and torch.equal(p.grad, grads[name]) for name, p in model.named_parameters())
    assert all(value.dtype == before[name].dtype for name, value in model.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize(
    "factory",
    [
        LeNet,
        pytest.param(VisionResNet, marks=pytest.mark.slow),
        pytest.param(lambda: with_statistics(PreActivationResNet(True)), marks=pytest.mark.slow),
    ],
    ids=["LeNet", "vision ResNet", "pre-activation ResNet"],
)
def test_checkpoints_are_each_model_by_itself(factory):
    torch.manual_seed(2)
    shape = (1, 5, 5) if factory is LeNet else (1, 4, 4)
    models = [factory().eval() for _ in range(3)]
    domain = sg.Slice.around(torch.randn(shape), 0.5)
    together = sg.compute_partitions(models[0], domain, states=[m.state_dict() for m in models])
    for part, model in zip(together, models, strict=True):
        assert_same_partition(part, sg.compute_partition(model, domain))
        assert part.check(model.double()).ok


@pytest.mark.parametrize("shape", [(2,), (1, 2), (2, 1), (1, 1, 2), (2, 1, 1, 1)])
def test_inputs_of_any_shape(shape):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1)).double()
    domain = sg.Slice(np.zeros(2), np.eye(2), SQUARE.window, shape)
    part = sg.compute_partition(nn.Sequential(nn.Flatten(), body), domain)
    assert part.check(nn.Sequential(nn.Flatten(), body)).ok
    assert_same_partition(part, sg.compute_partition(body, SQUARE))


def test_a_constant_network_and_the_identity_have_one_region():
    assert sg.compute_partition(nn.Identity(), SQUARE).n_regions == 1
    assert sg.compute_partition(image(lambda h: torch.zeros_like(h)).double(), _images()).n_regions == 1


def _images():
    return sg.Slice.around(np.zeros((1, 5, 5)), 1)
