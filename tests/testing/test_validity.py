"""A good partition passes; each way of spoiling it is caught, and named."""

import copy

import numpy as np
import pytest

from splinegeo.testing import (
    NETWORK_KINDS,
    assert_matches_rational,
    assert_same_partition,
    assert_valid_partition,
    random_network,
    rational_witness,
    tent_map,
    voronoi_network,
)


@pytest.fixture
def model_and_part(as_arrays):
    model, window = random_network("generic", 3)
    witness = rational_witness(model, window)
    assert witness.n_regions > 30
    return model, as_arrays(witness), witness


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_rational_partitions_are_valid(kind, as_arrays):
    for seed in range(3):
        model, window = random_network(kind, seed)
        witness = rational_witness(model, window)
        part = as_arrays(witness)
        assert_valid_partition(part, model)
        assert_matches_rational(part, witness)


@pytest.mark.parametrize("model", [tent_map(3), voronoi_network(np.random.default_rng(0).uniform(0, 1, (20, 2)))])
def test_handmade_partitions_are_valid(model, as_arrays):
    assert_valid_partition(as_arrays(rational_witness(model, [(0, 0), (1, 0), (1, 1), (0, 1)])), model)


def inner_edge(part):
    return int(np.flatnonzero((part.edge_regions >= 0).all(axis=1))[0])


def inner_vertex(part):
    border = np.unique(part.edges[(part.edge_regions < 0).any(axis=1)])
    return int(np.setdiff1d(np.arange(len(part.vertices)), border)[0])


def move_a_vertex(part):
    part.vertices[inner_vertex(part)] += 0.3


def flip_a_loop(part):
    loop = slice(*part.region_offsets[3:5])
    part.region_vertices[loop] = part.region_vertices[loop][::-1].copy()


def lose_an_edge(part):
    for name in ("edges", "edge_regions", "edge_layer", "edge_unit"):
        setattr(part, name, getattr(part, name)[1:])


def name_a_wrong_region(part):
    edge = inner_edge(part)
    part.edge_regions[edge, 0] = np.setdiff1d(np.arange(len(part.areas)), part.edge_regions[edge])[0]


def open_an_inner_edge(part):
    part.edge_regions[inner_edge(part), 1] = -1


def label_the_border(part):
    part.edge_layer[part.edge_layer < 0] = 0


def unlabel_an_inner_edge(part):
    part.edge_unit[inner_edge(part)] = -1


def swell_an_area(part):
    part.areas[2] += 0.1


def move_a_centroid(part):
    part.centroids[0] += 10


def tilt_a_map(part):
    part.slope[1, 0] += 0.01


def lift_a_map(part):
    part.offset[1, 0] += 0.01


def lift_every_map(part):
    part.offset += 0.01


def tilt_every_map(part):
    part.slope += 0.01


def poison_a_vertex(part):
    part.vertices[0, 0] = np.nan


def double_an_edge(part):
    part.edges[1] = part.edges[0]


def widen_the_window(part):
    part.domain.window = 1.5 * part.domain.window


def add_a_vertex(part):
    part.vertices = np.concatenate([part.vertices, [[0, 0]]])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (move_a_vertex, r"area|turns right|outside"),
        (flip_a_loop, r"same direction|other regions"),
        (lose_an_edge, r"V - E \+ R is 2"),
        (name_a_wrong_region, r"other regions than the loops: edges \[\d+\]"),
        (open_an_inner_edge, r"other regions than the loops"),
        (label_the_border, r"edge_layer must be -1 on the border"),
        (unlabel_an_inner_edge, r"edge_unit must be -1 on the border and only there: edges \[\d+\]"),
        (swell_an_area, r"areas differ from those of the loops: regions \[2\]"),
        (move_a_centroid, r"the centroid lies outside: regions \[0\]"),
        (tilt_a_map, r"neighbours differ on their edge|not along"),
        (lift_a_map, r"neighbours differ on their edge: edges"),
        (lift_every_map, r"value is not the model's"),
        (tilt_every_map, r"is not the model's"),
        (poison_a_vertex, r"vertices is not finite"),
        (double_an_edge, r"two edges join the same vertices"),
        (widen_the_window, r"areas add up to .*, the window has"),
        (add_a_vertex, r"leave a vertex out"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_corruption_is_caught(spoil, sentence, model_and_part):
    model, part, _ = model_and_part
    spoil(part)
    with pytest.raises(AssertionError, match=sentence):
        assert_valid_partition(part, model)


def test_a_partition_of_another_network_does_not_match(model_and_part, as_arrays):
    _, _, witness = model_and_part
    other = as_arrays(rational_witness(*random_network("generic", 4)))
    with pytest.raises(AssertionError, match=r"\d+ regions, and \d+ in rational arithmetic"):
        assert_matches_rational(other, witness)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (move_a_vertex, "no vertex is wanted near vertices|one to one"),
        (swell_an_area, r"areas differ: regions \[2\]"),
        (open_an_inner_edge, "0 pairs of neighbours too many, 1 too few"),
        (name_a_wrong_region, "pairs of neighbours too many"),
        (tilt_a_map, r"affine maps differ: regions \[1\]"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_difference_from_the_witness_is_caught(spoil, sentence, model_and_part):
    _, part, witness = model_and_part
    spoil(part)
    with pytest.raises(AssertionError, match=sentence):
        assert_matches_rational(part, witness)


def test_regions_with_other_corners_do_not_match(model_and_part):
    _, part, witness = model_and_part
    inner = inner_vertex(part)
    corner = int(np.abs(part.vertices - part.domain.window[0]).sum(axis=1).argmin())
    swapped = np.arange(len(part.vertices))
    swapped[[inner, corner]] = corner, inner
    part.region_vertices = swapped[part.region_vertices]
    with pytest.raises(AssertionError, match="no region is wanted with the corners"):
        assert_matches_rational(part, witness)


def renumbered(part, rng):
    """The same partition under other numbers, its edges turned round, its loops begun elsewhere."""
    other = copy.deepcopy(part)
    vertex, region, edge = (rng.permutation(n) for n in (len(part.vertices), len(part.areas), len(part.edges)))
    loops = np.split(part.region_vertices, part.region_offsets[1:-1])
    other.region_vertices = np.argsort(vertex)[np.concatenate([np.roll(loops[old], 1) for old in region])]
    other.region_offsets = np.cumsum([0, *(len(loops[old]) for old in region)])
    other.vertices = part.vertices[vertex] * (1 + 1e-15)
    for name in ("areas", "centroids", "slope", "offset"):
        setattr(other, name, getattr(part, name)[region])
    other.edges = np.argsort(vertex)[part.edges[edge]][:, ::-1]
    other.edge_regions = np.append(np.argsort(region), -1)[part.edge_regions[edge]]
    other.edge_layer, other.edge_unit = part.edge_layer[edge], part.edge_unit[edge]
    return other


def test_numbers_are_free(model_and_part):
    _, part, _ = model_and_part
    assert_same_partition(renumbered(part, np.random.default_rng(0)), part)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (move_a_vertex, "no vertex is wanted near vertices|one to one"),
        (add_a_vertex, r"\d+ vertices, and \d+ in the other"),
        (lose_an_edge, r"\d+ edges, and \d+ in the other"),
        (swell_an_area, r"areas differ: regions \[2\]"),
        (open_an_inner_edge, "edges with another unit or neighbour"),
        (unlabel_an_inner_edge, "edges with another unit or neighbour"),
        (tilt_a_map, r"affine maps differ: regions \[1\]"),
        (lift_a_map, r"affine maps differ: regions \[1\]"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_difference_between_partitions_is_caught(spoil, sentence, model_and_part):
    _, part, _ = model_and_part
    other = renumbered(part, np.random.default_rng(1))
    spoil(part)
    with pytest.raises(AssertionError, match=sentence):
        assert_same_partition(part, other)
