"""Between processes a partition travels as it would be saved: with its maps, without its network."""

import pickle  # noqa: TID251 - what process pools use between themselves

import numpy as np
import pytest

import splinegeo as sg


def sent(x):
    return pickle.loads(pickle.dumps(x))


def test_a_partition_arrives_whole(model):
    part = sg.compute_partition(model, sg.Slice.box((-2, 3), (-1, 2)))
    assert "slope" not in vars(part)
    arrived = sent(part)
    for name in ("vertices", "edges", "edge_regions", "edge_layer", "edge_unit", "region_vertices", "region_edges",
                 "region_offsets", "slope", "offset", "areas"):  # fmt: skip
        np.testing.assert_array_equal(getattr(arrived, name), getattr(part, name), err_msg=name)
        assert not getattr(arrived, name).flags.writeable, name
    np.testing.assert_allclose(arrived.slope_norm(), part.slope_norm(), rtol=1e-12)
    assert arrived.layer_names == part.layer_names
    assert arrived.unit_shapes == part.unit_shapes
    assert arrived.certificate.numbers() == part.certificate.numbers()
    assert arrived.check(model).ok


def test_it_arrives_again(part, tmp_path):
    np.testing.assert_array_equal(sent(sent(part)).offset, part.offset)
    part.save(tmp_path / "small.npz", maps=False)
    arrived = sent(sg.Partition.load(tmp_path / "small.npz"))
    np.testing.assert_allclose(arrived.slope_norm(), part.slope_norm(), rtol=1e-12)
    with pytest.raises(sg.InvalidInputError, match="maps=True"):
        arrived.slope  # noqa: B018


def test_caches_stay_at_home(part):
    before = len(pickle.dumps(sent(part)))
    part.locate([[0, 0]])
    assert len(pickle.dumps(sent(part))) == before


def test_a_slice_arrives_read_only():
    domain = sg.Slice.through(*np.random.default_rng(0).normal(size=(3, 2, 4)))
    arrived = sent(domain)
    for name in ("origin", "basis", "window"):
        np.testing.assert_array_equal(getattr(arrived, name), getattr(domain, name))
        assert not getattr(arrived, name).flags.writeable
    assert arrived.input_shape == domain.input_shape
