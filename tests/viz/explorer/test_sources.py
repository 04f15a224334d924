"""What a source answers, and what it refuses."""

import json

import numpy as np
import pytest
import torch
from splinegeo.viz.explorer import source_of
from splinegeo.viz.explorer.answers import answer
from splinegeo.viz.explorer.inputs import image_shape, pixels
from splinegeo.viz.explorer.maps import with_corner_maps, with_network
from splinegeo.viz.explorer.planes import Planes, View
from splinegeo.viz.explorer.scene import triangles

import splinegeo as sg

from .conftest import mlp

GOOD = {"ask": "scene", "checkpoint": 0, "plane": {"anchors": None, "moves": []}, "view": None, "window": [3.0, 2.0]}
NAN = float("nan")


def refused(source, **changes):
    packed = answer(source, GOOD | changes)
    return json.loads(packed[8 : 8 + int.from_bytes(packed[4:8], "little")]).get("refused")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"checkpoint": 7}, "checkpoint 7"),
        ({"checkpoint": -1}, "checkpoint -1"),
        ({"checkpoint": True}, "checkpoint True"),
        ({"checkpoint": None}, "checkpoint None"),
        ({"view": {"centre": [NAN, 0], "size": 1}}, "finite"),
        ({"view": {"centre": [0, 0], "size": NAN}}, "finite"),
        ({"view": {"centre": [0, 0], "size": 0}}, "finite"),
        ({"view": {"centre": [0, 0, 0], "size": 1}}, "finite"),
        ({"view": {"centre": [0, 0], "size": 1, "angle": None}}, "finite"),
        ({"view": {"centre": None, "size": 1}}, "finite"),
        ({"view": 3}, "finite"),
        ({"window": [1, 0]}, "width"),
        ({"window": [1e9, 1]}, "width"),
        ({"window": None}, "width"),
        ({"window": [1, 2, 3]}, "width"),
        ({"plane": None}, "a plane is"),
        ({"plane": {"anchors": [0, 1, 2]}}, "data points"),
        ({"plane": {"moves": [[NAN, 0, 0, 0]]}}, "finite"),
        ({"plane": {"moves": [[0, 0, 0, 0]] * 99}}, "at most"),
        ({"plane": {"moves": "x"}}, "numbers"),
        ({"ask": "probe", "at": [NAN, 0]}, "finite"),
        ({"ask": "data", "indices": [0]}, "data points"),
        ({"ask": "data", "indices": None}, "data points"),
    ],
)
def test_bad_questions_are_refused_in_words(model, square, changes, words):
    assert words in refused(source_of(model, square), **changes)


def test_good_questions_are_answered(model, square, parts):
    assert refused(source_of(model, square)) is None
    assert refused(source_of(parts)) is None
    assert "hold no network" in refused(source_of(parts), ask="probe", at=[0, 0])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("model",), {}, "where to look"),
        (("model", "square"), {"data": np.zeros((4, 5))}, "5 numbers"),
        (("model", "square"), {"data": np.zeros((4, 2)), "labels": [1]}, "1 labels for 4"),
        (("model", "square"), {"states": [{}], "steps": [1, 2]}, "2 steps for 1"),
        (("nothing",), {}, "torch.nn.Module"),
        (("empty",), {}, "torch.nn.Module"),
    ],
)
def test_bad_arguments_are_one_sentence(model, square, arguments, options, message):
    known = {"model": model, "square": square, "nothing": [3], "empty": []}
    with pytest.raises(sg.InvalidInputError, match=message):
        source_of(*(known[name] for name in arguments), **options)


def test_a_network_without_a_partition_is_refused():
    with pytest.raises(sg.NotPiecewiseAffineError):
        source_of(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh()), sg.Slice.box((0, 1), (0, 1))).about()


@pytest.mark.parametrize("size", [4.0, 1e-3, 1e-8])
def test_maps_from_corners_are_the_maps(size):
    model = mlp(6, 40, 40, 5)
    plane = sg.Slice.around(torch.ones(6), 2.0)
    domain = View((0.37, -0.21), size).window(plane, (size, size))
    part = sg.compute_partition(model, domain)
    quick = with_corner_maps(part)
    scale = np.linalg.norm(part.slope, axis=(1, 2))[:, None, None]
    np.testing.assert_allclose(quick.slope / scale, part.slope / scale, rtol=0, atol=2e-6)
    u = part.centroids
    np.testing.assert_allclose(quick.evaluate(u), part.evaluate(u), rtol=1e-6, atol=1e-8)


def test_classes_are_known_if_any_partition_knows_them(parts, tmp_path):
    parts[0].save(tmp_path / "p.npz", maps=False)
    bare = sg.Partition.load(tmp_path / "p.npz")
    assert source_of([bare, parts[1]]).about()[0]["classes"] == ["0", "1", "2"]
    assert source_of([bare]).about()[0]["classes"] == []
    assert source_of([bare], class_names="abc").about()[0]["classes"] == ["a", "b", "c"]


def test_a_loaded_partition_gets_its_network_back(model, parts, tmp_path):
    parts[-1].save(tmp_path / "p.npz", maps=False)
    bare = sg.Partition.load(tmp_path / "p.npz")
    again = with_corner_maps(with_network(bare, model))
    np.testing.assert_allclose(again.slope, parts[-1].slope, rtol=1e-5, atol=1e-7)
    exact = with_network(bare, model)
    np.testing.assert_allclose(exact.slope, parts[-1].slope, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(exact.offset, parts[-1].offset, rtol=1e-9, atol=1e-12)


def test_triangles_fill_the_regions(parts):
    merged = sg.linear_regions(parts[0])
    corners = merged.vertices[merged.region_vertices][triangles(merged)]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    owner = np.repeat(np.arange(merged.n_regions), np.diff(merged.region_offsets))[triangles(merged)]
    assert (owner == owner[:, :1]).all()
    np.testing.assert_allclose(np.bincount(owner[:, 0], area, merged.n_regions), merged.areas, rtol=1e-9)


def test_a_tilt_keeps_its_point_and_turns_by_its_angle():
    first = sg.Slice.around(torch.zeros(9), 1.0)
    planes = Planes.around(first, np.zeros((0, 9)))
    pivot = [0.3, -0.4]
    plane = planes.plane({"anchors": None, "moves": [[*pivot, 0.2, 0.0], [*pivot, 0.0, 0.5]]})
    np.testing.assert_allclose(plane.embed([pivot]), first.embed([pivot]), atol=1e-12)
    np.testing.assert_allclose(plane.basis.T @ plane.basis, np.eye(2), atol=1e-12)
    angles = np.arccos(np.linalg.svd(first.basis.T @ plane.basis)[1].clip(-1, 1))
    np.testing.assert_allclose(np.sort(angles), [0.2, 0.5], atol=1e-7)
    assert planes.plane({"anchors": None, "moves": []}) is first


@pytest.mark.parametrize(("n", "tilts"), [(2, 0), (3, 1), (4, 2), (50, 2)])
def test_a_plane_tilts_where_there_is_room(n, tilts):
    first = sg.Slice.around(np.zeros(n), 1.0)
    planes = Planes.around(first, np.random.default_rng(0).random((20, n)))
    assert planes.n_tilts == tilts
    plane = planes.plane({"anchors": None, "moves": [[0, 0, 0.1, 0.1]]})
    assert (np.abs(first.basis.T @ plane.basis - np.eye(2)).max() > 1e-6) == (tilts > 0)


def test_estimates_of_regions_are_near(square):
    """The guard refuses what is far too large and lets pass what is not."""
    model = mlp(2, 200, 200, 2)
    source = source_of(model, square, max_regions=10**9)
    n = sg.compute_partition(model, square).n_regions
    assert n > 10_000
    assert refused(source_of(model, square, max_regions=4 * n), window=[1, 1]) is None
    assert "max_regions" in refused(source_of(model, square, max_regions=n // 4), window=[1, 1])
    assert refused(source, window=[1, 1]) is None


def test_inputs_are_shown_as_they_are():
    ramp = np.linspace(0, 1, 3 * 64).reshape(1, 3, 8, 8)
    np.testing.assert_array_equal(pixels(ramp, (3, 8, 8))[0, :, :, 1], np.round(255 * ramp[0, 1]))
    assert image_shape((5,)) is None
    assert pixels(-3 * np.ones((1, 64)), (64,)).max() == 0
