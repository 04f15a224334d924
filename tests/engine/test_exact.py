"""Close decisions settled in rational arithmetic: counts, areas, neighbours and labels, against independent ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.engine import exact
from splinegeo.network import capture
from splinegeo.testing import (
    NETWORK_KINDS,
    arrangement,
    assert_matches_rational,
    assert_valid_partition,
    generic_lines,
    layer_lines,
    line_network,
    linear_layer,
    random_network,
    rational_witness,
)

from .zoo import ZOO

ALMOST_CONCURRENT = [(0.1, 0.3, -0.4), (0.7, 0.2, -0.9), (0.3, 0.8, -1.1)]
BOX = sg.Slice.box((0, 2), (0, 2))


def always_settled(model, domain):
    """The rational partition, whether or not floating point left anything open."""
    part = sg.compute_partition(model, domain)
    network = capture(model, domain.input_shape).program
    unsettled = replace(part, certificate=replace(part.certificate, n_zero=1))
    return exact.settle([unsettled], network)[0]


def assert_same_combinatorics(part, witness):
    """Counts, areas, neighbours; vertices may be closer together than floats tell, so that no place is compared."""
    mesh = witness.subdivision
    assert part.n_regions == witness.n_regions
    assert (part.n_vertices, part.n_edges) == (mesh.n_vertices, mesh.n_edges)
    assert part.n_vertices - part.n_edges + part.n_regions == 1
    window = sum(witness.areas)
    assert np.abs(np.sort(part.areas) - np.sort(witness.areas)).max() <= 1e-12 * window
    inner = part.edge_regions[(part.edge_regions >= 0).all(axis=1)]
    pairs = {(min(pair), max(pair)) for pair in inner.tolist()}
    assert len(pairs) == len(mesh.adjacency)
    degrees = [np.bincount(np.array(sorted(p)).reshape(-1), minlength=part.n_regions) for p in (pairs, mesh.adjacency)]
    assert sorted(degrees[0]) == sorted(degrees[1])


def test_three_lines_that_almost_meet_make_seven_regions_not_six():
    model = line_network(ALMOST_CONCURRENT)
    assert sg.compute_partition(model, BOX).n_regions == 6
    part = sg.compute_partition(model, BOX, exact=True)
    assert part.n_regions == 7
    assert part.certificate.proven
    assert part.certificate.n_merged
    assert part.check(model).ok
    assert part.areas.min() < 1e-30


def test_a_zero_of_floating_point_need_not_be_one():
    model = line_network([(0.1, 0.5, -0.6)])
    square = sg.Slice.box((0, 1), (0, 1))
    rounded = sg.compute_partition(model, square)
    assert rounded.n_regions == 1
    assert rounded.certificate.n_snapped == rounded.certificate.n_merged == 0
    assert arrangement(layer_lines(model[0]), square.window.tolist()).n_regions == 2
    assert sg.compute_partition(model, square, exact=True).n_regions == 2


def test_nothing_close_means_no_rational_work(monkeypatch):
    def refuse(*_):
        raise AssertionError("rational arithmetic was asked")

    for name in ("exact_layers", "rational_partition"):
        monkeypatch.setattr(exact, name, refuse)
    model = nn.Sequential(line_network(generic_lines(6)), linear_layer(np.eye(3, 6) - 0.31, [0.1, 0.2, 0.3]), nn.ReLU())
    square = sg.Slice.box((-1, 1), (-1, 1))
    one, other = (sg.compute_partition(model, square, exact=choice) for choice in (False, True))
    assert one.certificate.is_generic
    assert not other.certificate.proven
    for name in ("vertices", "edges", "edge_regions", "edge_layer", "edge_unit", "region_vertices", "slope", "offset"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    with pytest.raises(AssertionError, match="was asked"):
        sg.compute_partition(line_network(ALMOST_CONCURRENT), BOX, exact=True)


@pytest.mark.parametrize("denominator", [3, 7, 10])
@pytest.mark.parametrize("seed", range(4))
def test_rounded_grids_in_one_layer(denominator, seed):
    rng = np.random.default_rng([denominator, seed])
    lines = rng.integers(-9, 10, (12, 3)) / denominator
    part = sg.compute_partition(line_network(lines), BOX, exact=True)
    counts = arrangement(lines.tolist(), BOX.window.tolist())
    assert (part.n_regions, part.n_edges, part.n_vertices) == (counts.n_regions, counts.n_edges, counts.n_vertices)
    assert part.check().ok


@pytest.mark.parametrize("denominator", [3, 10])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.1), nn.Hardtanh()], ids=["relu", "leaky", "hardtanh"])
@pytest.mark.parametrize("seed", range(3))
def test_rounded_grids_in_deep_networks(denominator, activation, seed):
    rng = np.random.default_rng([denominator, seed])
    layers = []
    for n_in, n_out in ((2, 6), (6, 5), (5, 4)):
        weight, bias = rng.integers(-9, 10, (n_out, n_in)), rng.integers(-9, 10, n_out)
        layers += [linear_layer(weight / denominator, bias / denominator), activation]
    model = nn.Sequential(*layers)
    part = sg.compute_partition(model, BOX, exact=True)
    assert part.certificate.proven or part.certificate.is_generic
    assert_same_combinatorics(part, rational_witness(model, BOX.window))
    assert part.check(model).ok


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_captured_networks_of_every_kind_equal_the_witness(kind):
    model, window = random_network(kind, 5)
    part = always_settled(model, sg.Slice.polygon(window))
    assert part.certificate.proven
    assert_matches_rational(part, rational_witness(model, window))
    assert_valid_partition(part, model)


@pytest.mark.parametrize(
    "name",
    [
        "prelu of an image",
        "clamp from above",
        "fmax and fmin",
        "softshrink",
        "maximum of two activations",
        "minimum over a dimension",
        "amax over two dimensions",
        "max pool, padded",
        "average pools",
        "transposed convolutions",
        "upsampling",
        "shapes",
        "in place",
        "dense",
        "recurrent",
        "pre-activation ResNet",
    ],
)
def test_architectures_of_the_zoo_are_what_floating_point_found(name):
    factory, shape, half_width = ZOO[name]
    torch.manual_seed(0)
    model = factory().double().eval()
    domain = sg.Slice.around(torch.randn(shape, dtype=torch.float64), half_width)
    one, other = sg.compute_partition(model, domain), always_settled(model, domain)
    assert (one.n_regions, one.n_edges) == (other.n_regions, other.n_edges)
    assert np.allclose(np.sort(one.areas), np.sort(other.areas), rtol=0, atol=1e-9 * one.areas.sum())
    assert sorted(one.edge_layer.tolist()) == sorted(other.edge_layer.tolist())
    if "max pool" not in name:  # windows that overlap share ties, and the two engines name different ones of them
        assert sorted(one.edge_unit.tolist()) == sorted(other.edge_unit.tolist())
    assert other.check(model).ok


def test_many_slices_settle_one_by_one():
    model = line_network(ALMOST_CONCURRENT)
    away = sg.Slice.box((0, 0.5), (0, 0.25))
    parts = sg.compute_partitions(model, [BOX, away], exact=True)
    assert [part.n_regions for part in parts] == [7, sg.compute_partition(model, away).n_regions]


def test_checkpoints_are_settled_with_their_own_weights():
    model = line_network(ALMOST_CONCURRENT)
    moved = line_network([(0.1, 0.3, -0.4), (0.7, 0.2, -0.9), (0.25, 0.75, -1.0)])
    parts = sg.compute_partitions(model, BOX, states=[model.state_dict(), moved.state_dict()], exact=True)
    counts = [arrangement(layer_lines(m[0]), BOX.window.tolist()).n_regions for m in (model, moved)]
    assert [part.n_regions for part in parts] == counts


def test_a_proven_partition_survives_its_file(tmp_path):
    part = sg.compute_partition(line_network(ALMOST_CONCURRENT), BOX, exact=True)
    part.save(tmp_path / "part.npz")
    loaded = sg.Partition.load(tmp_path / "part.npz")
    assert loaded.certificate.proven
    assert loaded.check().ok
    assert np.array_equal(loaded.offset, part.offset)


def test_questions_can_be_asked_of_a_partition_with_slivers():
    part = sg.compute_partition(line_network(ALMOST_CONCURRENT), BOX, exact=True)
    assert (part.locate(part.domain.window) >= 0).all()
    assert part.to_networkx().number_of_nodes() == 7
    assert np.isfinite(part.evaluate([[1.0, 1.0]])).all()
    assert np.isfinite(part.slope_norm()).all()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU()).eval(), "batch_norm"),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 4)), nn.ReLU()), "norm"),
        (nn.Sequential(nn.Linear(2, 4), nn.RReLU()).eval(), "rrelu"),
        (nn.Sequential(nn.Linear(2, 4), nn.Hardsigmoid()), "hardsigmoid"),
    ],
)
def test_coefficients_that_are_no_given_floats_are_refused_by_name(model, name):
    assert sg.compute_partition(model, BOX).n_regions
    with pytest.raises(sg.InvalidInputError, match=f"operator '[a-z_]*{name}[a-z_]*'.* computes new ones"):
        sg.compute_partition(model, BOX, exact=True)


def test_what_follows_the_last_nonlinearity_may_round():
    model = nn.Sequential(line_network(ALMOST_CONCURRENT), nn.BatchNorm1d(3, dtype=torch.float64)).eval()
    part = sg.compute_partition(model, BOX, exact=True)
    assert part.n_regions == 7
    assert part.check(model).ok


@pytest.mark.parametrize(("size", "refused"), [(3, True), (4, False)])
def test_means_are_exact_where_the_divisor_is_a_power_of_two(size, refused):
    lines = line_network([*ALMOST_CONCURRENT, (0.2, 0.3, -0.5)][:size])
    model = nn.Sequential(
        lines, nn.Unflatten(1, (1, size)), nn.AvgPool1d(size), linear_layer([[1]], [-0.25]), nn.ReLU()
    )
    if refused:
        with pytest.raises(sg.InvalidInputError, match="avg_pool1d"):
            sg.compute_partition(model, BOX, exact=True)
    else:
        assert sg.compute_partition(model, BOX, exact=True).check(model).ok


def test_float32_is_no_place_to_be_exact():
    with pytest.raises(sg.InvalidInputError, match="float32"):
        sg.compute_partition(line_network(ALMOST_CONCURRENT), BOX, exact=True, dtype=torch.float32)
