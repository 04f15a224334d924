"""The clipping witness against closed formulas, the line arrangement, scipy, and the network itself."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
import torch
from scipy.spatial import Delaunay
from torch import nn

from splinegeo.testing import (
    NETWORK_KINDS,
    Abs,
    arrangement,
    concurrent_lines,
    generic_lines,
    grid_lines,
    layer_lines,
    line_network,
    linear_layer,
    parallel_lines,
    random_network,
    rational_witness,
    tent_map,
    voronoi_network,
)

UNIT = [(0, 0), (1, 0), (1, 1), (0, 1)]
SQUARE = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
WIDE = [(-1e4, -1e4), (1e4, -1e4), (1e4, 1e4), (-1e4, 1e4)]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 9, 14])
def test_generic_lines_make_1_plus_n_plus_n_choose_2(n):
    lines = np.concatenate([generic_lines(n, rng=n), np.zeros((1, 3))])  # a dead unit adds nothing
    assert rational_witness(line_network(lines), WIDE).n_regions == 1 + n + comb(n, 2)


@pytest.mark.parametrize("k", [1, 2, 3, 8, 20])
@pytest.mark.parametrize("through", [(0, 0), (3, -2)])
def test_k_concurrent_lines_make_2k(k, through):
    witness = rational_witness(line_network(concurrent_lines(k, through)), WIDE)
    assert witness.n_regions == 2 * k
    assert len(witness.subdivision.adjacency) == (2 * k if k > 1 else 1)


@pytest.mark.parametrize("k", [1, 3, 7, 15])
def test_k_parallel_lines_make_k_plus_1(k):
    assert rational_witness(line_network(parallel_lines(k)), SQUARE).n_regions == k + 1


@pytest.mark.parametrize(("a", "b"), [(1, 0), (1, 1), (3, 7), (7, 7)])
def test_grid_makes_a_plus_1_times_b_plus_1(a, b):
    witness = rational_witness(line_network(grid_lines(a, b)), UNIT)
    assert witness.n_regions == (a + 1) * (b + 1)
    assert len(witness.subdivision.adjacency) == a * (b + 1) + b * (a + 1)


def test_duplicated_negated_scaled_and_zero_rows_add_nothing():
    lines = generic_lines(5)
    more = np.concatenate([lines, -lines, 4 * lines, lines / 2, np.zeros((3, 3)), [[0, 0, 1]]])
    assert rational_witness(line_network(more), WIDE).n_regions == 1 + 5 + comb(5, 2)


@pytest.mark.parametrize("depth", [0, 1, 2, 3, 5])
def test_tent_map_in_one_coordinate_makes_2_to_the_depth_strips(depth):
    witness = rational_witness(tent_map(depth, coordinates=1), UNIT)
    assert witness.n_regions == 2**depth
    assert {region.area for region in witness.regions} == {Fraction(1, 2**depth)}


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_tent_map_in_two_coordinates_makes_4_to_the_depth_squares(depth):
    witness = rational_witness(tent_map(depth), UNIT)
    assert witness.n_regions == 4**depth
    assert {region.area for region in witness.regions} == {Fraction(1, 4**depth)}
    assert witness.total_area() == 1


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_lines_after_folding_make_4_to_the_depth_times_their_count(depth):
    lines = generic_lines(4, rng=2) + np.array([0, 0, -0.5])
    alone = arrangement(lines, UNIT).n_regions
    assert alone > 4
    folded = nn.Sequential(tent_map(depth), line_network(lines))
    assert rational_witness(folded, UNIT).n_regions == 4**depth * alone


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_hardtanh_makes_two_parallel_lines_per_unit(n):
    network = line_network(generic_lines(n, rng=n), nn.Hardtanh())
    assert rational_witness(network, WIDE).n_regions == 1 + 2 * n + comb(2 * n, 2) - n


@pytest.mark.parametrize("activation", [nn.LeakyReLU(), nn.PReLU(), Abs(), nn.ReLU(), nn.Threshold(0, 0)])
def test_every_activation_with_one_break_at_zero_has_the_same_regions(activation):
    lines = generic_lines(6, rng=4)
    witness = rational_witness(line_network(lines, activation), SQUARE)
    plain = rational_witness(line_network(lines), SQUARE)
    assert [r.polygon for r in witness.regions] == [r.polygon for r in plain.regions]


@pytest.mark.parametrize("seed", range(4))
def test_maximum_over_paraboloid_tangents_is_the_voronoi_diagram(seed):
    sites = np.random.default_rng(seed).uniform(-1, 1, (12, 2))
    far = 1e6 * np.array(SQUARE)
    witness = rational_witness(voronoi_network(sites), far)
    cells = [region.pattern[0] for region in witness.regions]
    assert sorted(cells) == list(range(12))
    pairs = {tuple(sorted((cells[i], cells[j]))) for i, j in witness.subdivision.adjacency}
    triangles = Delaunay(sites).simplices
    expected = {tuple(sorted((int(t[i]), int(t[i - 1])))) for t in triangles for i in range(3)}
    assert pairs == expected


def test_equal_candidates_of_a_maximum_split_nothing():
    sites = [[0, 0], [0, 0], [1, 0], [1, 0], [0.25, 0.25]]
    assert rational_witness(voronoi_network(sites), SQUARE).n_regions == 3


def test_four_cells_of_a_maximum_may_meet_in_one_point():
    witness = rational_witness(voronoi_network([[1, 1], [-1, 1], [-1, -1], [1, -1]]), SQUARE)
    assert (witness.n_regions, witness.subdivision.n_vertices, len(witness.subdivision.adjacency)) == (
        4,
        9,
        4,
    )


@pytest.mark.parametrize("kind", NETWORK_KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_one_layer_agrees_with_the_line_arrangement(kind, seed):
    model, window = random_network(kind, seed)
    lines = layer_lines(model[0])
    witness = rational_witness(nn.Sequential(model[0], nn.ReLU()), window)
    exact = witness.subdivision
    counts = arrangement(lines, window.tolist())
    assert (witness.n_regions, exact.n_edges, exact.n_vertices) == (
        counts.n_regions,
        counts.n_edges,
        counts.n_vertices,
    )


@pytest.mark.parametrize("kind", NETWORK_KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_laws_of_every_partition(kind, seed):
    """Euler; exact total area; one pattern per region; the map of each region is the model's."""
    model, window = random_network(kind, 100 + seed)
    witness = rational_witness(model, window)
    exact = witness.subdivision
    assert exact.n_vertices - exact.n_edges + witness.n_regions == 1
    assert len({region.pattern for region in witness.regions}) == witness.n_regions
    if witness.n_regions < 60:
        corners = [(Fraction(x), Fraction(y)) for x, y in window]
        shoelace = (a[0] * b[1] - a[1] * b[0] for a, b in zip(corners, corners[1:] + corners[:1], strict=True))
        assert witness.total_area() == abs(sum(shoelace)) / 2
    inside = np.array([np.array(r.corners, dtype=float).mean(axis=0) for r in witness.regions])
    maps = np.array([r.affine_map for r in witness.regions], dtype=float)
    values = np.einsum("roc,rc->ro", maps[:, :, :2], inside) + maps[:, :, 2]
    with torch.no_grad():
        expected = model(torch.from_numpy(inside)).numpy()
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_invariances(seed):
    """Permuted units, rescaled units, and an identity layer leave every polygon where it was."""
    model, window = random_network("generic", seed)
    first, rest = model[0], model[2:]
    rng = np.random.default_rng(seed)
    order = rng.permutation(first.out_features)
    factor = 2.0 ** rng.integers(-3, 4, len(order))
    weight, bias = first.weight.detach().numpy(), first.bias.detach().numpy()
    following = rest[0].weight.detach().numpy()
    changed = nn.Sequential(
        linear_layer(factor[:, None] * weight[order], factor * bias[order]),
        nn.ReLU(),
        linear_layer(np.eye(len(order)), np.zeros(len(order))),
        linear_layer(following[:, order] / factor, rest[0].bias.detach().numpy()),
        *rest[1:],
    )
    polygons = [{frozenset(r.polygon.points) for r in rational_witness(m, window).regions} for m in (model, changed)]
    assert polygons[0] == polygons[1]


@pytest.mark.parametrize("kind", ["integer", "quantised_halves", "max_quantised"])
def test_partition_of_a_sub_window_is_the_window_of_the_partition(kind):
    model, _ = random_network(kind, 5)
    whole = rational_witness(model, 2 * np.array(SQUARE))
    cut = {region.pattern: region for region in rational_witness(model, SQUARE).regions}
    assert set(cut) <= {region.pattern for region in whole.regions}
    corners = {region.pattern: region.affine_map for region in whole.regions}
    assert all(corners[pattern] == region.affine_map for pattern, region in cut.items())
