"""Tiles refined one by one and stitched are the subdivision refined as a whole."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splinegeo.mesh import cut_into_tiles
from splinegeo.mesh.seams import Seam, match

from .lines import TOLERANCE, array, assert_sound, cut, host, square, windows

SQUARE = square(2.0)
SMALL = st.integers(-4, 4)
LINES = st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=8)
reproducible = settings(derandomize=True, deadline=None, max_examples=30)


def in_tiles(mesh, n_tiles, refine_tile):
    tiling = cut_into_tiles(mesh, n_tiles)
    return tiling.stitch([refine_tile(tile.mesh) for tile in tiling.tiles], TOLERANCE.length)


def geometry(mesh):
    """Everything but the numbering: regions and labelled edges as sorted coordinates."""
    points = [tuple(p) for p in mesh.vertices.tolist()]
    vertex, offsets = mesh.loop_vertices().tolist(), mesh.offsets.tolist()
    regions = sorted(sorted(points[v] for v in vertex[a:b]) for a, b in pairwise(offsets))
    labels = zip(mesh.edges.tolist(), mesh.edge_layer.tolist(), mesh.edge_unit.tolist(), strict=True)
    return regions, sorted((sorted((points[a], points[b])), layer, unit) for (a, b), layer, unit in labels)


@reproducible
@given(LINES, LINES, st.integers(2, 7))
def test_tiles_cut_apart_and_stitched_are_the_whole(first, second, n_tiles):
    whole = cut(windows([SQUARE]), first)
    assert geometry(in_tiles(whole, n_tiles, lambda mesh: mesh)) == geometry(whole)
    refined = in_tiles(whole, n_tiles, lambda mesh: cut(mesh, second, 1))
    assert_sound(refined)
    assert geometry(refined) == geometry(cut(whole, second, 1))


@reproducible
@given(LINES, LINES, LINES)
def test_tiles_of_tiles(first, second, third):
    whole = cut(windows([SQUARE]), first)
    refined = in_tiles(whole, 3, lambda mesh: in_tiles(cut(mesh, second, 1), 2, lambda small: cut(small, third, 2)))
    assert_sound(refined)
    assert geometry(refined) == geometry(cut(cut(whole, second, 1), third, 2))


def test_tiles_are_balanced_and_keep_to_windows():
    lines = np.random.default_rng(0).standard_normal((40, 3))
    mesh = cut(windows([SQUARE, square(2.0, 10.0)]), np.concatenate([lines, lines]))
    tiling = cut_into_tiles(mesh, 4)
    sizes = [len(tile.mesh.loops) for tile in tiling.tiles]
    assert len(sizes) == 4
    assert max(sizes) < 1.1 * min(sizes) + 10
    assert_sound(in_tiles(mesh, 4, lambda tile: tile), n_windows=2)
    windows_of = [set(tile.mesh.window.tolist()) for tile in tiling.tiles]
    assert sum(len(w) for w in windows_of) <= 5  # one tile at most straddles the two windows


def test_more_tiles_than_regions_are_one_region_each():
    mesh = cut(windows([SQUARE]), [(1, 0, 0), (0, 1, 0)])
    tiling = cut_into_tiles(mesh, 100)
    assert [tile.mesh.n_regions for tile in tiling.tiles] == [1, 1, 1, 1]


def test_sides_that_decided_differently_get_the_vertices_of_both():
    # A vertical seam between two halves; the left one is cut by two levels, the right one by one of them only.
    mesh = cut(windows([SQUARE]), [(1, 0, 0)])
    tiling = cut_into_tiles(mesh, 2)
    left = int(tiling.tiles[0].mesh.vertices[:, 0].max() > 0)
    lines = {left: [(0, 1, -1), (0, 1, 1)], 1 - left: [(0, 1, 1)]}
    refined = [cut(tile.mesh, lines[i], 1) for i, tile in enumerate(tiling.tiles)]
    stitched = tiling.stitch(refined, TOLERANCE.length)
    assert_sound(stitched)
    assert (stitched.n_regions, len(stitched.vertices)) == (5, 6 + 2 + 3)
    # The region beside the lonely end has it as a corner of 180 degrees.
    assert sorted(stitched.sizes().tolist()) == [4, 4, 4, 4, 5]


def test_ends_that_rounding_moved_apart_stay_one_vertex():
    mesh = cut(windows([SQUARE]), [(1, 0, 0)])
    tiling = cut_into_tiles(mesh, 2)
    lines = [[(0, 1, -1), (0, 1, 0.5)], [(0, 1, -1 - 1e-14), (0, 1, 0.5), (0, 1, 1)]]
    refined = [cut(tile.mesh, some, 1) for tile, some in zip(tiling.tiles, lines, strict=True)]
    stitched = tiling.stitch(refined, TOLERANCE.length)
    assert_sound(stitched)
    on_seam = stitched.vertices[:, 0] == 0
    assert int(on_seam.sum()) == 5


def test_pieces_are_traced_from_the_first_end_to_the_second():
    mesh = cut(windows([SQUARE]), [(0, 1, level / 10) for level in (3, -5, 11, 0)])
    side = np.flatnonzero((host(mesh).vertices[host(mesh).edges][:, :, 0] == 2).all(axis=1))
    shuffled = array(side[[3, 0, 4, 1, 2]])
    ends = array([[1, 2]] * 5)  # the window's right border
    seam = Seam.trace(mesh, shuffled, array([0] * 5), ends)
    heights = mesh.vertices[mesh.edges[seam.piece]][:, :, 1].tolist()
    assert heights[0][0] == -2
    assert [low for low, _ in heights[1:]] == [high for _, high in heights[:-1]]
    assert match([mesh, mesh], [seam, seam], array(np.zeros((1, 2, 2))), 1e-9)[0][0] is mesh


@pytest.mark.parametrize("n_tiles", [1, 2])
def test_a_tiling_leaves_the_labels_of_the_whole(n_tiles):
    whole = cut(windows([SQUARE]), [(1, 0, 0), (0, 1, 0)], layer=3)
    again = in_tiles(whole, n_tiles, lambda mesh: replace(mesh))
    assert sorted(again.edge_layer.tolist()) == sorted(whole.edge_layer.tolist())
    assert sorted(again.edge_unit.tolist()) == sorted(whole.edge_unit.tolist())
