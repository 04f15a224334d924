"""Refining a window by lines, against counting the lines' arrangement by hand."""

from math import comb

import numpy as np
import pytest

from splinegeo.mesh import as_tensor, dissolve, on_host

from .lines import areas, array, assert_sound, counts, cut, host, refine, square, windows

SQUARE = square(1.0)


def chords_through_the_middle(n, seed=0):
    """n generic lines that all meet pairwise inside the unit square."""
    angle = np.random.default_rng(seed).random(n) * np.pi
    # tangents of a tiny circle meet near it, unless nearly parallel
    return np.stack([np.cos(angle), np.sin(angle), np.full(n, 1e-3)], axis=1)


def through(point, angle):
    """Lines through a point with normals at these angles."""
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([normal, -(normal @ np.asarray(point))[:, None]], axis=1)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 40])
def test_generic_lines_make_one_plus_n_plus_n_choose_two(n):
    mesh = cut(windows([SQUARE]), chords_through_the_middle(n)) if n else windows([SQUARE])
    assert mesh.n_regions == 1 + n + comb(n, 2)
    assert_sound(mesh, area=4)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 30])
def test_concurrent_lines_make_twice_their_number(k):
    mesh = cut(windows([SQUARE]), through((0.1, 0.2), np.arange(k) * np.pi / k + 0.1))
    assert mesh.n_regions == 2 * k
    assert_sound(mesh, area=4)


@pytest.mark.parametrize("point", [(-1.0, -1.0), (0.3, -1.0), (1.0, 0.0)])
def test_lines_through_one_point_of_the_border_make_one_region_more_each(point):
    inward = {(-1.0, -1.0): 0.2, (0.3, -1.0): 0.2, (1.0, 0.0): 1.8}[point]
    direction = inward + np.arange(4) * 0.3  # directions that enter the window
    mesh = cut(windows([SQUARE]), through(point, direction + np.pi / 2))
    assert mesh.n_regions == 5
    assert_sound(mesh, area=4)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (3, 5), (8, 8)])
def test_a_grid_makes_its_cells(a, b):
    vertical = [(1, 0, -x) for x in np.linspace(-0.9, 0.9, a)]
    horizontal = [(0, 1, -y) for y in np.linspace(-0.9, 0.9, b)]
    mesh = cut(windows([SQUARE]), vertical + horizontal)
    assert mesh.n_regions == (a + 1) * (b + 1)
    assert_sound(mesh, area=4)


def test_duplicates_negations_zero_rows_and_borders_add_nothing():
    line = (1.0, 2.0, 0.1)
    extra = [line, tuple(-c for c in line), (0, 0, 0), (0, 0, 1), (1, 0, -1), (0, 1, 1), (1, 1, -2)]
    mesh = cut(windows([SQUARE]), [line, *extra])
    assert mesh.n_regions == 2
    assert counts(mesh) == counts(cut(windows([SQUARE]), [line]))


def test_coinciding_units_label_the_edge_with_the_lowest():
    mesh = host(cut(windows([SQUARE]), [(0, 0, 1), (0, 1, 0), (0, -2, 0), (1, 0, 0)]))
    assert set(mesh.edge_unit[mesh.edge_layer == 0].tolist()) == {1, 3}


def test_many_layers_are_one_arrangement():
    lines = chords_through_the_middle(12)
    at_once = cut(windows([SQUARE]), lines)
    mesh = windows([SQUARE])
    for k, line in enumerate(lines):
        mesh = cut(mesh, line[None], layer=k)
    assert counts(mesh) == counts(at_once)
    np.testing.assert_allclose(areas(mesh), areas(at_once), rtol=1e-7, atol=1e-14)


def test_refining_again_by_the_same_lines_changes_nothing():
    lines = chords_through_the_middle(9)
    once = cut(windows([SQUARE]), lines)
    assert counts(cut(once, lines, layer=1)) == counts(once)


def test_many_windows_are_each_window_by_itself():
    polygons = [SQUARE, SQUARE * 0.5 + 0.1, SQUARE[:3] * 0.7]
    lines = chords_through_the_middle(8)
    together = cut(windows(polygons), lines)
    alone = [cut(windows([p]), lines).n_regions for p in polygons]
    assert np.bincount(on_host(together.window)).tolist() == alone
    assert_sound(together, n_windows=3, area=4 + 1 + 0.98)


def test_carried_values_are_affine_and_zero_where_they_should_be():
    lines = chords_through_the_middle(6)
    mesh = windows([SQUARE])
    result = refine(mesh, lines)
    field = array([[0.3, -2.0], [1.0, 0.5]])
    carried = result.carry(as_tensor(mesh.vertices @ field + 1.0)).numpy()
    refined = host(result.mesh)
    np.testing.assert_allclose(carried, refined.vertices @ on_host(field) + 1.0, atol=1e-14)
    own = lines[on_host(result.zero_event)]
    z = (refined.vertices[on_host(result.zero_vertex)] * own[:, :2]).sum(1) + own[:, 2]
    assert abs(z).max() < 1e-12


def test_dissolving_a_layer_restores_the_subdivision_before_it():
    first = cut(windows([SQUARE]), chords_through_the_middle(7))
    second = cut(first, chords_through_the_middle(9, seed=1), layer=1)
    restored = dissolve(second, second.edge_layer == 1, len(first.vertices)).mesh
    assert counts(restored) == counts(first)
    np.testing.assert_allclose(areas(restored), areas(first), rtol=1e-12)
    assert_sound(restored, area=4)


def test_corners_survive_dissolving():
    first = windows([SQUARE])
    second = cut(first, chords_through_the_middle(5))
    restored = dissolve(second, second.edge_layer == 0, 4).mesh
    assert counts(restored) == (4, 4, 1)


def pencil(seed):
    """Lines through one point but for rounding, as nearly parallel as a billionth; how many there are."""
    rng = np.random.default_rng(seed)
    angle = rng.random(3 + seed % 40) * 10.0 ** -(seed % 9)
    if seed % 2:
        angle[::3] = rng.random(len(angle[::3])) * np.pi
    return through(rng.random(2) - 0.5, angle)


@pytest.mark.parametrize("seed", range(80))
def test_a_pencil_of_nearly_parallel_lines_is_a_sound_subdivision(seed):
    """Rounding scatters their crossings far beyond the tolerance; they may then be one or many, but never none."""
    lines = pencil(seed)
    mesh = cut(windows([SQUARE]), lines)
    assert len(lines) < mesh.n_regions <= 1 + len(lines) + comb(len(lines), 2)
    assert_topologically_sound(mesh)


def assert_topologically_sound(mesh):
    """Slivers between nearly parallel lines may have no area that floating point could tell from zero."""
    v, e, f = counts(mesh)
    assert v - e + f == 1
    assert areas(mesh).sum() == pytest.approx(4)
    mesh = host(mesh)
    sides = np.bincount(mesh.loops, minlength=2 * len(mesh.edges)).reshape(-1, 2).sum(1)
    np.testing.assert_array_equal(sides, np.where(mesh.edge_layer < 0, 1, 2))


@pytest.mark.parametrize("n", [3, 10, 40])
def test_lines_through_one_point_but_for_rounding_make_two_regions_each(n):
    for seed in range(20):
        lines = through((0.3, -0.2), np.random.default_rng(seed).random(n) * np.pi)
        assert cut(windows([SQUARE]), lines).n_regions == 2 * n


def test_two_lines_meet_once_however_parallel():
    mesh = cut(windows([SQUARE]), [(0, 1, 0), (-1e-5, 1, -1e-15), (1, 0, 0)])
    assert_sound(mesh, area=4)
    assert mesh.n_regions == 6
