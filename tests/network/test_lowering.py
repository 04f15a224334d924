"""Operators that are written with others: the partition of what they are, with its affine maps."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import splinegeo as sg

SQUARE = sg.Slice.box((-2, 2), (-2, 2))
LAST = torch.tensor([3, 1, 2, 0, 7, 5, 4, 6])
INDEX_FILLED = torch.tensor([False, True, False, True, False, False, False, False])
GRID = torch.linspace(-0.9, 0.9, 12).reshape(1, 2, 3, 2)


class Net(nn.Module):
    """A linear layer, an operator, and a linear layer that fits."""

    def __init__(self, operator, **parts):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(2, 8)
        for name, part in parts.items():
            setattr(self, name, part)
        self._operator = operator
        width = self._called(torch.zeros(2, 2)).shape[1]
        self.last = nn.Linear(width, 3)
        self.eval()

    def _called(self, x):
        h = self.first(x)
        return (self._operator(self, h) if self._operator.__code__.co_argcount == 2 else self._operator(h)).flatten(1)

    def forward(self, x):
        return self.last(self._called(x).relu())


def partition(operator, **parts):
    model = Net(operator, **parts)
    part = sg.compute_partition(model, SQUARE)
    assert part.check(model).ok
    return part


def median_of_three(h):
    a, b, c = h[:, :1], h[:, 1:2], h[:, 2:3]
    return torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))


# One function in two spellings.
PAIRS = {
    "absolute": (lambda h: h.absolute(), lambda h: h.abs()),
    "diff": (lambda h: torch.diff(h, dim=1), lambda h: h[:, 1:] - h[:, :-1]),
    "trapezoid": (lambda h: torch.trapezoid(h, dim=1)[:, None], lambda h: ((h[:, 1:] + h[:, :-1]) / 2).sum(1, True)),
    "lerp": (lambda h: torch.lerp(h, h.relu(), 0.3), lambda h: 0.7 * h + 0.3 * h.relu()),
    "addcdiv": (lambda h: torch.addcdiv(h, h.flip(1), LAST + 1.0), lambda h: h + h.flip(1) / (LAST + 1.0)),
    "aminmax": (lambda h: torch.aminmax(h, dim=1, keepdim=True)[1], lambda h: h.amax(1, True)),
    "index fill": (
        lambda h: h.index_fill(1, LAST[:2], 0.5),
        lambda h: torch.where(INDEX_FILLED, 0.5 + 0 * h, h),
    ),
    "scatter": (
        lambda h: torch.zeros_like(h).scatter(1, LAST.expand(h.shape[0], 8), h),
        lambda h: h[:, LAST.argsort()],
    ),
    "gather": (lambda h: h.gather(1, LAST.expand(h.shape[0], -1)), lambda h: h[:, LAST]),
    "graph": (
        lambda h: torch.zeros(h.shape[0], 4).index_add(1, LAST // 2, h[:, LAST]),
        lambda h: h[:, LAST] @ F.one_hot(LAST // 2, 4).double().to(h.dtype),
    ),
    "pixel unshuffle": (
        lambda h: F.pixel_unshuffle(h.view(-1, 1, 2, 4), 2),
        lambda h: h.view(-1, 1, 1, 2, 2, 2).permute(0, 1, 3, 5, 2, 4),
    ),
    "rot90": (lambda h: torch.rot90(h.view(-1, 2, 4), 1, (1, 2)), lambda h: h.view(-1, 2, 4).flip(2).mT),
    "one norm": (lambda h: h.norm(p=1, dim=1, keepdim=True), lambda h: h.abs().sum(1, keepdim=True)),
    "max norm": (lambda h: torch.linalg.vector_norm(h, torch.inf, 1, True), lambda h: h.abs().amax(1, True)),
    "one largest": (lambda h: h.topk(1, 1)[0], lambda h: h.amax(1, True)),
    "one smallest": (lambda h: h.topk(1, 1, largest=False).values, lambda h: h.amin(1, True)),
    "group sort": (
        lambda h: h.view(-1, 4, 2).sort(-1)[0],
        lambda h: torch.stack([h.view(-1, 4, 2).amin(2), h.view(-1, 4, 2).amax(2)], 2),
    ),
    "median": (lambda h: h[:, :3].median(1, keepdim=True)[0], median_of_three),
    "second of three": (lambda h: h[:, :3].kthvalue(2, 1, True).values, median_of_three),
    "weights in parts": (
        lambda m, h: h[:, :4] @ m.first.weight.chunk(2)[0],
        lambda m, h: h[:, :4] @ m.first.weight[:4],
    ),
    "soft shrinkage": (lambda h: F.softshrink(h, 0.25), lambda h: h - h.clamp(-0.25, 0.25)),
    "Fourier": (
        lambda h: torch.view_as_real(torch.fft.rfft(h)),
        lambda h: h @ torch.view_as_real(torch.fft.rfft(torch.eye(8, dtype=torch.float64))).flatten(1).to(h.dtype),
    ),
    "Fourier filter": (
        lambda h: torch.fft.irfft(torch.fft.rfft(h, norm="ortho") * torch.tensor(1 + 0.5j), n=8, norm="ortho"),
        lambda h: torch.fft.irfft(torch.fft.rfft(h) * (1 + 0.5j), n=8),
    ),
}
FAST = ("diff", "graph", "group sort", "median", "Fourier filter", "max norm")


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in PAIRS])
def test_two_spellings_have_one_partition(name):
    parts = [partition(operator) for operator in PAIRS[name]]
    # A sort may compare what the other spelling does not; what bends is the same.
    merged = [sg.linear_regions(part) for part in parts]
    assert merged[0].n_regions == merged[1].n_regions > 1
    if name not in ("median", "second of three"):
        assert parts[0].n_regions == parts[1].n_regions
    u = np.random.default_rng(0).uniform(-2, 2, (50, 2))
    np.testing.assert_allclose(parts[0].evaluate(u), parts[1].evaluate(u), rtol=1e-9, atol=1e-9)


OTHERS = {
    "top three": lambda h: h.topk(3, 1)[0],
    "median": lambda h: h.median(1, keepdim=True)[0],
    "resized with antialias": lambda h: F.interpolate(h.view(-1, 1, 2, 4), (1, 2), mode="bilinear", antialias=True),
    "bicubic": lambda h: F.interpolate(h.view(-1, 1, 2, 4), (3, 5), mode="bicubic"),
    "sampled at a grid": lambda h: F.grid_sample(
        h.view(-1, 1, 2, 4), GRID.expand(h.shape[0], -1, -1, -1), align_corners=False
    ),
    "two-dimensional Fourier": lambda h: torch.fft.ifft2(torch.fft.fft2(h.view(-1, 2, 4)).roll(1, 2)).real,
}


@pytest.mark.parametrize("name", [n if n[0] in "ts" else pytest.param(n, marks=pytest.mark.slow) for n in OTHERS])
def test_what_has_no_other_spelling(name):
    assert partition(OTHERS[name]).n_regions > 1


def test_instance_norm_and_weight_standardisation():
    norm = nn.InstanceNorm1d(4, affine=True, track_running_stats=True)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.weight)
    assert partition(lambda m, h: m.norm(h.view(-1, 4, 2)), norm=norm).n_regions > 1

    def standardised(m, h):
        variance, mean = torch.var_mean(m.first.weight, 1, keepdim=True)
        return h @ ((m.first.weight - mean) / variance.sqrt())

    assert partition(standardised).n_regions > 1


def test_layers_are_named_by_what_was_called():
    assert partition(lambda h: h.sort(1)[0][:, :4]).layer_names[:2] == ("sort", "sort:2")
    with pytest.raises(sg.NotPiecewiseAffineError, match="'layer_norm'"):
        partition(lambda h: F.layer_norm(h.diff(dim=1), (7,)))
