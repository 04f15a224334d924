"""Affine maps are computed for the regions that were asked for, and never for all at once where they are large."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.partition import record


class Spy:
    """The function of a partition, and how many maps were asked for."""

    def __init__(self, function):
        self.function, self.asked = function, []

    def __call__(self, u):
        return self.function(u)

    def affine_maps(self, u):
        self.asked.append(len(u))
        return self.function.affine_maps(u)


@pytest.fixture
def generator():
    """A network with many outputs, and its partition under a spy."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 300))
    part = sg.compute_partition(model, sg.Slice.box((-3, 3), (-3, 3)))
    return replace(part, function=Spy(part.function)), part


def test_one_point_asks_for_one_map(generator):
    part, plain = generator
    u = np.array([[0.3, -0.2]])
    np.testing.assert_allclose(part.evaluate(u), plain.function(u), atol=1e-12)
    assert sum(part.function.asked) <= 2  # one more says how many outputs there are
    assert part.n_regions > 50


def test_parts_are_the_whole(generator, monkeypatch):
    part, plain = generator
    assert plain.slope.shape == (plain.n_regions, 300, 2)
    monkeypatch.setattr(record, "_MAP_BYTES", 8 * 9 * 300 * 7)  # seven maps
    u = np.random.default_rng(0).uniform(-3.3, 3.3, (400, 2))
    np.testing.assert_allclose(part.evaluate(u), plain.evaluate(u), atol=1e-12)
    assert np.isnan(part.evaluate(u)).any()
    np.testing.assert_allclose(part.slope_norm(), plain.slope_norm(), rtol=1e-12)
    report, expected = part.check(), plain.check()
    assert (report.ok, report.n_compared) == (expected.ok, expected.n_compared) == (True, plain.n_regions)
    assert 1 < max(part.function.asked) <= 14, "edges ask for the maps of both their sides"
    np.testing.assert_allclose(part.slope, plain.slope, atol=1e-12)
    np.testing.assert_allclose(part.offset, plain.offset, atol=1e-12)


def test_points_outside_alone_have_no_value(generator):
    part, _ = generator
    values = part.evaluate([[9.0, 9.0], [-9.0, 9.0]])
    assert values.shape == (2, 300)
    assert np.isnan(values).all()


def test_a_map_that_jumps_is_found_in_parts(generator, monkeypatch):
    part, plain = generator
    monkeypatch.setattr(record, "_MAP_BYTES", 8 * 9 * 300 * 7)
    region = int(np.argmax(plain.areas))

    class Wrong(Spy):
        def affine_maps(self, u):
            slope, offset = self.function.affine_maps(u)
            return slope, offset + 0.1 * (np.linalg.norm(u - plain.centroids[region], axis=1) < 1e-12)[:, None]

    report = replace(part, function=Wrong(plain.function)).check()
    assert report.disagreeing.tolist() == [region]
    assert len(report.discontinuous) > 0
    assert (part.edge_regions[report.discontinuous] == region).any(axis=1).all()


def test_without_maps_there_is_nothing_to_compute(generator, tmp_path):
    _, plain = generator
    plain.save(tmp_path / "bare.npz", maps=False)
    bare = sg.Partition.load(tmp_path / "bare.npz")
    assert not bare.has_maps
    with pytest.raises(sg.InvalidInputError, match="without affine maps"):
        bare.affine_maps([0])
