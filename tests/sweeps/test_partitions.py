"""`sweep_partitions`: the partitions of `compute_partitions`, on every executor and in chunks of any size."""

import operator

import numpy as np
import pytest
import torch

import splinegeo as sg
from splinegeo.testing import assert_same_partition


@pytest.fixture(scope="module")
def expected(model, windows, states):
    return sg.compute_partitions(model, windows, states=states)


@pytest.mark.parametrize("pool", [None, "processes", "threads"])
@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_partitions_are_those_of_compute_partitions(pool, chunk, model, windows, states, expected, request):
    executor = request.getfixturevalue(pool) if pool else None
    found = sg.sweep_partitions(model, windows, states=iter(states), executor=executor, chunk=chunk)
    assert found.names == ("checkpoint", "domain")
    assert found.shape == (5, 2)
    for row, wanted in zip(found.results, expected, strict=True):
        for part, other in zip(row, wanted, strict=True):
            assert_same_partition(part, other)


def total_kink_length(part):
    inner = (part.edge_regions >= 0).all(axis=1)
    return np.linalg.norm(np.diff(part.vertices[part.edges[inner]], axis=1)[:, 0], axis=1).sum()


def test_reduced_on_the_worker(processes, model, windows, states, expected):
    counts = sg.sweep_partitions(
        model, windows, states=states, reduce=operator.attrgetter("n_regions"), executor=processes, chunk=2
    )
    np.testing.assert_array_equal(counts.stack(), [[part.n_regions for part in row] for row in expected])
    lengths = sg.sweep_partitions(
        model, windows[1], states=states, reduce=total_kink_length, executor=processes, chunk=3
    )
    assert lengths.names == ("checkpoint",)
    np.testing.assert_allclose(lengths.stack(), [total_kink_length(row[1]) for row in expected], rtol=1e-9)


def load(path):
    return torch.load(path, weights_only=True)


def test_checkpoints_are_loaded_on_the_worker(processes, model, windows, states, expected, tmp_path):
    paths = []
    for k, state in enumerate(states):
        paths.append(tmp_path / f"{k}.pt")
        torch.save(state, paths[-1])
    found = sg.sweep_partitions(model, windows[0], states=paths, load=load, executor=processes, chunk=2)
    for part, row in zip(found.results, expected, strict=True):
        assert_same_partition(part, row[0])


@pytest.mark.parametrize("pool", [None, "processes"])
def test_the_checkpoint_that_fails_is_named(pool, model, windows, states, request):
    broken = [dict(state) for state in states]
    broken[3]["2.weight"] = torch.full_like(broken[3]["2.weight"], torch.nan)
    executor = request.getfixturevalue(pool) if pool else None
    with pytest.raises(sg.SweepError, match=r"at checkpoint 3: NonFiniteError: weight '2\.weight'"):
        sg.sweep_partitions(model, windows, states=broken, executor=executor, chunk=5)


def test_what_cannot_travel_is_named_too(processes, model, windows, states):
    with pytest.raises(sg.SweepError, match=r"checkpoints\[0\].*lambda"):
        sg.sweep_partitions(model, windows, states=states, reduce=lambda part: part.n_regions, executor=processes)


@pytest.mark.parametrize("states", [{"weight": torch.zeros(1)}, "run/*.pt"])
def test_one_checkpoint_is_no_collection(states, model, windows):
    with pytest.raises(sg.InvalidInputError, match="not a collection"):
        sg.sweep_partitions(model, windows, states=states)


def test_empty_chunks_and_sweeps_are_refused(model, windows, states):
    with pytest.raises(sg.InvalidInputError, match="chunk must be at least 1, not 0"):
        sg.sweep_partitions(model, windows, states=states, chunk=0)
    with pytest.raises(sg.InvalidInputError, match="empty"):
        sg.sweep_partitions(model, windows, states=[])
