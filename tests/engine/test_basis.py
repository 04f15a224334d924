"""The walk in bases gives the partition that the walk on vertices gives: every architecture, every kind of network."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.engine.basis import bending, walk
from splinegeo.engine.basis.bounds import Fits, Planes
from splinegeo.network import restrict
from splinegeo.testing import NETWORK_KINDS, assert_same_partition, random_network

from .zoo import ZOO


def square(s):
    return sg.Slice.box((-s, s), (-s, s))


def mlp(*widths, seed=0):
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


finish = walk.BasisWalk.finish


@pytest.fixture(params=["whole", "small tiles"])
def in_bases(request, monkeypatch):
    """A function that computes with the walk in bases, in one tile or in many that are cut again."""

    def compute(network, domains, **options):
        with monkeypatch.context() as patch:
            patch.setattr(walk, "_WIDE", 0)
            if request.param == "small tiles":
                patch.setattr(walk, "_FEWEST_REGIONS", 8)
                patch.setattr(walk, "_MOST_REGIONS", 8)
                patch.setattr(walk, "_CUT_AT", 2)
                patch.setattr(walk, "_REGIONS_PER_FRONT", 64)
            walks = []
            patch.setattr(walk.BasisWalk, "finish", lambda self, front: walks.append(self) or finish(self, front))
            partitions = sg.compute_partitions(network, domains, **options)
            assert walks
            return partitions

    return compute


def on_vertices(network, domains, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "_WIDE", float("inf"))
        return sg.compute_partitions(network, domains, **options)


@pytest.mark.parametrize("name", ZOO)
def test_every_architecture(name, in_bases):
    factory, shape, half_width = ZOO[name]
    torch.manual_seed(0)
    model = factory().double().eval()
    domain = square(half_width) if shape == (2,) else sg.Slice.around(torch.randn(shape), half_width)
    network = sg.capture(model, domain)
    (one,), (other,) = in_bases(network, [domain]), on_vertices(network, [domain])
    assert_same_partition(one, other)


@pytest.mark.parametrize("kind", NETWORK_KINDS)
@pytest.mark.parametrize("seed", [3, 4])
def test_every_kind_of_network(kind, seed, in_bases):
    model, window = random_network(kind, seed)
    domain = sg.Slice.polygon(window)
    network = sg.capture(model, domain)
    (one,), (other,) = in_bases(network, [domain]), on_vertices(network, [domain])
    assert_same_partition(one, other)
    assert one.check().ok


def test_several_slices_and_states_in_one_call(in_bases):
    models = [mlp(2, 12, 12, 1, seed=seed) for seed in (0, 1)]
    domains = [sg.Slice.box((x, x + 2), (-1, 1)) for x in (-3, -1, 1)]
    states = [model.state_dict() for model in models]
    both = [compute(models[0], domains, states=states) for compute in (in_bases, on_vertices)]
    for one, other in zip(*both, strict=True):
        for part, reference in zip(one, other, strict=True):
            assert_same_partition(part, reference)


def test_float32(in_bases):
    network = sg.capture(mlp(2, 24, 24, 3), square(2))
    (one,), (other,) = (c(network, [square(2)], dtype=torch.float32) for c in (in_bases, on_vertices))
    assert one.n_regions == other.n_regions > 100
    assert one.n_vertices - one.n_edges + one.n_regions == 1
    np.testing.assert_allclose(one.areas.sum(), 16, rtol=1e-5)


def test_values_that_overflow_are_refused_by_name(in_bases):
    model = mlp(2, 8, 8, 8, 1).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e150)
    with pytest.raises(sg.NonFiniteError):
        in_bases(model, [square(1)])


@pytest.mark.parametrize(
    ("model", "domain"),
    [
        (lambda: mlp(2, 64, 64, 64, 3), square(1)),
        (
            lambda: nn.Sequential(
                *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()),
                *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 9, 3)),
            ),
            sg.Slice.around(np.zeros((1, 6, 6)), 3.0, rng=1),
        ),
    ],
    ids=["layers", "convolutions"],
)
def test_units_that_cannot_bend_are_not_evaluated(model, domain, monkeypatch):
    """Of the units of a layer, hardly more are evaluated on a tile than bend on it."""
    evaluated, bent, every = [], [], []
    bend = bending.Bending.bend

    def counting(self, front, events, *args, **options):
        found = bending.Candidates.among(front.planes(), events, args[0])
        there, result = bend(self, front, events, *args, **options)
        evaluated.append(int(found.taken.sum()))
        bent.append(len(result.event))
        every.append(front.n_tiles * events.shape[2])
        return there, result

    monkeypatch.setattr(bending.Bending, "bend", counting)
    monkeypatch.setattr(walk, "_WIDE", 0)
    torch.manual_seed(0)
    part = sg.compute_partition(model(), domain)
    assert part.n_regions > 1_000
    assert sum(evaluated) <= 1.5 * sum(bent)
    assert sum(bent) < 0.8 * sum(every)


def test_bounds_hold_and_are_attained_by_affine_functions():
    generator = torch.Generator().manual_seed(0)
    xy = torch.rand(6, 16, 2, generator=generator, dtype=torch.float64)
    columns = torch.relu(xy @ torch.randn(2, 5, generator=generator, dtype=torch.float64) - 0.3)
    page_tile = torch.tensor([0, 0, 1, 1, 1, 2])
    planes = Planes.of(Fits.of(xy, columns), page_tile, 3)
    basis = torch.randn(3, 8, 40, generator=generator, dtype=torch.float64)
    basis[:, 3:, :10] = 0
    c = torch.cat([torch.ones(6, 16, 1, dtype=torch.float64), xy, columns], 2)
    values = torch.bmm(c, basis[page_tile])
    for boxes in (planes, planes.coarse()):
        upper, lower = boxes.bounds(basis)
        for tile in range(3):
            own = values[page_tile == tile].flatten(0, 1)
            assert (own.amax(0) <= upper[tile] + 1e-12).all()
            assert (own.amin(0) >= lower[tile] - 1e-12).all()
    # Over a box, an affine function attains what is said of it.
    corners = torch.cartesian_prod(*torch.tensor([[0.0, 1.0], [2.0, 5.0]], dtype=torch.float64))[None]
    flat = Planes.of(Fits.of(corners, corners.new_zeros(1, 4, 0)), torch.tensor([0]), 1)
    upper, lower = flat.bounds(torch.tensor([[[1.0], [2.0], [-1.0]]], dtype=torch.float64))
    assert (float(upper), float(lower)) == pytest.approx((1.0, -4.0))


def test_tolerances_are_powers_of_two_not_below_what_was_asked():
    x = torch.tensor([0.0, 1.0, 1.5, 3e-300, 0.25])
    assert walk.power_above(x.double()).tolist()[:3] == [0.0, 1.0, 2.0]
    assert float(walk.power_above(x.double())[4]) == 0.25
    assert 3e-300 <= float(walk.power_above(torch.tensor([3e-300], dtype=torch.float64))[0]) < 6e-300


def test_the_walk_is_chosen_by_the_width_of_the_network():
    def chosen(model, shape):
        domain = sg.Slice.around(np.zeros(shape), 1.0)
        network = sg.capture(model, domain).program
        origin, basis = torch.zeros(1, *shape).double(), torch.from_numpy(domain.basis.T.copy())
        return walk.is_wide(restrict(network, origin, basis.reshape(2, 1, *shape)))

    assert not chosen(mlp(2, 100, 100, 2), (2,))
    assert chosen(mlp(2, 800, 800, 2), (2,))
    assert not chosen(nn.Linear(3, 2), (3,))
