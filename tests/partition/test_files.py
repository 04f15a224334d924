"""Files: a partition comes back bit for bit, and nothing else comes back at all."""

import contextlib
import io
import json
import os
import pickle  # noqa: TID251 - to show that it is refused
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import splinegeo as sg
from splinegeo.partition import description, files
from splinegeo.testing import assert_same_partition


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
    """The archive with its arrays changed, and no digest made right."""
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)


def forged(path, change_about=None, change_arrays=None):
    """The archive with its description and its arrays changed, and all digests made right again."""
    with np.load(path) as archive:
        arrays = dict(archive)
    about = json.loads(arrays.pop("meta").tobytes())
    about.pop("checksum")
    if change_arrays:
        change_arrays(arrays)
        about["digests"] = {name: files._digest(array) for name, array in arrays.items()}
    if change_about:
        change_about(about)
    about["checksum"] = description._checksum(about)
    np.savez(path, meta=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)


WRONG = [
    "x",
    "",
    -5,
    1.5,
    None,
    True,
    [],
    [1, 2],
    [-3],
    [[-3], [-1]],
    ["a", 2],
    {},
    {"a": 1},
    10**400,
    float("nan"),
    [[[]]],
]


def leaves(node, path=()):
    """The place of every entry of nested dictionaries and lists."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from leaves(child, (*path, key))


def test_whatever_the_description_says_there_is_one_error(part, saved):
    """Every entry exchanged for everything that it might be mistaken for; what loads is the partition."""
    whole = saved.read_bytes()
    with np.load(saved) as archive:
        about = json.loads(archive["meta"].tobytes())
    places = [path for path in leaves(about) if path[0] not in ("checksum", "digests")]
    assert len(places) > 15
    for *above, last in places:
        for wrong in WRONG:

            def exchange(about, above=above, last=last, wrong=wrong):
                for key in above:
                    about = about[key]
                about[last] = wrong

            forged(saved, exchange)
            try:
                loaded = sg.Partition.load(saved)
            except sg.PartitionFileError as error:
                assert "\n" not in str(error)  # noqa: PT017
            else:
                repr(loaded), loaded.certificate.is_generic, loaded.to_networkx()
                assert loaded.check().ok
            saved.write_bytes(whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about["certificate"].update(proven="yes"),
        lambda about: about["certificate"].update(n_zero=-5),
        lambda about: about["certificate"].update(n_zero=True),
        lambda about: about["certificate"].update(foo=1),
        lambda about: about["certificate"].pop("n_merged"),
        lambda about: about.update(layer_names="ab"),
        lambda about: about.update(unit_shapes=[]),
        lambda about: about.update(input_shape=[-1, -2]),
        lambda about: about.update(input_shape=[2**32, 2**32, 2]),
        lambda about: about.update(kind=[]),
        lambda about: about.update(format=None),
        lambda about: about.update(note="more"),
        lambda about: about.pop("residual"),
        lambda about: about.update(digests={}),
    ],
)
def test_wrong_descriptions_are_refused(saved, change):
    forged(saved, change)
    with pytest.raises(sg.PartitionFileError, match="not a whole partition"):
        sg.Partition.load(saved)


def test_an_edited_description_is_noticed(saved):
    def edit(arrays):
        text = arrays["meta"].tobytes()
        assert b'"proven": false' in text
        arrays["meta"] = np.frombuffer(text.replace(b'"proven": false', b'"proven": true'), np.uint8)

    rewritten(saved, edit)
    with pytest.raises(sg.PartitionFileError, match="does not match its checksum"):
        sg.Partition.load(saved)


@pytest.mark.parametrize(
    "name", ["vertices", "edges", "edge_unit", "region_offsets", "basis", "close", "slope", "offset"]
)
def test_whatever_the_arrays_are_there_is_one_error(saved, name):
    """Other shapes, kinds and values, with the right digests."""
    whole = saved.read_bytes()
    for wrong in (
        lambda a: a[:0],
        lambda a: a[:-1],
        lambda a: a[..., None],
        lambda a: a.reshape(-1),
        lambda a: np.array(3),
        lambda a: np.concatenate([a, a]),
        lambda a: a["u"] if name == "close" else a.astype("S9"),
        lambda a: a["layer"] if name == "close" else a * 0 + 10**6,
        lambda a: a * np.nan if a.dtype.kind == "f" else a[::2],
    ):
        forged(saved, change_arrays=lambda arrays, wrong=wrong: arrays.update({name: np.asarray(wrong(arrays[name]))}))
        with np.errstate(all="ignore"), contextlib.suppress(sg.PartitionFileError):
            sg.Partition.load(saved).to_networkx()
        saved.write_bytes(whole)


OLD = Path(__file__).parent.parent / "written_by_0_1_0"


@pytest.mark.parametrize("name", ["partition", "without_maps", "linear"])
def test_files_of_the_first_version_load(name, tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).double()
    model.load_state_dict(safetensors.torch.load_file(OLD / "model.safetensors"))
    part = sg.Partition.load(OLD / f"{name}.npz")
    assert part.kind == ("linear" if name == "linear" else "activation")
    assert part.check().ok
    if name != "without_maps":
        assert part.check(model).ok
        now = sg.compute_partition(model, part.domain)
        assert_same_partition(part, sg.linear_regions(now) if name == "linear" else now)
    part.save(tmp_path / "again.npz", maps=name != "without_maps")
    assert sg.Partition.load(tmp_path / "again.npz").n_regions == part.n_regions


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
