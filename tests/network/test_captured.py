"""`capture`: a network is captured once, bound to other weights, sent to other processes, and asked by every verb."""

import operator
import pickle  # noqa: TID251 - what process pools use between themselves
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import splinegeo as sg

SQUARE = sg.Slice.box((-2, 2), (-2, 2))


def mlp(seed=0, width=8):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.LeakyReLU(0.1), nn.Linear(width, 3)
    )


class Two(nn.Module):
    """Takes two inputs, gives a tuple with a dictionary inside; keeps no more than it needs."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(2, 6), nn.Linear(3, 6)

    def forward(self, x, context, scale=1.0):
        h = F.relu(self.a(x) + self.b(context)) * scale
        return h.softmax(1), {"hidden": h, "nested": (h, -h)}


class Conditional(nn.Module):
    """A timestep for each row stands beside the input, so that one row of it does not do."""

    def __init__(self):
        super().__init__()
        self.l = nn.Linear(3, 5)

    def forward(self, x, t):
        return F.relu(self.l(torch.cat([x, t], dim=1)))


@pytest.fixture(scope="module", name="network")
def network_fixture():
    return sg.capture(mlp(), SQUARE)


def equal(left, right):
    for name in ("vertices", "edges", "edge_unit", "slope", "offset"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


def test_partitions_of_a_network_are_those_of_its_module(network):
    part = sg.compute_partition(network, SQUARE)
    equal(part, sg.compute_partition(mlp(), SQUARE))
    assert part.check(network).ok
    assert part.check(mlp()).ok
    assert network.layer_names == part.layer_names == ("1", "3")
    assert network.unit_shapes == part.unit_shapes == ((8,), (8,))
    assert network.input_shape == (2,)
    x = torch.randn(5, 2)
    torch.testing.assert_close(network(x), mlp()(x).double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("like", [SQUARE, (2,), torch.Size([2]), torch.zeros(2), np.array([3.0, 4.0])])
def test_a_network_is_captured_like_a_slice_an_input_or_a_shape(like, network):
    assert sg.capture(mlp(), like).program.layer_names == network.layer_names


def test_other_weights_are_bound(network):
    states = [mlp(seed).state_dict() for seed in (1, 2)]
    parts = sg.compute_partitions(network, SQUARE, states=states)
    for seed, part in zip((1, 2), parts, strict=True):
        equal(part, sg.compute_partition(mlp(seed), SQUARE))
        equal(part, sg.compute_partition(network.bind(mlp(seed).state_dict()), SQUARE))
    equal(sg.compute_partition(network, SQUARE), sg.compute_partition(mlp(), SQUARE))
    with pytest.raises(sg.InvalidInputError, match="do not fit"):
        network.bind(mlp(width=9).state_dict())


def test_every_estimate_takes_a_network(network):
    model, x = mlp().double(), torch.randn(4, 2, dtype=torch.float64)
    options = {"radius": 0.3, "dim": 2}
    found, expected = (sg.local_complexity(m, x, **options) for m in (network, model))
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.layer_names == expected.layer_names == network.layer_names
    bounds = sg.local_complexity_bounds(network, x, **options)
    exact = sg.exact_local_complexity(network, x, radius=0.3)
    assert (bounds.lower <= exact.counts).all()
    assert (exact.counts <= bounds.upper).all()
    bent, straight = (sg.neighborhood_deformation(m, x, **options) for m in (network, model))
    np.testing.assert_allclose(bent.eccentricity, straight.eccentricity, rtol=1e-12)
    picture = sg.complexity_map(network, SQUARE, 5, **options)
    np.testing.assert_array_equal(picture.image, sg.complexity_map(model, SQUARE, 5, **options).image)


def test_a_network_goes_to_other_processes_and_threads(network):
    arrived = pickle.loads(pickle.dumps(network))
    reference = sg.compute_partition(network, SQUARE)
    equal(sg.compute_partition(arrived, SQUARE), reference)
    state = mlp(3).state_dict()
    equal(sg.compute_partition(arrived.bind(state), SQUARE), sg.compute_partition(mlp(3), SQUARE))
    with ThreadPoolExecutor(4) as pool:
        parts = list(
            pool.map(lambda seed: sg.compute_partitions(network, SQUARE, states=[mlp(seed).state_dict()]), [0] * 6)
        )
        parts += list(pool.map(lambda _: [sg.compute_partition(network, SQUARE)], range(6)))
    for (part,) in parts:
        equal(part, reference)


def test_sweeps_take_a_network(network):
    states = [mlp(seed).state_dict() for seed in range(3)]
    found = sg.sweep_partitions(network, SQUARE, states=states, reduce=operator.attrgetter("n_regions"))
    assert found.stack().tolist() == [sg.compute_partition(mlp(seed), SQUARE).n_regions for seed in range(3)]


def test_what_was_chosen_is_not_chosen_again(network):
    for name, value in (("until", "1"), ("output", 0), ("inputs", {"t": 1})):
        with pytest.raises(sg.InvalidInputError, match=rf"{name}= is chosen where a network is captured: sg\.capture"):
            sg.compute_partition(network, SQUARE, **{name: value})
    with pytest.raises(sg.InvalidInputError, match=r"captured for inputs of shape \(2,\), not \(3,\)"):
        sg.compute_partition(network, sg.Slice.around(np.zeros(3), 1))
    with pytest.raises(sg.InvalidInputError, match=r"captured for inputs of shape \(2,\), not \(3,\)"):
        network(torch.zeros(1, 3))
    with pytest.raises(sg.InvalidInputError, match="captured already"):
        sg.capture(network, SQUARE)


def test_an_entry_of_the_output_and_further_inputs():
    torch.manual_seed(0)
    model, context = Two().eval(), torch.randn(1, 3)
    alone = nn.Sequential(nn.Linear(2, 6), nn.ReLU())
    with torch.no_grad():
        alone[0].weight.copy_(model.a.weight)
        alone[0].bias.copy_(model.a.bias + model.b(context)[0])
    expected = sg.compute_partition(alone, SQUARE)
    for output, inputs in (
        ("1.hidden", [context]),
        ("1.hidden", {1: context}),
        ("1.nested.0", {"context": context, "scale": 2.0}),
        ("1.nested.-1", (context, 0.5)),
    ):
        part = sg.compute_partition(model, SQUARE, output=output, inputs=inputs)
        assert part.n_regions == expected.n_regions
        assert part.check(sg.capture(model, SQUARE, output=output, inputs=inputs)).ok
    held = partial(model, context=context)
    assert sg.compute_partition(held, SQUARE, output="1.hidden").n_regions == expected.n_regions
    for output, what in (("2", "no '2' in tuple of 2"), ("1.other", r"keys \['hidden', 'nested'\]"), (None, "output=")):
        with pytest.raises(sg.InvalidInputError, match=what):
            sg.capture(model, SQUARE, output=output, inputs=[context])


def test_one_row_of_a_further_input_is_repeated_where_it_must():
    torch.manual_seed(0)
    model = Conditional()
    network = sg.capture(model, SQUARE, inputs={"t": torch.full((1, 1), 0.5)})
    x = torch.randn(7, 2)
    torch.testing.assert_close(network(x).float(), model(x, torch.full((7, 1), 0.5)), rtol=1e-5, atol=1e-6)


def test_the_estimates_stop_where_the_network_stops():
    torch.manual_seed(0)
    network = sg.capture(nn.Sequential(*mlp(), nn.Softmax(1)), SQUARE, until="3")
    found = sg.local_complexity(network, torch.zeros(2, 2), radius=0.5, dim=2)
    assert found.layer_names == network.layer_names == ("1", "3")
