"""Dask's executor on a local cluster of two processes: the documented way past one machine."""

import numpy as np
import pytest
import torch

import splinegeo as sg
from splinegeo.testing import assert_same_partition

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """A client of two workers of one thread each."""
    # No dashboard, whose port would be taken when several clusters run on one machine.
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        cluster.get_client() as client,
    ):
        yield client


@pytest.fixture
def dask(client):
    """Its executor; without ``pure=False`` Dask takes equal calls for one, which random measurements are not."""
    return client.get_executor(pure=False)


def test_the_same_results(dask, model, windows, states):
    here = sg.sweep_partitions(model, windows, states=states)
    there = sg.sweep_partitions(model, windows, states=iter(states), executor=dask, chunk=2)
    assert there.shape == here.shape
    for one, other in zip(here.results.flat, there.results.flat, strict=True):
        assert_same_partition(one, other)


def test_seeds_and_slices(dask, windows):
    axes = {"seed": range(3), "domain": windows}
    here = sg.sweep(random_regions, **axes)
    there = sg.sweep(random_regions, executor=dask, in_flight=2, **axes)
    np.testing.assert_allclose(here.stack(), there.stack(), rtol=1e-12)


def random_regions(seed, domain):
    rng = np.random.default_rng(seed)
    return float(np.linalg.norm(rng.normal(size=domain.window.shape) - domain.window))


def test_equal_calls_are_made_each(dask):
    found = sg.sweep(not_pure, executor=dask, x=[0] * 6)
    assert len(set(found.results)) == 6


def not_pure(x):
    return np.random.default_rng().random()


def test_a_failure_is_named(dask):
    with pytest.raises(sg.SweepError, match="at x=0: ZeroDivisionError"):
        sg.sweep(inverse, executor=dask, x=[2, 1, 0])


def inverse(x):
    return 1 / x


def test_worker_processes_use_one_thread(client):
    assert set(client.run(torch.get_num_threads).values()) == {1}
