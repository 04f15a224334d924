"""Batched orderings against their obvious definitions."""

import networkx as nx
import pytest
import torch

from splinegeo.mesh.order import argsort, argsort_along, argsort_within, components, is_first, ragged_arange
from splinegeo.mesh.signs import decide_signs, set_bits


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_ragged_arange_counts_every_owner(generator):
    counts = torch.randint(0, 5, (40,), generator=generator)
    expected = [(i, j) for i, n in enumerate(counts.tolist()) for j in range(n)]
    owner, rank = ragged_arange(counts)
    assert list(zip(owner.tolist(), rank.tolist(), strict=True)) == expected


@pytest.mark.parametrize("largest_group", [7, 2**23, 2**50])
def test_argsort_along_is_lexicographic(largest_group, generator):
    group = torch.randint(0, largest_group, (500,), generator=generator)
    group[::2] = group[0]
    fraction = torch.rand(500, generator=generator, dtype=torch.float64)
    order = argsort_along(group, fraction)
    pairs = list(zip(group.tolist(), fraction.tolist(), strict=True))
    assert [pairs[i] for i in order.tolist()] == sorted(pairs)


@pytest.mark.parametrize("largest_group", [7, 2**60])
def test_argsort_within_is_lexicographic(largest_group, generator):
    group = torch.randint(0, largest_group, (500,), generator=generator)
    group[::2] = group[0]
    rank = torch.randint(0, 1000, (500,), generator=generator)
    order = argsort_within(group, rank, 1000)
    pairs = list(zip(group.tolist(), rank.tolist(), strict=True))
    assert [pairs[i] for i in order.tolist()] == sorted(pairs)


@pytest.mark.parametrize("n_keys", [7, 2**60], ids=["ties", "hardly a tie"])
def test_argsort_is_stable(n_keys, generator):
    key = torch.randint(0, n_keys, (3000,), generator=generator)
    expected = sorted(range(3000), key=key.tolist().__getitem__)
    assert argsort(key).tolist() == expected


def test_is_first_marks_changes_of_any_key():
    assert is_first(torch.tensor([1, 1, 1, 2]), torch.tensor([5, 5, 6, 6])).tolist() == [True, False, True, True]


@pytest.mark.parametrize("n_links", [0, 10, 80, 400])
def test_components_are_those_of_networkx(n_links, generator):
    one, other = torch.randint(0, 100, (2, n_links), generator=generator)
    graph = nx.Graph()
    graph.add_nodes_from(range(100))
    graph.add_edges_from(zip(one.tolist(), other.tolist(), strict=True))
    label = components(100, one, other).tolist()
    for component in nx.connected_components(graph):
        assert {label[node] for node in component} == {min(component)}


def test_components_of_a_long_chain():
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(1))
    assert components(3000, order[1:], order[:-1]).unique().tolist() == [0]


@pytest.mark.parametrize("clear", [True, False], ids=["clear", "with zeros"])
@pytest.mark.parametrize("n_events", [1, 8, 63, 64, 65, 200, 2000])
def test_signs_are_those_of_the_values(n_events, clear, generator):
    z = torch.randn(300, n_events, generator=generator, dtype=torch.float64)
    if not clear:
        z[torch.rand(z.shape, generator=generator) < 0.1] = 1e-14
        z[0] = 0
    expected = torch.where(z.abs() <= 1e-12, 0, z.sign()).long()
    table = decide_signs(z.clone(), torch.full((n_events,), 1e-12, dtype=torch.float64))
    vertex, event = (i.reshape(-1) for i in torch.meshgrid(torch.arange(300), torch.arange(n_events), indexing="ij"))
    assert torch.equal(table.sign(vertex, event), expected.reshape(-1))
    snapped = set(map(tuple, table.snapped.T.tolist()))
    assert snapped == set(map(tuple, torch.nonzero((expected == 0) & (z != 0)).tolist()))
    assert torch.equal(table.n_zero, (expected == 0).sum(1))
    assert (table.values[expected == 0] == 0).all()
    assert table.smallest_margin == pytest.approx(float(z[expected != 0].abs().min() / 1e-12))


def test_set_bits_lists_every_bit_in_row_order(generator):
    flags = torch.rand(50, 130, generator=generator) < 0.05
    table = decide_signs(flags.double(), torch.full((130,), 0.5, dtype=torch.float64))
    row, bit = set_bits(table.positive)
    expected_row, expected_bit = torch.nonzero(flags, as_tuple=True)
    assert torch.equal(row, expected_row)
    assert torch.equal(bit, expected_bit)


def test_zeros_leave_out_events_that_never_change_sign():
    z = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, -1.0], [0.0, 2.0, 0.0]], dtype=torch.float64)
    vertex, event = decide_signs(z, torch.full((3,), 1e-12, dtype=torch.float64)).zeros()
    assert (vertex.tolist(), event.tolist()) == ([2], [2])
