"""Exact integers: the engine against closed formulas."""

from math import comb

import numpy as np
import pytest
from torch import nn

import splinegeo as sg
from splinegeo.testing import (
    arrangement,
    assert_valid_partition,
    concurrent_lines,
    generic_lines,
    grid_lines,
    line_network,
    linear_layer,
    parallel_lines,
    tent_map,
)

UNIT = sg.Slice.box((0, 1), (0, 1))
SQUARE = sg.Slice.box((-1, 1), (-1, 1))
WIDE = sg.Slice.box((-1e4, 1e4), (-1e4, 1e4))
LIMITED_SQUARE = [(-1, -1), (1, -1), (1, 1), (-1, 1)]


@pytest.mark.parametrize(
    ("lines", "domain", "regions"),
    [
        (generic_lines(40), WIDE, 1 + 40 + comb(40, 2)),
        (concurrent_lines(30), SQUARE, 60),
        (concurrent_lines(12, through=(3, -2)), WIDE, 24),
        (parallel_lines(31), SQUARE, 32),
        (grid_lines(15, 31), UNIT, 16 * 32),
        (
            np.concatenate([generic_lines(9), -generic_lines(9), 2 * generic_lines(9)]),
            WIDE,
            1 + 9 + comb(9, 2),
        ),
        (np.zeros((5, 3)), SQUARE, 1),
        (np.array([[0.0, 0.0, 1.0], [1.0, 0.0, -1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 2.0]]), SQUARE, 1),
    ],
    ids=["generic", "concurrent", "concurrent elsewhere", "parallel", "grid", "repeated", "dead", "border"],
)
def test_lines(lines, domain, regions):
    model = line_network(lines)
    part = sg.compute_partition(model, domain)
    assert part.n_regions == regions
    assert_valid_partition(part, model)


def test_lines_clipped_by_the_window():
    lines = generic_lines(25, rng=3)
    counts = arrangement(lines, (0.25 * np.array(LIMITED_SQUARE)).tolist())
    part = sg.compute_partition(line_network(lines), sg.Slice.box((-0.25, 0.25), (-0.25, 0.25)))
    assert (part.n_regions, part.n_edges, part.n_vertices) == (
        counts.n_regions,
        counts.n_edges,
        counts.n_vertices,
    )


def test_hardtanh_makes_two_parallel_lines_per_unit():
    n = 15
    part = sg.compute_partition(line_network(generic_lines(n), nn.Hardtanh()), WIDE)
    assert part.n_regions == 1 + 2 * n + comb(2 * n, 2) - n


@pytest.mark.parametrize(("coordinates", "depth"), [(1, 6), (2, 5)])
def test_tent_map_makes_2_to_the_depth_pieces_in_each_coordinate(coordinates, depth):
    model = tent_map(depth, coordinates)
    part = sg.compute_partition(model, UNIT)
    assert part.n_regions == 2 ** (coordinates * depth)
    np.testing.assert_allclose(part.areas, 1 / part.n_regions, rtol=1e-12)
    assert_valid_partition(part, model)


@pytest.mark.slow
def test_tent_map_at_65536_squares():
    part = sg.compute_partition(tent_map(8), UNIT)
    assert part.n_regions == 4**8


@pytest.mark.parametrize("depth", [1, 3])
def test_lines_after_folding_make_4_to_the_depth_times_their_count(depth):
    lines = generic_lines(6, rng=2) + np.array([0, 0, -0.5])
    alone = arrangement(lines, [(0, 0), (1, 0), (1, 1), (0, 1)]).n_regions
    part = sg.compute_partition(nn.Sequential(tent_map(depth), line_network(lines)), UNIT)
    assert part.n_regions == 4**depth * alone


def test_a_random_layer_on_a_random_slice_is_generic():
    rng = np.random.default_rng(0)
    n, dimension = 12, 50
    layer = linear_layer(rng.normal(size=(n, dimension)), rng.normal(size=n))
    domain = sg.Slice.around(rng.normal(size=dimension), half_width=1e4, rng=1)
    part = sg.compute_partition(nn.Sequential(layer, nn.ReLU()), domain)
    assert part.n_regions == 1 + n + comb(n, 2)
