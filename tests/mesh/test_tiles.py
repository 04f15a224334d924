"""Tiles refined one by one and stitched are the subdivision refined as a whole."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splinegeo.mesh import Seams, compact_tiles, cut_into_tiles, runs_along_a_curve, side_by_side, stitch

from .lines import TOLERANCE, array, assert_sound, cut, host, square, windows

SQUARE = square(2.0)
SMALL = st.integers(-4, 4)
LINES = st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=8)
reproducible = settings(derandomize=True, deadline=None, max_examples=30)
WAYS = [runs_along_a_curve, lambda mesh, n: compact_tiles(mesh, array([n] * (int(mesh.window.max()) + 1)))]
both_ways = pytest.mark.parametrize("tiles_of", WAYS, ids=["runs", "compact"])


def refined_tiles(mesh, n_tiles, refine_tile, seams, tiles_of=runs_along_a_curve):
    """The refined tiles of a subdivision; a tile may itself come back in tiles."""
    whole = cut_into_tiles(mesh, tiles_of(mesh, n_tiles), seams)
    results = [refine_tile(whole.part(tile, tile + 1)[0]) for tile in range(whole.n_tiles)]
    return [leaf for result in results for leaf in (result if isinstance(result, list) else [result])]


def in_tiles(mesh, n_tiles, refine_tile, tiles_of=runs_along_a_curve):
    seams = Seams()
    return stitch(side_by_side(refined_tiles(mesh, n_tiles, refine_tile, seams, tiles_of)), seams, TOLERANCE.length)


def geometry(mesh):
    """Everything but the numbering: regions and labelled edges as sorted coordinates."""
    points = [tuple(p) for p in mesh.vertices.tolist()]
    vertex, offsets = mesh.loop_vertices().tolist(), mesh.offsets.tolist()
    regions = sorted(sorted(points[v] for v in vertex[a:b]) for a, b in pairwise(offsets))
    labels = zip(mesh.edges.tolist(), mesh.edge_layer.tolist(), mesh.edge_unit.tolist(), strict=True)
    return regions, sorted((sorted((points[a], points[b])), layer, unit) for (a, b), layer, unit in labels)


@both_ways
@reproducible
@given(first=LINES, second=LINES, n_tiles=st.integers(2, 7))
def test_tiles_cut_apart_and_stitched_are_the_whole(tiles_of, first, second, n_tiles):
    whole = cut(windows([SQUARE]), first)
    assert geometry(in_tiles(whole, n_tiles, lambda mesh: mesh, tiles_of)) == geometry(whole)
    refined = in_tiles(whole, n_tiles, lambda mesh: cut(mesh, second, 1), tiles_of)
    assert_sound(refined)
    assert geometry(refined) == geometry(cut(whole, second, 1))


@both_ways
@reproducible
@given(first=LINES, second=LINES, third=LINES)
def test_tiles_of_tiles(tiles_of, first, second, third):
    """A copy of an edge is cut across again on one side, not at all or otherwise on the other."""
    whole, seams = cut(windows([SQUARE]), first), Seams()

    def in_two(mesh, index=[0]):  # noqa: B006 (counts the tiles)
        index[0] += 1
        again = cut(mesh, second, 1)
        if index[0] % 3 == 0:
            return cut(again, third, 2)
        return refined_tiles(again, 1 + index[0] % 3, lambda small: cut(small, third, 2), seams, tiles_of)

    leaves = refined_tiles(whole, 3, in_two, seams, tiles_of)
    refined = stitch(side_by_side(leaves), seams, TOLERANCE.length)
    assert_sound(refined)
    assert geometry(refined) == geometry(cut(cut(whole, second, 1), third, 2))


def test_runs_are_balanced_and_keep_to_windows():
    lines = np.random.default_rng(0).standard_normal((40, 3))
    mesh = cut(windows([SQUARE, square(2.0, 10.0)]), np.concatenate([lines, lines]))
    whole = cut_into_tiles(mesh, runs_along_a_curve(mesh, 4), Seams())
    tiles = [whole.part(tile, tile + 1)[0] for tile in range(whole.n_tiles)]
    sizes = [len(tile.loops) for tile in tiles]
    assert len(sizes) == 4
    assert max(sizes) < 1.1 * min(sizes) + 10
    assert_sound(in_tiles(mesh, 4, lambda tile: tile), n_windows=2)
    assert sum(len(set(tile.window.tolist())) for tile in tiles) <= 5  # one tile at most straddles the two windows


def test_compact_tiles_are_balanced_and_never_leave_their_window():
    lines = np.random.default_rng(0).standard_normal((40, 3))
    mesh = cut(windows([SQUARE, square(2.0, 10.0)]), np.concatenate([lines, lines]))
    tile = host_column(compact_tiles(mesh, array([5, 1])))
    window, corners = host_column(mesh.window), host_column(mesh.sizes())
    assert {int(t): set(window[tile == t].tolist()) for t in np.unique(tile)} == {
        **{t: {0} for t in range(5)},
        5: {1},
    }
    weights = np.bincount(tile, corners)[:5]
    assert weights.max() < 1.2 * weights.min()


def host_column(x):
    return np.asarray(x.cpu() if hasattr(x, "cpu") else x)


@both_ways
def test_more_tiles_than_regions_are_one_region_each(tiles_of):
    mesh = cut(windows([SQUARE]), [(1, 0, 0), (0, 1, 0)])
    whole = cut_into_tiles(mesh, tiles_of(mesh, 100), Seams())
    assert [whole.part(tile, tile + 1)[0].n_regions for tile in range(whole.n_tiles)] == [1, 1, 1, 1]


def in_halves(lines_of_side):
    """A square with a vertical seam in the middle, its left half refined by some lines and its right half by others."""
    mesh, seams = cut(windows([SQUARE]), [(1, 0, 0)]), Seams()
    whole = cut_into_tiles(mesh, runs_along_a_curve(mesh, 2), seams)
    tiles = [whole.part(tile, tile + 1)[0] for tile in (0, 1)]
    refined = [cut(tile, lines_of_side[bool(host(tile).vertices[:, 0].max() > 0)], 1) for tile in tiles]
    return stitch(side_by_side(refined), seams, TOLERANCE.length)


def test_sides_that_decided_differently_get_the_vertices_of_both():
    stitched = in_halves({False: [(0, 1, 1)], True: [(0, 1, -1), (0, 1, 1)]})
    assert_sound(stitched)
    assert (stitched.n_regions, len(stitched.vertices)) == (5, 6 + 2 + 3)
    # The region beside the lonely end has it as a corner of 180 degrees.
    assert sorted(stitched.sizes().tolist()) == [4, 4, 4, 4, 5]


def test_ends_that_rounding_moved_apart_stay_one_vertex():
    stitched = in_halves({False: [(0, 1, -1), (0, 1, 0.5)], True: [(0, 1, -1 - 1e-14), (0, 1, 0.5), (0, 1, 1)]})
    assert_sound(stitched)
    assert int((stitched.vertices[:, 0] == 0).sum()) == 5


@pytest.mark.parametrize("n_tiles", [1, 2])
def test_stitching_gives_back_the_labels_of_the_whole(n_tiles):
    whole = cut(windows([SQUARE]), [(1, 0, 0), (0, 1, 0)], layer=3)
    again = in_tiles(whole, n_tiles, lambda mesh: mesh)
    assert sorted(again.edge_layer.tolist()) == sorted(whole.edge_layer.tolist())
    assert sorted(again.edge_unit.tolist()) == sorted(whole.edge_unit.tolist())
