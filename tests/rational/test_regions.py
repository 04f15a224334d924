"""Recursive cutting in integers: labels, values that are passed on, maps from a sibling's map."""

from fractions import Fraction

import numpy as np
import pytest

from splinegeo.rational import (
    BORDER,
    AffineLayer,
    MaxLayer,
    dyadic,
    elementwise,
    polygon_of,
    rational_partition,
    subdivide,
)
from splinegeo.rational.polygons import cut, heights

SQUARE = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
RELU = ([0.0], [(0.0, 0.0), (1.0, 0.0)])
ABS = ([0.0], [(-1.0, 0.0), (1.0, 0.0)])


def affine(weight, bias):
    integers, exponent = dyadic([*np.ravel(weight).tolist(), *bias])
    n_out, n_in = np.shape(weight)
    rows = [integers[i * n_in : (i + 1) * n_in] for i in range(n_out)]
    sparse = tuple(tuple((j, w) for j, w in enumerate(row) if w) for row in rows)
    return AffineLayer(sparse, tuple(integers[n_out * n_in :]), exponent)


def labels(partition):
    return set(partition.subdivision.labels)


def test_the_first_of_coinciding_lines_names_the_edge():
    layer = affine([[0, 1], [1, 0], [-2, 0], [1, 0]], [0, 0.25, -0.5, 0.25])
    partition = rational_partition([layer, elementwise([RELU])], SQUARE)
    assert partition.n_regions == 4
    assert labels(partition) == {BORDER, (0, 0), (0, 1)}


def test_the_earliest_layer_names_the_edge():
    layers = [affine([[1, 0]], [0]), elementwise([ABS]), affine([[1], [-1]], [0, 0.5]), elementwise([RELU])]
    partition = rational_partition(layers, SQUARE)
    assert partition.n_regions == 4
    assert labels(partition) == {BORDER, (0, 0), (1, 1)}


def test_values_that_are_passed_on_cut_nothing_and_do_not_change():
    layers = [affine([[1, 0], [0, 1], [1, 1]], [0, 0, 0.5]), elementwise([RELU], n_passed=2)]
    partition = rational_partition(layers, SQUARE)
    assert partition.n_regions == 2
    for region in partition.regions:
        assert region.affine_map[1:] == ((0, 1, 0), (1, 1, Fraction(1, 2)))


def test_values_after_the_groups_of_a_maximum_are_passed_on():
    layers = [affine([[1, 0], [0, 1], [1, 1]], [0, 0, 0]), MaxLayer(2, n_groups=1)]
    partition = rational_partition(layers, SQUARE)
    assert {region.affine_map for region in partition.regions} == {
        ((1, 0, 0), (1, 1, 0)),
        ((0, 1, 0), (1, 1, 0)),
    }
    assert labels(partition) == {BORDER, (0, 0)}


def test_an_entry_puts_the_window_on_a_plane():
    layers = [affine([[1, 2, 3]], [0])]
    (region,) = rational_partition(layers, SQUARE, (((1, 0, 2), (0, 1, 0), (1, 1, 0)), 1)).regions
    assert region.affine_map == ((2, Fraction(5, 2), 1),)


@pytest.mark.parametrize("seed", range(5))
def test_maps_do_not_depend_on_the_siblings(seed):
    """Siblings' maps are computed from each other; a region looked at alone has its map from scratch."""
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in ((2, 5), (5, 4), (4, 3)):
        layers += [affine(rng.normal(size=(n_out, n_in)), rng.normal(size=n_out)), elementwise([RELU])]
    partition = rational_partition(layers, SQUARE)
    assert partition.total_area() == 4
    for region in partition.regions:
        x, y = (sum(values) / len(values) for values in zip(*region.corners, strict=True))
        values = [x, y]
        for layer in layers:
            if isinstance(layer, AffineLayer):
                unit = 1 << layer.exponent
                values = [
                    Fraction(sum(w * values[j] for j, w in row) + bias, unit)
                    for row, bias in zip(layer.weight, layer.bias, strict=True)
                ]
            else:
                values = [max(value, 0) for value in values]
        assert [p * x + q * y + r for p, q, r in region.affine_map] == values


def test_cuts_keep_the_labels_of_old_sides():
    square = polygon_of(SQUARE)
    line = (2, 0, -1)
    below, above = cut(square, line, heights(square, line), (3, 7))
    for part in (below, above):
        assert sorted(part.labels) == [BORDER, BORDER, BORDER, (3, 7)]
        assert part.lines[part.labels.index((3, 7))] == line


def test_edges_know_both_sides_and_loops_their_edges():
    boxes = (0, 2, 0, 2), (2, 3, 0, 1), (2, 3, 1, 2)
    mesh = subdivide([polygon_of([(a, c), (b, c), (b, d), (a, d)]) for a, b, c, d in boxes])
    assert mesh.n_vertices - mesh.n_edges + len(mesh.loops) == 1
    assert sum(-1 in sides for sides in mesh.edge_regions) == 7
    for region, (loop, edges) in enumerate(zip(mesh.loops, mesh.loop_edges, strict=True)):
        for k, edge in enumerate(edges):
            step = (loop[k], loop[(k + 1) % len(loop)])
            side = mesh.edge_regions[edge].index(region)
            assert mesh.edges[edge] == (step if side == 0 else step[::-1])
