"""Whatever a module does while it runs, and whatever goes wrong, it does not do it to the caller's module."""

import copy
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import splinegeo as sg
from splinegeo.complexity.twin import twin


class Busy(nn.Module):
    """Counts its calls, in a buffer and in an attribute, keeps what it saw, and moves its own weights."""

    def __init__(self, fails_at=None):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("largest", torch.zeros(6))
        self.seen, self.names, self.total, self.fails_at = [], {}, 0, fails_at
        self.lock = threading.Lock()

    def forward(self, x):
        h = torch.relu(self.first(x))
        self.calls += 1
        self.largest = torch.maximum(self.largest, h.detach().abs().amax(0))
        self.seen.append(h)
        self.names[len(self.names)] = "call"
        self.total += 1
        self.fresh = self.total
        if self.fails_at is not None and self.total >= self.fails_at:
            raise RuntimeError("out of order")
        with self.lock:
            return self.last(h)


class Watcher:
    def __init__(self):
        self.largest = 0.0

    def __call__(self, module, args, out):
        self.largest = max(self.largest, float(out.detach().abs().max()))


VERBS = [
    lambda m, x: sg.local_complexity(m, x, radius=0.1, dim=2),
    lambda m, x: sg.neighborhood_deformation(m, x, radius=0.1, dim=2),
]


@pytest.mark.parametrize("fails_at", [None, 1, 3])
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_in_the_module_moves(verb, fails_at):
    model, watcher = Busy(fails_at).eval(), Watcher()
    model.last.register_forward_hook(watcher)
    state, attributes = copy.deepcopy(model.state_dict()), set(vars(model))
    if fails_at is None:
        verb(model, torch.randn(5, 4))
    else:
        with pytest.raises((RuntimeError, sg.SplineGeoError), match="out of order"):
            verb(model, torch.randn(5, 4))
    assert all(torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True))
    assert (model.seen, model.names, model.total, watcher.largest) == ([], {}, 0, 0.0)
    assert set(vars(model)) == attributes


def test_weights_that_belong_to_a_graph_are_no_obstacle():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    normed = copy.deepcopy(plain)
    nn.utils.parametrizations.weight_norm(normed[0])
    prune.l1_unstructured(normed[2], "weight", amount=0.0)
    x = torch.randn(9, 4)
    a, b = (sg.local_complexity(m, x, radius=0.3, dim=2).counts for m in (plain, normed))
    np.testing.assert_array_equal(a, b)
    assert normed[2].weight.grad_fn is not None


def test_a_hook_that_keeps_numpy_arrays_is_no_obstacle():
    model, seen = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), []
    model[1].register_forward_hook(lambda module, args, out: seen.append(out.detach().cpu().numpy()))
    counts = sg.local_complexity(model, torch.randn(5, 4), radius=0.3, dim=2).counts
    assert counts.shape == (5, 1)


def test_attributes_that_cannot_be_copied_are_shared():
    model = Busy()
    other = twin(model)
    assert other.lock is model.lock
    assert other.first is not model.first
    assert torch.equal(other.first.weight, model.first.weight)
    assert other.seen is not model.seen
