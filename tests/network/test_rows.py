"""Wherever a network keeps its batch, it has the partition of the same network that keeps it in front."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import splinegeo as sg
from splinegeo.network.program import Size
from splinegeo.network.rows import Place

SQUARE = sg.Slice.box((-2, 2), (-2, 2))


class Net(nn.Module):
    """Three steps in time of four numbers, something with them, and a head."""

    def __init__(self, forward):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.step, self.last = nn.Linear(2, 12), nn.Linear(4, 4), nn.Linear(12, 3)
        self.slopes = nn.Parameter(torch.linspace(-0.5, 0.8, 4))
        self.conv, self.members = nn.Conv1d(1, 2, 2), nn.ModuleList(nn.Linear(2, 5) for _ in range(4))
        self._written = forward

    def forward(self, x):
        return self._written(self, x)


def steps(m, x):
    """(n, 3, 4)"""
    return m.first(x).view(-1, 3, 4)


def second(h):
    return h.transpose(0, 1)


def folded(h):
    return h.reshape(h.shape[0] * h.shape[1], *h.shape[2:])


def inner_folded(h):
    """The steps outside, the batch inside."""
    return folded(second(h).contiguous())


def unfolded(h):
    return h.reshape(-1, 3, *h.shape[1:])


def inner_unfolded(h):
    return second(h.reshape(3, -1, *h.shape[1:]))


LAYOUTS = {
    "time first": (second, second),
    "folded": (folded, unfolded),
    "folded, time outside": (inner_folded, inner_unfolded),
    "last": (lambda h: h.permute(1, 2, 0).contiguous(), None),
}
# Of (…, 4) tensors with the batch somewhere among the first dimensions.
CHANGES = {
    "relu": lambda m, h: m.step(m.step(h).relu()).relu(),
    "clamp": lambda m, h: m.step(h).clamp(0 * m.slopes - 0.5, m.slopes).relu(),
    "slopes": lambda m, h: torch.where(m.slopes > 0, m.step(h), h).abs(),
    "maximum": lambda m, h: torch.maximum(m.step(h).relu(), h.flip(-1)) + h,
    "minimum with constants": lambda m, h: torch.minimum(m.slopes, m.step(h)),
    "amax": lambda m, h: h.relu() + m.step(h).amax(-1, keepdim=True),
    "max": lambda m, h: h - m.step(h).max(-1, keepdim=True)[0],
    "sort": lambda m, h: m.step(h).sort(-1)[0],
    "norm": lambda m, h: h.relu() + h.norm(p=1, dim=-1, keepdim=True),
}
FAST = {("time first", "maximum"), ("folded", "relu"), ("folded, time outside", "max"), ("time first", "clamp")}


def head(m, h):
    return m.last(h.flatten(1))


def same(left, right):
    assert left.n_regions == right.n_regions > 4
    np.testing.assert_allclose(*(p.vertices[np.lexsort(p.vertices.round(9).T)] for p in (left, right)), atol=1e-9)


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        pytest.param(layout, change, marks=[] if (layout, change) in FAST else pytest.mark.slow)
        for layout in LAYOUTS
        if LAYOUTS[layout][1]
        for change in CHANGES
    ],
)
def test_the_layout_changes_nothing(layout, change):
    into, back = LAYOUTS[layout]
    act = CHANGES[change]
    model = Net(lambda m, x: head(m, back(act(m, into(steps(m, x))))))
    plain = Net(lambda m, x: head(m, act(m, steps(m, x))))
    network = sg.capture(model, SQUARE)
    part = sg.compute_partition(network, SQUARE)
    reference = sg.compute_partition(plain, SQUARE)
    same(part, reference)
    assert part.check(model).ok
    assert [math.prod(shape) for shape in part.unit_shapes] == [math.prod(shape) for shape in reference.unit_shapes]
    assert network(torch.zeros(5, 2)).shape == (5, 3)


def test_pools_of_a_folded_batch():
    def pooled(m, h):
        return F.max_pool1d(m.conv(h[:, None]).relu(), 2, 1).flatten(1)

    folds = Net(lambda m, x: unfolded(pooled(m, folded(steps(m, x)))).flatten(1).relu())
    loops = Net(lambda m, x: torch.stack([pooled(m, h) for h in steps(m, x).unbind(1)], 1).flatten(1).relu())
    same(sg.compute_partition(folds, SQUARE), sg.compute_partition(loops, SQUARE))
    assert sg.compute_partition(folds, SQUARE).check(folds).ok


def test_ensembles_are_stacked_in_front():
    def ensemble(dim, m, x):
        return torch.stack([f(x) for f in m.members], dim).relu().max(dim).values

    models = [Net(partial(ensemble, dim)) for dim in (0, 1, -1)]
    parts = [sg.compute_partition(model, SQUARE) for model in models]
    for model, part in zip(models, parts, strict=True):
        same(part, parts[0])
        assert part.check(model).ok


def test_recurrent_networks_of_pytorch():
    torch.manual_seed(0)
    rnn = nn.RNN(2, 4, nonlinearity="relu", batch_first=False)

    def looped(m, x):
        state = x.new_zeros(x.shape[0], 4)
        for step in steps(m, x)[..., :2].unbind(1):
            state = F.relu(
                F.linear(step, rnn.weight_ih_l0, rnn.bias_ih_l0) + F.linear(state, rnn.weight_hh_l0, rnn.bias_hh_l0)
            )
        return state

    model, loop = Net(lambda m, x: m.rnn(second(steps(m, x)[..., :2]))[0][-1]), Net(looped)
    model.rnn = rnn
    part = sg.compute_partition(model, SQUARE)
    same(part, sg.compute_partition(loop, SQUARE))
    assert part.layer_names == ("rnn", "rnn:2", "rnn:3")


@pytest.mark.parametrize(
    ("mix", "operator"),
    [
        (lambda m, x: second(second(steps(m, x)).cumsum(1)).relu(), "cumsum"),
        (lambda m, x: second((second(steps(m, x)) + steps(m, x).mean((0, 1))).relu()), "mean"),
        (lambda m, x: folded(steps(m, x)).roll(1, 0).relu(), "roll"),
        (lambda m, x: (m.first(x) @ m.first(x).new_ones(12, 1) + m.first(x)[:, :1].T).relu(), "add"),
    ],
)
def test_mixtures_of_the_batch_are_found_by_name(mix, operator):
    with pytest.raises(sg.CaptureError, match=f"'{operator}'.* mixes the points of a batch"):
        sg.capture(Net(mix), SQUARE)


def test_places():
    place, n = Place(1, 2, 3), Size(None)
    x = torch.arange(4 * 2 * 5 * 3 * 7).reshape(4, 30, 7)
    split = x.reshape(4, *place.parts(5), 7)
    front = split.permute(place.order(3))
    assert front.shape == (5, 4, 2, 3, 7)
    assert [place.moved(d, 3) for d in (0, 2)] == [1, 4]
    assert torch.equal(front[3], x.unflatten(1, (2, 5, 3))[:, :, 3])
    assert Place(0).parts(n) == [n]
    assert Place(0).is_first
    assert not Place(0, 2).is_first
