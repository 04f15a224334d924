"""One network has one local complexity and one deformation, however its activations are spelt; or it is refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import splinegeo as sg
from splinegeo.errors import InvalidInputError


class Net(nn.Module):
    def __init__(self, act, width=30):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = nn.Linear(4, width), nn.Linear(width, width), nn.Linear(width, 2)
        self.act = act

    def forward(self, x):
        return self.c(torch.relu(self.b(self.act(self.a(x)))))


def assigned(h):
    h = h.clone()
    h[h < 0] = 0
    return h


def written_into_a_view(h):
    out = torch.zeros(len(h), h.shape[1] + 1, dtype=h.dtype)
    out[:, 1:] = h
    return (out * (out > 0))[:, 1:]


def steps(h):
    return h * torch.where(h > 0, torch.ones_like(h), torch.zeros_like(h))


RELU = {
    "method": lambda h: h.relu(),
    "clamp": lambda h: h.clamp(min=0),
    "clamp by a tensor": lambda h: torch.clamp(h, min=torch.zeros(30, dtype=h.dtype)),
    "where": lambda h: torch.where(h > 0, h, 0.0),
    "where, the other way": lambda h: torch.where(h <= 0, torch.zeros_like(h), h),
    "where between tensors": lambda h: torch.where(h > torch.zeros_like(h), h, 0.0),
    "product with a mask": lambda h: h * (h > 0),
    "product with a cast mask": lambda h: h * (h > 0).to(h.dtype),
    "product with a negated mask": lambda h: h * ~(h <= 0),
    "masked_fill": lambda h: h.masked_fill(h < 0, 0.0),
    "masked_fill_": lambda h: h.clone().masked_fill_(h < 0, 0.0),
    "assignment": assigned,
    "heaviside": lambda h: h * torch.heaviside(h, torch.zeros(1, dtype=h.dtype)),
    "sign": lambda h: h * ((torch.sign(h) + 1) / 2),
    "steps": steps,
    "absolute value": lambda h: (h + h.abs()) / 2,
    "maximum": lambda h: torch.maximum(h, torch.zeros((), dtype=h.dtype)),
    "fmax": lambda h: torch.fmax(h, torch.zeros(1, dtype=h.dtype)),
    "threshold": lambda h: F.threshold(h, 0.0, 0.0),
}
LEAKY = {
    "leaky_relu": lambda h: F.leaky_relu(h, 0.2),
    "where": lambda h: torch.where(h > 0, h, 0.2 * h),
    "mask": lambda h: h * torch.where(h > 0, 1.0, 0.2),
}
HARD = {
    "hardtanh": F.hardtanh,
    "clamp": lambda h: h.clamp(-1, 1),
    "clamp by tensors": lambda h: torch.clamp(h, -torch.ones(1, dtype=h.dtype), torch.ones(1, dtype=h.dtype)),
    "where": lambda h: torch.where(h > 1, 1.0, torch.where(h < -1, -1.0, h)),
}
SPELLINGS = [(kind, name) for kind in (RELU, LEAKY, HARD) for name in list(kind)[1:]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "name"), SPELLINGS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_spelling_has_the_same_complexity_and_deformation(kind, name, dtype):
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
    one, other = (Net(act).to(dtype).eval() for act in (next(iter(kind.values())), kind[name]))
    a, b = (sg.local_complexity(m, x, radius=0.7, dim=3) for m in (one, other))
    np.testing.assert_array_equal(a.counts, b.counts)
    assert a.counts[:, 0].sum() > 0
    if name != "absolute value":  # what is behind the absolute value is no part of it
        a, b = (sg.neighborhood_deformation(m, x, radius=0.7, dim=3) for m in (one, other))
        np.testing.assert_allclose(a.eccentricity, b.eccentricity, rtol=1e-9)


def test_what_was_written_into_a_view_is_followed():
    x = torch.randn(20, 4)
    plain, viewed = (sg.local_complexity(Net(act), x, radius=0.7, dim=3) for act in (torch.relu, written_into_a_view))
    np.testing.assert_array_equal(plain.total, viewed.total)


def test_sorting_in_pairs_counts_where_the_two_meet():
    def by_sort(h):
        return h.unflatten(1, (-1, 2)).sort(-1)[0].flatten(1)

    x = torch.randn(20, 4)
    sorted_ = sg.local_complexity(Net(by_sort), x, radius=0.7, dim=3)
    larger = sg.local_complexity(Net(lambda h: torch.maximum(h[:, ::2], h[:, 1::2]).repeat(1, 2)), x, radius=0.7, dim=3)
    assert sorted_.layer_names[0] == "sort"
    np.testing.assert_array_equal(sorted_.counts[:, 0], larger.counts[:, 0])


@pytest.mark.parametrize(
    ("act", "operator"),
    [
        (torch.floor, "floor"),
        (lambda h: h.topk(4, 1)[0].repeat(1, 8)[:, :30], "topk"),
        (lambda h: h * (h.argmax(1, keepdim=True) == torch.arange(30)), "argmax"),
        (lambda h: h.median(1, keepdim=True)[0] + h, "median"),
        (lambda h: h + torch.linalg.vector_norm(h, 1, dim=1, keepdim=True), "linalg_vector_norm"),
        (lambda h: h % 1.0, "remainder"),
        (lambda h: torch.div(h, 0.3, rounding_mode="floor"), "div"),
        (lambda h: h.long().to(h.dtype), "_to_copy"),
        (lambda h: F.pad(h, (0, 100)).sort(1)[0][:, :30], "sort"),
    ],
)
@pytest.mark.parametrize("verb", [sg.local_complexity, sg.neighborhood_deformation])
def test_what_cannot_be_counted_is_refused_by_name_or_left_out_by_name(act, operator, verb):
    x = torch.randn(5, 4)
    with pytest.raises(InvalidInputError, match=rf"'{operator}' breaks .*layers=.*'relu'"):
        verb(Net(act), x, radius=0.1, dim=2)
    assert verb(Net(act), x, radius=0.1, dim=2, layers=["relu"]).layer_names == ("relu",)


def test_an_output_that_is_spelt_in_pieces_is_refused_for_deformation_alone():
    def pieces(h):
        return h * (h > 0) + 0.2 * (h * (h <= 0))

    x = torch.randn(20, 4)
    one, other = (sg.local_complexity(Net(act), x, radius=0.7, dim=3) for act in (LEAKY["leaky_relu"], pieces))
    np.testing.assert_array_equal(one.counts, other.counts)
    with pytest.raises(InvalidInputError, match="'gt' is spelt by comparisons"):
        sg.neighborhood_deformation(Net(pieces), x, radius=0.7, dim=3)


def test_masks_and_steps_of_constants_are_no_layers():
    def act(h):
        places = torch.arange(30)
        h = h.masked_fill(places % 2 == 0, 0.0) * (torch.floor(places / 3.0) > 2)
        assert torch.isfinite(h).all() or True
        return torch.relu(h)

    assert sg.local_complexity(Net(act), torch.randn(5, 4), dim=2).layer_names[-2:] == ("relu", "relu:2")
