"""Ways in which people write, wrap and leave their modules: each is the function it is, and stays as it was."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

import splinegeo as sg

SQUARE = sg.Slice.box((-3, 3), (-3, 3))
MEAN = np.array([0.1, 0.2], dtype=np.float32)
TURN = torch.tensor([[0.6, 0.8], [-0.8, 0.6]])


class Idiom(nn.Module):
    """Two linear layers, a mask of 3 ones, a few constants; and a forward of one's own."""

    def __init__(self, forward, n_ones=3):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(2, 12), nn.Linear(12, 12)
        self.register_buffer("mask", torch.arange(12) < n_ones)
        self.register_buffer("bound", torch.tensor(0.75))
        self.register_buffer("shape", torch.tensor([-1, 3, 4]))
        self.anchors, self.named = [torch.full((2,), 0.5)], {"scale": torch.tensor([1.0, 2.0])}
        self._written = forward
        self.eval()

    def forward(self, x):
        return self._written(self, x)


def plain(change=lambda h: h):
    """The same without anything that has to be read."""
    return Idiom(lambda m, x: m.last(change(m.first(x).relu())).relu())


def some(names, every=3):
    """Most of them among the slow tests: each costs an export."""
    return [name if i % every == 0 else pytest.param(name, marks=pytest.mark.slow) for i, name in enumerate(names)]


def count(model, **options):
    part = sg.compute_partition(model, SQUARE, **options)
    assert part.check().ok
    return part.n_regions


def _branch_on_a_buffer(m, x):
    h = m.first(x).relu()
    h = h if torch.any(m.shape == 0) else h.reshape(tuple(m.shape.tolist()))
    return m.last(h.flatten(1)).relu()


def _masked_mean(m, x):
    h = m.first(x).relu()
    kept = h[:, m.mask].sum(1, keepdim=True) / m.mask.sum().item()
    return m.last(h - kept).relu()


def _loop_over_indices(m, x):
    h = m.first(x).relu()
    for i in m.mask.nonzero().flatten().tolist():
        h = h - 0.1 * h[:, i : i + 1]
    return m.last(h).relu()


# Two ways to write one function; the first needs values of constants while it is traced.
READ = {
    "the size of a masked constant": (lambda h: h / 3, lambda m, h: h / m.mask.nonzero().shape[0]),
    "the size of a selection": (lambda h: h / 3, lambda m, h: h / m.last.bias[m.mask].numel()),
    "a bound by item": (lambda h: h.clamp(max=0.75), lambda m, h: h.clamp(max=m.bound.item())),
    "a bound by float": (lambda h: h.clamp(max=0.75), lambda m, h: h.clamp(max=float(m.bound))),
    "a branch on a constant": (lambda h: h + 1, lambda m, h: h + 1 if m.bound > 0.5 else h - 1),
    "a list": (lambda h: h * 12, lambda m, h: h * -np.prod(m.shape.tolist())),
    "NumPy": (lambda h: h * 3, lambda m, h: h * float(m.mask.numpy().sum())),
    "a count": (lambda h: h[:, :3].repeat(1, 4), lambda m, h: h[:, : int(m.mask.sum())].repeat(1, 4)),
    "equality": (lambda h: -h, lambda m, h: -h if torch.equal(m.mask, m.mask.clone()) else h),
    "a mask among indices": (lambda h: h[:, [0, 1, 2] * 4], lambda m, h: h[:, m.mask].repeat(1, 4)),
    "repeated as constants say": (
        lambda h: h[:, [0, 0, 1, 1, 2, 2]].repeat(1, 2),
        lambda m, h: h[:, :3].repeat_interleave(m.mask[:3] + 1, dim=1).repeat(1, 2),
    ),
    "unique values": (lambda h: h / 2, lambda m, h: h / len(m.mask.int().unique())),
}


@pytest.mark.parametrize("name", some(READ))
def test_constants_are_read_while_tracing(name):
    change, read = READ[name]
    assert count(Idiom(lambda m, x: m.last(read(m, m.first(x).relu())).relu())) == count(plain(change))


@pytest.mark.parametrize("forward", [_branch_on_a_buffer, _masked_mean, _loop_over_indices])
def test_networks_that_read_constants_are_their_modules(forward):
    model = Idiom(forward)
    part = sg.compute_partition(model, SQUARE)
    assert part.check(model).ok
    assert part.n_regions > 20


@pytest.mark.parametrize("n_ones", some([4, 1, 2, 7, 5]))
def test_no_number_of_constants_is_taken_for_a_number_of_rows(n_ones):
    """Least of all those with which captured networks are compared."""
    model = Idiom(lambda m, x: m.last(m.first(x).relu() / m.mask.nonzero().shape[0]).relu(), n_ones)
    assert count(model) == count(plain(lambda h: h / n_ones))


def _clamped(bound, m, x):
    return m.last(m.first(x).clamp(-bound, bound)).relu()


def test_what_was_read_is_read_again_from_other_weights():
    model = Idiom(lambda m, x: m.last(m.first(x).clamp(-m.bound.item(), m.bound.item())).relu())
    network = sg.capture(model, SQUARE)
    for bound in (0.25, 2.0):
        model.bound.fill_(bound)
        expected = count(Idiom(partial(_clamped, bound)))
        assert count(network.bind(model.state_dict())) == expected
        assert sg.compute_partitions(network, SQUARE, states=[model.state_dict()])[0].n_regions == expected


def test_a_size_that_depends_on_the_data_is_refused():
    model = Idiom(lambda m, x: m.first(x).relu() / m.first(x).nonzero().shape[0])
    with pytest.raises(sg.SplineGeoError):
        count(model)


CONSTANTS = {
    "from NumPy": lambda m, x: x - torch.from_numpy(MEAN),
    "a legacy constructor": lambda m, x: x - torch.Tensor([0.1, 0.2]),
    "a typed constructor": lambda m, x: x - torch.FloatTensor([0.1, 0.2]),
    "in a list": lambda m, x: x - m.anchors[0],
    "in a dictionary": lambda m, x: x * m.named["scale"],
    "a global": lambda m, x: x @ TURN,
    "a cast": lambda m, x: x.float() - torch.tensor(0.5, dtype=torch.float32),
    "made like it": lambda m, x: torch.cat([x, torch.ones(x.shape[0], 2)], 1)[:, 1:3],
}


@pytest.mark.parametrize("name", some(CONSTANTS))
def test_constants_of_single_precision(name):
    model = Idiom(lambda m, x: m.first(CONSTANTS[name](m, x)).relu())
    part = sg.compute_partition(model, SQUARE)
    assert part.check(model).ok
    assert model.anchors[0].dtype is torch.float32


NON_LEAF = {
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.5),
    "weight norm of old": weight_norm,
    "spectral norm of old": spectral_norm,
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("history", ["trained", "evaluated"])
@pytest.mark.parametrize("name", some(NON_LEAF))
def test_weights_that_are_results(name, history):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
    NON_LEAF[name](model[0])
    if history == "trained":
        model(torch.rand(2, 2)).sum().backward()
    model.eval()
    with torch.set_grad_enabled(history == "trained"):
        model(torch.rand(2, 2))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    part = sg.compute_partition(model, SQUARE)
    assert part.check(model).ok
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    bound = sg.capture(model, SQUARE).bind(model.state_dict())
    assert sg.compute_partition(bound, SQUARE).n_regions == part.n_regions


def test_tied_and_functional_weights():
    torch.manual_seed(0)
    model = Idiom(lambda m, x: F.linear(m.last(m.first(x).relu()).relu(), m.last.weight).relu())
    assert sg.compute_partition(model, SQUARE).check(model).ok
    tied = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    tied[2].weight = tied[0].weight
    assert sg.compute_partition(tied, SQUARE).check(tied).ok


class Thin(nn.Module):
    """Passes everything on."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


class OwnStates(Thin):
    """Its state dict is that of what is inside."""

    def state_dict(self, *args, **kwargs):
        return self.inner.state_dict(*args, **kwargs)


WRAPPERS = {
    "forward(*args)": Thin,
    "DataParallel": nn.DataParallel,
    "compiled": partial(torch.compile, backend="eager"),
    "a compiled part": lambda model: Thin(torch.compile(model, backend="eager")),
    "a parallel part": lambda model: Thin(nn.DataParallel(model)),
    "averaged": torch.optim.swa_utils.AveragedModel,
    "a state dict of its own": OwnStates,
    "partial": partial,
    "copied": copy.deepcopy,
}


@pytest.mark.parametrize("name", some(WRAPPERS))
def test_wrappers_change_nothing(name):
    model = plain()
    wrapped = WRAPPERS[name](model)
    if isinstance(wrapped, nn.Module):
        wrapped.eval()
    part = sg.compute_partition(wrapped, SQUARE)
    assert part.n_regions == count(model)
    assert part.check(model).ok
    assert part.check(wrapped).ok


@pytest.mark.parametrize("wrap", [nn.DataParallel, partial(torch.compile, backend="eager")])
def test_names_inside_wrappers(wrap):
    """Whoever has a wrapped model has its names."""
    model = plain()
    wrapped = wrap(model).eval()
    (prefix,) = {name.partition(".")[0] for name in wrapped.state_dict()}
    assert count(wrapped, until=f"{prefix}.last") == count(model, until="last")
    (part,) = sg.compute_partitions(wrapped, SQUARE, states=[wrapped.state_dict()])
    assert part.n_regions == count(model)


def _guarded(m, x):
    h = m.first(x).relu()
    if h.isnan().any() or not torch.isfinite(h).all():
        raise FloatingPointError("never at a finite point")
    return m.last(torch.nan_to_num(h)).relu()


def _many_at_once(m, x):
    weights = torch.stack([m.first.weight, m.first.weight.flip(0)])
    return torch.func.vmap(lambda weight: F.relu(x @ weight.T))(weights).sum(0)


def _shuffled(m, x):
    return m.last(m.first(x)[:, torch.randperm(12, generator=torch.Generator().manual_seed(0))]).relu()


@pytest.mark.parametrize("forward", [_guarded, _many_at_once, _shuffled])
def test_what_code_does_on_the_way(forward):
    model = Idiom(forward)
    assert sg.compute_partition(model, SQUARE).check(model).ok


def test_a_hook_may_keep_what_it_sees():
    seen, model = [], plain()
    model.last.register_forward_hook(lambda module, args, out: seen.append(out.detach().cpu().numpy()))
    assert count(model) == count(plain())
    assert seen


def test_a_hook_that_computes_in_numpy_is_refused():
    model = plain()
    model.last.register_forward_hook(lambda module, args, out: torch.from_numpy(out.detach().numpy() + 1))
    with pytest.raises(sg.CaptureError, match="outside of PyTorch"):
        count(model)


def _checked(m, x):
    h = m.last(m.first(x).relu())
    if h.isnan().any():
        raise ValueError("never")
    return torch.distributions.Normal(h, h.exp()).rsample() if h.sum().item() > -1e9 else h.tolist()


def test_nothing_behind_until_matters():
    model = Idiom(_checked)
    assert count(model, until="last") == count(Idiom(lambda m, x: m.last(m.first(x).relu())))
    with pytest.raises(sg.SplineGeoError):
        count(model)


def test_until_names_the_last_call_of_a_module():
    """Also of one that is registered under two names, of which one is called later."""
    model = Idiom(lambda m, x: m.other(m.last(m.again(m.last(m.first(x).relu()).relu())).relu()).exp())
    model.again = model.other = nn.LeakyReLU(0.1)
    parts = {name: sg.compute_partition(model, SQUARE, until=name) for name in ("again", "last", "other")}
    assert parts["again"].n_regions <= parts["last"].n_regions < parts["other"].n_regions
    assert [len(part.layer_names) for part in parts.values()] == [3, 3, 5]


class Counting(nn.Module):
    """Counts its calls in a buffer, and remembers its last output."""

    def __init__(self, uses_state):
        super().__init__()
        self.layer, self.uses_state = nn.Linear(2, 5), uses_state
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        self.seen = torch.relu(self.layer(x) + (self.calls if self.uses_state else 0))
        return self.seen


def test_state_between_calls():
    torch.manual_seed(0)
    model = Counting(False).eval()
    part = sg.compute_partition(model, SQUARE)
    assert part.check(model).ok
    assert model.calls == 0
    assert not hasattr(model, "seen")
    with pytest.raises(sg.CaptureError, match="keeps state between calls"):
        sg.compute_partition(Counting(True).eval(), SQUARE)


class Difference(nn.Module):
    """f − g of two networks with the same weights, one of them scaled a little."""

    def __init__(self, scale):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, w = nn.Linear(2, 64), nn.Linear(128, 3, bias=False), torch.randn(3, 64)
        with torch.no_grad():
            self.b.weight.copy_(torch.cat([w * (1 + scale), -w], 1))

    def forward(self, x):
        h = self.a(x).relu()
        return self.b(torch.cat([h, h], 1))


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-9, 1e-6])
def test_outputs_that_cancel_are_no_mixture_of_the_batch(scale):
    model = Difference(scale).double()
    part = sg.compute_partition(model, SQUARE)
    alone = sg.compute_partition(model, SQUARE, until="a")
    assert alone.n_regions == 1
    assert part.n_regions == sg.compute_partition(nn.Sequential(model.a, nn.ReLU()), SQUARE).n_regions


def test_outputs_that_cancel_hide_no_mixture_of_the_batch():
    model = Idiom(lambda m, x: m.last(m.first(x).relu()) - m.last(m.first(x).relu()) + 1e-9 * x.mean(0).sum())
    with pytest.raises(sg.CaptureError, match=r"mixes the points|'mean'"):
        count(model)


@pytest.mark.parametrize(
    ("make", "error", "what"),
    [
        (lambda: nn.Sequential(nn.LazyLinear(5), nn.ReLU()), sg.InvalidInputError, "LazyLinear '0' is a lazy layer"),
        (lambda: torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.ReLU())), sg.CaptureError, "TorchScript"),
        (
            lambda: torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).eval())),
            sg.CaptureError,
            "TorchScript",
        ),
        (
            lambda: torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), {nn.Linear}),
            sg.NotPiecewiseAffineError,
            "Linear '0' rounds its values to integers: pass the model before quantisation",
        ),
    ],
    ids=["lazy", "scripted", "frozen", "quantised"],
)
@pytest.mark.filterwarnings("ignore:.*(jit|quantiz).*:DeprecationWarning", "ignore:torch.quantize:UserWarning")
def test_what_cannot_be_captured_is_refused_in_one_sentence(make, error, what):
    with pytest.raises(error, match=what) as caught:
        sg.compute_partition(make(), SQUARE)
    assert "\n" not in str(caught.value)
