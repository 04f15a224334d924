"""Batched orderings against their obvious definitions."""

import networkx as nx
import numpy as np
import pytest

from splinegeo.mesh.arrays import argsort
from splinegeo.mesh.order import argsort_along, argsort_within, components, is_first, ragged_arange, unique
from splinegeo.mesh.signs import decide_signs, set_bits

from .lines import array


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_ragged_arange_counts_every_owner(rng):
    counts = array(rng.integers(0, 5, 40))
    expected = [(i, j) for i, n in enumerate(counts.tolist()) for j in range(n)]
    owner, rank = ragged_arange(counts)
    assert list(zip(owner.tolist(), rank.tolist(), strict=True)) == expected


@pytest.mark.parametrize("largest_group", [7, 2**23, 2**50])
def test_argsort_along_is_lexicographic(largest_group, rng):
    group, fraction = rng.integers(0, largest_group, 500), rng.random(500)
    group[::2] = group[0]
    order = argsort_along(array(group), array(fraction))
    pairs = list(zip(group.tolist(), fraction.tolist(), strict=True))
    assert [pairs[i] for i in order.tolist()] == sorted(pairs)


@pytest.mark.parametrize("largest_group", [7, 2**60])
def test_argsort_within_is_lexicographic(largest_group, rng):
    group, rank = rng.integers(0, largest_group, 500), rng.integers(0, 1000, 500)
    group[::2] = group[0]
    order = argsort_within(array(group), array(rank), 1000)
    pairs = list(zip(group.tolist(), rank.tolist(), strict=True))
    assert [pairs[i] for i in order.tolist()] == sorted(pairs)


@pytest.mark.parametrize("n_keys", [7, 2**60], ids=["ties", "hardly a tie"])
def test_argsort_is_stable(n_keys, rng):
    key = array(rng.integers(0, n_keys, 3000))
    expected = sorted(range(3000), key=key.tolist().__getitem__)
    assert argsort(key).tolist() == expected


def test_is_first_marks_changes_of_any_key():
    assert is_first(array([1, 1, 1, 2]), array([5, 5, 6, 6])).tolist() == [True, False, True, True]


@pytest.mark.parametrize("n_links", [0, 10, 80, 400])
def test_components_are_those_of_networkx(n_links, rng):
    one, other = (array(ends) for ends in rng.integers(0, 100, (2, n_links)))
    graph = nx.Graph()
    graph.add_nodes_from(range(100))
    graph.add_edges_from(zip(one.tolist(), other.tolist(), strict=True))
    label = components(100, one, other).tolist()
    for component in nx.connected_components(graph):
        assert {label[node] for node in component} == {min(component)}


def test_components_of_a_long_chain(rng):
    order = array(rng.permutation(3000))
    assert set(components(3000, order[1:], order[:-1]).tolist()) == {0}


@pytest.mark.parametrize("shape", [(0,), (7,), (40, 2)])
def test_unique_is_that_of_numpy(shape, rng):
    x = rng.integers(-3, 9, shape)
    distinct, number = unique(array(x))
    np.testing.assert_array_equal(distinct, np.unique(x))
    np.testing.assert_array_equal(distinct[number], x)


@pytest.mark.parametrize("clear", [True, False], ids=["clear", "with zeros"])
@pytest.mark.parametrize("n_events", [1, 8, 63, 64, 65, 200, 2000])
def test_signs_are_those_of_the_values(n_events, clear, rng):
    z = rng.standard_normal((300, n_events))
    if not clear:
        z[rng.random(z.shape) < 0.1] = 1e-14
        z[0] = 0
    expected = np.where(abs(z) <= 1e-12, 0, np.sign(z)).astype(int)
    table = decide_signs(array(z), array(np.full(n_events, 1e-12)))
    vertex, event = (array(i.reshape(-1)) for i in np.meshgrid(range(300), range(n_events), indexing="ij"))
    np.testing.assert_array_equal(table.sign(vertex, event), expected.reshape(-1))
    assert set(map(tuple, table.snapped.T.tolist())) == set(zip(*np.nonzero((expected == 0) & (z != 0)), strict=True))
    np.testing.assert_array_equal(table.n_zero, (expected == 0).sum(1))
    np.testing.assert_array_equal(table.values, np.where(expected == 0, 0, z))
    assert table.smallest_margin == pytest.approx(abs(z[expected != 0]).min() / 1e-12)


def test_set_bits_lists_every_bit_in_row_order(rng):
    flags = rng.random((50, 130)) < 0.05
    table = decide_signs(array(flags.astype(float)), array(np.full(130, 0.5)))
    np.testing.assert_array_equal(set_bits(table.positive), np.nonzero(flags))


def test_zeros_leave_out_events_that_never_change_sign():
    z = array([[0.0, 0.0, 1.0], [0.0, 1.0, -1.0], [0.0, 2.0, 0.0]])
    vertex, event = decide_signs(z, array(np.full(3, 1e-12))).zeros()
    assert (vertex.tolist(), event.tolist()) == ([2], [2])
