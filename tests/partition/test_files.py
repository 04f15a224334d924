"""Files: a partition comes back bit for bit, and nothing else comes back at all."""

import io
import os
import pickle  # noqa: TID251 - to show that it is refused
import zipfile

import numpy as np
import pytest

import splinegeo as sg


@pytest.fixture
def saved(part, tmp_path):
    part.save(tmp_path / "part.npz")
    return tmp_path / "part.npz"


def test_everything_comes_back(part, saved, model):
    loaded = sg.Partition.load(saved)
    for name in ("vertices", "edges", "edge_regions", "edge_layer", "edge_unit", "region_vertices", "region_edges",
                 "region_offsets", "slope", "offset", "areas", "centroids"):  # fmt: skip
        np.testing.assert_array_equal(getattr(loaded, name), getattr(part, name), err_msg=name)
        assert not getattr(loaded, name).flags.writeable
    assert loaded.layer_names == part.layer_names
    assert loaded.unit_shapes == part.unit_shapes
    assert loaded.certificate.numbers() == part.certificate.numbers()
    np.testing.assert_array_equal(loaded.certificate.close, part.certificate.close)
    np.testing.assert_array_equal(loaded.domain.window, part.domain.window)
    assert loaded.check(model).ok
    assert loaded.check().ok


def test_without_maps_the_slope_norm_stays(part, tmp_path):
    part.save(tmp_path / "small", maps=False)
    loaded = sg.Partition.load(tmp_path / "small.npz")
    np.testing.assert_allclose(loaded.slope_norm(), part.slope_norm(), rtol=1e-12)
    with pytest.raises(sg.InvalidInputError, match="maps=True"):
        loaded.evaluate([[0, 0]])
    assert loaded.check().ok


def test_saving_replaces_whole_files_and_leaves_nothing_else(part, saved):
    saved.write_bytes(b"old")
    part.save(saved)
    sg.Partition.load(saved)
    assert os.listdir(saved.parent) == ["part.npz"]


def test_unwritable_path_is_one_sentence(part, tmp_path):
    with pytest.raises(sg.InvalidInputError, match="cannot write"):
        part.save(tmp_path / "no" / "such" / "folder.npz")


def test_interrupted_save_leaves_the_old_file(part, saved, monkeypatch):
    before = saved.read_bytes()

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        part.save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["part.npz"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated(saved, share):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(share * len(data))])
    with pytest.raises(sg.PartitionFileError, match="not a whole partition"):
        sg.Partition.load(saved)


def test_any_flipped_byte_is_noticed_or_harmless(part, saved):
    data = bytearray(saved.read_bytes())
    rng = np.random.default_rng(0)
    noticed = 0
    for position in rng.integers(0, len(data), 60):
        broken = data.copy()
        broken[position] ^= 0x41
        saved.write_bytes(bytes(broken))
        try:
            loaded = sg.Partition.load(saved)
        except sg.PartitionFileError:
            noticed += 1
        else:  # a byte of zip bookkeeping that nobody reads
            np.testing.assert_array_equal(loaded.vertices, part.vertices)
            np.testing.assert_array_equal(loaded.slope, part.slope)
    assert noticed > 50


class _Bomb:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def test_pickles_are_not_executed(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(sg.PartitionFileError):
        sg.Partition.load(saved)
    np.savez(saved, meta=np.array([_Bomb()], dtype=object))
    with pytest.raises(sg.PartitionFileError):
        sg.Partition.load(saved)
    assert not (tmp_path / "executed").exists()


def rewritten(path, change):
    """The archive with its arrays changed and all digests made right again."""
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("edges"),
        lambda a: a.update(extra=np.zeros(3)),
        lambda a: a.update(vertices=a["vertices"] + 1e-9),
        lambda a: a.update(meta=np.frombuffer(b"{}", np.uint8)),
        lambda a: a.update(meta=np.frombuffer(b"not json", np.uint8)),
        lambda a: a.update(edges=np.arange(10)),
    ],
)
def test_altered_archives_are_refused(saved, change):
    rewritten(saved, change)
    with pytest.raises(sg.PartitionFileError):
        sg.Partition.load(saved)


def test_zip_bombs_are_refused_before_they_unpack(saved):
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        buffer = io.BytesIO()
        np.save(buffer, np.zeros((1_000_000, 2)))
        archive.writestr("vertices.npy", buffer.getvalue())
    assert saved.stat().st_size < 100_000
    with pytest.raises(sg.PartitionFileError, match="compressed"):
        sg.Partition.load(saved)


def test_missing_file(tmp_path):
    with pytest.raises(sg.PartitionFileError, match="no such file"):
        sg.Partition.load(tmp_path / "none.npz")
