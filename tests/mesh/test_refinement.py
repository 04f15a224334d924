"""Refining a window by lines, against counting the lines' arrangement by hand."""

from math import comb

import pytest
import torch

from splinegeo.mesh import BORDER, decide_signs, dissolve, refine, windows
from splinegeo.tolerance import Tolerance

TOLERANCE = Tolerance.of(torch.float64)
SQUARE = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)


def cut(mesh, lines, layer=0):
    """Refine by lines (m, 3): ``a x + b y + c = 0``."""
    lines = torch.as_tensor(lines, dtype=torch.float64)
    z = mesh.vertices @ lines[:, :2].T + lines[:, 2]
    events = decide_signs(z, TOLERANCE.value * lines.abs().sum(1))
    return refine(mesh, events, torch.arange(len(lines)), layer, TOLERANCE.length)


def counts(mesh):
    return len(mesh.vertices), len(mesh.edges), mesh.n_regions


def areas(mesh):
    p = mesh.vertices[mesh.loop_vertices()]
    q = p[mesh.next_slot()]
    cross = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    return torch.zeros(mesh.n_regions, dtype=p.dtype).index_add_(0, mesh.loop_regions(), cross / 2)


def assert_sound(mesh, n_windows=1, area=4.0):
    v, e, f = counts(mesh)
    assert v - e + f == n_windows
    assert (areas(mesh) > 0).all()
    assert areas(mesh).sum() == pytest.approx(area)
    regions = mesh.edge_regions()
    inner = mesh.edge_layer != BORDER
    assert (regions[inner] >= 0).all()
    assert ((regions[~inner] >= 0).sum(1) == 1).all()


def chords_through_the_middle(n, seed=0):
    """n generic lines that all meet pairwise inside the unit square."""
    generator = torch.Generator().manual_seed(seed)
    angle = torch.rand(n, generator=generator, dtype=torch.float64) * torch.pi
    # tangents of a tiny circle meet near it, unless nearly parallel
    return torch.stack([angle.cos(), angle.sin(), torch.full_like(angle, 1e-3)], dim=1)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 40])
def test_generic_lines_make_one_plus_n_plus_n_choose_two(n):
    mesh = cut(windows([SQUARE]), chords_through_the_middle(n)).mesh if n else windows([SQUARE])
    assert mesh.n_regions == 1 + n + comb(n, 2)
    assert_sound(mesh)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 30])
def test_concurrent_lines_make_twice_their_number(k):
    angle = torch.arange(k, dtype=torch.float64) * torch.pi / k + 0.1
    lines = torch.stack([angle.cos(), angle.sin(), -0.1 * angle.cos() - 0.2 * angle.sin()], dim=1)
    mesh = cut(windows([SQUARE]), lines).mesh
    assert mesh.n_regions == 2 * k
    assert_sound(mesh)


@pytest.mark.parametrize("point", [(-1.0, -1.0), (0.3, -1.0), (1.0, 0.0)])
def test_lines_through_one_point_of_the_border_make_one_region_more_each(point):
    inward = {(-1.0, -1.0): 0.2, (0.3, -1.0): 0.2, (1.0, 0.0): 1.8}[point]
    angle = inward + torch.arange(4, dtype=torch.float64) * 0.3  # directions that enter the window
    normal = torch.stack([-angle.sin(), angle.cos()], dim=1)
    lines = torch.cat([normal, -(normal @ torch.tensor(point, dtype=normal.dtype))[:, None]], dim=1)
    mesh = cut(windows([SQUARE]), lines).mesh
    assert mesh.n_regions == 5
    assert_sound(mesh)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (3, 5), (8, 8)])
def test_a_grid_makes_its_cells(a, b):
    vertical = [(1, 0, -x) for x in torch.linspace(-0.9, 0.9, a).tolist()]
    horizontal = [(0, 1, -y) for y in torch.linspace(-0.9, 0.9, b).tolist()]
    mesh = cut(windows([SQUARE]), vertical + horizontal).mesh
    assert mesh.n_regions == (a + 1) * (b + 1)
    assert_sound(mesh)


def test_duplicates_negations_zero_rows_and_borders_add_nothing():
    line = (1.0, 2.0, 0.1)
    extra = [line, tuple(-c for c in line), (0, 0, 0), (0, 0, 1), (1, 0, -1), (0, 1, 1), (1, 1, -2)]
    mesh = cut(windows([SQUARE]), [line, *extra]).mesh
    assert mesh.n_regions == 2
    assert counts(mesh) == counts(cut(windows([SQUARE]), [line]).mesh)


def test_coinciding_units_label_the_edge_with_the_lowest():
    mesh = cut(windows([SQUARE]), [(0, 0, 1), (0, 1, 0), (0, -2, 0), (1, 0, 0)]).mesh
    assert set(mesh.edge_unit[mesh.edge_layer == 0].tolist()) == {1, 3}


def test_many_layers_are_one_arrangement():
    lines = chords_through_the_middle(12)
    at_once = cut(windows([SQUARE]), lines).mesh
    mesh = windows([SQUARE])
    for k, line in enumerate(lines):
        mesh = cut(mesh, line[None], layer=k).mesh
    assert counts(mesh) == counts(at_once)
    torch.testing.assert_close(areas(mesh).sort().values, areas(at_once).sort().values)


def test_refining_again_by_the_same_lines_changes_nothing():
    lines = chords_through_the_middle(9)
    once = cut(windows([SQUARE]), lines).mesh
    assert counts(cut(once, lines, layer=1).mesh) == counts(once)


def test_many_windows_are_each_window_by_itself():
    polygons = [SQUARE, SQUARE * 0.5 + 0.1, SQUARE[:3] * 0.7]
    lines = chords_through_the_middle(8)
    together = cut(windows(polygons), lines).mesh
    alone = [cut(windows([p]), lines).mesh.n_regions for p in polygons]
    assert torch.bincount(together.window).tolist() == alone
    assert_sound(together, n_windows=3, area=4 + 1 + 0.98)


def test_carried_values_are_affine_and_zero_where_they_should_be():
    lines = chords_through_the_middle(6)
    mesh = windows([SQUARE])
    result = cut(mesh, lines)
    field = torch.tensor([[0.3, -2.0], [1.0, 0.5]], dtype=torch.float64)
    carried = result.carry(mesh.vertices @ field + 1.0)
    torch.testing.assert_close(carried, result.mesh.vertices @ field + 1.0)
    z = result.mesh.vertices[result.zero_vertex] * lines[result.zero_event, :2]
    assert (z.sum(1) + lines[result.zero_event, 2]).abs().max() < 1e-12


def test_dissolving_a_layer_restores_the_subdivision_before_it():
    first = cut(windows([SQUARE]), chords_through_the_middle(7)).mesh
    second = cut(first, chords_through_the_middle(9, seed=1), layer=1).mesh
    restored = dissolve(second, second.edge_layer == 1, len(first.vertices)).mesh
    assert counts(restored) == counts(first)
    torch.testing.assert_close(areas(restored).sort().values, areas(first).sort().values)
    assert_sound(restored)


def test_corners_survive_dissolving():
    first = windows([SQUARE])
    second = cut(first, chords_through_the_middle(5)).mesh
    restored = dissolve(second, second.edge_layer == 0, 4).mesh
    assert counts(restored) == (4, 4, 1)


def pencil(seed):
    """Lines through one point but for rounding, as nearly parallel as a billionth; how many there are."""
    generator = torch.Generator().manual_seed(seed)
    n = 3 + seed % 40
    angle = torch.rand(n, generator=generator, dtype=torch.float64) * 10.0 ** -(seed % 9)
    if seed % 2:
        angle[::3] = torch.rand(len(angle[::3]), generator=generator, dtype=torch.float64) * torch.pi
    normal = torch.stack([angle.cos(), angle.sin()], dim=1)
    centre = torch.rand(2, generator=generator, dtype=torch.float64) - 0.5
    return torch.cat([normal, -(normal @ centre)[:, None]], dim=1)


@pytest.mark.parametrize("seed", range(80))
def test_a_pencil_of_nearly_parallel_lines_is_a_sound_subdivision(seed):
    """Rounding scatters their crossings far beyond the tolerance; they may then be one or many, but never none."""
    lines = pencil(seed)
    mesh = cut(windows([SQUARE]), lines).mesh
    assert len(lines) < mesh.n_regions <= 1 + len(lines) + comb(len(lines), 2)
    assert len(mesh.vertices) - len(mesh.edges) + mesh.n_regions == 1
    assert areas(mesh).sum() == pytest.approx(4)
    sides = torch.bincount(mesh.loops, minlength=2 * len(mesh.edges)).reshape(-1, 2).sum(1)
    assert torch.equal(sides, torch.where(mesh.edge_layer == BORDER, 1, 2))


@pytest.mark.parametrize("n", [3, 10, 40])
def test_lines_through_one_point_but_for_rounding_make_two_regions_each(n):
    for seed in range(20):
        angle = torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * torch.pi
        normal = torch.stack([angle.cos(), angle.sin()], dim=1)
        lines = torch.cat([normal, -(normal @ torch.tensor([0.3, -0.2], dtype=torch.float64))[:, None]], dim=1)
        assert cut(windows([SQUARE]), lines).mesh.n_regions == 2 * n


def test_two_lines_meet_once_however_parallel():
    mesh = cut(windows([SQUARE]), [(0, 1, 0), (-1e-5, 1, -1e-15), (1, 0, 0)]).mesh
    assert_sound(mesh)
    assert mesh.n_regions == 6
